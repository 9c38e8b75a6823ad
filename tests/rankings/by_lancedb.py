import lancedb
import pyarrow as pa

from engine import Way, listed

METRICS = {"cosine": "cosine", "ip": "dot", "l2": "l2"}
MEASURES = {"cosine": "1 - value", "ip": "1 - value", "l2": "sqrt(value)"}


def build(rows, ids, measure):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    table = pa.table({"row": pa.array(ids, pa.int64()), "vector": vectors})
    return lancedb.connect("memory://").create_table("rows", table), METRICS[measure]


def ask(built, queries, k, passing):
    table, metric = built
    answers = []
    for query in queries:
        search = table.search(query).distance_type(metric).limit(k)
        if passing is not None:
            search = search.where(f"row IN ({listed(passing)})")
        found = search.select(["row", "_distance"]).to_arrow()
        answers.append(zip(found["row"].to_pylist(), found["_distance"].to_pylist()))
    return answers


WAYS = [
    Way("LanceDB", "lancedb", '`table.search(query).distance_type("cosine")`, no index of vectors', build, ask, MEASURES),
]
