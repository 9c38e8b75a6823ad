#!/usr/bin/env bash
# Many equal vectors in an HNSW graph, such as the embedding of one placeholder text, hide rows that have nothing to do with
# them. Equal rows are each other's nearest neighbours, so their links lead to nothing else, and what was added later can
# hardly be reached. In a FAISS index with 2,000 equal rows and then 1,000 different ones, not one of the 1,000 is found by
# its own vector; hnswlib and usearch miss a good part. Without the equal rows all but a few are found. efSearch, the knob for
# recall, does not help: at 1,024, for a table of 3,000 rows, FAISS finds 4 %. A recall that was measured without duplicates
# says nothing about it. The cure is to store each vector once, with the ids that share it beside it.
#
# versions: faiss-cpu 1.15.1, hnswlib 0.8.0, usearch 2.26.6 (numpy 2.4.6); hnswlib is built from source, by a C++ compiler
# seen:     1,000 rows: faiss over 95 %, with efSearch 1024 over 95 %, hnswlib over 95 %, usearch over 95 %
#           2,000 equal rows before them: faiss under 1 %, with efSearch 1024 under 10 %, hnswlib under 90 %, usearch under 90 %
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    faiss-cpu==1.15.1 hnswlib==0.8.0 numkong==7.8.6 numpy==2.4.6 packaging==26.4 tqdm==4.70.1 usearch==2.26.6
cat >finding.py <<'PYTHON'
import faiss
import hnswlib
import numpy as np
from usearch.index import Index

random = np.random.default_rng(1)
vectors = random.standard_normal((1_001, 64)).astype(np.float32)
faiss.normalize_L2(vectors)
placeholder, vectors = vectors[:1], vectors[1:]
# The same graphs each time.
faiss.omp_set_num_threads(1)


def by_faiss(rows, ef):
    index = faiss.IndexHNSWFlat(64, 32, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    return index.search(vectors, 1, params=faiss.SearchParametersHNSW(efSearch=ef))[1]


def by_hnswlib(rows):
    index = hnswlib.Index("cosine", 64)
    index.init_index(max_elements=len(rows))
    index.add_items(rows, num_threads=1)
    return index.knn_query(vectors, k=1)[0]


def by_usearch(rows):
    index = Index(ndim=64, metric="cos", dtype="f32")
    index.add(np.arange(len(rows)), rows, threads=1)
    return index.search(vectors, 1).keys


for name, equal in (("1,000 rows", 0), ("2,000 equal rows before them", 2_000)):
    rows = np.concatenate([np.repeat(placeholder, equal, axis=0), vectors])
    own = np.arange(equal, equal + 1_000)

    def share(found):
        found = (np.asarray(found).reshape(-1).astype(np.int64) == own).mean()
        return f"under {next(limit for limit in (1, 10, 90, 95) if found < limit / 100)} %" if found < 0.95 else "over 95 %"

    print(f"{name}: faiss {share(by_faiss(rows, 16))}, with efSearch 1024 {share(by_faiss(rows, 1_024))},",
          f"hnswlib {share(by_hnswlib(rows))}, usearch {share(by_usearch(rows))}")
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
1,000 rows: faiss over 95 %, with efSearch 1024 over 95 %, hnswlib over 95 %, usearch over 95 %
2,000 equal rows before them: faiss under 1 %, with efSearch 1024 under 10 %, hnswlib under 90 %, usearch under 90 %
SEEN
echo "as before"
