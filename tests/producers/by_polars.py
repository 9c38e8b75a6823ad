"""What polars writes."""

import numpy as np
import polars as pl

from products import DIMENSION, NUMBERS64, PRODUCTS, ROWS
from rows import writer

writes = writer("polars", pl.__version__)

columns = {
    "product_id": PRODUCTS.ids,
    "category": PRODUCTS.categories,
    "title": PRODUCTS.titles,
    "embedding": PRODUCTS.vectors,
}
frame = pl.DataFrame(columns)
lists = pl.DataFrame({**columns, "embedding": NUMBERS64.tolist()})
single_lists = frame.with_columns(pl.col("embedding").cast(pl.List(pl.Float32)))
categorical = frame.with_columns(pl.col("category").cast(pl.Categorical))
enum = frame.with_columns(pl.col("category").cast(pl.Enum(frame["category"].unique(maintain_order=True))))
untitled = PRODUCTS.but(titles=[None] * ROWS)
halves = NUMBERS64.astype(np.float16)
of_halves = PRODUCTS.but(vectors=halves.astype(np.float32))
# write_csv takes no nested column: this is the way round that people find.
text = pl.format("[{}]", pl.col("embedding").cast(pl.List(pl.String)).list.join(", ")).alias("embedding")


@writes("ipc", "a.arrow")
def _(path):
    frame.write_ipc(path)


@writes("ipc-stream", "a.arrows")
def _(path):
    frame.write_ipc_stream(path)


@writes("ipc-lists", "a.arrow")
def _(path):
    lists.write_ipc(path)


@writes("ipc-float32-lists-lz4", "a.arrow")
def _(path):
    single_lists.write_ipc(path, compression="lz4")


@writes("ipc-stream-batches-zstd", "a.arrows")
def _(path):
    pl.concat([frame[:100], frame[100:]]).write_ipc_stream(path, compression="zstd")


@writes("ipc-batches", "a.arrow")
def _(path):
    frame.write_ipc(path, record_batch_size=64)


@writes("ipc-categorical", "a.arrow")
def _(path):
    categorical.write_ipc(path)


@writes("ipc-categorical-batches", "a.arrow")
def _(path):
    categorical.write_ipc(path, record_batch_size=64)


@writes("ipc-enum", "a.arrow")
def _(path):
    enum.write_ipc(path)


@writes("ipc-stream-categorical", "a.arrows")
def _(path):
    categorical.write_ipc_stream(path)


@writes("ipc-oldest", "a.arrow")
def _(path):
    frame.write_ipc(path, compat_level=pl.CompatLevel.oldest())


@writes("ipc-null-title", "a.arrow", untitled)
def _(path):
    frame.with_columns(title=None).write_ipc(path)


@writes("ipc-float16", "a.arrow", of_halves)
def _(path):
    frame.with_columns(embedding=pl.Series(NUMBERS64, dtype=pl.Array(pl.Float16, DIMENSION))).write_ipc(path)


@writes("ipc-int128", "a.arrow")
def _(path):
    frame.with_columns(pl.col("product_id").hash().cast(pl.Int128).alias("hash")).write_ipc(path)


@writes("sink-ipc", "a.arrow")
def _(path):
    frame.lazy().sink_ipc(path)


@writes("parquet", "a.parquet")
def _(path):
    frame.write_parquet(path)


@writes("parquet-lists", "a.parquet")
def _(path):
    lists.write_parquet(path)


@writes("parquet-row-groups-snappy", "a.parquet")
def _(path):
    frame.write_parquet(path, row_group_size=64, compression="snappy")


@writes("parquet-categorical", "a.parquet")
def _(path):
    categorical.write_parquet(path)


@writes("parquet-enum", "a.parquet")
def _(path):
    enum.write_parquet(path)


@writes("parquet-int128", "a.parquet")
def _(path):
    frame.with_columns(pl.col("product_id").hash().cast(pl.Int128).alias("hash")).write_parquet(path)


@writes("parquet-folder", "folder")
def _(path):
    frame.lazy().sink_parquet(pl.PartitionBy(path, max_rows_per_file=90), mkdir=True)


@writes("ndjson", "a.ndjson")
def _(path):
    frame.write_ndjson(path)


@writes("ndjson-lists", "a.jsonl")
def _(path):
    lists.write_ndjson(path)


@writes("ndjson-gzip", "a.ndjson.gz")
def _(path):
    frame.write_ndjson(path, compression="gzip")


@writes("json", "a.json")
def _(path):
    frame.write_json(path)


@writes("csv", "a.csv")
def _(path):
    frame.with_columns(text).write_csv(path)


@writes("csv-zstd", "a.csv.zst")
def _(path):
    frame.with_columns(text).write_csv(path, compression="zstd")


@writes("csv-bom-semicolon", "a.csv")
def _(path):
    frame.with_columns(text).write_csv(path, include_bom=True, separator=";", line_terminator="\r\n")
