#!/usr/bin/env bash
# JavaScript writes a whole number without a point: JSON.stringify([1.0, 0.0]) is [1,0]. DuckDB guesses the type of a
# column from the first 20,480 objects of a file of JSON Lines. If these have whole numbers only (counts, flags, one-hot
# vectors), the column is BIGINT[], and every fraction that follows is rounded to an integer: no error, no warning, no
# NULL. The same holds for a single number, such as a price. polars refuses the same file; pyarrow reads the fractions.
# The cure is to give read_json the columns with their types, or sample_size = -1.
#
# versions: duckdb 2.0.1, polars 2.1.0, pyarrow 26.0.1; Node 18 or newer writes
# seen:     after 20000 rows of whole numbers
#             duckdb: DOUBLE [0.6, 0.7, 0.2] 9.99
#             polars: cannot parse '9.99' (f64) as Int64
#             pyarrow: double [0.6, 0.7, 0.2] 9.99
#           after 25000 rows of whole numbers
#             duckdb: BIGINT [1, 1, 0] 10
#             polars: cannot parse '9.99' (f64) as Int64
#             pyarrow: double [0.6, 0.7, 0.2] 9.99
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    duckdb==2.0.1 polars==2.1.0 polars-runtime-32==2.1.0 pyarrow==26.0.1
cat >write.mjs <<'JS'
import fs from 'node:fs';
for (const rows of [20_000, 25_000]) {
  const products = Array.from({ length: rows }, () => ({ price: 10.0, vector: [1.0, 0.0, 0.0] }));
  products.push({ price: 9.99, vector: [0.6, 0.7, 0.2] });
  fs.writeFileSync(`${rows}.jsonl`, products.map(product => JSON.stringify(product) + '\n').join(''));
}
JS
node write.mjs
cat >read.py <<'PYTHON'
import duckdb
import polars
import pyarrow.json

for rows in (20_000, 25_000):
    file = f"{rows}.jsonl"
    print(f"after {rows} rows of whole numbers")
    price, vector = duckdb.sql(f"SELECT price, vector FROM '{file}'").fetchall()[-1]
    print("  duckdb:", duckdb.sql(f"SELECT price FROM '{file}'").types[0], vector, price)
    try:
        print("  polars:", polars.read_ndjson(file).row(-1))
    except polars.exceptions.ComputeError as error:
        print("  polars:", error)
    last = pyarrow.json.read_json(file).slice(rows)
    print("  pyarrow:", last["price"].type, last["vector"][0].as_py(), last["price"][0].as_py())
PYTHON
venv/bin/python read.py >seen
diff - seen <<'SEEN'
after 20000 rows of whole numbers
  duckdb: DOUBLE [0.6, 0.7, 0.2] 9.99
  polars: cannot parse '9.99' (f64) as Int64
  pyarrow: double [0.6, 0.7, 0.2] 9.99
after 25000 rows of whole numbers
  duckdb: BIGINT [1, 1, 0] 10
  polars: cannot parse '9.99' (f64) as Int64
  pyarrow: double [0.6, 0.7, 0.2] 9.99
SEEN
echo "as before"
