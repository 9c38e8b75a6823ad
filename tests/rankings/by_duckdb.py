import duckdb
import pyarrow as pa

from engine import Way, listed

SIMILARITIES = {"cosine": "array_cosine_similarity", "ip": "array_inner_product"}
DISTANCES = {"cosine": "array_cosine_distance", "ip": "array_negative_inner_product", "l2": "array_distance"}


def build(rows, ids, measure):
    connection = duckdb.connect()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    connection.register("given", pa.table({"row": pa.array(ids, pa.int64()), "vector": vectors}))
    connection.execute(f"CREATE TABLE items (row BIGINT, vector FLOAT[{rows.shape[1]}])")
    connection.execute("INSERT INTO items SELECT * FROM given")
    return connection, measure


def ask_by(functions, order):
    def ask(built, queries, k, passing):
        connection, measure = built
        where = "" if passing is None else f"WHERE row IN ({listed(passing)})"
        call = f"{functions[measure]}(vector, $1::FLOAT[{queries.shape[1]}])"
        sql = f"SELECT row, {call} FROM items {where} ORDER BY {call} {order} LIMIT {k}"
        return [connection.execute(sql, [query.tolist()]).fetchall() for query in queries]

    return ask


WAYS = [
    Way("DuckDB similarity", "duckdb", "`ORDER BY array_cosine_similarity(...) DESC LIMIT k`, `FLOAT[d]`", build,
        ask_by(SIMILARITIES, "DESC"), {"cosine": "value", "ip": "value"}),
    Way("DuckDB distance", "duckdb", "`ORDER BY array_cosine_distance(...) LIMIT k`, `FLOAT[d]`", build, ask_by(DISTANCES, ""),
        {"cosine": "1 - value", "ip": "-value", "l2": "value"}),
]
