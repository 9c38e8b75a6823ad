"""How rivals are judged: `make compare` tries it before it relies on it."""

import unittest

import numpy as np

import filters
from oracle import Oracle, directions
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


class Filtered(unittest.TestCase):
    """Of 400 rows 200, 40, 4 and 1 pass, by one filter or by one for each query."""

    def setUp(self):
        rng = np.random.default_rng(5)
        self.catalog = unit(rng.standard_normal((400, 16), dtype=np.float32))
        self.queries = unit(rng.standard_normal((70, 16), dtype=np.float32))
        self.cosines = (directions(self.queries) @ directions(self.catalog).T).astype(np.float32)
        self.questions = list(filters.questions(len(self.catalog)))
        self.oracles = Oracle.of_each(self.catalog, self.queries, TOP_K, self.questions)

    def passing(self, question):
        """Queries x rows, from the bits that nearline gets."""
        bits = np.unpackbits(question.bitmaps().view(np.uint8), axis=1, bitorder="little")[:, : len(self.catalog)]
        return bits.astype(bool)[question.of(np.arange(len(self.queries)))]

    def ranking(self, question):
        """The right one: queries x one group x places x (row, bits of the score)."""
        rows = np.argsort(np.where(self.passing(question), -self.cosines, 2), axis=1)[:, :TOP_K].astype(np.uint32)
        scores = np.take_along_axis(self.cosines, rows, axis=1)
        found = np.stack([rows, scores.view(np.uint32)], axis=2)
        found[:, question.size :] = 0xFFFFFFFF
        return found[:, None]

    def test_each_filter_passes_rows_of_its_own_and_as_many_as_the_others(self):
        for question in self.questions:
            passing = self.passing(question)
            self.assertTrue((passing.sum(axis=1) == question.size).all(), question.name)
            self.assertEqual(len({rows.tobytes() for rows in passing}), len(question.starts), question.name)
            each = question.passes(np.arange(len(self.queries))[:, None], np.arange(len(self.catalog)))
            self.assertTrue((each == passing).all(), question.name)
            for bits, rows in zip(passing, question.rows):
                self.assertEqual(np.flatnonzero(bits).tolist(), rows.tolist())

    def test_a_right_ranking_has_no_fault(self):
        for question, oracle in zip(self.questions, self.oracles):
            oracle.check(self.ranking(question), question.name)
            self.assertEqual(oracle.faults, [])

    def test_a_row_that_does_not_pass_is_a_fault_though_it_takes_no_better_place_from_another(self):
        question, oracle = self.questions[0], self.oracles[0]
        ranking, best = self.ranking(question), np.argmax(self.cosines, axis=1)
        query = np.flatnonzero(~self.passing(question)[np.arange(len(best)), best])[0]
        ranking[query, 0, 1:] = ranking[query, 0, :-1].copy()
        ranking[query, 0, 0] = best[query], self.cosines[query, best[query]].view(np.uint32)
        oracle.check(ranking, "nearline")
        self.assertEqual(len(oracle.faults), 1)

    def test_a_rivals_row_that_does_not_pass_does_not_count(self):
        question, oracle = self.questions[1], self.oracles[1]
        ranking = self.ranking(question)[:, 0]
        rows, scores = ranking[..., 0].astype(np.int64), ranking[..., 1].view(np.float32)
        self.assertEqual(oracle.judge(rows, scores)[0], 1)
        rows[0, -1] = np.argmax(np.where(self.passing(question)[0], -1, self.cosines[0]))
        self.assertAlmostEqual(oracle.judge(rows, scores)[0], 1 - 1 / rows.size)
