// What AWS SDK v3 makes of a record: types by path, and how numbers show. Arguments: a record, one with spilled results,
// one that was rejected.

import { createRequire } from 'node:module';

// The clients' own packages, at their pinned versions.
const require = createRequire(new URL('../../examples/clients/typescript/', import.meta.url));
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { GetObjectCommand, S3Client } = require('@aws-sdk/client-s3');
const { BatchGetCommand, DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb');

const TABLE = process.env.NEARLINE_RESULTS_TABLE;
const dynamodb = new DynamoDBClient();
const s3 = new S3Client();

/** The type of each value; of a list that of its first element. */
function types(value, path = '') {
  if (Array.isArray(value)) return { [path]: 'Array', ...(value.length ? types(value[0], `${path}[]`) : {}) };
  if (value?.constructor !== Object) return { [path]: typeof value === 'object' ? value.constructor.name : typeof value };
  const inner = Object.entries(value).map(([name, value]) => types(value, path ? `${path}.${name}` : name));
  return Object.assign({ [path]: 'object' }, ...inner);
}

function refusal(act) {
  try {
    act();
  } catch (error) {
    return error.message;
  }
  return 'nothing';
}

async function read(unmarshallOptions) {
  const client = DynamoDBDocumentClient.from(dynamodb, { unmarshallOptions });
  const Keys = process.argv.slice(2).map(request_id => ({ request_id }));
  const { Responses } = await client.send(new BatchGetCommand({ RequestItems: { [TABLE]: { Keys } } }));
  return process.argv.slice(2).map(id => Responses[TABLE].find(record => record.request_id === id));
}

async function results(record) {
  if (!record.results_uri) return record.results;
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(record.results_uri);
  return JSON.parse(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString());
}

const first = async record => (await results(record)).find(group => group.category === 'readings').matches[0];

function numbers(match) {
  const values = Object.entries({ score: match.score, ...match.attributes });
  const shown = values.map(([name, value]) => [name, typeof value === 'bigint' ? `${value}n` : value?.value ?? value]);
  return Object.fromEntries(shown.filter(([name]) => name in NAMES).map(([name, value]) => [name, String(value)]));
}

const [texts] = await read({ wrapNumbers: text => ({ value: text }) });
const NAMES = { score: 0, ...(await first(texts)).attributes };
for (const [name, value] of Object.entries(NAMES)) if (value.constructor !== Object && name !== 'score') delete NAMES[name];

const [inline, spilled, rejected] = await read({});
const [wrapped] = await read({ wrapNumbers: true });
const match = await first(inline);
console.log(JSON.stringify({
  types: { ...types(inline), ...types(rejected), ...types(spilled), ...types(match.attributes, 'results[].matches[].attributes') },
  texts: numbers(await first(texts)),
  numbers: numbers(match),
  spilled: numbers(await first(spilled)),
  wrapped: types((await first(wrapped)).score)[''],
  'JSON.stringify(record)': refusal(() => JSON.stringify(inline)),
  'beyond * 2': refusal(() => match.attributes.beyond * 2),
}));
