"""What libraries for JavaScript write: by_javascript.mjs does it, this asks it what it has."""

import json
import pathlib
import subprocess
import sys

import numpy as np

from products import PRODUCTS
from rows import TABLE, Row

FOLDER = pathlib.Path(__file__).parent


def node(*arguments):
    command = ["node", FOLDER / "by_javascript.mjs", *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        fault = "node is not installed"
    except subprocess.CalledProcessError as error:
        fault = error.stderr
    print(f"{fault}\nrun.py: this needs Node 20 or newer, and `npm ci --prefix {FOLDER}`", file=sys.stderr)
    sys.exit(2)


def register():
    for row in json.loads(node("describe").stdout):
        # JSON.stringify, which hyparquet-writer uses for arrays, writes -0 as 0.
        vectors = PRODUCTS.vectors + np.float32(0) if row.get("positiveZero") else PRODUCTS.vectors
        TABLE.append(
            Row(row["name"], row["producer"], row["file"], row["call"], None, PRODUCTS.but(vectors=vectors),
                row.get("refused"), [])
        )


def write(folder):
    """Writes all for which `folder` has a folder, in one process: node takes longer to start than to write."""
    source = folder / "products.json"
    source.write_text(json.dumps([
        {"product_id": id, "category": category, "title": title, "embedding": vector}
        for id, category, title, vector in zip(
            PRODUCTS.ids, PRODUCTS.categories, PRODUCTS.titles, PRODUCTS.vectors.tolist()
        )
    ]))
    node("write", source, folder)
