// Sends a search job for each line of standard input; prints the request ids for reader.js.
//
//     npx tsc && node dist/producer.js RUN <queries.txt

import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const sqs = new SQSClient({ maxAttempts: 5 });

/** As SQS takes them: at most 10 messages and 1 MiB of UTF-8 in a call. */
function* batches(bodies: string[]) {
  let batch: string[] = [], size = 0;
  for (const body of bodies) {
    const length = Buffer.byteLength(body);
    if (batch.length && (batch.length === 10 || size + length > 1_048_576)) {
      yield batch;
      batch = [], size = 0;
    }
    batch.push(body), size += length;
  }
  if (batch.length) yield batch;
}

/** Sends jobs; returns those that were not sent, by request id, with the reason. Sending all again is safe. */
async function enqueue(jobs: object[]) {
  const unsent = new Map<string, string>();
  const idOf = (body: string): string => JSON.parse(body).request_id;
  for (let batch of batches(jobs.map(job => JSON.stringify(job)))) {
    for (let attempt = 0; batch.length && attempt < 5; attempt++) {
      if (attempt) await sleep((0.5 + Math.random() / 2) * 100 * 2 ** attempt);
      const Entries = batch.map((body, index) => ({ Id: String(index), MessageBody: body }));
      const { Failed = [] } = await sqs.send(
        new SendMessageBatchCommand({ QueueUrl: process.env.NEARLINE_QUEUE_URL, Entries }));
      const failed = Failed.map(entry => ({ ...entry, body: batch[Number(entry.Id)]! }));
      for (const { SenderFault, Code, body } of failed) if (SenderFault) unsent.set(idOf(body), Code!);
      batch = failed.filter(entry => !entry.SenderFault).map(entry => entry.body);
    }
    for (const body of batch) unsent.set(idOf(body), 'still failing after 5 attempts');
  }
  return unsent;
}

const run = process.argv[2];
const lines = (await text(process.stdin)).replace(/\n$/, '').split('\n');
const jobs = lines.map((query, index) => (
  { request_id: `${run}-${index + 1}`, query: query.trim(), top_k: 3, group_by: 'none', return: ['title'] }));
const unsent = await enqueue(jobs);
for (const [id, reason] of unsent) console.error(`${id} was not sent: ${reason}`);
console.log(jobs.map(job => job.request_id).filter(id => !unsent.has(id)).join('\n'));
process.exitCode = Number(unsent.size > 0);
