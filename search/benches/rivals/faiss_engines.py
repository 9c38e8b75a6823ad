"""The exact indexes of FAISS: flat for all rows and for each category, with and without BLAS, and Panorama."""

import sys

import faiss
import numpy as np

from engines import Rival
from vectors import blocks

# FAISS multiplies by BLAS from this many queries x dimensions on: at 20 always, as shipped from 128,000 on.
BLAS_THRESHOLD = 20
SHIPPED_THRESHOLD = faiss.cvar.distance_compute_blas_threshold
# By the question: the flat index with BLAS, to which ratios are taken, and as shipped, which is faster for few queries.
ANCHOR = {"none": "faiss, BLAS threshold 20", "category": "faiss per category, threshold 20"}
SHIPPED = {"none": "faiss, as shipped", "category": "faiss per category, as shipped"}
PANORAMA_LEVELS = 8


def flat(catalog, queries, top_k):
    index = flat_index(catalog)

    def read(answer):
        scores, rows = answer
        return rows, scores

    return both_thresholds("none", queries, lambda batch: index.search(batch, top_k), read)


def flat_per_category(catalog, queries, categories, top_k):
    """An index for each category, searched one after the other for the same batch."""
    members = np.split(np.argsort(categories, kind="stable"), np.cumsum(np.bincount(categories))[:-1])
    indexes = [flat_index(catalog, rows) for rows in members]

    def search(batch):
        return [index.search(batch, top_k) for index in indexes]

    def read(answers):
        rows = [np.where(places < 0, -1, rows[places]) for (_, places), rows in zip(answers, members)]
        return np.stack(rows, axis=1), np.stack([scores for scores, _ in answers], axis=1)

    return both_thresholds("category", queries, search, read)


def both_thresholds(question, queries, search, read):
    def use_threshold(threshold):
        def use():
            faiss.cvar.distance_compute_blas_threshold = threshold

        return use

    for names, threshold in [(ANCHOR, BLAS_THRESHOLD), (SHIPPED, SHIPPED_THRESHOLD)]:
        yield Rival(names[question], queries, search, read, question=question, prepare=use_threshold(threshold))


def flat_index(catalog, rows=None):
    """Of these rows, or of all; block by block, so that no other copy is made."""
    index = faiss.IndexFlatIP(catalog.shape[1])
    for block in blocks(catalog if rows is None else rows):
        index.add(block if rows is None else catalog[block])
    return index


def panorama(catalog, queries, top_k):
    """Leaves rows out by their first components, which PCA makes the largest.

    On rows of length 1 the order by L2 is that by cosine. PCA subtracts the mean, which changes inner products but no
    distances.
    """
    rows, dimension = catalog.shape
    if rows < dimension or dimension < PANORAMA_LEVELS:
        print(f"compare: FAISS Panorama is left out: {rows:,} rows of {dimension:,} dimensions; it needs at least "
              f"{PANORAMA_LEVELS} dimensions, and no more dimensions than rows", file=sys.stderr)
        return
    index = faiss.index_factory(dimension, f"PCA{dimension},FlatL2Panorama{PANORAMA_LEVELS}")
    index.train(catalog)
    for block in blocks(catalog):
        index.add(block)
    rotated = index.chain.at(0).apply(queries)

    def search(batch):
        return index.index.search(batch, top_k)

    def read(answer):
        distances, rows = answer
        return rows, 1 - distances / 2

    yield Rival("faiss Panorama", rotated, search, read)
