#!/usr/bin/env bash
# pyarrow's write_dataset numbers the files of a folder without leading zeros: part-0, part-1, ... part-10. All readers,
# pyarrow among them, take files by name as text: part-0, part-1, part-10, part-2. So from the eleventh file on, rows come
# back in another order than they were written, although preserve_order=True was asked for, whose documentation says
# "guaranteed to be preserved". Whoever keeps the vectors apart, in a .npy or an index whose ids are row numbers, gives
# products the vectors of others, without an error, and only once the data outgrows ten files. polars pads the numbers of
# its files (00000000.parquet). The cure is a column with the row's number; basename_template cannot pad.
#
# versions: pyarrow 26.0.1, polars 2.1.0, duckdb 2.0.1
# seen:     10 files: pyarrow in order, polars in order, duckdb in order
#           11 files: pyarrow row 200 is 1000, polars row 200 is 1000, duckdb row 200 is 1000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    duckdb==2.0.1 polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1
cat >finding.py <<'PYTHON'
import duckdb
import polars
import pyarrow as pa
import pyarrow.dataset as dataset


def order(rows):
    for place, row in enumerate(rows):
        if place != row:
            return f"row {place} is {row}"
    return "in order"


for files in (10, 11):
    table = pa.table({"row": range(files * 100)})
    folder = f"folder-{files}"
    options = {"max_rows_per_file": 100, "max_rows_per_group": 100, "preserve_order": True}
    dataset.write_dataset(table, folder, format="parquet", **options)
    readers = {
        "pyarrow": dataset.dataset(folder).to_table()["row"].to_pylist(),
        "polars": polars.read_parquet(folder)["row"].to_list(),
        "duckdb": [row for row, in duckdb.sql(f"SELECT row FROM '{folder}/*.parquet'").fetchall()],
    }
    print(f"{files} files:", ", ".join(f"{name} {order(rows)}" for name, rows in readers.items()))
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
10 files: pyarrow in order, polars in order, duckdb in order
11 files: pyarrow row 200 is 1000, polars row 200 is 1000, duckdb row 200 is 1000
SEEN
echo "as before"
