// Waits for the records of the request ids on standard input, at most SECONDS (60); prints the best match of each.
//
//     node dist/producer.js RUN <queries.txt | node dist/reader.js [SECONDS]

import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { BatchGetCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const TABLE = process.env.NEARLINE_RESULTS_TABLE!;
const dynamodb = DynamoDBDocumentClient.from(new DynamoDBClient());
const s3 = new S3Client();

// An attribute that is a number is a bigint if it is beyond 2^53: JSON.stringify refuses those.
type Attribute = string | boolean | number | bigint | (string | number | bigint)[];
type Match = { product_id: string; score: number; category?: string; title?: string; attributes?: Record<string, Attribute> };
type Group = { category?: string; matches: Match[] };
type Answer = { status: 'SUCCEEDED'; results?: Group[]; results_uri?: string };
type Rejection = { status: 'REJECTED'; error: { code: string; message: string; retryable: boolean } };
type Result = { request_id: string; expires_at: number; catalog_version: string } & (Answer | Rejection);

/** Records by request id, and the ids that have none in time. */
async function wait(ids: string[], seconds: number) {
  const records = new Map<string, Result>();
  const deadline = Date.now() + seconds * 1000;
  let missing = [...new Set(ids)]; // BatchGetItem refuses a key that appears twice
  for (let pause = 100, last = false; missing.length && !last; pause = Math.min(2 * pause, 2000)) {
    const left = Math.max(0, deadline - Date.now());
    last = left <= pause;
    await sleep(last ? left : (0.5 + Math.random() / 2) * pause);
    for (let start = 0; start < missing.length; start += 100) {
      let keys: Record<string, unknown>[] = missing.slice(start, start + 100).map(id => ({ request_id: id }));
      while (keys.length) {
        // What one look misses the next one finds: only the last one has to be consistent, at twice the price.
        const { Responses, UnprocessedKeys } = await dynamodb.send(
          new BatchGetCommand({ RequestItems: { [TABLE]: { Keys: keys, ConsistentRead: last } } }));
        for (const item of Responses?.[TABLE] ?? []) records.set(item.request_id, item as Result);
        const leftOver = UnprocessedKeys?.[TABLE]?.Keys ?? [];
        if (leftOver.length === keys.length) break; // the table is throttled: at the next look
        keys = leftOver; // an answer has at most 16 MB: the rest is there for the asking
      }
    }
    missing = missing.filter(id => !(records.get(id)?.expires_at! >= Date.now() / 1000));
  }
  return { records, missing };
}

/** The groups of an answer, also if they were too large for its record. */
async function results(answer: Answer): Promise<Group[]> {
  if (!answer.results_uri) return answer.results!;
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(answer.results_uri)!;
  const body = await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToByteArray();
  if (!Key!.endsWith(`/${createHash('sha256').update(body).digest('hex')}.json`)) {
    throw new Error(`${answer.results_uri} is not what the worker wrote`);
  }
  return JSON.parse(new TextDecoder().decode(body));
}

const ids = (await text(process.stdin)).split(/\s+/).filter(Boolean);
const { records, missing } = await wait(ids, Number(process.argv[2] ?? 60));
for (const [id, record] of [...records].sort()) {
  if (record.status === 'REJECTED') {
    const { code, message, retryable } = record.error;
    console.log(`${id}: ${code} (${retryable ? 'send it again once a newer catalog is published' : 'change the job'}): ${message}`);
    continue;
  }
  const matches = (await results(record)).flatMap(group => group.matches).sort((a, b) => b.score - a.score);
  console.log([`${id}: ${matches.length} matches`, ...matches.slice(0, 1).map(best => `best ${best.score} ${best.title}`)].join(', '));
}
for (const id of missing) console.error(`${id}: no record yet; is there a dead letter?`);
process.exitCode = Number(missing.length > 0);
