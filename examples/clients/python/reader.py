"""Waits for the records of the request ids on standard input, at most SECONDS (60); prints the best match of each.

    python producer.py RUN <queries.txt | python reader.py [SECONDS]
"""

import hashlib
import json
import os
import random
import sys
import time
from decimal import Decimal

import boto3

TABLE = os.environ["NEARLINE_RESULTS_TABLE"]
dynamodb = boto3.resource("dynamodb")
s3 = boto3.client("s3")


def wait(ids, seconds):
    """Records by request id, and the ids that have none in time."""
    records, missing = {}, list(dict.fromkeys(ids))  # BatchGetItem refuses a key that appears twice
    pause, deadline, last = 0.1, time.monotonic() + seconds, False
    while missing and not last:
        left = max(0, deadline - time.monotonic())
        last = left <= pause
        time.sleep(left if last else random.uniform(pause / 2, pause))
        pause = min(2 * pause, 2)
        for start in range(0, len(missing), 100):
            keys = [{"request_id": id} for id in missing[start : start + 100]]
            while keys:
                # What one look misses the next one finds: only the last one has to be consistent, at twice the price.
                answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys, "ConsistentRead": last}})
                records |= {item["request_id"]: item for item in answer["Responses"].get(TABLE, [])}
                left_over = answer.get("UnprocessedKeys", {}).get(TABLE, {}).get("Keys", [])
                if len(left_over) == len(keys):
                    break  # the table is throttled: at the next look
                keys = left_over  # an answer has at most 16 MB: the rest is there for the asking
        missing = [id for id in missing if id not in records or records[id]["expires_at"] < time.time()]
    return records, missing


def results(record):
    """The groups of a record, also if they were too large for it."""
    if "results_uri" not in record:
        return record["results"]
    bucket, key = record["results_uri"].removeprefix("s3://").split("/", 1)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if key.rpartition("/")[2] != f"{hashlib.sha256(body).hexdigest()}.json":
        raise ValueError(f"{record['results_uri']} is not what the worker wrote")
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)  # the types that boto3 reads from an item


if __name__ == "__main__":
    records, missing = wait(sys.stdin.read().split(), float(sys.argv[1]) if sys.argv[1:] else 60)
    for id, record in sorted(records.items()):
        if record["status"] == "REJECTED":
            error = record["error"]
            hint = "send it again once a newer catalog is published" if error["retryable"] else "change the job"
            print(f"{id}: {error['code']} ({hint}): {error['message']}")
            continue
        matches = [match for group in results(record) for match in group["matches"]]
        best = max(matches, key=lambda match: match["score"], default=None)
        print(f"{id}: {len(matches)} matches", *([f"best {best['score']} {best['title']}"] if best else []), sep=", ")
    for id in missing:
        print(f"{id}: no record yet; is there a dead letter?", file=sys.stderr)
    sys.exit(bool(missing))
