#!/usr/bin/env bash
# A vec0 table of sqlite-vec with a partition key answers "k = 2 AND shop IN ('a', 'b', 'c')" with six rows: the best two of
# each shop, one shop after the other. SQLite runs the search once for each value of IN, and nothing says so. The same
# condition on a metadata column gives two rows. Code that takes the first row for the best match gets the best of the first
# partition, and code that relies on k gets more rows than it has room for. LIMIT is refused beside k,
# and in a plain query around it as well. What cures it: WITH found AS MATERIALIZED (...) SELECT * FROM found ORDER BY
# distance LIMIT k.
#
# versions: sqlite-vec 0.1.9, apsw 3.54.1.0 (SQLite 3.54.1)
# seen:     partition key: k = 2 gives a 2.0, a 3.0, b 0.0, b 1.0, c 4.0, c 5.0
#           metadata column: k = 2 gives b 0.0, b 1.0
#           partition key, materialized and then limited: b 0.0, b 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps apsw==3.54.1.0 sqlite-vec==0.1.9
cat >finding.py <<'PYTHON'
import apsw
import sqlite_vec

connection = apsw.Connection(":memory:")
connection.enable_load_extension(True)
connection.load_extension(sqlite_vec.loadable_path())
for kind, column in (("partition key", "shop TEXT PARTITION KEY"), ("metadata column", "shop TEXT")):
    connection.execute("DROP TABLE IF EXISTS items")
    connection.execute(f"CREATE VIRTUAL TABLE items USING vec0({column}, vector float[2])")
    for distance, shop in enumerate("bbaacc"):
        connection.execute("INSERT INTO items(shop, vector) VALUES (?, ?)", (shop, f"[1, {distance}]"))
    search = "SELECT shop, distance FROM items WHERE vector MATCH '[1, 0]' AND k = 2 AND shop IN ('a', 'b', 'c')"
    print(f"{kind}: k = 2 gives", ", ".join(f"{shop} {distance}" for shop, distance in connection.execute(search)))
    if kind == "partition key":
        ordered = connection.execute(f"WITH found AS MATERIALIZED ({search}) SELECT * FROM found ORDER BY distance LIMIT 2")
        cured = ", ".join(f"{shop} {distance}" for shop, distance in ordered)
print(f"partition key, materialized and then limited: {cured}")
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
partition key: k = 2 gives a 2.0, a 3.0, b 0.0, b 1.0, c 4.0, c 5.0
metadata column: k = 2 gives b 0.0, b 1.0
partition key, materialized and then limited: b 0.0, b 1.0
SEEN
echo "as before"
