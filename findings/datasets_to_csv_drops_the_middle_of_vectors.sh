#!/usr/bin/env bash
# Dataset.to_csv of Hugging Face datasets hands its rows to pandas, which writes str() of each vector, and str() is NumPy's
# display: above 1,000 numbers it shows the first and last three and three dots. So of vectors of 1,536 numbers the CSV
# has six, with eight digits; the call succeeds and says nothing. With 384 numbers all are there, so a trial with a
# smaller model passes. Neither is JSON: blanks stand between the numbers. to_json and to_parquet write all of them.
#
# versions: datasets 5.2.0 (with pandas 3.1.1, numpy 2.4.6)
# seen:     384 dimensions: 384 numbers in the CSV, dots: False
#           1024 dimensions: 6 numbers in the CSV, dots: True
#           1536 dimensions: 6 numbers in the CSV, dots: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HF_HOME=$folder
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
    anyio==4.16.0 click==8.5.1 datasets==5.2.0 dill==0.4.1 filelock==4.3.1 fsspec==2026.9.0 h11==0.16.0 hf-xet==1.8.0 \
    httpcore2==2.16.2 httpx2==2.16.2 huggingface_hub==2.4.0 idna==3.20 multiprocess==0.70.19 numpy==2.4.6 \
    packaging==26.4 pandas==3.1.1 pyarrow==26.0.1 python-dateutil==4.0.0 PyYAML==6.0.4 tqdm==4.70.1 \
    truststore==0.10.5 typing_extensions==4.16.0 tzdata==2026.6 xxhash==4.1.0
cat >finding.py <<'PYTHON'
import csv

import datasets
import numpy as np

datasets.disable_progress_bars()
for dimensions in (384, 1_024, 1_536):
    vectors = np.random.default_rng(1).standard_normal((2, dimensions)).astype(np.float32)
    datasets.Dataset.from_dict({"id": ["a", "b"], "embedding": vectors}).to_csv("products.csv")
    with open("products.csv", newline="") as file:
        cell = next(csv.DictReader(file))["embedding"]
    numbers = [word for word in cell.strip("[]").split() if word != "..."]
    print(f"{dimensions} dimensions: {len(numbers)} numbers in the CSV, dots: {'...' in cell}")
PYTHON
venv/bin/python finding.py >seen
diff - seen <<'SEEN'
384 dimensions: 384 numbers in the CSV, dots: False
1024 dimensions: 6 numbers in the CSV, dots: True
1536 dimensions: 6 numbers in the CSV, dots: True
SEEN
echo "as before"
