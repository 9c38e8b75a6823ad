"""The engines, as functions from a batch of queries to the rows that they find.

All but nearline run in this process. Whatever an engine can do beforehand (packing, quantising rows and queries) is
done before its time is taken; nearline quantises its queries while the clock runs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numkong
import numpy as np
import usearch.index

from vectors import blocks

# FAISS multiplies by BLAS from this many queries x dimensions on: at 20 always, as shipped from 128,000 on.
ANCHOR_THRESHOLD = 20
ANCHOR, SHIPPED = "faiss, BLAS threshold 20", "faiss, as shipped"


@dataclass
class Turn:
    queries_per_second: float
    # Of nearline: queries x groups x places x (row, bits of the score); None for the others.
    rankings: np.ndarray | None = None
    rescored_fraction: float | None = None
    not_repeated: int = 0


@dataclass
class Rival:
    name: str
    # As the engine takes them.
    queries: np.ndarray
    # The rows found for each query, or None if it makes products alone.
    search: Callable[[np.ndarray], np.ndarray | None]
    component_bytes: int = 4
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
        """The rows that it finds for the first queries."""
        self.prepare()
        return self.search(self.queries[:batch])


@dataclass
class Nearline:
    name: str
    subject: object
    top_k: int
    threads: int
    group_by: str = "none"
    engine: str = "index"

    @property
    def component_bytes(self):
        return 1 if self.engine == "index" else 4

    def turn(self, batch, seconds):
        answer = self.subject.search(batch, self.top_k, self.group_by, self.engine, self.threads, seconds)
        speed = answer["queries"] / answer["seconds"]
        return Turn(speed, answer["rankings"], answer["rescored_fraction"], answer["not_repeated"])


def rivals(only, catalog, queries, top_k, threads):
    """FAISS at both thresholds, then those that were asked for."""
    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(catalog.shape[1])
    for block in blocks(catalog):
        flat.add(block)
    shipped = faiss.cvar.distance_compute_blas_threshold

    def use_threshold(threshold):
        def use():
            faiss.cvar.distance_compute_blas_threshold = threshold

        return use

    def search_flat(batch):
        return flat.search(batch, top_k)[1]

    yield Rival(ANCHOR, queries, search_flat, prepare=use_threshold(ANCHOR_THRESHOLD))
    yield Rival(SHIPPED, queries, search_flat, prepare=use_threshold(shipped))
    if "numpy" in only:
        # The products of a query lie side by side: twice as fast to select from as X @ Q.T.
        yield Rival("numpy Q @ X.T, argpartition", queries, lambda batch: largest(batch @ catalog.T, top_k))
    if "usearch" in only:
        yield Rival("usearch exact f32", queries, usearch_exact(catalog, top_k, threads))
    int8_catalog, int8_queries = None, None
    if "usearch-i8" in only or "numkong-i8" in only:
        scale = np.float32(127 / max(np.abs(catalog).max(), np.abs(queries).max()))
        int8_catalog = np.concatenate([np.rint(block * scale).astype(np.int8) for block in blocks(catalog)])
        int8_queries = np.rint(queries * scale).astype(np.int8)
    if "usearch-i8" in only:
        yield Rival("usearch exact i8", int8_queries, usearch_exact(int8_catalog, top_k, threads), component_bytes=1)
    # NumKong's products run on the thread that calls.
    if "numkong" in only and threads == 1:
        yield Rival("numkong f32, products only", queries, numkong_products(catalog))
    if "numkong-i8" in only and threads == 1:
        yield Rival("numkong i8, products only", int8_queries, numkong_products(int8_catalog), component_bytes=1)


def usearch_exact(catalog, top_k, threads):
    def search(batch):
        metric = usearch.index.MetricKind.Cos
        found = usearch.index.search(catalog, batch, top_k, metric, exact=True, threads=threads)
        return np.asarray(found.keys).reshape(len(batch), -1)

    return search


def numkong_products(catalog):
    packed = numkong.dots_pack(catalog)

    def search(batch):
        numkong.dots_packed(batch, packed)

    return search


def largest(scores, count):
    """The columns of the largest scores of each row, best first."""
    count = min(count, scores.shape[1])
    best = np.argpartition(scores, -count, axis=1)[:, -count:]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
    return np.take_along_axis(best, order, axis=1)
