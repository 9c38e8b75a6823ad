"""Times `nearline catalog build --model none` on a Parquet of vectors, and pyarrow reading and writing the same.

python3 -m venv /tmp/ingest && /tmp/ingest/bin/pip install pyarrow==26.0.1 numpy==2.4.6
/tmp/ingest/bin/python benches/ingest.py --nearline target/release/nearline

The Parquet is pyarrow's by default: for 1,000,000 x 384 one row group of 1.6 GB, and as much again is written. It lies in
a temporary folder, and is deleted. Each step runs in a process of its own, in turn, `--rounds` times; the figures are
medians of what the kernel counted for that process. pyarrow has two ways: the table at once, and 8,192 rows at a time.
Neither checks what nearline does: that ids are unique, that numbers are finite. Exit code 0: done; 1: something failed;
2: wrong usage.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

CATEGORIES = 20
ROWS_AT_ONCE = 50_000

PYARROW_AT_ONCE = """
import sys
import pyarrow as pa
import pyarrow.parquet as parquet
from pyarrow import ipc

source, target, dimension = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = parquet.read_table(source)
vectors = table["embedding"].cast(pa.list_(pa.float32(), dimension))
table = table.set_column(table.schema.get_field_index("embedding"), "embedding", vectors)
with ipc.new_file(target, table.schema) as file:
    file.write_table(table)
"""

PYARROW_BY_ROW_GROUP = """
import sys
import pyarrow as pa
import pyarrow.parquet as parquet
from pyarrow import ipc

source, target, dimension = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = parquet.ParquetFile(source)
schema = file.schema_arrow
place = schema.get_field_index("embedding")
schema = schema.set(place, pa.field("embedding", pa.list_(pa.float32(), dimension)))
with ipc.new_file(target, schema) as out:
    for batch in file.iter_batches(8_192):
        out.write_batch(pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(batch.columns, schema)], schema=schema))
"""


def parse():
    parser = argparse.ArgumentParser(prog="ingest.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--nearline", type=pathlib.Path, default="target/release/nearline", metavar="PATH")
    add("--rows", type=int, default=1_000_000, metavar="N", help="(1,000,000)")
    add("--dimension", type=int, default=384, metavar="D", help="(384)")
    add("--rounds", type=int, default=3, metavar="N", help="turns of each (3)")
    add("--vectors", choices=["fixed", "lists"], default="fixed",
        help="a fixed-size list of float32, or a list without a size as pandas and DuckDB write it (fixed)")
    add("--folder", type=pathlib.Path, metavar="FOLDER", help="where the files lie meanwhile")
    add("--json", type=pathlib.Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


def main():
    options = parse()
    if not options.nearline.exists():
        print(f"ingest.py: {options.nearline} does not exist: build it, or name another by --nearline", file=sys.stderr)
        return 2
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ingest-", dir=options.folder))
    try:
        report = measure(options, folder)
    except subprocess.CalledProcessError as error:
        print(f"ingest.py: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    print(table(report))
    return 0


def measure(options, folder):
    source = folder / "products.parquet"
    # In a process of its own, so that what it needs of memory is not inherited as anyone's peak.
    child = os.fork()
    if child == 0:
        status = 1
        try:
            make(source, options)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise subprocess.CalledProcessError(1, "writing the Parquet")
    python = [sys.executable, "-c"]
    dimension = str(options.dimension)
    steps = {
        "pyarrow, the table at once": lambda out: [*python, PYARROW_AT_ONCE, source, out, dimension],
        "pyarrow, 8,192 rows at a time": lambda out: [*python, PYARROW_BY_ROW_GROUP, source, out, dimension],
        "nearline catalog build --model none": lambda out: [
            options.nearline.resolve(), "catalog", "build", "--model", "none", "--input", source, "--output", out
        ],
    }
    rounds = {name: [] for name in steps}
    sizes = {}
    for _ in range(options.rounds):
        for name, command in steps.items():
            out = folder / "out.arrow"
            read_through(source)
            rounds[name].append(run(name, command(out)))
            sizes[name] = out.stat().st_size
            out.unlink()
    vectors_bytes = options.rows * options.dimension * 4
    return {
        "rows": options.rows,
        "dimension": options.dimension,
        "vectors": options.vectors,
        "source_bytes": source.stat().st_size,
        "vectors_bytes": vectors_bytes,
        "processors": os.cpu_count(),
        "rounds": options.rounds,
        "steps": [
            {
                "name": name,
                "seconds": statistics.median(turn["seconds"] for turn in turns),
                "seconds_of_each": [turn["seconds"] for turn in turns],
                "cpu_seconds": statistics.median(turn["cpu_seconds"] for turn in turns),
                "peak_bytes": max(turn["peak_bytes"] for turn in turns),
                "written_bytes": sizes[name],
            }
            for name, turns in rounds.items()
        ],
    }


def make(path, options):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    random = np.random.default_rng(1)
    kind = pa.list_(pa.float32(), options.dimension) if options.vectors == "fixed" else pa.list_(pa.float32())
    schema = pa.schema(
        [("product_id", pa.string()), ("category", pa.string()), ("title", pa.string()), ("embedding", kind)]
    )
    parts = []
    for start in range(0, options.rows, ROWS_AT_ONCE):
        rows = range(start, min(start + ROWS_AT_ONCE, options.rows))
        numbers = random.standard_normal((len(rows), options.dimension), np.float32)
        numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
        vectors = pa.FixedSizeListArray.from_arrays(numbers.ravel(), options.dimension)
        columns = [
            [f"sku-{row:08d}" for row in rows],
            [f"category {row * row % 41 % CATEGORIES}" for row in rows],
            [f"Product {row}, in the colours of the season" for row in rows],
            vectors.cast(kind),
        ]
        parts.append(pa.table(columns, schema=schema))
    parquet.write_table(pa.concat_tables(parts), path)


def read_through(path):
    """Into the page cache, so that nobody is the one who reads from the disk."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def run(name, command):
    # Own vectors need no setting of nearline or AWS.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NEARLINE_", "AWS_"))}
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    # wait4, and not getrusage(RUSAGE_CHILDREN), whose peak is that of the largest child so far. Linux counts what this
    # process has itself as the least of a child's peak, hence no NumPy in it.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(said.decode(errors="replace").strip()[-2_000:], file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, name)
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def table(report):
    lines = [
        f"{report['rows']:,} x {report['dimension']}, Parquet of {report['source_bytes'] / 1e9:.2f} GB "
        f"({report['vectors_bytes'] / 1e9:.2f} GB of vectors), {report['processors']} processors, "
        f"median of {report['rounds']}",
        "",
        "| | seconds | CPU seconds | peak memory | of the vectors' size | written |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for step in report["steps"]:
        lines.append(
            f"| {step['name']} | {step['seconds']:.2f} | {step['cpu_seconds']:.2f} | {step['peak_bytes'] / 1e6:,.0f} MB "
            f"| {step['peak_bytes'] / report['vectors_bytes']:.2f} | {step['written_bytes'] / 1e6:,.0f} MB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
