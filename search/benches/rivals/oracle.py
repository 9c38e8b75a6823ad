"""The rankings that are right: cosines in float64 over the same float32 rows, rounded to float32, ties by row.

NumPy adds the products in an order of its own, so a cosine may differ from nearline's in the last bits of float64, and
where that crosses the middle between two float32 values, by one step of float32. SLACK covers it: a score is right if
a cosine within SLACK rounds to it, and a row may be missing only if it is, at the low end, below the last place.
"""

import numpy as np

SLACK = 1e-12
# Rivals add up in float32.
FLOAT32_ERROR = 1e-6
BLOCK_ROWS = 20_000
GATHERED_COMPONENTS = 8_000_000
NO_ROW = 0xFFFFFFFF


class Oracle:
    """Of one question: which groups rows are in, and which rows pass a query's filter (filters.py), if it has one."""

    def __init__(self, catalog, queries, categories, top_k, filters=None, best=None):
        self._catalog = catalog
        self._queries = directions(queries)
        self._categories = np.zeros(len(catalog), np.uint32) if categories is None else categories
        self._sizes = np.bincount(self._categories)
        self._filters = filters
        self._right = np.empty((0, len(self._sizes), top_k, 2), np.uint32)
        self.rankings, self.stepped, self.faults = 0, 0, []
        # The top k at the low end of every cosine, as keys: queries x groups x places.
        self._best = scan(catalog, self._queries, self._categories, top_k, [filters])[0] if best is None else best

    @classmethod
    def of_each(cls, catalog, queries, top_k, questions):
        """One for each question, without groups, from one scan of the catalog."""
        categories = np.zeros(len(catalog), np.uint32)
        bests = scan(catalog, directions(queries), categories, top_k, questions)
        return [cls(catalog, queries, None, top_k, *both) for both in zip(questions, bests)]

    def check(self, rankings, engine):
        """`rankings` of the first queries: queries x groups x places x (row, bits of the score)."""
        self.rankings += len(rankings)
        known = min(len(self._right), len(rankings))
        if not np.array_equal(rankings[:known], self._right[:known]):
            known = 0
        faults = len(self.faults)
        at_once = self._at_once(rankings[..., 0])
        for first in range(known, len(rankings), at_once):
            self._check(rankings[first : first + at_once], first, engine)
        if len(self.faults) == faults and len(rankings) > len(self._right):
            self._right = rankings

    def judge(self, rows, scores):
        """How right a rival is for the first queries: the share of the top k found, and the largest error of a score.

        `rows` (-1: none) and `scores` are queries x groups x places, or without groups. Equal scores may come in any
        order, and so may those within the error of float32 arithmetic: what counts is that each row clearly above the
        last place is there, and that the places left hold rows near the last one. A row counts once.
        """
        rows, scores = (found.reshape(len(rows), len(self._sizes), -1) for found in (rows, scores))
        places, found, error = 0, 0, 0.0
        at_once = self._at_once(rows)
        for first in range(0, len(rows), at_once):
            part = slice(first, min(first + at_once, len(rows)))
            best, queries = self._best[part], self._queries[part]
            order = np.argsort(rows[part], axis=2)
            held, given = (np.take_along_axis(of[part], order, axis=2) for of in (rows, scores))
            repeated = np.pad(held[..., 1:] == held[..., :-1], ((0, 0), (0, 0), (1, 0)))
            counted = (held >= 0) & (held < len(self._catalog)) & ~repeated
            held = np.where(counted, held, 0)
            cosines = self._cosines(held, queries)
            error = max(error, np.abs(given - cosines).max(where=counted, initial=0.0))
            counted &= self._belongs(held, first)

            right = scores_of(best)
            last = np.where(best > 0, right, np.inf).min(axis=2, keepdims=True)
            sure = (right > last + FLOAT32_ERROR) & (best > 0)
            present = np.isin(pairs(rows_of(best)), pairs(np.where(counted, held, NO_ROW)))
            surely = (sure & present).sum(axis=2)
            near = (counted & (cosines >= last - FLOAT32_ERROR)).sum(axis=2) - surely
            found += (surely + np.minimum(near, ((best > 0) & ~sure).sum(axis=2))).sum()
            places += (best > 0).sum()
        return float(found / places), float(error)

    def _check(self, rankings, first, engine):
        """Finds wrong places: filled or empty, category, score, order; and rows that should have had one of them."""
        rows, scores = rankings[..., 0], rankings[..., 1].view(np.float32)
        best = self._best[first : first + len(rankings)]
        filled = rows < len(self._catalog)
        wrong = filled != (best > 0)
        held = np.where(filled, rows, 0)
        cosines = self._cosines(held, self._queries[first : first + len(rankings)])
        low, high = (cosines - SLACK).astype(np.float32), (cosines + SLACK).astype(np.float32)
        wrong |= filled & ~self._belongs(held, first)
        wrong |= filled & ~((low <= scores) & (scores <= high))
        keys = np.where(filled, keys_of(scores, held), 0)
        wrong[..., 1:] |= filled[..., 1:] & (keys[..., 1:] >= keys[..., :-1])
        for query, group in np.argwhere((np.sort(rows) != np.sort(rows_of(best))).any(axis=2)):
            absent = best[query, group][~np.isin(rows_of(best[query, group]), rows[query, group])]
            wrong[query, group, -1] |= (absent > keys[query, group, -1]).any()
        self.stepped += int((filled & (scores != cosines.astype(np.float32))).sum())
        for query, group, place in np.argwhere(wrong)[:1]:
            self.faults.append(
                f"{engine}: query {first + query}, group {group}, place {place + 1}: row {rows[query, group, place]} "
                f"with {scores[query, group, place]}, cosine {cosines[query, group, place]}; {wrong.sum()} such places"
            )

    def _belongs(self, rows, first):
        """Whether the rows, queries x groups x places from query `first` on, are of their group and pass the filter."""
        of_group = self._categories[rows] == np.arange(len(self._sizes))[:, None]
        if self._filters is None:
            return of_group
        queries = np.arange(first, first + len(rows))[:, None, None]
        return of_group & self._filters.passes(queries, rows)

    def _at_once(self, rows):
        """For how many queries the vectors of these rows are gathered together."""
        return max(1, GATHERED_COMPONENTS // (rows[0].size * self._catalog.shape[1]))

    def _cosines(self, rows, queries):
        vectors = directions(self._catalog[rows.ravel()]).reshape(*rows.shape, -1)
        return np.einsum("qgpd,qd->qgp", vectors, queries)


def scan(catalog, queries, categories, top_k, questions):
    """For each question, filters or None, the best keys of rows that pass: queries x groups x places, 0 for none."""
    groups = int(categories.max()) + 1
    bests = [[np.empty((len(queries), 0), np.uint64) for _ in range(groups)] for _ in questions]
    for start in range(0, len(catalog), BLOCK_ROWS):
        cosines = queries @ directions(catalog[start : start + BLOCK_ROWS]).T
        rows = np.arange(start, start + cosines.shape[1])
        keys = keys_of((cosines - SLACK).astype(np.float32), rows)
        category = categories[start : start + BLOCK_ROWS]
        for filters, best in zip(questions, bests):
            passing = keys
            if filters is not None:
                passing = np.where(filters.passes(np.arange(len(queries))[:, None], rows), keys, 0)
            for group in np.unique(category):
                among = passing if groups == 1 else passing[:, category == group]
                best[group] = largest(np.concatenate([best[group], largest(among, top_k)], axis=1), top_k)
    return [np.stack([in_order(keys, top_k) for keys in best], axis=1) for best in bests]


def in_order(keys, count):
    """Best first, filled up with 0."""
    return np.pad(np.sort(keys, axis=1)[:, ::-1], ((0, 0), (0, count - keys.shape[1])))


def directions(vectors):
    """In float64, of length 1."""
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def keys_of(scores, rows):
    """Integers in the order of the ranking: a higher score, then a lower row, is a larger key. 0 is no key."""
    bits = (scores + np.float32(0)).view(np.uint32)
    rising = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(0x80000000))
    return rising.astype(np.uint64) << np.uint64(32) | (np.uint64(NO_ROW) - rows.astype(np.uint64))


def pairs(rows):
    """A number for each query and its row; the groups of a query have no row in common."""
    query = np.arange(len(rows), dtype=np.uint64)[:, None, None]
    return query << np.uint64(32) | rows.astype(np.uint64)


def rows_of(keys):
    return np.uint64(NO_ROW) - (keys & np.uint64(NO_ROW))


def scores_of(keys):
    rising = (keys >> np.uint64(32)).astype(np.uint32)
    return np.where(rising >> 31 == 1, rising & np.uint32(0x7FFFFFFF), ~rising).astype(np.uint32).view(np.float32)


def largest(keys, count):
    """In no order."""
    return keys if keys.shape[1] <= count else np.partition(keys, -count, axis=1)[:, -count:]
