"""NumPy, USearch and NumKong."""

import numkong
import numpy as np
import usearch.index

from engines import Rival
from vectors import blocks


def rivals(only, catalog, queries, top_k, threads):
    """Those that were asked for."""
    if "numpy" in only:
        # The products of a query lie side by side: twice as fast to select from as X @ Q.T.
        def search(batch):
            return largest(batch @ catalog.T, top_k)

        yield Rival("numpy Q @ X.T, argpartition", queries, search, lambda answer: answer)
    if "usearch" in only:
        yield Rival("usearch exact f32", queries, usearch_exact(catalog, top_k, threads), read_usearch)
    int8_catalog, int8_queries = None, None
    if "usearch-i8" in only or "numkong-i8" in only:
        scale = np.float32(127 / max(np.abs(catalog).max(), np.abs(queries).max()))
        int8_catalog = np.concatenate([np.rint(block * scale).astype(np.int8) for block in blocks(catalog)])
        int8_queries = np.rint(queries * scale).astype(np.int8)
    if "usearch-i8" in only:
        search = usearch_exact(int8_catalog, top_k, threads)
        yield Rival("usearch exact i8", int8_queries, search, read_usearch, component_bytes=1)
    # NumKong's products run on the thread that calls.
    if "numkong" in only and threads == 1:
        yield Rival("numkong f32, products only", queries, numkong_products(catalog), None)
    if "numkong-i8" in only and threads == 1:
        yield Rival("numkong i8, products only", int8_queries, numkong_products(int8_catalog), None, component_bytes=1)


def usearch_exact(catalog, top_k, threads):
    metric = usearch.index.MetricKind.Cos
    return lambda batch: usearch.index.search(catalog, batch, top_k, metric, exact=True, threads=threads)


def read_usearch(found):
    """A lone query's answer has one dimension less."""
    return np.atleast_2d(found.keys).astype(np.int64), 1 - np.atleast_2d(found.distances)


def numkong_products(catalog):
    packed = numkong.dots_pack(catalog)
    return lambda batch: numkong.dots_packed(batch, packed)


def largest(scores, count):
    """The columns of the largest scores of each row, and these, best first."""
    count = min(count, scores.shape[1])
    best = np.argpartition(scores, -count, axis=1)[:, -count:]
    of_best = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-of_best, axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(of_best, order, axis=1)
