"""Writes the artifacts of this folder as other programs write them.

python3 -m venv /tmp/artifacts && /tmp/artifacts/bin/pip install pyarrow==26.0.1 polars==2.1.0
/tmp/artifacts/bin/python make.py
"""

import datetime
import decimal
import json
import pathlib
import random

import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc

folder = pathlib.Path(__file__).parent
random.seed(7)
rows, dimension = 40, 16
data = {
    "product_id": [f"p-{i}" for i in range(rows)],
    "category": [["tea", "mugs", "kettles and pots"][i * i % 3] for i in range(rows)],
    "title": [None if i % 5 == 0 else f"Title № {i}" for i in range(rows)],
    # Multiples of 1/64 are exact in float32, so that JSON holds the same numbers.
    "embedding": [[random.randrange(1, 4096) / 64 for _ in range(dimension)] for _ in range(rows)],
}
(folder / "expected.json").write_text(json.dumps(data, ensure_ascii=False))

metadata = {"nearline.model_id": "amazon.nova-2-multimodal-embeddings-v1:0", "nearline.format_version": "1"}


def write(name, text, codec=None, batch=rows):
    schema = pa.schema(
        [
            ("embedding", pa.list_(pa.float32(), dimension)),
            ("price", pa.float64()),
            ("title", text),
            ("category", text),
            ("product_id", pa.large_string() if text == pa.large_string() else pa.string()),
        ],
        metadata,
    )
    columns = {**data, "price": [1.5] * rows}
    arrays = []
    for field in schema:
        if pa.types.is_dictionary(field.type):
            arrays.append(pa.array(columns[field.name]).dictionary_encode())
        else:
            arrays.append(pa.array(columns[field.name], field.type))
    table = pa.Table.from_arrays(arrays, schema=schema)
    options = ipc.IpcWriteOptions(compression=codec)
    with ipc.new_file(folder / name, schema, options=options) as writer:
        writer.write_table(table, max_chunksize=batch)


write("pyarrow.arrow", pa.string())
write("pyarrow-lz4-dictionary.arrow", pa.dictionary(pa.int32(), pa.string()), "lz4", batch=rows)
write("pyarrow-zstd-large.arrow", pa.large_string(), "zstd", batch=7)
frame = pl.DataFrame(data, schema_overrides={"embedding": pl.Array(pl.Float32, dimension), "category": pl.Categorical})
frame.write_ipc(folder / "polars.arrow", compression="zstd")

# Attributes of every kind, in every form that pyarrow writes them.
whole = [None if i % 7 == 0 else i for i in range(rows)]
tags = [None if i % 6 == 0 else ["new", None, "sale"][: i % 4] for i in range(rows)]
attributes = {
    "brand": pa.array([None if i % 9 == 0 else f"brand {i % 4}" for i in range(rows)]),
    "colour": pa.array(["red", "blue"] * (rows // 2)).dictionary_encode(),
    "url": pa.array([f"https://example.com/{i}" for i in range(rows)], pa.string_view()),
    "in_stock": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(rows)]),
    "stock": pa.array(whole, pa.int32()),
    "serial": pa.array([2**64 - 1 - i for i in range(rows)], pa.uint64()),
    "price": pa.array([float("nan") if i % 8 == 0 else i / 4 for i in range(rows)]),
    "weight": pa.array([i / 8 for i in range(rows)], pa.float32()),
    "half": pa.array([i / 8 for i in range(rows)], pa.float16()),
    "cost": pa.array([None if i % 3 == 0 else decimal.Decimal(i) / 100 for i in range(rows)], pa.decimal128(10, 2)),
    "added": pa.array([i * 100 for i in range(rows)], pa.date32()),
    "sold": pa.array([None if i % 2 else i * 1_001 for i in range(rows)], pa.timestamp("ms", "Europe/Berlin")),
    "tags": pa.array(tags, pa.list_(pa.string())),
    "codes": pa.array(tags, pa.large_list(pa.dictionary(pa.int8(), pa.string()))),
    "sizes": pa.array([None if i % 4 == 0 else list(range(i % 5)) for i in range(rows)], pa.list_(pa.int16())),
    "box": pa.array([None if i % 4 == 0 else [1.5, i, 2.0] for i in range(rows)], pa.list_(pa.float64(), 3)),
}
arrays = {
    "product_id": pa.array(data["product_id"]),
    "category": pa.array(data["category"]),
    "embedding": pa.array(data["embedding"], pa.list_(pa.float32(), dimension)),
    **attributes,
}
table = pa.table(arrays).replace_schema_metadata({**metadata, "nearline.attributes": json.dumps(list(attributes))})
for name, codec in [("attributes.arrow", None), ("attributes-zstd.arrow", "zstd")]:
    with ipc.new_file(folder / name, table.schema, options=ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=17)


def shown(value):
    """A value as records have it."""
    if isinstance(value, list):
        return [shown(item) for item in value if item is not None]
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return text.rstrip("0").rstrip(".") + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(value)
    return None if number != number else int(value) if number == int(value) else number


values = {name: [shown(value) for value in column.to_pylist()] for name, column in attributes.items()}
(folder / "attributes.json").write_text(json.dumps(values))

# A last batch without tags: pyarrow keeps the offsets of what its empty items were cut from.
rows = 101
tags = pa.array([["sale", f"new{i % 3}"] for i in range(rows - 1)] + [None], pa.list_(pa.string()))
arrays = {
    "product_id": pa.array([f"p-{i}" for i in range(rows)]),
    "category": pa.array(["tea"] * rows),
    "embedding": pa.array([[1.0, float(i)] for i in range(rows)], pa.list_(pa.float32(), 2)),
    "tags": tags,
}
table = pa.table(arrays).replace_schema_metadata({**metadata, "nearline.attributes": '["tags"]'})
with ipc.new_file(folder / "attributes-empty.arrow", table.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
    writer.write_table(table, max_chunksize=rows - 1)
