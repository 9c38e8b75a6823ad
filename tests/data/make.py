"""Writes the artifacts of this folder as other programs write them.

python3 -m venv /tmp/artifacts && /tmp/artifacts/bin/pip install pyarrow==26.0.1 polars==2.1.0
/tmp/artifacts/bin/python make.py
"""

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
