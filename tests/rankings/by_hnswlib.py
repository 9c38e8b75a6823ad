import hnswlib
import numpy as np

from engine import Way

SPACES = {"cosine": "cosine", "ip": "ip", "l2": "l2"}
MEASURES = {"cosine": "1 - value", "ip": "1 - value", "l2": "sqrt(value)"}


def build_flat(rows, ids, measure):
    index = hnswlib.BFIndex(space=SPACES[measure], dim=rows.shape[1])
    index.init_index(max_elements=len(rows))
    index.add_items(rows, np.array(ids))
    return index


def build_graph(rows, ids, measure):
    index = hnswlib.Index(space=SPACES[measure], dim=rows.shape[1])
    index.init_index(max_elements=len(rows))
    # By one thread, so that it is the same graph each time.
    index.add_items(rows, np.array(ids), num_threads=1)
    return index


def ask(index, queries, k, passing):
    accept = None if passing is None else lambda label: label in passing
    ids, values = index.knn_query(queries, k=k, filter=accept)
    return [zip(*answer) for answer in zip(ids, values)]


WAYS = [
    # Left out: it ends neither in a sound answer nor in an error.
    Way("hnswlib `BFIndex`", "hnswlib", '`BFIndex(space="cosine")`', build_flat, ask, MEASURES,
        never=("k beyond n", "few pass")),
    Way("hnswlib `Index`", "hnswlib", '`Index(space="cosine")`', build_graph, ask, MEASURES),
]
