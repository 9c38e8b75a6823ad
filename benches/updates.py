"""What an update costs a publisher and a worker, beside a whole catalog: seconds, bytes and memory.

Needs release binaries (`make build`), pyarrow and numpy. Starts the stand-ins, publishes ROWS clustered vectors with a
price, starts a worker, and changes the price of CHANGED products, then the vectors of as many; says how long `catalog
update` took, how long until the worker served it, what the worker read, and its memory: at once, and 5 s later.

    python benches/updates.py --rows 1000000 --changed 1000 --dimension 384
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

import numpy
import pyarrow
import pyarrow.ipc

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH = 10_000


def artifact(path, rows, dimension, seed):
    """Writes an artifact of clustered vectors, a batch at a time."""
    random = numpy.random.default_rng(seed)
    centres = random.standard_normal((1_000, dimension), dtype=numpy.float32)
    kind = pyarrow.list_(pyarrow.field("item", pyarrow.float32(), nullable=False), dimension)
    names = [("product_id", pyarrow.string()), ("category", pyarrow.string()), ("price", pyarrow.int64())]
    schema = pyarrow.schema(
        [*names, ("embedding", kind)],
        metadata={"nearline.format_version": "1", "nearline.attributes": '["price"]'},
    )
    with pyarrow.ipc.new_file(str(path), schema) as writer:
        for first in range(0, rows, BATCH):
            count = min(BATCH, rows - first)
            vectors = centres[random.integers(1_000, size=count)]
            vectors = vectors + 0.3 * random.standard_normal((count, dimension), dtype=numpy.float32)
            numbers = range(first, first + count)
            columns = [
                pyarrow.array([f"p{number}" for number in numbers]),
                pyarrow.array([f"c{number % 20}" for number in numbers]),
                pyarrow.array([number % 1_000 for number in numbers], pyarrow.int64()),
                pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), type=kind),
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def memory(pid):
    """Resident bytes now, and at most so far."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024 for name in ("VmRSS", "VmHWM")}


def lines(log, event):
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line.get("event") == event]


def settled(pid):
    """Memory at once, and when what was replaced has been given back."""
    at_once = memory(pid)
    time.sleep(5)
    return {"at_once": at_once, "settled": memory(pid)}


def until(log, event, count, process):
    """Waits for so many lines of an event; the last of them."""
    while len(found := lines(log, event)) < count:
        if process.poll() is not None:
            raise SystemExit(f"the worker ended: {log.read_text()[-2000:]}")
        time.sleep(0.05)
    return found[-1]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--changed", type=int, default=1_000)
    arguments.add_argument("--dimension", type=int, default=384)
    arguments.add_argument("--binaries", type=pathlib.Path, default=ROOT / "target/release")
    asked = arguments.parse_args()
    random = numpy.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        settings = folder / "env"
        stack = subprocess.Popen([asked.binaries / "devstack", "up", "--env-file", settings], cwd=folder)
        worker = None
        try:
            while not settings.exists():
                if stack.poll() is not None:
                    raise SystemExit("the stand-ins did not start")
                time.sleep(0.1)
            known = (line.split("=", 1) for line in settings.read_text().splitlines() if "=" in line)
            env = {**os.environ, **{name: value.strip("'\"") for name, value in known}}
            env["NEARLINE_CATALOG_REFRESH_SECONDS"] = "1"
            prefix = env["NEARLINE_CATALOG"]

            def nearline(*words):
                began = time.monotonic()
                command = [asked.binaries / "nearline", "catalog", *words, "--to", prefix]
                done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=folder)
                if done.returncode != 0:
                    raise SystemExit(done.stderr)
                return round(time.monotonic() - began, 2), done.stdout.strip()

            artifact(folder / "catalog.arrow", asked.rows, asked.dimension, 1)
            report = {"rows": asked.rows, "changed": asked.changed, "dimension": asked.dimension}
            report["artifact_bytes"] = (folder / "catalog.arrow").stat().st_size
            report["publish_seconds"], _ = nearline("publish", "catalog.arrow")
            log = folder / "worker.log"
            began = time.monotonic()
            with log.open("w") as to:
                worker = subprocess.Popen([asked.binaries / "nearline", "worker"], env=env, stderr=to, cwd=folder)
            until(log, "catalog_loaded", 1, worker)
            report["load_seconds"] = round(time.monotonic() - began, 2)
            report["memory_loaded"] = memory(worker.pid)
            chosen = random.choice(asked.rows, asked.changed, replace=False)
            (folder / "prices.csv").write_text(
                "product_id,price\n" + "".join(f"p{number},{number % 1_000 + 1}\n" for number in chosen)
            )
            vectors = random.standard_normal((asked.changed, asked.dimension), dtype=numpy.float32)
            (folder / "vectors.csv").write_text(
                "product_id,embedding\n"
                + "".join(f'p{number},"{vector.tolist()}"\n' for number, vector in zip(chosen, vectors))
            )
            for count, what in enumerate(("prices", "vectors"), 1):
                began = time.monotonic()
                seconds, version = nearline("update", f"{what}.csv")
                line = until(log, "catalog_replaced", count, worker)
                served = round(time.monotonic() - began, 2)
                swap = {name: line.get(name) for name in ("took_ms", "bytes_read", "changed_rows", "updates")}
                report[what] = {"update_seconds": seconds, "served_seconds": served, **swap, **settled(worker.pid)}
                assert line["to"] == version
            report["compact_seconds"], _ = nearline("compact")
            line = until(log, "catalog_replaced", 3, worker)
            report["compacted"] = {"took_ms": line.get("took_ms"), **settled(worker.pid)}
            print(json.dumps(report, indent=2))
        finally:
            for process in (worker, stack):
                if process is not None:
                    process.terminate()
                    process.wait(30)


if __name__ == "__main__":
    main()
