import json
import os
import pathlib
import subprocess
import tempfile

import pyarrow as pa
from pyarrow import ipc

from engine import Way

# run.py sets it.
NEARLINE = os.environ["RANKINGS_NEARLINE"]
TIMEOUT_SECONDS = 60


def run(*arguments):
    # Nothing of a developer's own settings: own vectors need none.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NEARLINE_", "AWS_"))}
    done = subprocess.run([NEARLINE, *arguments], env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return done.stdout


def build(rows, ids, measure):
    folder = tempfile.TemporaryDirectory(prefix="rankings-")
    source, catalog = (pathlib.Path(folder.name) / name for name in ("rows.arrow", "catalog.arrow"))
    table = pa.table({
        "product_id": list(map(str, ids)),
        "category": ["all"] * len(ids),
        "row": pa.array(ids, pa.int64()),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
    })
    with ipc.new_file(str(source), table.schema) as file:
        file.write_table(table)
    run("catalog", "build", "--model", "none", "--attributes", "row", "--input", source, "--output", catalog)
    return folder, catalog


def ask(built, queries, k, passing):
    folder, catalog = built
    jobs = pathlib.Path(folder.name) / "jobs.jsonl"
    with open(jobs, "w", encoding="utf-8") as file:
        for number, query in enumerate(queries):
            job = {"request_id": str(number), "vector": query.tolist(), "top_k": k, "group_by": "none"}
            if passing is not None:
                job["filter"] = {"row": {"$in": sorted(passing)}}
            file.write(json.dumps(job) + "\n")
    answers = []
    for line in run("search", "--catalog", catalog, "--queries", jobs).splitlines():
        record = json.loads(line)
        if record["status"] != "SUCCEEDED":
            raise ValueError(record["error"]["code"])
        answers.append([(match["product_id"], match["score"]) for match in record["results"][0]["matches"]])
    return answers


WAYS = [
    Way("**nearline**", "nearline", "`nearline catalog build`, `nearline search`, `group_by: none`", build, ask,
        {"cosine": "value"}, version="as in this repository"),
]
