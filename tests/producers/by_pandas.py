"""What pandas writes, with pyarrow for Feather and Parquet."""

import json

import numpy as np
import pandas as pd

from products import INTEGERS, NUMBERS64, PRODUCTS, ROWS
from rows import writer
from written import json_objects, text_of

writes = writer("pandas", pd.__version__)

frame = pd.DataFrame(
    {
        "product_id": PRODUCTS.ids,
        "category": PRODUCTS.categories,
        "title": PRODUCTS.titles,
        "embedding": list(PRODUCTS.vectors),
    }
)
lists = frame.assign(embedding=NUMBERS64.tolist())
texts = frame.assign(embedding=[json.dumps(vector) for vector in PRODUCTS.vectors.tolist()])
capital = texts.rename(columns={"product_id": "Product_ID", "category": "Category", "title": " Title",
                                "embedding": "Embedding"})
shop = frame.rename(columns={"product_id": "sku", "category": "group", "title": "name", "embedding": "vector"})
named = ["product_id=sku", "category=group", "title=name", "embedding=vector"]
mapped = [part for name in named for part in ("--column", name)]
of_some = PRODUCTS.at(frame.index[frame.category != "shoes"])
integers = PRODUCTS.but(ids=[str(number) for number in INTEGERS])


def as_written(path):
    """to_json writes ten decimals, so the numbers of the file are not those of the frame."""
    vectors = [product["embedding"] for product in json_objects(text_of(path))]
    return PRODUCTS.but(vectors=np.array(vectors).astype(np.float32))


@writes("feather", "a.feather")
def _(path):
    frame.to_feather(path)


@writes("feather-lists", "a.feather")
def _(path):
    lists.to_feather(path)


@writes("feather-category", "a.feather")
def _(path):
    frame.astype({"category": "category"}).to_feather(path)


@writes("parquet", "a.parquet")
def _(path):
    frame.to_parquet(path)


@writes("parquet-lists", "a.parquet")
def _(path):
    lists.to_parquet(path)


@writes("parquet-category", "a.parquet")
def _(path):
    frame.astype({"category": "category"}).to_parquet(path)


@writes("parquet-index", "a.parquet", of_some)
def _(path):
    frame[frame.category != "shoes"].to_parquet(path)


@writes("parquet-index-of-ids", "a.parquet")
def _(path):
    frame.set_index("product_id").to_parquet(path)


@writes("parquet-int64-ids", "a.parquet", integers)
def _(path):
    frame.assign(product_id=INTEGERS).to_parquet(path)


@writes("parquet-untitled", "a.parquet", PRODUCTS.but(titles=[None] * ROWS))
def _(path):
    frame.assign(title=None).to_parquet(path)


@writes("parquet-other-names", "a.parquet", arguments=mapped)
def _(path):
    shop.to_parquet(path)


@writes("csv", "a.csv")
def _(path):
    texts.to_csv(path)


@writes("csv-lists", "a.csv")
def _(path):
    lists.to_csv(path, index=False)


@writes("csv-capital", "a.csv")
def _(path):
    capital.to_csv(path, index=False)


@writes("csv-semicolon", "a.csv")
def _(path):
    texts.to_csv(path, index=False, sep=";")


@writes("csv-tab", "a.tsv")
def _(path):
    texts.to_csv(path, index=False, sep="\t")


@writes("csv-pipe-crlf", "a.csv")
def _(path):
    texts.to_csv(path, index=False, sep="|", lineterminator="\r\n")


@writes("csv-gzip", "a.csv.gz")
def _(path):
    texts.to_csv(path, index=False)


@writes("csv-for-excel", "a.csv")
def _(path):
    texts.to_csv(path, index=False, encoding="utf-8-sig")


@writes("csv-utf-16", "a.csv", refused="UTF-16")
def _(path):
    texts.to_csv(path, index=False, encoding="utf-16")


@writes("csv-arrays", "a.csv", refused="embedding")
def _(path):
    frame.to_csv(path, index=False)


@writes("json-lines", "a.jsonl", as_written)
def _(path):
    frame.to_json(path, orient="records", lines=True)


@writes("json-lines-gzip", "a.jsonl.gz", as_written)
def _(path):
    frame.to_json(path, orient="records", lines=True)


@writes("json-lines-text", "a.jsonl")
def _(path):
    texts.to_json(path, orient="records", lines=True)


@writes("json-records", "a.json", as_written)
def _(path):
    frame.to_json(path, orient="records")


@writes("json-unescaped", "a.json", as_written)
def _(path):
    frame.to_json(path, orient="records", force_ascii=False, indent=2)


@writes("json-columns", "a.json", refused="product_id")
def _(path):
    frame.to_json(path)


@writes("json-table", "a.json", refused="under the key `data`")
def _(path):
    frame.to_json(path, orient="table")
