"""What pyarrow writes."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.dataset as dataset
import pyarrow.feather as feather
import pyarrow.parquet as parquet
from pyarrow import ipc

from products import DIMENSION, INTEGERS, NUMBERS64, PRODUCTS, ROWS, UUIDS
from rows import writer

writes = writer("pyarrow", pa.__version__)

vectors = pa.FixedSizeListArray.from_arrays(pa.array(PRODUCTS.vectors.ravel()), DIMENSION)
columns = {
    "product_id": pa.array(PRODUCTS.ids),
    "category": pa.array(PRODUCTS.categories),
    "title": pa.array(PRODUCTS.titles),
    "embedding": vectors,
}
table = pa.table(columns)
lists = pa.table({**columns, "embedding": NUMBERS64.tolist()})
halves = NUMBERS64.astype(np.float16)
of_halves = PRODUCTS.but(vectors=halves.astype(np.float32))
integers = PRODUCTS.but(ids=[str(number) for number in INTEGERS])
uuids = PRODUCTS.but(ids=UUIDS)
untitled = PRODUCTS.but(titles=[None] * ROWS)


# Its files are part-0 to part-11, and part-10 comes before part-2.
by_name = [range(part * 25, part * 25 + 25) for part in sorted(range(12), key=str)]
# Each part has a dictionary of its own: what appending day by day gives. A stream may replace one, a file may not.
halves_of_it = [table[:150], table[150:]]
encoded = pa.concat_tables(
    [part.set_column(1, "category", part["category"].combine_chunks().dictionary_encode()) for part in halves_of_it]
)
empty = pa.RecordBatch.from_pylist([], table.schema)


def of(**changed):
    return pa.table({**columns, **changed})


def strings(kind):
    return of(**{name: columns[name].cast(kind) for name in ("product_id", "category", "title")})


@writes("feather", "a.feather")
def _(path):
    feather.write_feather(table, path)


@writes("feather-lists", "a.feather")
def _(path):
    feather.write_feather(lists, path)


@writes("feather-v1-strings", "a.feather", refused="feather|version 1|FEA1")
def _(path):
    feather.write_feather(table.drop_columns("embedding"), path, version=1)


@writes("file", "a.arrow")
def _(path):
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table)


@writes("stream", "a.arrows")
def _(path):
    with ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


@writes("file-lists", "a.arrow")
def _(path):
    with ipc.new_file(path, lists.schema) as file:
        file.write_table(lists)


@writes("file-batches-zstd", "a.arrow")
def _(path):
    with ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(table, max_chunksize=70)


@writes("stream-batches-lz4", "a.arrows")
def _(path):
    with ipc.new_stream(path, table.schema, options=ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(table, max_chunksize=70)


@writes("stream-slice", "a.arrows", PRODUCTS.at(range(13, 111)))
def _(path):
    with ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table.slice(13, 98))


@writes("file-large-string", "a.arrow")
def _(path):
    feather.write_feather(strings(pa.large_string()), path)


@writes("file-string-view", "a.arrow")
def _(path):
    feather.write_feather(strings(pa.string_view()), path)


@writes("file-dictionary", "a.arrow")
def _(path):
    feather.write_feather(of(category=columns["category"].dictionary_encode()), path)


@writes("stream-dictionary-replaced", "a.arrows")
def _(path):
    with ipc.new_stream(path, encoded.schema) as stream:
        stream.write_table(encoded)


@writes("stream-dictionary-deltas", "a.arrows")
def _(path):
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with ipc.new_stream(path, encoded.schema, options=options) as stream:
        stream.write_table(encoded)


@writes("file-dictionary-unified", "a.arrow")
def _(path):
    with ipc.new_file(path, encoded.schema, options=ipc.IpcWriteOptions(unify_dictionaries=True)) as file:
        file.write_table(encoded)


@writes("file-empty-batches", "a.arrow")
def _(path):
    with ipc.new_file(path, table.schema) as file:
        for part in (table[:0], table[:100], table[100:100], table[100:], table[:0]):
            file.write_batch(part.combine_chunks().to_batches()[0] if len(part) else empty)


@writes("file-run-end-encoded", "a.arrow")
def _(path):
    feather.write_feather(of(category=pa.compute.run_end_encode(columns["category"])), path, "uncompressed")


@writes("file-null-title", "a.arrow", untitled)
def _(path):
    feather.write_feather(of(title=[None] * ROWS), path)


@writes("file-int64-ids", "a.arrow", integers)
def _(path):
    feather.write_feather(of(product_id=INTEGERS), path)


@writes("file-uuid-ids", "a.arrow", uuids)
def _(path):
    feather.write_feather(of(product_id=pa.array([pa.scalar(id, pa.uuid()) for id in uuid_bytes], pa.uuid())), path)


@writes("file-large-list", "a.arrow")
def _(path):
    feather.write_feather(of(embedding=vectors.cast(pa.large_list(pa.float32()))), path)


@writes("file-list-view", "a.arrow")
def _(path):
    feather.write_feather(of(embedding=pa.array(list(PRODUCTS.vectors), pa.list_view(pa.float32()))), path)


@writes("file-float16", "a.arrow", of_halves)
def _(path):
    feather.write_feather(of(embedding=pa.FixedSizeListArray.from_arrays(halves.ravel(), DIMENSION)), path)


@writes("file-float64", "a.arrow")
def _(path):
    feather.write_feather(of(embedding=pa.FixedSizeListArray.from_arrays(NUMBERS64.ravel(), DIMENSION)), path)


@writes("file-tensor", "a.arrow")
def _(path):
    feather.write_feather(of(embedding=pa.FixedShapeTensorArray.from_numpy_ndarray(PRODUCTS.vectors)), path)


@writes("file-bytes", "a.arrow")
def _(path):
    feather.write_feather(of(embedding=[vector.tobytes() for vector in PRODUCTS.vectors]), path)


@writes("file-other-columns", "a.arrow")
def _(path):
    feather.write_feather(of(**others), path)


@writes("parquet", "a.parquet")
def _(path):
    parquet.write_table(table, path)


@writes("parquet-lists", "a.parquet")
def _(path):
    parquet.write_table(lists, path)


@writes("parquet-row-groups-zstd", "a.parquet")
def _(path):
    parquet.write_table(table, path, row_group_size=64, compression="zstd")


@writes("parquet-gzip", "a.parquet")
def _(path):
    parquet.write_table(table, path, compression="gzip")


@writes("parquet-brotli", "a.parquet")
def _(path):
    parquet.write_table(table, path, compression="brotli")


@writes("parquet-lz4", "a.parquet")
def _(path):
    parquet.write_table(table, path, compression="lz4")


@writes("parquet-split-v2", "a.parquet")
def _(path):
    splits = {"use_dictionary": ["category"], "use_byte_stream_split": ["embedding.list.element"]}
    parquet.write_table(table, path, data_page_version="2.0", **splits)


@writes("parquet-no-arrow-schema", "a.parquet")
def _(path):
    parquet.write_table(table, path, store_schema=False, use_compliant_nested_type=False)


@writes("parquet-float16", "a.parquet", of_halves)
def _(path):
    parquet.write_table(of(embedding=halves.tolist()).cast(half_schema), path)


@writes("parquet-int64-ids-null-title", "a.parquet", integers.but(titles=[None] * ROWS))
def _(path):
    parquet.write_table(of(product_id=INTEGERS, title=[None] * ROWS), path)


@writes("parquet-dictionary", "a.parquet")
def _(path):
    parquet.write_table(of(category=columns["category"].dictionary_encode()), path)


@writes("parquet-other-columns", "a.parquet")
def _(path):
    parquet.write_table(of(**others), path)


@writes("parquet-folder", "folder")
def _(path):
    dataset.write_dataset(table, path, format="parquet", max_rows_per_file=90, max_rows_per_group=90)


@writes("parquet-folder-by-category", "folder", refused="column.*category|category.*column")
def _(path):
    parquet.write_to_dataset(table, path, partition_cols=["category"])


@writes("parquet-folder-of-12", "folder", PRODUCTS.at([row for part in by_name for row in part]))
def _(path):
    dataset.write_dataset(table, path, format="parquet", max_rows_per_file=25, max_rows_per_group=25)


@writes("parquet-folder-metadata", "folder")
def _(path):
    dataset.write_dataset(table, path, format="parquet")
    parquet.write_metadata(table.schema, path / "_common_metadata")


@writes("feather-folder", "folder")
def _(path):
    dataset.write_dataset(table, path, format="feather", max_rows_per_file=90, max_rows_per_group=90)


uuid_bytes = [bytes.fromhex(id.replace("-", "")) for id in UUIDS]
half_schema = table.schema.set(3, pa.field("embedding", pa.list_(pa.float16())))
others = {
    "price": pa.array([decimal.Decimal("12.50")] * ROWS),
    "tags": [["new", "sale"]] * ROWS,
    "seen": pa.array([1_795_000_000_000] * ROWS, pa.timestamp("ms", "UTC")),
    "stock": [{"Berlin": 3, "Lyon": None}] * ROWS,
    "vector_of_image": [[0.5, 0.25]] * ROWS,
}
