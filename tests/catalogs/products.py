"""Products of one version after another, what an update makes of them, and what brute force answers over them.

Components are small whole numbers, so that dot products are exact in any order of adding. Stamps are near each question
and change with every version: each answer shows which version it is of, by titles and by scores.
"""

import csv
import json
import random
from array import array
from math import sqrt
from operator import mul
from typing import NamedTuple

DIMENSION, PRODUCTS, QUESTIONS, CATEGORIES = 32, 2_000, 24, 7
REPLACED, REPRICED, DELETED, ADDED = 40, 30, 10, 10  # products of an update, beside the stamps


class Product(NamedTuple):
    category: str
    title: str
    price: int
    vector: tuple


def _vector(draw):
    vector = tuple(draw.randint(-9, 9) for _ in range(DIMENSION))
    return vector if any(vector) else _vector(draw)


VECTORS = [_vector(random.Random(f"question {number}")) for number in range(QUESTIONS)]
# Two stamps for each question: one is asked for what is similar to it, and then the other one stands first.
STAMPS = [(f"{kind}{number}", vector) for number, vector in enumerate(VECTORS) for kind in "st"]


def _stamp(number, name, vector, serial):
    """Near its question, in a way of its own for each version."""
    changed = list(vector)
    changed[(serial + number) % DIMENSION] += 1 + serial // DIMENSION
    return Product(f"c{number % CATEGORIES}", f"{name} of {serial}", 1, tuple(changed))


def row(name, product):
    """A line of a source."""
    return {"product_id": name, "category": product.category, "title": product.title, "price": product.price,
            "embedding": product.vector}


def padded(vector, width):
    """Zeros behind it change no score: so a catalog can have as many dimensions as a model."""
    return list(vector) + [0] * (width - len(vector))


def write(path, rows, width):
    """As JSON Lines, or as CSV if the name says so, which releases before attributes read alone."""
    rows = [{**row, "embedding": padded(row["embedding"], width)} if "embedding" in row else row for row in rows]
    with open(path, "w", newline="") as file:
        if path.suffix == ".csv":
            columns = ["product_id", "category", "text", "title", "embedding"]
            source = csv.DictWriter(file, columns, extrasaction="ignore")
            source.writeheader()
            source.writerows({**row, "text": row["title"], "embedding": json.dumps(row["embedding"])} for row in rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def single(numbers):
    """As 32-bit floats."""
    return array("f", numbers)


class Catalog:
    """Products in the order of the catalog, and their answers, each of which is computed once."""

    def __init__(self, serial, products):
        self.serial, self.products = serial, products
        self._rows, self._ranked, self._answers, self._all = None, {}, {}, None

    @classmethod
    def whole(cls, serial):
        """A catalog of its own."""
        draw = random.Random(f"catalog {serial}")
        products = {}
        for number in range(PRODUCTS):
            category = f"c{(number + serial) % CATEGORIES}"
            products[f"p{number}"] = Product(category, f"p{number} of {serial}", draw.randint(0, 99), _vector(draw))
        for number, (name, vector) in enumerate(STAMPS):
            products[name] = _stamp(number, name, vector, serial)
        return cls(serial, products)

    def rows(self):
        return [row(name, product) for name, product in self.products.items()]

    def changes(self, serial):
        """Rows of a source that make another catalog of this one. Columns that a row lacks stay as they are."""
        draw = random.Random(f"changes {serial}")
        names = draw.sample([name for name in self.products if name[0] in "pn"], REPLACED + REPRICED + DELETED)
        rows = []
        for name in names[:REPLACED]:
            rows.append({"product_id": name, "title": f"{name} of {serial}", "embedding": _vector(draw)})
        for name in names[REPLACED:-DELETED]:
            rows.append({"product_id": name, "title": f"{name} of {serial}", "price": draw.randint(0, 99)})
        rows += [{"product_id": name, "deleted": True} for name in names[-DELETED:]]
        gone = [name for name in (f"p{number}" for number in range(PRODUCTS)) if name not in self.products]
        back = draw.sample(gone, min(len(gone), ADDED // 2))
        for name in back + [f"n{serial}-{number}" for number in range(ADDED - len(back))]:
            category = f"c{draw.randrange(CATEGORIES + 1)}"
            rows.append(row(name, Product(category, f"{name} of {serial}", draw.randint(0, 99), _vector(draw))))
        for number, (name, vector) in enumerate(STAMPS):
            stamp = row(name, _stamp(number, name, vector, serial))
            if draw.randrange(2):
                del stamp["embedding"]
            rows.append(stamp)
        draw.shuffle(rows)
        return rows

    def changed(self, serial, rows):
        """The catalog that these rows make of this one."""
        products = dict(self.products)
        for row in rows:
            name = row["product_id"]
            if row.get("deleted"):
                del products[name]
                continue
            before = products.get(name)
            fields = {field: row[field] for field in ("category", "title", "price") if field in row}
            vector = tuple(row["embedding"]) if "embedding" in row else before.vector
            after = before._replace(**fields, vector=vector) if before else Product(**fields, vector=vector)
            if before and before.vector != vector:
                del products[name]  # with a new vector it comes after all others
            products[name] = after
        return Catalog(serial, products)

    # Brute force.

    def categories(self):
        return list(dict.fromkeys(product.category for product in self.products.values()))

    def _rank(self, vector):
        """All products with their scores, best first; the earlier of equal ones first."""
        if vector not in self._ranked:
            if self._rows is None:
                self._rows = [(name, product, sqrt(sum(map(mul, product.vector, product.vector))))
                              for name, product in self.products.items()]
            norm = sqrt(sum(map(mul, vector, vector)))
            scores = single(sum(map(mul, vector, product.vector)) / (norm * length)
                            for _, product, length in self._rows)
            order = sorted(range(len(scores)), key=lambda row: -scores[row])
            self._ranked[vector] = [(*self._rows[row][:2], scores[row] + 0.0) for row in order]
        return self._ranked[vector]

    def answer(self, kind, question):
        """Groups as `asking.groups` reads them from a record: (category, [(id, score, category, title, price)])."""
        if (kind, question) not in self._answers:
            self._answers[kind, question] = self._answer(kind, question)
        return self._answers[kind, question]

    def _answer(self, kind, question):
        if kind == "similar":
            name = f"s{question}"
            found = [one for one in self._rank(self.products[name].vector) if one[0] != name]
            return [(None, [_match(*one, True) for one in found[:10]])]
        ranked = self._rank(VECTORS[question])
        if kind == "grouped":
            groups = {category: [] for category in self.categories()}
            for name, product, score in ranked:
                if len(groups[product.category]) < 5:
                    groups[product.category].append(_match(name, product, score, False))
            return list(groups.items())
        if kind == "filtered":
            ranked = [one for one in ranked if one[1].price < 50]
        return [(None, [_match(*one, True) for one in ranked[:20]])]

    def has(self, name, title):
        """Whether a match can be of this catalog."""
        product = self.products.get(name)
        return product is not None and product.title == title


def _match(name, product, score, with_category):
    return name, score, product.category if with_category else None, product.title, product.price


JOBS = {
    "plain": lambda question: {"vector": VECTORS[question], "group_by": "none", "top_k": 20},
    "grouped": lambda question: {"vector": VECTORS[question], "top_k": 5},
    "similar": lambda question: {"product_id": f"s{question}", "group_by": "none", "top_k": 10},
    "filtered": lambda question: {"vector": VECTORS[question], "group_by": "none", "top_k": 20,
                                  "filter": {"price": {"$lt": 50}}},
}
