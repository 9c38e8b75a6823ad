"""What the small implementations of Arrow for Python write: arro3 (of arrow-rs) and nanoarrow."""

import importlib.metadata

import arro3.core
import arro3.io
import nanoarrow
import nanoarrow.ipc
import pyarrow as pa

from by_pyarrow import table as products
from products import NUMBERS64, PRODUCTS, ROWS
from rows import writer

arro3_writes = writer("arro3", importlib.metadata.version("arro3-io"))
nanoarrow_writes = writer("nanoarrow", importlib.metadata.version("nanoarrow"))

text = arro3.core.DataType.utf8()
table = arro3.core.Table.from_pydict(
    {
        "product_id": arro3.core.Array(PRODUCTS.ids, type=text),
        "category": arro3.core.Array(PRODUCTS.categories, type=text),
        "title": arro3.core.Array(PRODUCTS.titles, type=text),
        "embedding": arro3.core.Array.from_numpy(PRODUCTS.vectors),
    }
)
doubles = table.set_column(3, "embedding", arro3.core.ChunkedArray([arro3.core.Array.from_numpy(NUMBERS64)]))
# Copies of the rows, not slices: nanoarrow encodes no array with an offset.
two_batches = pa.concat_tables([products.take(list(range(100))), products.take(list(range(100, ROWS)))])


@arro3_writes("ipc", "a.arrow")
def _(path):
    arro3.io.write_ipc(table, path)


@arro3_writes("ipc-stream", "a.arrows")
def _(path):
    arro3.io.write_ipc_stream(table, path)


@arro3_writes("ipc-float64", "a.arrow")
def _(path):
    arro3.io.write_ipc(doubles, path)


@arro3_writes("parquet", "a.parquet")
def _(path):
    arro3.io.write_parquet(table, path)


@arro3_writes("ndjson", "a.jsonl")
def _(path):
    arro3.io.write_ndjson(table, path)


@arro3_writes("json", "a.json")
def _(path):
    arro3.io.write_json(table, path)


@nanoarrow_writes("stream", "a.arrows")
def _(path):
    with nanoarrow.ipc.StreamWriter.from_path(path) as stream:
        stream.write_stream(products)


@nanoarrow_writes("stream-batches", "a.arrows")
def _(path):
    with nanoarrow.ipc.StreamWriter.from_path(path) as stream:
        stream.write_stream(two_batches)
