"""Attributes as pyarrow, pandas, polars and DuckDB write them: `--attributes all` keeps each value of each kind."""

import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
from pyarrow import ipc

import by_duckdb
import by_pandas
import by_polars
import by_pyarrow
from products import ATTRIBUTES
from rows import writer

pyarrow, pandas = writer("pyarrow", pa.__version__), writer("pandas", pd.__version__)
polars, of_duckdb = writer("polars", pl.__version__), writer("DuckDB", duckdb.__version__)

TYPES = {
    "brand": pa.string(),
    "new": pa.bool_(),
    "stock": pa.int64(),
    "serial": pa.uint64(),
    "price": pa.float64(),
    "cost": pa.decimal128(12, 2),
    "ordered": pa.decimal128(38, 0),
    "released": pa.date32(),
    "seen": pa.timestamp("us"),
    "updated": pa.timestamp("us", "UTC"),
    "tags": pa.list_(pa.string()),
    "sizes": pa.list_(pa.int16()),
    "ratios": pa.list_(pa.float64()),
}
table = by_pyarrow.table
for name, kind in TYPES.items():
    table = table.append_column(name, pa.array(ATTRIBUTES[name], kind))


def same(value):
    return value


def kept(kind, values, change=same):
    return kind, [None if value is None else change(value) for value in values]


def item(kind):
    return f"list<item: {kind} not null>"


IN_CATALOG = {
    "brand": "string",
    "new": "bool",
    "stock": "int64",
    "serial": "uint64",
    "price": "double",
    "cost": "double",
    "ordered": "int64",
    "released": "date32[day]",
    "seen": "timestamp[us]",
    "updated": "timestamp[us, tz=UTC]",
    "tags": item("string"),
    "sizes": item("int16"),
    "ratios": item("double"),
}
OF_DECIMALS = {"cost": float, "ordered": int}
EXPECTED = {name: kept(kind, ATTRIBUTES[name], OF_DECIMALS.get(name, same)) for name, kind in IN_CATALOG.items()}


def expected(*names, **changes):
    """Those of these names, and with another type."""
    chosen = {name: column for name, column in EXPECTED.items() if name in names or not names}
    return {name: (changes.get(name, kind), values) for name, (kind, values) in chosen.items()}


def narrow(kind):
    """One column of this type, with the numbers that it holds."""
    most = np.iinfo(kind.to_pandas_dtype()).max
    values = [None if row % 7 == 0 else most - row % 100 for row in range(table.num_rows)]
    return by_pyarrow.table.append_column("n", pa.array(values, kind)), {"n": (str(kind), values)}


@pyarrow("attributes-parquet", "a.parquet", attributes=EXPECTED)
def _(path):
    parquet.write_table(table, path)


@pyarrow("attributes-file-batches", "a.arrow", attributes=EXPECTED)
def _(path):
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=70)


@pyarrow("attributes-feather", "a.feather", attributes=EXPECTED)
def _(path):
    feather.write_feather(table, path)


for integers in (pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32()):
    of_width, expected_of_width = narrow(integers)

    @pyarrow(f"attributes-{integers}", "a.parquet", attributes=expected_of_width)
    def _(path, of_width=of_width):
        parquet.write_table(of_width, path)


halves = [None if row % 5 == 0 else float(np.float16(row / 10)) for row in range(table.num_rows)]
singles = [None if row % 5 == 0 else float(np.float32(row / 10)) for row in range(table.num_rows)]
other_layouts = by_pyarrow.table.append_column("half", pa.array(halves, pa.float16()))
other_layouts = other_layouts.append_column("single", pa.array(singles, pa.float32()))
other_layouts = other_layouts.append_column("dictionary", table["brand"].combine_chunks().dictionary_encode())
other_layouts = other_layouts.append_column("large", table["brand"].cast(pa.large_string()))
other_layouts = other_layouts.append_column("large_tags", table["tags"].cast(pa.large_list(pa.large_string())))
other_layouts = other_layouts.append_column("day64", table["released"].cast(pa.date64()))
in_other_layouts = {
    "half": ("float", halves),
    "single": ("float", singles),
    "dictionary": EXPECTED["brand"],
    "large": EXPECTED["brand"],
    "large_tags": EXPECTED["tags"],
    "day64": EXPECTED["released"],
}


@pyarrow("attributes-layouts", "a.arrow", attributes=in_other_layouts)
def _(path):
    with ipc.new_file(path, other_layouts.schema) as file:
        file.write_table(other_layouts)


# A column of integers with gaps becomes one of floats: whole numbers of it are below 2^53.
small = {"few": [None if value is None else value % 1_000 for value in ATTRIBUTES["stock"]]}
of_frame = ("brand", "price", "tags", "sizes", "released")
frame = by_pandas.frame.assign(**{name: ATTRIBUTES[name] for name in of_frame}, **small)
in_frame = expected("brand", "price", "tags", "released") | {
    "sizes": (item("int64"), ATTRIBUTES["sizes"]),
    "few": ("double", [None if value is None else float(value) for value in small["few"]]),
}
nullable = frame.astype({"few": "Int64", "brand": "category"}).assign(new=pd.array(ATTRIBUTES["new"], "boolean"))
in_nullable = in_frame | expected("new") | {"few": ("int64", small["few"])}


@pandas("attributes-parquet", "a.parquet", attributes=in_frame)
def _(path):
    frame.to_parquet(path)


@pandas("attributes-parquet-nullable", "a.parquet", attributes=in_nullable)
def _(path):
    nullable.to_parquet(path)


@pandas("attributes-feather", "a.feather", attributes=in_frame)
def _(path):
    frame.to_feather(path)


# JSON and text have no days.
lines = frame.drop(columns="released").assign(price=np.round(pd.array(ATTRIBUTES["price"], "float64"), 2))
lines = lines.assign(few=nullable["few"], new=nullable["new"])
priced = {"price": kept("double", ATTRIBUTES["price"], lambda value: round(value, 2))}
in_lines = {name: in_nullable[name] for name in ("brand", "tags", "sizes", "new", "few")} | priced


@pandas("attributes-json-lines", "a.jsonl", by_pandas.as_written, attributes=in_lines)
def _(path):
    lines.to_json(path, orient="records", lines=True)


arrays = {name: kept(None, ATTRIBUTES[name], json.dumps)[1] for name in ("tags", "sizes")}
texts = lines.assign(embedding=by_pandas.texts["embedding"], **arrays)


@pandas("attributes-csv", "a.csv", attributes=in_lines)
def _(path):
    texts.to_csv(path, index=False)


of_polars = pl.from_arrow(table.drop_columns("serial")).with_columns(by_polars.frame["embedding"])
in_polars = expected(*(name for name in IN_CATALOG if name != "serial"))


@polars("attributes-ipc", "a.arrow", attributes=in_polars)
def _(path):
    of_polars.write_ipc(path)


@polars("attributes-parquet", "a.parquet", attributes=in_polars)
def _(path):
    of_polars.write_parquet(path)


plain = ["brand", "new", "stock", "price"]
in_ndjson = expected(*plain, "tags", "ratios") | {"sizes": (item("int64"), ATTRIBUTES["sizes"])}


@polars("attributes-ndjson", "a.ndjson", attributes=in_ndjson)
def _(path):
    of_polars.select(*by_polars.columns, *in_ndjson).write_ndjson(path)


@polars("attributes-csv", "a.csv", attributes=expected(*plain))
def _(path):
    of_polars.select(*by_polars.columns, *plain).with_columns(by_polars.text).write_csv(path)


con = by_duckdb.con
con.register("with_attributes", table)
con.execute("CREATE TABLE attributes AS SELECT * REPLACE (embedding::FLOAT[16] AS embedding) FROM with_attributes")


@of_duckdb("attributes-parquet", "a.parquet", attributes=EXPECTED)
def _(path):
    con.sql(f"COPY attributes TO '{path}'")


@of_duckdb("attributes-arrow", "a.feather", attributes=expected(updated=None))
def _(path):
    feather.write_feather(con.sql("FROM attributes").to_arrow_table(), path)


known = "product_id, category, title, embedding"
in_json = expected(*plain, "serial", "tags", "ratios") | {"sizes": (item("int64"), ATTRIBUTES["sizes"])}


@of_duckdb("attributes-json", "a.json", attributes=in_json)
def _(path):
    con.sql(f"COPY (SELECT {known}, {', '.join(in_json)} FROM attributes) TO '{path}'")


@of_duckdb("attributes-csv", "a.csv", attributes=expected(*plain, "serial"))
def _(path):
    con.sql(f"COPY (SELECT {known}, {', '.join(plain)}, serial FROM attributes) TO '{path}'")
