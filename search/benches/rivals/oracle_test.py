"""How rivals are judged: `make compare` tries it before it relies on it."""

import unittest

import numpy as np

from oracle import Oracle
from vectors import unit

TOP_K = 3


class Judge(unittest.TestCase):
    """Rows 10 to 13 are equal; the second category has 8 rows, the third one alone, so two of its places stay empty."""

    def setUp(self):
        rng = np.random.default_rng(3)
        self.catalog = unit(rng.standard_normal((60, 16), dtype=np.float32))
        self.catalog[11:14] = self.catalog[10]
        queries = self.catalog[[10, 20, 30]]
        self.categories = (np.arange(60) % 7 == 0).astype(np.uint32)
        self.categories[59] = 2
        self.oracle = Oracle(self.catalog, queries, self.categories, TOP_K)
        self.cosines = queries @ self.catalog.T
        self.rows = np.full((3, 3, TOP_K), -1)
        for query, group in np.ndindex(3, 3):
            best = self.ranked(query, group)[:TOP_K]
            self.rows[query, group, : len(best)] = best
        self.scores = np.take_along_axis(self.cosines[:, None, :], np.maximum(self.rows, 0), axis=2)
        self.places = int((self.rows >= 0).sum())

    def ranked(self, query, group):
        """Equal scores the other way round than nearline has them."""
        rows = np.flatnonzero(self.categories == group)[::-1]
        return rows[np.argsort(-self.cosines[query, rows], kind="stable")]

    def found(self):
        """How many places."""
        return self.oracle.judge(self.rows, self.scores)[0] * self.places

    def test_the_order_of_equal_scores_and_empty_places_are_no_faults(self):
        share, error = self.oracle.judge(self.rows, self.scores)
        self.assertEqual(share, 1)
        self.assertLess(error, 1e-6)

    def test_row_0_beside_empty_places_counts(self):
        lone = np.zeros(60, np.uint32)
        lone[0] = 1
        rows = np.array([[[10, 11, 12], [0, -1, -1]]])
        share, _ = Oracle(self.catalog, self.catalog[10:11], lone, TOP_K).judge(rows, np.zeros(rows.shape))
        self.assertEqual(share, 1)

    def test_a_row_counts_once(self):
        self.rows[1, 0, 2] = self.rows[1, 0, 0]
        self.assertAlmostEqual(self.found(), self.places - 1)

    def test_a_missing_row_counts(self):
        self.rows[1, 0, 0] = -1
        self.assertAlmostEqual(self.found(), self.places - 1)

    def test_a_worse_row_counts(self):
        self.rows[1, 0, 2] = self.ranked(1, 0)[3]
        self.assertAlmostEqual(self.found(), self.places - 1)

    def test_a_row_of_another_category_counts(self):
        self.rows[1, 1, 0] = self.rows[1, 0, 0]
        self.assertAlmostEqual(self.found(), self.places - 1)

    def test_a_wrong_score_shows(self):
        self.scores[2, 1, 1] += 1e-3
        self.assertAlmostEqual(self.oracle.judge(self.rows, self.scores)[1], 1e-3, places=6)
