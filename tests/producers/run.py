"""Shows that nearline takes what other programs write by default, and ranks it as NumPy does.

Each producer writes the same products. Each file goes through `nearline catalog build --model none` and `nearline
search`; the catalog must have the ids, categories, titles and vectors bit for bit and in order, and every score must be
equal, bit for bit, to that of NumPy over what was written; of rows with attributes each value must be the one that was
written. Files that have to be refused must be, by a short message
that says why.
Exit code 0: all of it held. 1: some did not (their files are kept). 2: wrong usage.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import numpy as np
import pyarrow as pa
from pyarrow import ipc

import page
import written
from products import NAMES, TOP_K, queries, ranking
from rows import TABLE

MODULES = ["by_pyarrow", "by_polars", "by_pandas", "by_duckdb", "by_datasets", "by_small_arrows",
           "by_attributes"]
LONGEST_LINE_BYTES = 400
TIMEOUT_SECONDS = 60


def parse():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--nearline", type=pathlib.Path, default="target/debug/nearline", metavar="PATH", help="(target/debug/nearline)")
    add("--only", action="append", default=[], metavar="NAME", help="rows whose name has this in it; repeatable")
    add("--written", action="store_true", help="write and read back without nearline")
    add("--list", action="store_true", help="the names of the rows")
    add("--table", type=pathlib.Path, metavar="FILE", help="write what came out there, as a page of Markdown")
    add("--json", action="store_true", help="print what came out as JSON")
    add("--keep", type=pathlib.Path, metavar="FOLDER", help="write the files there, and keep them all")
    return parser.parse_args()


def main():
    options = parse()
    if options.table and (options.only or options.written):
        print("run.py: --table needs all rows, and nearline", file=sys.stderr)
        return 2
    for module in MODULES:
        importlib.import_module(module)
    javascript = importlib.import_module("by_javascript")
    javascript.register()
    rows = [row for row in TABLE if not options.only or any(name in row.name for name in options.only)]
    if options.list:
        print("\n".join(row.name for row in rows))
        return 0
    if not rows:
        print("run.py: no row has such a name; --list has them all", file=sys.stderr)
        return 2
    if not options.written and not options.nearline.exists():
        print(f"run.py: {options.nearline} does not exist: build it, or name another by --nearline", file=sys.stderr)
        return 2
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="producers-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    np.save(folder / "queries.npy", queries())
    failed = 0
    done = []
    for row in rows:
        place(folder, row).parent.mkdir(exist_ok=True)
    if any(row.write is None for row in rows):
        javascript.write(folder)
    for row in rows:
        path = place(folder, row)
        result = {"name": row.name, "producer": row.producer, "call": row.call, "file": str(path)}
        try:
            if row.write:
                row.write(path)
            result |= dict(zip(("writes", "vectors", "strings"), written.describe(path)), bytes=written.bytes_of(path))
            result["result"] = check(row, path, folder / "queries.npy", None if options.written else options.nearline)
        except Failure as failure:
            result["failure"] = str(failure)
        except Exception as fault:
            # A producer or a reader of this test: the other rows still have their turn.
            result["failure"] = f"not nearline: {type(fault).__name__}: {fault}"
        result["refused"] = bool(row.refused)
        failed += "failure" in result
        done.append(result)
        if not options.json:
            verdict = "FAILED" if "failure" in result else "ok"
            print(f"{verdict} {row.name}: {result.get('failure', result.get('result'))}", flush=True)
    if options.json:
        print(json.dumps(done, indent=1, ensure_ascii=False))
    if options.table:
        options.table.write_text(page.of(done), encoding="utf-8")
    print(f"{len(done) - failed} passed, {failed} failed", file=sys.stderr if options.json else sys.stdout)
    if failed:
        print(f"The files are kept in {folder}", file=sys.stderr)
    elif not options.keep:
        shutil.rmtree(folder)
    return 1 if failed else 0


class Failure(Exception):
    """One line that says what differs from what has to be."""


def place(folder, row):
    return folder / row.name.replace("/", "-") / row.file


def check(row, path, queries_file, nearline):
    """What came of a file, for the table."""
    expected = row.expected(path) if callable(row.expected) else row.expected
    if not row.refused:
        same("the file itself", written.read(path, names_of(row)), expected)
    if nearline is None:
        return "written"
    catalog = path.parent / "catalog.arrow"
    build = [nearline, "catalog", "build", "--model", "none", "--input", path, "--output", catalog, *row.arguments]
    if row.attributes is not None:
        build += ["--attributes", "all"]
    code, message = run(build)
    if row.refused:
        return refusal(row, code, message, catalog)
    if code:
        raise Failure(f"build: exit {code}: {message}")
    same("the catalog", written.read(catalog, {name: name for name in NAMES}), expected)
    if row.attributes is not None:
        same_attributes(catalog, row.attributes)
    vectors = catalog_schema(catalog).field("embedding").type
    if not pa.types.is_fixed_size_list(vectors) or vectors.value_type != pa.float32():
        raise Failure(f"the catalog's vectors are {vectors}")
    for group_by in ("none", "category"):
        found = path.parent / f"found-{group_by}.jsonl"
        search = [nearline, "search", "--catalog", catalog, "--queries", queries_file, "--top-k", str(TOP_K)]
        code, message = run([*search, "--group-by", group_by, "--output", found])
        if code:
            raise Failure(f"search: exit {code}: {message}")
        ranked_right(found, group_by, expected, np.load(queries_file))
    options = " ".join(row.arguments)
    return "ranks as NumPy" + (f" (`{options}`)" if options else "")


def names_of(row):
    """What the columns are called in the file; small letters, as the reader of CSV here makes them."""
    names = {name: name for name in NAMES}
    names |= dict(pair.split("=") for pair in row.arguments[1::2])
    return names


def run(command):
    # Nothing of a developer's own settings: own vectors need none.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEARLINE_", "AWS_"))}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return "none", f"still running after {TIMEOUT_SECONDS} seconds"
    return done.returncode, done.stderr.strip()


def refusal(row, code, message, catalog):
    if code == 0:
        raise Failure("was taken, and has to be refused")
    if code != 1 or not re.search(row.refused, message, re.IGNORECASE | re.DOTALL):
        raise Failure(f"exit {code}, expected 1 and words like `{row.refused}`: {message}")
    longest = max(message.splitlines(), key=len)
    if len(longest.encode()) > LONGEST_LINE_BYTES:
        raise Failure(f"refused by a line of {len(longest.encode())} bytes: {longest[:200]}")
    if catalog.exists():
        raise Failure("refused, but a catalog was written")
    # Where each row is faulty the first line tells more than the last, which counts.
    return "refused: " + message.splitlines()[0].removeprefix("nearline: ").replace(f"{catalog.parent}/", "")


def same(what, found, expected):
    """`found` are the products that are expected, in order, with vectors of the same bits."""
    if len(found.ids) != len(expected.ids):
        raise Failure(f"{what} has {len(found.ids)} products instead of {len(expected.ids)}")
    for column in ("ids", "categories", "titles"):
        for row, (one, other) in enumerate(zip(getattr(found, column), getattr(expected, column))):
            if one != other:
                raise Failure(f"{what}: {column}[{row}] is {one!r} instead of {other!r}")
    if found.vectors.dtype != np.float32 or found.vectors.shape != expected.vectors.shape:
        raise Failure(f"{what}: vectors are {found.vectors.dtype} {found.vectors.shape}")
    differ = np.argwhere(found.vectors.view(np.uint32) != expected.vectors.view(np.uint32))
    if len(differ):
        row, place = differ[0]
        one, other = found.vectors[row, place], expected.vectors[row, place]
        raise Failure(f"{what}: {len(differ)} numbers differ, first {one!r} instead of {other!r} in row {row}")


def same_attributes(catalog, expected):
    """The catalog names these attributes and no others, and each value is what was written."""
    with ipc.open_file(catalog) as file:
        table = file.read_all()
    named = json.loads(table.schema.metadata.get(b"nearline.attributes", b"[]"))
    if sorted(named) != sorted(expected):
        raise Failure(f"the catalog's attributes are {named} instead of {list(expected)}")
    for name, (kind, values) in expected.items():
        column = table[name]
        if kind and str(column.type) != kind:
            raise Failure(f"the attribute {name} is {column.type} instead of {kind}")
        for row, (one, other) in enumerate(zip(column.to_pylist(), values, strict=True)):
            if one != other or type(one) is not type(other):
                raise Failure(f"the attribute {name} is {one!r} instead of {other!r} in row {row}")


def catalog_schema(catalog):
    with ipc.open_file(catalog) as file:
        return file.schema


def ranked_right(found, group_by, expected, vectors):
    lines = [json.loads(line) for line in found.read_text(encoding="utf-8").split("\n") if line]
    if [line["request_id"] for line in lines] != [str(query) for query in range(len(vectors))]:
        raise Failure(f"search --group-by {group_by}: not a line a query, in order")
    of_category = dict(zip(expected.ids, expected.categories))
    for line, query in zip(lines, vectors):
        where = f"search --group-by {group_by}, query {line['request_id']}"
        if line["status"] != "SUCCEEDED":
            raise Failure(f"{where}: {line}")
        groups = {None: range(len(expected.ids))}
        if group_by == "category":
            # In the order of their first appearance.
            groups = {category: [] for category in expected.categories}
            for row, category in enumerate(expected.categories):
                groups[category].append(row)
        if [group.get("category") for group in line["results"]] != list(groups):
            raise Failure(f"{where}: the groups are {[group.get('category') for group in line['results']]}")
        for group, rows in zip(line["results"], groups.values()):
            right = ranking(expected, query, rows)
            matches = [(match["product_id"], np.float32(match["score"])) for match in group["matches"]]
            if matches != right:
                raise Failure(f"{where}: found {matches[:3]}.. instead of {right[:3]}..")
            if group_by == "none":
                for match in group["matches"]:
                    if match["category"] != of_category[match["product_id"]]:
                        raise Failure(f"{where}: {match} has another product's category")


if __name__ == "__main__":
    sys.exit(main())
