"""What Hugging Face datasets writes."""

import os

# Nothing here needs the hub, so nothing may ask it.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets

from by_pandas import as_written, frame
from products import DIMENSION, NUMBERS64, PRODUCTS
from rows import writer

writes = writer("datasets", datasets.__version__)
datasets.disable_progress_bars()

columns = {
    "product_id": PRODUCTS.ids,
    "category": PRODUCTS.categories,
    "title": PRODUCTS.titles,
    "embedding": PRODUCTS.vectors,
}
data = datasets.Dataset.from_dict(columns)
lists = datasets.Dataset.from_dict({**columns, "embedding": NUMBERS64.tolist()})
declared = data.cast_column("embedding", datasets.List(datasets.Value("float32"), length=DIMENSION))
array2d = datasets.Dataset.from_dict({**columns, "embedding": PRODUCTS.vectors[:, None, :]}).cast_column(
    "embedding", datasets.Array2D((1, DIMENSION), "float32")
)
labels = data.class_encode_column("category")


def as_labels(path):
    """ClassLabel stores numbers; the names stand in the file's metadata alone."""
    return PRODUCTS.but(categories=[str(label) for label in labels["category"]])


@writes("save-to-disk", "folder")
def _(path):
    data.save_to_disk(path)


@writes("save-to-disk-lists", "folder")
def _(path):
    lists.save_to_disk(path)


@writes("save-to-disk-declared", "folder")
def _(path):
    declared.save_to_disk(path)


@writes("save-to-disk-shards", "folder")
def _(path):
    data.save_to_disk(path, num_shards=3)


@writes("save-to-disk-pandas", "folder")
def _(path):
    datasets.Dataset.from_pandas(frame).save_to_disk(path)


@writes("save-to-disk-dict", "folder", refused="train")
def _(path):
    datasets.DatasetDict({"train": data}).save_to_disk(path)


@writes("parquet", "a.parquet")
def _(path):
    data.to_parquet(path)


@writes("parquet-declared", "a.parquet")
def _(path):
    declared.to_parquet(path)


@writes("parquet-class-label", "a.parquet", as_labels)
def _(path):
    labels.to_parquet(path)


@writes("parquet-array2d", "a.parquet", refused="embedding")
def _(path):
    array2d.to_parquet(path)


@writes("json", "a.jsonl", as_written)
def _(path):
    data.to_json(path)


@writes("json-gzip", "a.jsonl.gz", as_written)
def _(path):
    data.to_json(path, compression="gzip")


@writes("csv", "a.csv", refused="embedding")
def _(path):
    data.to_csv(path)
