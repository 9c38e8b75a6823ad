#!/usr/bin/env bash
# usearch takes float vectors for an index of dtype i8 and scales each to the same length on its way in. What their lengths
# say is gone: metric ip, and l2sq as well, rank by the cosine, in another order than f32, f16 and bf16 do, and rows of one
# direction are equal. Values are products of codes, some -16,000, so a threshold that fitted f32 lets all pass or none. No
# warning is given. With unit vectors the order is right, so a trial with these passes; models whose lengths carry meaning
# (trained for dot products), and distances between vectors that are not normalised, do not survive it.
#
# versions: usearch 2.26.6 (numpy 2.4.6)
# seen:     ip f32: long 0.55, middle 0.9, short 0.95
#           ip bf16: long 0.55, middle 0.9, short 0.95
#           ip i8: middle -16128, short -16128, long -11302
#           l2sq f32: middle 0.09, short 0.16, long 0.97
#           l2sq bf16: middle 0.09, short 0.16, long 0.97
#           l2sq i8: middle 0, short 0, long 9365
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    numkong==7.8.6 numpy==2.4.6 tqdm==4.70.1 usearch==2.26.6
cat >finding.py <<'PYTHON'
import numpy as np
from usearch.index import Index

ROWS = {"short": [0.1, 0, 0, 0], "middle": [0.2, 0, 0, 0], "long": [0.9, 0.9, 0, 0]}
names = list(ROWS)
query = np.array([0.5, 0, 0, 0], np.float32)
for metric in ("ip", "l2sq"):
    for dtype in ("f32", "bf16", "i8"):
        index = Index(ndim=4, metric=metric, dtype=dtype)
        index.add(np.arange(3), np.array(list(ROWS.values()), np.float32))
        found = index.search(query, 3, exact=True)
        answer = sorted((round(float(value), 2), names[key]) for key, value in zip(found.keys, found.distances))
        print(f"{metric} {dtype}:", ", ".join(f"{name} {value:g}" for value, name in answer))
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
ip f32: long 0.55, middle 0.9, short 0.95
ip bf16: long 0.55, middle 0.9, short 0.95
ip i8: middle -16128, short -16128, long -11302
l2sq f32: middle 0.09, short 0.16, long 0.97
l2sq bf16: middle 0.09, short 0.16, long 0.97
l2sq i8: middle 0, short 0, long 9365
SEEN
echo "as before"
