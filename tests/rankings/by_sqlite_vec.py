# Not Python's own sqlite3, which may have been built without extensions.
import apsw
import sqlite_vec

from engine import Way, listed

METRICS = {"cosine": "cosine", "l2": "L2"}
MEASURES = {"cosine": "1 - value", "l2": "value"}


def connect():
    connection = apsw.Connection(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    return connection


def build_vec0(rows, ids, measure):
    connection = connect()
    columns = f"vector float[{rows.shape[1]}] distance_metric={METRICS[measure]}"
    connection.execute(f"CREATE VIRTUAL TABLE items USING vec0({columns})")
    insert(connection, "INSERT INTO items(rowid, vector) VALUES (?, ?)", rows, ids)
    return connection


def ask_vec0(connection, queries, k, passing):
    chosen = "" if passing is None else f"AND rowid IN ({listed(passing)})"
    sql = f"SELECT rowid, distance FROM items WHERE vector MATCH ? AND k = ? {chosen} ORDER BY distance"
    return [connection.execute(sql, (query.tobytes(), k)).fetchall() for query in queries]


def build_table(rows, ids, measure):
    connection = connect()
    connection.execute("CREATE TABLE items (row INTEGER PRIMARY KEY, vector BLOB)")
    insert(connection, "INSERT INTO items VALUES (?, ?)", rows, ids)
    return connection, METRICS[measure]


def ask_table(built, queries, k, passing):
    connection, metric = built
    where = "" if passing is None else f"WHERE row IN ({listed(passing)})"
    sql = f"SELECT row, vec_distance_{metric}(vector, ?) AS value FROM items {where} ORDER BY value LIMIT {k}"
    return [connection.execute(sql, (query.tobytes(),)).fetchall() for query in queries]


def insert(connection, sql, rows, ids):
    with connection:
        connection.executemany(sql, [(i, row.tobytes()) for i, row in zip(ids, rows)])


WAYS = [
    Way("sqlite-vec `vec0`", "sqlite-vec", "`MATCH ? AND k = ? ORDER BY distance`, `distance_metric=cosine`", build_vec0,
        ask_vec0, MEASURES),
    Way("sqlite-vec function", "sqlite-vec", "`ORDER BY vec_distance_cosine(...) LIMIT k`", build_table, ask_table, MEASURES),
]
