"""The index of DuckDB's extension VSS, which PyPI has for an earlier DuckDB than the one that by_duckdb.py measures."""

import pathlib
import sys

# Where requirements-vss.txt is installed: beside the environment's own packages, which have the newer DuckDB.
sys.path.insert(0, str(pathlib.Path(sys.prefix) / "vss"))

import duckdb
import duckdb_extension_vss

import by_duckdb
from engine import Way

METRICS = {"cosine": "cosine", "ip": "ip", "l2": "l2sq"}
EXTENSION = pathlib.Path(duckdb_extension_vss.__file__).parent / "extensions" / f"v{duckdb.__version__}" / "vss.duckdb_extension"


def build(rows, ids, measure):
    built = by_duckdb.build(rows, ids, measure)
    built[0].execute(f"LOAD '{EXTENSION}'")
    built[0].execute(f"CREATE INDEX found ON items USING HNSW (vector) WITH (metric = '{METRICS[measure]}')")
    return built


WAYS = [
    # A query with a NaN is an internal error, after which the database has to be opened anew.
    Way("DuckDB VSS", "duckdb-extension-vss", "`ORDER BY array_cosine_distance(...) LIMIT k`, `USING HNSW`", build,
        by_duckdb.ask_by(by_duckdb.DISTANCES, ""), {"cosine": "1 - value", "ip": "-value", "l2": "value"},
        never=("NaN query",), version=f"duckdb, duckdb-extension-vss {duckdb.__version__}"),
]
