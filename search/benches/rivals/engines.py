"""The kinds of engines: rivals, which run in this process, and builds of nearline, each a process of its own.

Whatever a rival can do beforehand (packing, rotating or quantising rows and queries) is done before its time is taken,
and its answers are read afterwards; nearline quantises its queries while the clock runs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A batch may have fewer.
JUDGED_QUERIES = 32


@dataclass
class Turn:
    queries_per_second: float
    # Of nearline: queries x groups x places x (row, bits of the score); None for the others.
    rankings: np.ndarray | None = None
    rescored_fraction: float | None = None
    not_repeated: int = 0
    # What it took to make of a bitmap what nearline searches with, on average.
    row_set_seconds: float = 0.0


@dataclass
class Rival:
    name: str
    # As the engine takes them.
    queries: np.ndarray
    # From a batch to an answer of whatever form the engine has.
    search: Callable[[np.ndarray], object]
    # From an answer to rows (-1: none) and scores, queries x places or queries x groups x places. None if the engine
    # makes products alone.
    read: Callable[[object], tuple[np.ndarray, np.ndarray]] | None
    component_bytes: int = 4
    # `none` and `category` are those of nearline's `group_by`; any other is named after its filters.
    question: str = "none"
    prepare: Callable[[], None] = lambda: None

    def turn(self, batch, seconds):
        self.prepare()
        batches = [self.queries[at : at + batch] for at in range(0, len(self.queries) - batch + 1, batch)]
        calls = 0
        start = time.perf_counter()
        while True:
            self.search(batches[calls % len(batches)])
            calls += 1
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                return Turn(calls * batch / elapsed)

    def found(self, batch):
        """The rows that it finds for the first queries, in batches as they will be timed, and their scores."""
        if self.read is None:
            return None
        self.prepare()
        starts = range(0, max(batch, JUDGED_QUERIES - batch + 1), batch)
        answers = [self.read(self.search(self.queries[at : at + batch])) for at in starts]
        return tuple(np.concatenate(parts) for parts in zip(*answers))


@dataclass
class Nearline:
    name: str
    subject: object
    top_k: int
    threads: int
    question: str = "none"
    engine: str = "index"
    # A file of bitmaps.
    filters: object = None

    @property
    def component_bytes(self):
        return 1 if self.engine == "index" else 4

    def turn(self, batch, seconds):
        group_by = "category" if self.question == "category" else "none"
        answer = self.subject.search(batch, self.top_k, group_by, self.engine, self.threads, seconds, self.filters)
        speed = answer["queries"] / answer["seconds"]
        # Earlier builds make no row sets.
        row_set_seconds = answer.get("row_set_seconds", 0.0)
        return Turn(speed, answer["rankings"], answer["rescored_fraction"], answer["not_repeated"], row_set_seconds)
