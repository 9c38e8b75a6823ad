"""Filters by which rows are left out: each row has a number, and a filter passes a range of them.

The numbers are a permutation, so the rows that pass are random ones, and one column of integers is enough for engines
that filter by a column.
"""

import functools
from dataclasses import dataclass

import numpy as np

SEED = 11
SHARES = [0.5, 0.1, 0.01, 0.0001]
# A query has the one with its own number, modulo this.
DIFFERENT = 64


@dataclass
class Filters:
    """Those of one question. Each passes as many rows."""

    name: str
    share: float
    numbers: np.ndarray
    size: int
    # Where the ranges begin.
    starts: np.ndarray

    def of(self, queries):
        """Which filter each of these queries has."""
        return np.asarray(queries) % len(self.starts)

    def passes(self, queries, rows):
        """Whether the rows pass the filters of the queries; the two are broadcast."""
        from_start = self.numbers[rows] - self.starts[self.of(queries)]
        return (from_start >= 0) & (from_start < self.size)

    def ranges(self):
        """Of each filter, the first number that passes and the first one after it that does not."""
        return [(int(start), int(start) + self.size) for start in self.starts]

    @functools.cached_property
    def rows(self):
        """Of each filter, the rows that pass, in their order."""
        by_number = np.argsort(self.numbers)
        return [np.sort(by_number[start:end]) for start, end in self.ranges()]

    def bitmaps(self):
        """Of each filter, a bit for each row, in whole 64-bit words: row i is bit i % 64 of word i // 64."""
        bits = np.zeros((len(self.starts), -(-len(self.numbers) // 64) * 64), bool)
        for passing, rows in zip(bits, self.rows):
            passing[rows] = True
        return np.packbits(bits, axis=1, bitorder="little").view("<u8")


def questions(rows):
    """For each share of the rows: one filter for all queries, then a different one for each."""
    numbers = np.random.default_rng(SEED).permutation(rows)
    for share in SHARES:
        size = max(1, round(rows * share))
        for kind, count in [("one filter", 1), ("a filter each", DIFFERENT)]:
            starts = np.linspace(0, rows - size, count).astype(np.int64)
            yield Filters(f"{share * 100:g} %, {kind}", share, numbers, size, starts)
