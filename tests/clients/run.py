"""Shows that the clients of examples/clients/ work, and what the libraries make of a record.

Each producer sends the same queries through a proxy that lets entries fail, each reader waits for the records through one
that leaves keys unprocessed; all must print the same, and it must be what `nearline result get` prints. Then each library
reads records with every kind of value, and the tables of docs/reading-records.md must be what came of it; UPDATE_DOCS=1
writes them anew.
Exit code 0: all of it held. 1: some did not. 2: wrong usage.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import page

ROOT = pathlib.Path(__file__).parents[2]
CLIENTS = ROOT / "examples/clients"
PRODUCTS = 300
QUERIES = [f"{thing} {number}" for number in range(8) for thing in ("wireless headphones", "rain jacket", "oak desk")]
REJECTED = ["x" * 8_193, " "]
"""Each longer than a query may be, or blank: a record says so."""
FAULTS = {"failed-entry": "SendMessageBatch", "unprocessed-keys": "BatchGetItem"}
SEED = 1
"""A client's calls to SQS are the same in each run, so of them the seed says all: no entry fails five times in a row."""


def main():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default="target/debug", metavar="FOLDER", help="(target/debug)")
    options = parser.parse_args()
    bin = options.bin.resolve()
    if not (bin / "examples/readings").exists():
        print(f"run.py: {bin}/examples/readings does not exist: run this by `make test-clients`", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="clients-") as folder, contextlib.ExitStack() as world:
        folder = pathlib.Path(folder)
        try:
            environment = stand_ins(world, bin, folder)
            clients(world, bin, folder, environment)
            readings(bin, environment)
        except Failure as failure:
            print(f"FAILED {failure}", file=sys.stderr)
            return 1
    return 0


class Failure(Exception):
    """What differs from what has to be."""


def holds(condition, otherwise):
    if not condition:
        raise Failure(otherwise)


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **options)


def output(*command, **options):
    done = run(*command, **options)
    holds(done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def start(world, *command, end=signal.SIGTERM, **options):
    """Starts a process that ends with the world, and whose words show if it has ended before, or badly."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)

    def stop():
        process.send_signal(end)
        _, words = process.communicate(timeout=30)
        if process.returncode not in (0, -end):
            print(words, file=sys.stderr)

    world.callback(stop)
    return process


def settings(file, process):
    deadline = time.monotonic() + 120  # the first start on a machine installs MiniStack
    while not file.exists():
        holds(process.poll() is None and time.monotonic() < deadline, f"{process.args[0]} did not get ready")
        time.sleep(0.05)
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def stand_ins(world, bin, folder):
    """A worker with a catalog, and the settings to reach it."""
    env = settings(folder / "env", start(world, bin / "devstack", "up", "--env-file", folder / "env"))
    environment = os.environ | env | {"NODE_NO_WARNINGS": "1"}
    catalog(folder / "products.jsonl")
    build = ["catalog", "build", "--attributes", "all", "--input", folder / "products.jsonl", "--output"]
    output(bin / "nearline", *build, folder / "catalog.arrow", env=environment)
    publish = ["catalog", "publish", folder / "catalog.arrow", "--to", env["NEARLINE_CATALOG"]]
    output(bin / "nearline", *publish, env=environment)
    # Killed at the end: it would wait for the answer to its last long poll.
    start(world, bin / "nearline", "worker", env=environment, end=signal.SIGKILL)
    return environment


def catalog(file):
    """Products of the shop, with an attribute long enough that all of them together spill; and one with all the rest."""
    with open(ROOT / "examples/catalog.csv", newline="") as rows, open(file, "w") as written:
        for _, row in zip(range(PRODUCTS), csv.DictReader(rows)):
            product = {name: row[name] for name in ("product_id", "category", "text", "title")}
            written.write(json.dumps(product | {"care": "wash by hand " * 120}) + "\n")
        product = {"product_id": "readings-1", "category": "readings", "text": "numbers to read", "title": "Numbers"}
        written.write(json.dumps(product | page.ATTRIBUTES) + "\n")


def clients(world, bin, folder, environment):
    output(CLIENTS / "typescript/node_modules/.bin/tsc", "--project", CLIENTS / "typescript")
    dist = CLIENTS / "typescript/dist"
    commands = {
        "python": [[sys.executable, CLIENTS / f"python/{name}.py"] for name in ("producer", "reader")],
        "typescript": [["node", dist / f"{name}.js"] for name in ("producer", "reader")],
        "rust": [[bin / "examples" / name] for name in ("producer", "reader")],
    }
    everything = {"request_id": "everything", "query": "waterproof", "top_k": 1_000, "return": ["title", "care"]}
    output(bin / "nearline", "enqueue", input=json.dumps(everything), env=environment)
    with ThreadPoolExecutor(len(commands)) as threads:
        started = [threads.submit(client, bin, folder, environment, *item) for item in commands.items()]
        printed = dict(zip(commands, [one.result() for one in started]))
    expected = [line(record) for record in records(bin, environment, "python")]
    for name, lines in printed.items():
        holds(lines == expected, f"{name} prints {difference(lines, expected)}")
    print(f"ok clients: {', '.join(printed)} print the same {len(expected)} records, as `nearline result get` has them")


def client(bin, folder, environment, name, commands):
    """What a reader prints of the queries that its producer has sent."""
    producer, reader = commands
    with contextlib.ExitStack() as world:
        file, report = folder / f"{name}.env", folder / f"{name}.json"
        command = ["proxy", "--seed", str(SEED), "--rate", "0.3", "--kinds", ",".join(FAULTS), "--env-file", file]
        proxy = start(world, bin / "devstack", *command, "--report", report, env=environment)
        proxied = environment | settings(file, proxy)
        # The SDK for JavaScript calls the host of the queue's URL, whatever AWS_ENDPOINT_URL says.
        queue = urlsplit(environment["NEARLINE_QUEUE_URL"])
        proxied["NEARLINE_QUEUE_URL"] = proxied["AWS_ENDPOINT_URL"] + queue.path
        sent = output(*producer, name, input="\n".join(QUERIES + REJECTED) + "\n", env=proxied)
        ids = [f"{name}-{number}" for number in range(1, len(QUERIES + REJECTED) + 1)]
        holds(sent.split() == ids, f"{name} has sent {sent.split()}")
        printed = output(*reader, input=f"{sent}everything\neverything\n", env=proxied)
        nobody = run(*reader, "1", input="nobody", env=proxied)
        said = "nobody: no record yet"
        holds(nobody.returncode == 1 and said in nobody.stderr, f"{name} says of a missing record: {nobody.stderr}")
    operations = {one["operation"]: one["faults"] for one in json.loads(report.read_text())["operations"]}
    for kind, operation in FAULTS.items():
        holds(operations.get(operation, {}).get(kind), f"{name} met no {kind} of {operation}: {operations}")
    return sorted(line.replace(f"{name}-", "run-") for line in printed.splitlines())


def records(bin, environment, name):
    ids = [f"{name}-{number}" for number in range(1, len(QUERIES + REJECTED) + 1)] + ["everything"]
    printed = output(bin / "nearline", "result", "get", *ids, env=environment)
    # Numbers as they are written.
    found = [json.loads(line, parse_float=str) for line in printed.splitlines()]
    return sorted(found, key=lambda record: record["request_id"].replace(f"{name}-", "run-") + ":")


def line(record):
    """What a reader has to print of a record."""
    id = record["request_id"].replace("python-", "run-")
    if record["status"] == "REJECTED":
        return f"{id}: {record['error']['code']} (change the job): {record['error']['message']}"
    matches = [match for group in record["results"] for match in group["matches"]]
    best = max(matches, key=lambda match: float(match["score"]))
    return f"{id}: {len(matches)} matches, best {best['score']} {best['title']}"


def difference(lines, expected):
    unlike = [pair for pair in zip(lines, expected) if pair[0] != pair[1]]
    return f"{len(lines)} lines, not {len(expected)}" if not unlike else f"{unlike[0][0]!r}, not {unlike[0][1]!r}"


def readings(bin, environment):
    asked = {"query": "numbers", "categories": ["readings"], "return": ["title", *page.ATTRIBUTES]}
    jobs = [
        {"request_id": "inline", "metadata": {"tenant": "de-shop"}} | asked,
        {"request_id": "spilled", "top_k": 1_000} | asked | {"categories": None, "return": ["care", *asked["return"]]},
        {"request_id": "rejected", "query": "x", "categories": ["reading"]},
    ]
    output(bin / "nearline", "enqueue", input="\n".join(map(json.dumps, jobs)), env=environment)
    commands = {
        "python": [sys.executable, "tests/clients/readings.py"],
        "javascript": ["node", "tests/clients/readings.mjs"],
        "rust": [bin / "examples/readings"],
    }
    ids = [job["request_id"] for job in jobs]
    output(bin / "nearline", "result", "wait", *ids, env=environment)
    with ThreadPoolExecutor(len(commands)) as threads:
        started = [threads.submit(output, *command, *ids, env=environment) for command in commands.values()]
        read = dict(zip(commands, [json.loads(one.result()) for one in started]))
    file = ROOT / "docs/reading-records.md"
    written = file.read_text()
    measured = page.measured(written, read)
    if os.environ.get("UPDATE_DOCS"):
        file.write_text(measured)
    holds(os.environ.get("UPDATE_DOCS") or written == measured, f"{file} is stale: UPDATE_DOCS=1 make test-clients")
    print(f"ok readings: {file.relative_to(ROOT)} says what the libraries make of a record")


if __name__ == "__main__":
    sys.exit(main())
