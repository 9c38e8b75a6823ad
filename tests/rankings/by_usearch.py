import numpy as np
from usearch.index import Index, search

from engine import Way

METRICS = {"cosine": "cos", "ip": "ip", "l2": "l2sq"}
MEASURES = {"cosine": "1 - value", "ip": "1 - value", "l2": "sqrt(value)"}


def build_index(rows, ids, measure):
    index = Index(ndim=rows.shape[1], metric=METRICS[measure], dtype="f32")
    index.add(np.array(ids), rows, threads=1)
    return index


def ask_index(exact):
    return lambda index, queries, k, passing: read(index.search(queries, k, exact=exact))


def build_rows(rows, ids, measure):
    return rows, ids, METRICS[measure]


def ask_rows(built, queries, k, passing):
    rows, ids, metric = built
    return [[(ids[key], value) for key, value in answer] for answer in read(search(rows, queries, k, metric, exact=True))]


def read(found):
    if hasattr(found, "counts"):
        return [zip(keys[:count], values[:count]) for keys, values, count in zip(found.keys, found.distances, found.counts)]
    # A lone query's answer has one dimension less.
    return [zip(found.keys, found.distances)]


WAYS = [
    Way("usearch `search`", "usearch", '`search(rows, queries, k, "cos", exact=True)`', build_rows, ask_rows, MEASURES, False),
    Way("usearch `Index`, exact", "usearch", '`Index(metric="cos", dtype="f32").search(queries, k, exact=True)`', build_index,
        ask_index(True), MEASURES, False),
    Way("usearch `Index`", "usearch", '`Index(metric="cos", dtype="f32").search(queries, k)`', build_index, ask_index(False),
        MEASURES, False),
]
