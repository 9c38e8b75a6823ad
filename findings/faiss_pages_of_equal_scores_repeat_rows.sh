#!/usr/bin/env bash
# FAISS and usearch have no offset, so pages are made by asking for more: places 4 to 6 of k = 6 after k = 3. The first three
# of six are not the three of three. With equal scores (the same text twice, sizes and colours of one product) FAISS's flat
# index keeps the rows that were added first and lists them last first, so the second page is the first page again, and the
# other rows are never shown. A better row that was added later pushes out the lowest id among equals. usearch's search()
# has yet another order. The cure: ask for more than is needed, and sort by score and id before cutting; even that fails
# where more rows are equal than were asked for.
#
# versions: faiss-cpu 1.15.1, usearch 2.26.6 (numpy 2.4.6)
# seen:     faiss: first page 2 1 0, second page 2 1 0
#           usearch: first page 0 1 2, second page 0 2 5
#           faiss: scores 0.5 0.5 0.5 1, best 2: 3 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    faiss-cpu==1.15.1 numkong==7.8.6 numpy==2.4.6 packaging==26.4 tqdm==4.70.1 usearch==2.26.6
cat >finding.py <<'PYTHON'
import faiss
import numpy as np
from usearch.index import search

QUERY = np.array([[1, 0, 0, 0]], np.float32)


def by_faiss(rows, k):
    index = faiss.IndexFlatIP(4)
    index.add(rows)
    return index.search(QUERY, k)[1][0]


def by_usearch(rows, k):
    return search(rows, QUERY[0], k, "cos", exact=True).keys


equal = np.repeat(QUERY, 6, axis=0)
for name, ask in (("faiss", by_faiss), ("usearch", by_usearch)):
    first, second = (" ".join(map(str, rows)) for rows in (ask(equal, 3), ask(equal, 6)[3:]))
    print(f"{name}: first page {first}, second page {second}")
half = np.array([[0.5, 0.5, 0.5, 0.5]] * 3 + [[1, 0, 0, 0]], np.float32)
print("faiss: scores 0.5 0.5 0.5 1, best 2:", *by_faiss(half, 2))
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
faiss: first page 2 1 0, second page 2 1 0
usearch: first page 0 1 2, second page 0 2 5
faiss: scores 0.5 0.5 0.5 1, best 2: 3 1
SEEN
echo "as before"
