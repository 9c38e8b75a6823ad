"""Sends a search job for each line of standard input; prints the request ids for reader.py.

    python producer.py RUN <queries.txt
"""

import json
import os
import random
import sys
import time

import boto3
from botocore.config import Config

QUEUE = os.environ["NEARLINE_QUEUE_URL"]
sqs = boto3.client("sqs", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def batches(bodies):
    """As SQS takes them: at most 10 messages and 1 MiB of UTF-8 in a call."""
    batch, size = [], 0
    for body in bodies:
        length = len(body.encode())
        if batch and (len(batch) == 10 or size + length > 1_048_576):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch


def enqueue(jobs):
    """Sends jobs; returns those that were not sent, by request id, with the reason. Sending all again is safe."""
    unsent = {}
    id_of = lambda body: json.loads(body)["request_id"]
    for batch in batches(json.dumps(job, ensure_ascii=False) for job in jobs):
        for attempt in range(5):
            entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(batch)]
            failed = sqs.send_message_batch(QueueUrl=QUEUE, Entries=entries).get("Failed", [])
            unsent |= {id_of(batch[int(entry["Id"])]): entry["Code"] for entry in failed if entry["SenderFault"]}
            batch = [batch[int(entry["Id"])] for entry in failed if not entry["SenderFault"]]
            if not batch:
                break
            time.sleep(random.uniform(0.5, 1) * 0.1 * 2**attempt)
        unsent |= {id_of(body): "still failing after 5 attempts" for body in batch}
    return unsent


if __name__ == "__main__":
    run = sys.argv[1]
    jobs = [
        {"request_id": f"{run}-{number}", "query": line.strip(), "top_k": 3, "group_by": "none", "return": ["title"]}
        for number, line in enumerate(sys.stdin, start=1)
    ]
    unsent = enqueue(jobs)
    for id, reason in unsent.items():
        print(f"{id} was not sent: {reason}", file=sys.stderr)
    print("\n".join(job["request_id"] for job in jobs if job["request_id"] not in unsent))
    sys.exit(bool(unsent))
