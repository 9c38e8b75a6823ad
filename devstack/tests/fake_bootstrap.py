#!/usr/bin/env python3
"""A function for the tests: polls the Runtime API with as many threads as it is allowed, and does what the event says.

A direct event is an instruction itself; in a batch, the first message whose body is one. Instructions: {"sleep": S},
{"respond": TEXT}, {"respond_bytes": N}, {"error": TEXT}, {"exit": CODE}, {"environment": NAME}; a message {"fail": true} is listed as
failed, {"fail_once": true} only when it comes for the first time. FAKE_LOG names a file for a line before and after
each event; with FAKE_STARTS_ONCE, another file, only the first process starts.
"""

import http.client
import json
import os
import threading
import time

HOST = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/invocation/"


def log(phase, request_id, event):
    if "FAKE_LOG" in os.environ:
        line = json.dumps({"phase": phase, "request_id": request_id, "event": event}) + "\n"
        descriptor = os.open(os.environ["FAKE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def handle(event, headers):
    records = event.get("Records", [])
    bodies = [json.loads(record["body"]) for record in records]
    instruction = next((body for body in bodies if body), {}) if records else event
    time.sleep(instruction.get("sleep", 0))
    if "exit" in instruction:
        os._exit(instruction["exit"])
    if "error" in instruction:
        return "error", json.dumps({"errorType": "Fake", "errorMessage": instruction["error"]})
    if "respond" in instruction:
        return "response", instruction["respond"]
    if "respond_bytes" in instruction:
        return "response", json.dumps("x" * instruction["respond_bytes"])
    if "environment" in instruction:
        return "response", json.dumps(os.environ.get(instruction["environment"]))
    if not records:
        return "response", json.dumps({"event": event, "headers": {k.lower(): v for k, v in headers.items()}})
    failed = [
        {"itemIdentifier": record["messageId"]}
        for record, body in zip(records, bodies)
        if body.get("fail") or (body.get("fail_once") and record["attributes"]["ApproximateReceiveCount"] == "1")
    ]
    return "response", json.dumps({"batchItemFailures": failed})


def work():
    try:
        serve()
    except (ConnectionError, http.client.HTTPException, json.JSONDecodeError):
        os._exit(1)  # Lambda is gone.


def serve():
    connection = http.client.HTTPConnection(HOST)
    while True:
        connection.request("GET", PREFIX + "next")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            return  # And with it a slot: what a test of faults wants to see.
        event = json.loads(body)
        request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        log("start", request_id, event)
        kind, body = handle(event, answer.headers)
        log("end", request_id, event)
        connection.request("POST", PREFIX + request_id + "/" + kind, body.encode())
        connection.getresponse().read()


if "FAKE_STARTS_ONCE" in os.environ:
    try:
        open(os.environ["FAKE_STARTS_ONCE"], "x").close()
    except FileExistsError:
        os._exit(4)

threads = [threading.Thread(target=work) for _ in range(int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]))]
for thread in threads:
    thread.start()
