import faiss
import numpy as np

from engine import Way

# FAISS has no cosine: its documentation says to normalise both sides and to take the inner product.
METRICS = {"cosine": faiss.METRIC_INNER_PRODUCT, "ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}
MEASURES = {"cosine": "value", "ip": "value", "l2": "sqrt(value)"}


def of(make):
    def build(rows, ids, measure):
        if measure == "cosine":
            faiss.normalize_L2(rows)
        index = faiss.IndexIDMap(make(rows.shape[1], METRICS[measure]))
        index.add_with_ids(rows, np.array(ids, np.int64))
        return index, measure

    return build


def ask_with(parameters):
    def ask(built, queries, k, passing):
        index, measure = built
        if measure == "cosine":
            faiss.normalize_L2(queries)
        chosen = None
        if passing is not None:
            chosen = parameters(sel=faiss.IDSelectorBatch(np.array(sorted(passing), np.int64)))
        values, ids = index.search(queries, k, params=chosen)
        return [zip(*answer) for answer in zip(ids, values)]

    return ask


WAYS = [
    Way("FAISS flat", "faiss-cpu", "`normalize_L2`, `IndexFlatIP` (`IndexFlatL2`) in an `IndexIDMap`", of(faiss.IndexFlat),
        ask_with(faiss.SearchParameters), MEASURES),
    Way("FAISS HNSW", "faiss-cpu", "`normalize_L2`, `IndexHNSWFlat(d, 32, metric)` in an `IndexIDMap`",
        of(lambda d, metric: faiss.IndexHNSWFlat(d, 32, metric)), ask_with(faiss.SearchParametersHNSW), MEASURES),
]
