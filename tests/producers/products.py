"""The one data set that every producer writes, and what a search over it has to find.

Small, but with what readers get wrong: ids that look like numbers or nulls, separators, quotes and line breaks in titles,
a letter in two Unicode forms, missing titles, negative zero, a subnormal number, and equal vectors, which tie.
"""

import dataclasses
import datetime
import decimal
import unicodedata
import uuid

import numpy as np

NAMES = ("product_id", "category", "title", "embedding")
ROWS, DIMENSION, QUERIES, TOP_K = 300, 16, 24, 10
CATEGORY_ROWS = {"shoes": 180, "Küche & Bad": 70, 'toys, "wooden"': 30, "audio/hi-fi": 14, "文房具": 5, "1e3": 1}
# A reader that guesses types makes numbers, booleans and nulls of these.
ODD_IDS = ["007", "1e5", "true", "null", "NaN", "a,b", 'say "hi"', "naïve-Ünïcøde", "日本-12", "👟", "x;y|z", "-0"]
ODD_TITLES = [
    "null",
    "NA",
    "12",
    'A 7" tray, "as new"',
    "first line\nsecond line",
    "first line\r\nsecond line",
    "tab\there",
    "semicolons; more; and more; yet more",
    "pipes | and | pipes | again",
    "line separator\u2028here",
    unicodedata.normalize("NFC", "Crème brûlée"),
    unicodedata.normalize("NFD", "Crème brûlée"),
    "back\\slash \\n and \\u0041",
    "[0.5, 0.5]",
    '{"title": "no"}',
    "emoji 👩‍👩‍👧 and 🇩🇪",
    "'single' quotes",
    "=1+1",
]


@dataclasses.dataclass(frozen=True)
class Products:
    ids: list
    categories: list
    titles: list
    vectors: np.ndarray

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def at(self, rows):
        """Those rows, in that order."""
        columns = {name: [getattr(self, name)[row] for row in rows] for name in ("ids", "categories", "titles")}
        return Products(**columns, vectors=self.vectors[list(rows)])


def _products():
    random = np.random.default_rng(20261128)
    categories = random.permutation([name for name, rows in CATEGORY_ROWS.items() for _ in range(rows)]).tolist()
    ids = [f"sku-{row:04d}" for row in range(ROWS)]
    ids[5 : 5 + len(ODD_IDS)] = ODD_IDS
    titles = [None if row % 7 == 3 else f"{categories[row]} № {row}" for row in range(ROWS)]
    titles[40 : 40 + len(ODD_TITLES)] = ODD_TITLES
    # Of unequal lengths, as models without normalisation give them.
    numbers = random.standard_normal((ROWS, DIMENSION)) * 10 ** random.uniform(-2, 1, (ROWS, 1))
    numbers[20, 3] = -0.0
    numbers[21, 4] = 1e-40
    numbers[22] = np.round(numbers[22] * 10)
    numbers[[60, 150, 299]] = numbers[59]
    numbers[200] = numbers[61] * 4
    return Products(ids, categories, titles, numbers.astype(np.float32)), numbers


PRODUCTS, NUMBERS64 = _products()
"""`NUMBERS64` has the vectors before they are rounded to float32: what a program with 64-bit numbers writes."""

UUIDS = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://shop.example/{row}")) for row in range(ROWS)]
INTEGERS = [(1 << 53) + 1 + 7 * row for row in range(ROWS)]
"""Beyond what a float64 holds, so that a detour through one shows."""


def _attributes():
    """Values of every kind, some of them missing."""
    day, moment = datetime.date(2026, 11, 28), datetime.datetime(2026, 11, 28, 12, 0, 0, 1)
    utc = datetime.UTC
    made = {
        "brand": lambda row: ODD_TITLES[row % len(ODD_TITLES)],
        "new": lambda row: row % 2 == 0,
        "stock": lambda row: (row - 150) * 10**16 + row,
        "serial": lambda row: (1 << 63) + row,
        "price": lambda row: row * 0.37 - 5,
        "cost": lambda row: decimal.Decimal(row * 99991 - 12345).scaleb(-2),
        "ordered": lambda row: decimal.Decimal(row * 7 - 5),
        "released": lambda row: day + datetime.timedelta(days=row * 97 - 20_000),
        "seen": lambda row: moment + datetime.timedelta(seconds=row * 12_345 - 2_000_000_000),
        "updated": lambda row: (moment + datetime.timedelta(minutes=row)).replace(tzinfo=utc),
        "tags": lambda row: [ODD_TITLES[(row + place) % len(ODD_TITLES)] for place in range(row % 4)],
        "sizes": lambda row: [row + place for place in range(row % 3)],
        "ratios": lambda row: [(row + place) / 8 - 0.1 for place in range(row % 3)],
    }
    rows = range(ROWS)
    return {name: [None if (row + len(name)) % 6 == 0 else value(row) for row in rows] for name, value in made.items()}


ATTRIBUTES = _attributes()


def queries():
    random = np.random.default_rng(7)
    found = PRODUCTS.vectors[[59, 61, 20, 21, 22, 0, 1, 2, 3, 4, 298, 299]]
    fresh = random.standard_normal((QUERIES - len(found), DIMENSION)).astype(np.float32)
    return np.concatenate([found, fresh])


def dot(x, y):
    """The sum of products in the order that docs/contract.md fixes: 8 lanes in float64. So scores are equal to the bit."""
    products = x.astype(np.float64) * y.astype(np.float64)
    lanes = np.zeros(products.shape[:-1] + (8,))
    for start in range(0, products.shape[-1], 8):
        part = products[..., start : start + 8]
        lanes[..., : part.shape[-1]] += part
    l0, l1, l2, l3, l4, l5, l6, l7 = np.moveaxis(lanes, -1, 0)
    return ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))


def scores(vectors, query):
    lengths = np.sqrt(dot(vectors, vectors)) * np.sqrt(dot(query, query))
    # Adding zero makes 0 of -0.
    return (dot(vectors, query) / lengths).astype(np.float32) + np.float32(0)


def ranking(products, query, rows):
    """The best rows of `rows` as (product id, score), best first; rows of equal score in their own order."""
    rows = np.asarray(rows)
    found = scores(products.vectors[rows], query)
    order = np.lexsort((rows, -found))[:TOP_K]
    return [(products.ids[rows[place]], found[place]) for place in order]
