"""docs/producers.md: what came of the rows."""

DEFAULTS = """
pyarrow/feather pyarrow/file pyarrow/stream pyarrow/parquet pyarrow/parquet-lists pyarrow/parquet-folder
polars/ipc polars/ipc-stream polars/parquet polars/ndjson polars/json polars/csv
pandas/feather pandas/parquet pandas/csv pandas/csv-arrays pandas/json-lines pandas/json-records
DuckDB/parquet DuckDB/csv DuckDB/json DuckDB/arrow
datasets/save-to-disk datasets/parquet datasets/json datasets/csv
arro3/ipc arro3/ipc-stream arro3/parquet arro3/ndjson
nanoarrow/stream
apache-arrow/stream-typed apache-arrow/arrays apache-arrow/json-rows-float32array
flechette/stream flechette/file
hyparquet-writer/arrays hyparquet-writer/float32arrays
parquet-wasm/typed
JSON.stringify/lines JSON.stringify/array JSON.stringify/float32arrays
""".split()
"""The rows that show what a producer writes if it is not told otherwise. The others are only named."""

HEAD = """# What other programs write

Each program here writes the same 300 products with vectors of 16 numbers. They include ids that look like numbers or
nulls, separators, quotes and line breaks in titles, missing titles, negative zero and equal vectors. `nearline catalog
build --model none` makes a catalog of each file, and `nearline search` answers 24 queries over it. "Ranks as NumPy"
means: ids, categories and titles are those that were written, in order; each vector has the same bits (64-bit numbers
and text are rounded once); and each score equals NumPy's, bit for bit. [sources.md](sources.md) says what is read in
general.

A test writes this page, and passes only if all of it holds. The versions are pinned in `tests/producers/`.

```sh
make test-producers                                    # the test; needs Python 3.11 and Node 20, both or newer
make test-producers ARGS="--table docs/producers.md"   # ... and regenerates this page
```

## By default

`table`, `frame`, `data` and `rows` have vectors of 32-bit numbers in the form that each library recommends (NumPy,
Float32Array); `lists` has them as plain lists of 64-bit numbers, `texts` and `text` as JSON arrays in text.
`arrowTable()` declares a fixed-size list of 32-bit numbers. DuckDB and pandas choose the format by the suffix of `path`.

| producer | call | writes | vectors | ids and categories | nearline |
|---|---|---|---|---|---|
"""


def of(done):
    unknown = set(DEFAULTS) - {result["name"] for result in done}
    if unknown:
        raise KeyError(f"page.py names rows that do not exist: {', '.join(sorted(unknown))}")
    lines = [HEAD.rstrip("\n")]
    for result in done:
        if result["name"] in DEFAULTS:
            kinds = [result.get(name, "") for name in ("writes", "vectors", "strings")]
            what = "refused, see below" if result["refused"] and "failure" not in result else outcome(result)
            lines.append(line([result["producer"], f"`{result['call']}`", *kinds, what]))
    others = [result for result in done if result["name"] not in DEFAULTS]
    lines += ["", "## Besides", "", "These rank as NumPy, too; `tests/producers/by_*` has the calls. Those with attributes are built with", "`--attributes all`, and each value in the catalog is the one that was written.", "",
              "| producer | what is special |", "|---|---|"]
    taken = {}
    for result in others:
        if not result["refused"] or "failure" in result:
            special = result["name"].split("/", 1)[1].replace("-", " ")
            taken.setdefault(result["producer"], []).append(special if "failure" not in result else outcome(result))
    lines += [line([producer, ", ".join(specials)]) for producer, specials in taken.items()]
    lines += ["", "## Refused", "", "Forms that cannot be read as they are meant, with the first line of the message.", "",
              "| producer | call | message |", "|---|---|---|"]
    for result in done:
        if result["refused"]:
            message = outcome(result).removeprefix("refused: ")
            lines.append(line([result["producer"], f"`{result['call']}`", message]))
    return "\n".join(lines) + "\n"


def outcome(result):
    return f"**{result['failure']}**" if "failure" in result else result["result"]


def line(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
