"""What stands in a file, by readers that are not nearline's: pyarrow, and Python's json and csv.

It shows that a producer wrote the products that are expected of it, before nearline is asked; and it says for the table
what the file is.
"""

import csv
import gzip
import io
import json
import uuid

import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as parquet
import zstandard
from pyarrow import ipc

from products import NAMES, Products

CONTAINERS = {
    b"ARROW1": "Arrow file",
    b"\xff\xff\xff\xff": "Arrow stream",
    b"PAR1": "Parquet",
    b"FEA1": "Feather 1",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def container(path):
    start = path.read_bytes()[:16]
    for magic, name in CONTAINERS.items():
        if start.startswith(magic):
            return name
    return "text"


def bytes_of(path):
    return sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size


def shards(path):
    """The files of a folder that have rows, by name: part-10 before part-2, as pyarrow, polars and DuckDB take them."""
    files = [file for file in path.rglob("*") if file.is_file() and file.suffix != ".json" and file.name[0] not in "_."]
    return sorted(files)


def text_of(path):
    packed = path.read_bytes()
    match container(path):
        case "gzip":
            packed = gzip.decompress(packed)
        case "zstd":
            packed = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    return packed.decode("utf-16" if packed.startswith(b"\xff\xfe") else "utf-8-sig")


def json_objects(text):
    """Of an array, or of lines. str.splitlines would end a line at U+2028, too."""
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line]


def arrow(path):
    """A file of Arrow or Parquet as (table, record batches or row groups, codec)."""
    if "int128" in path.parent.name:
        # A file that pyarrow cannot read at all, whichever columns are asked for.
        frame = polars.read_parquet(path) if container(path) == "Parquet" else polars.read_ipc(path)
        return frame.select(NAMES).to_arrow(), 1, "zstd" if container(path) == "Parquet" else None
    if container(path) == "Parquet":
        file = parquet.ParquetFile(path)
        chunk = file.metadata.row_group(0).column(0)
        return file.read(), file.num_row_groups, chunk.compression.lower()
    opened = (ipc.open_file if container(path) == "Arrow file" else ipc.open_stream)(path)
    if container(path) == "Arrow file":
        return opened.read_all(), opened.num_record_batches, None
    batches = list(opened)
    return pa.Table.from_batches(batches, opened.schema), len(batches), None


def describe(path):
    """(container, type of the vectors, type of ids and categories), in a few words."""
    if path.is_dir():
        files = shards(path)
        kinds = describe(files[0])
        return (f"folder of {len(files)}: {kinds[0]}", *kinds[1:])
    if container(path) in ("Arrow file", "Arrow stream", "Parquet"):
        table, parts, codec = arrow(path)
        names = [name for name in table.schema.names]
        kinds = {name.strip().lower(): short(table.schema.field(name).type) for name in names}
        vector = kinds.get("embedding") or kinds.get("vector", "none")
        texts = [kinds.get(name) or kinds.get(other) for name, other in (("product_id", "sku"), ("category", "group"))]
        what = container(path) + (f", {codec}" if codec and codec != "uncompressed" else "")
        unit = "row groups" if container(path) == "Parquet" else "batches"
        what += f", {parts} {unit}" if parts > 1 else ""
        return what, vector, " / ".join(dict.fromkeys(text for text in texts if text))
    if container(path) == "Feather 1":
        return "Feather 1", "none", "string"
    text = text_of(path)
    packed = container(path)
    # JSON's first character tells: an id may begin with one of them, a header does not.
    if text.lstrip().startswith(("{", "[")):
        kind = "JSON" if path.suffix == ".json" and json_is_whole(text) else "JSON Lines"
        kind = "JSON array" if text.lstrip().startswith("[") else kind
        first = json.loads(text) if kind != "JSON Lines" else json.loads(text.split("\n")[0])
        cell = first[0]["embedding"] if kind == "JSON array" else first.get("embedding")
        vector = {list: "array", dict: "object", str: "text of an array"}.get(type(cell), "none")
        if kind == "JSON":
            vector = "an object of columns" if "product_id" in first else "an object with `data`"
    else:
        header = text.split("\n")[0]
        separator = max(",;\t|", key=header.count)
        kind = "CSV" + ({",": "", ";": " with ;", "\t": " with tabs", "|": " with |"})[separator]
        line = next(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
        vector = "text: " + next(value for name, value in line.items() if name.lower() == "embedding")[:12] + "…"
    return kind + (f", {packed}" if packed != "text" else ""), vector, "text"


def json_is_whole(text):
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def short(kind):
    """A type's name as a person writes it."""
    if isinstance(kind, pa.BaseExtensionType):
        return f"{kind.extension_name} of {short(kind.storage_type)}"
    if pa.types.is_dictionary(kind):
        return f"dictionary({kind.index_type} → {short(kind.value_type)})"
    if pa.types.is_run_end_encoded(kind):
        return f"run-end encoded {short(kind.value_type)}"
    if pa.types.is_fixed_size_list(kind):
        return f"fixed-size list of {kind.list_size} {short(kind.value_type)}"
    for test, name in ((pa.types.is_large_list, "large list"), (pa.types.is_list_view, "list view"),
                       (pa.types.is_list, "list")):
        if test(kind):
            return f"{name} of {short(kind.value_type)}"
    if pa.types.is_struct(kind):
        return f"struct of {kind.num_fields} {short(kind.field(0).type)}"
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(str(kind), str(kind))


def read(path, names):
    """The products of a file, its columns being named `names`."""
    if path.is_dir():
        parts = [read(file, names) for file in shards(path)]
        return Products(
            [id for part in parts for id in part.ids],
            [category for part in parts for category in part.categories],
            [title for part in parts for title in part.titles],
            np.concatenate([part.vectors for part in parts]),
        )
    if container(path) in ("Arrow file", "Arrow stream", "Parquet"):
        table, _, _ = arrow(path)
        ids, categories, titles, cells = (values(table[names[name]]) for name in NAMES)
    else:
        text = text_of(path)
        if text.lstrip().startswith(("{", "[")):
            lines = json_objects(text)
        else:
            separator = max(",;\t|", key=text.split("\n")[0].count)
            lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
            lines = [{name.strip().lower(): value for name, value in line.items()} for line in lines]
        ids, categories, titles, cells = ([line.get(names[name]) for line in lines] for name in NAMES)
        titles = [title or None for title in titles]
    return Products([name(id) for id in ids], [name(category) for category in categories], titles,
                    np.array([vector(cell) for cell in cells]))


def values(column):
    return [str(value) if isinstance(value, uuid.UUID) else value for value in column.to_pylist()]


def name(value):
    """A string, an integer, or a UUID, as text."""
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    return str(value)


def vector(cell):
    if isinstance(cell, str):
        cell = json.loads(cell)
    if isinstance(cell, bytes):
        return np.frombuffer(cell, "<f4")
    return np.asarray(cell, np.float64).astype(np.float32)
