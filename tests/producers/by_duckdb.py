"""What DuckDB writes."""

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

from by_pyarrow import table as products
from products import INTEGERS, NUMBERS64, PRODUCTS, UUIDS
from rows import writer

writes = writer("DuckDB", duckdb.__version__)
uuids = PRODUCTS.but(ids=UUIDS)
integers = PRODUCTS.but(ids=[str(number) for number in INTEGERS])

con = duckdb.connect()
# With several, each writes a file of its own into a folder, in no order.
con.execute("SET threads = 1")
con.register("arrow", products.append_column("uuid", [UUIDS]).append_column("number", [INTEGERS]))
con.execute("CREATE TABLE all_of_it AS SELECT * REPLACE (embedding::FLOAT[16] AS embedding) FROM arrow")
con.execute("CREATE TABLE products AS SELECT * EXCLUDE (uuid, number) FROM all_of_it")
con.execute("CREATE TYPE category AS ENUM (SELECT DISTINCT category FROM products)")
con.execute("CREATE TABLE enums AS SELECT * REPLACE (category::category AS category) FROM products")
con.execute("CREATE TABLE uuids AS SELECT * EXCLUDE (uuid, number) REPLACE (uuid::UUID AS product_id) FROM all_of_it")
con.execute("CREATE TABLE huge AS SELECT * EXCLUDE (uuid, number) REPLACE (number::HUGEINT AS product_id) FROM all_of_it")
# Vectors that somebody has quantised; never all zero.
bytes8 = np.clip(np.round(NUMBERS64 * 20), -127, 127).astype(np.int8) | np.eye(1, NUMBERS64.shape[1], dtype=np.int8)
con.register("quantised", products.set_column(3, "embedding", pa.array(list(bytes8))))
con.execute("CREATE TABLE tiny AS FROM quantised")


@writes("parquet", "a.parquet")
def _(path):
    con.sql(f"COPY products TO '{path}'")


@writes("parquet-list", "a.parquet")
def _(path):
    con.sql(f"COPY (SELECT * REPLACE (embedding::FLOAT[] AS embedding) FROM products) TO '{path}'")


@writes("parquet-double-zstd", "a.parquet")
def _(path):
    con.sql(f"COPY (SELECT * REPLACE (embedding::DOUBLE[] AS embedding) FROM products) TO '{path}' (COMPRESSION zstd)")


@writes("parquet-v2", "a.parquet")
def _(path):
    con.sql(f"COPY products TO '{path}' (PARQUET_VERSION v2)")


@writes("parquet-tinyint", "a.parquet", PRODUCTS.but(vectors=bytes8.astype(np.float32)))
def _(path):
    con.sql(f"COPY tiny TO '{path}'")


@writes("parquet-enum", "a.parquet")
def _(path):
    con.sql(f"COPY enums TO '{path}'")


@writes("parquet-uuid", "a.parquet", uuids)
def _(path):
    con.sql(f"COPY uuids TO '{path}'")


@writes("parquet-folder", "folder")
def _(path):
    con.sql(f"COPY products TO '{path}' (FORMAT parquet, PER_THREAD_OUTPUT)")


@writes("csv", "a.csv")
def _(path):
    con.sql(f"COPY products TO '{path}'")


@writes("csv-gzip", "a.csv.gz")
def _(path):
    con.sql(f"COPY products TO '{path}'")


@writes("csv-tab", "a.tsv")
def _(path):
    con.sql(f"COPY products TO '{path}' (FORMAT csv, DELIMITER '\\t')")


@writes("json", "a.json")
def _(path):
    con.sql(f"COPY products TO '{path}'")


@writes("json-array", "a.json")
def _(path):
    con.sql(f"COPY products TO '{path}' (ARRAY true)")


@writes("json-zstd", "a.json.zst")
def _(path):
    con.sql(f"COPY products TO '{path}' (FORMAT json, COMPRESSION zstd)")


@writes("json-hugeint-ids", "a.json", integers)
def _(path):
    con.sql(f"COPY huge TO '{path}'")


@writes("arrow", "a.feather")
def _(path):
    feather.write_feather(con.sql("FROM products").to_arrow_table(), path)


@writes("arrow-enum", "a.feather")
def _(path):
    feather.write_feather(con.sql("FROM enums").to_arrow_table(), path)


@writes("arrow-uuid", "a.feather", uuids)
def _(path):
    feather.write_feather(con.sql("FROM uuids").to_arrow_table(), path)
