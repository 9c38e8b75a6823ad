//! The best k of a stream of matches, under the ranking's total order: score descending, then row ascending.
//!
//! Because the order is total, the k best do not depend on the order in which matches arrive, so partial selections
//! of any split of the rows merge into the same result. Room is taken as matches come: thousands of small categories
//! with a large k cost what they hold.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A row that matches a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Row number in the index, from 0.
    pub row: u32,
    /// Cosine of row and query: finite, never -0.
    pub score: f32,
}

impl Match {
    /// `Less` means better: ahead in the ranking.
    pub(crate) fn rank(self, other: Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.row.cmp(&other.row))
    }
}

/// A score as an integer of the same order. Not for NaN.
#[inline]
pub(crate) fn ordered(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The score that [`ordered`] made an integer of.
#[inline]
pub(crate) fn unordered(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// Ordered so that a max-heap has the worst match on top.
#[derive(Debug)]
struct WorstFirst(Match);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(other.0)
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for WorstFirst {}

/// Keeps the best `k` of the matches that score at least a minimum.
#[derive(Debug)]
pub(crate) struct TopK {
    k: usize,
    threshold: f32,
    heap: BinaryHeap<WorstFirst>,
}

impl TopK {
    /// `k` is at least 1. A `min_score` of minus infinity admits every score.
    pub(crate) fn new(k: usize, min_score: f32) -> Self {
        Self { k, threshold: min_score, heap: BinaryHeap::new() }
    }

    /// No match below this can be kept: the minimum, and once k are held the worst one's score.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Whether [`push`](Self::push) would keep this match. Most matches fail at the first comparison.
    #[inline]
    pub(crate) fn admits(&self, candidate: Match) -> bool {
        candidate.score >= self.threshold
            && (self.heap.len() < self.k || self.heap.peek().is_some_and(|worst| candidate.rank(worst.0).is_lt()))
    }

    /// Keeps the match if it is among the best k so far, at the cost of the worst one.
    pub(crate) fn push(&mut self, candidate: Match) {
        if !self.admits(candidate) {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(WorstFirst(candidate));
        } else if let Some(mut worst) = self.heap.peek_mut() {
            *worst = WorstFirst(candidate);
        }
        if self.heap.len() == self.k
            && let Some(worst) = self.heap.peek()
        {
            self.threshold = worst.0.score;
        }
    }

    /// How many matches it holds.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// As a new one, but in the memory of this one.
    pub(crate) fn restart(&mut self, k: usize, min_score: f32) {
        (self.k, self.threshold) = (k, min_score);
        self.heap.clear();
    }

    /// Hands out what it holds, best first, behind what is there already.
    pub(crate) fn finish(&mut self, matches: &mut Vec<Match>) {
        let from = matches.len();
        matches.extend(self.heap.drain().map(|WorstFirst(kept)| kept));
        matches[from..].sort_unstable_by(|a, b| a.rank(*b));
    }

    /// Takes over what another selection with the same `k` and minimum holds.
    pub(crate) fn merge(&mut self, other: Self) {
        for WorstFirst(candidate) in other.heap {
            self.push(candidate);
        }
    }

    /// Best first.
    pub(crate) fn into_ranked(self) -> Vec<Match> {
        self.heap.into_sorted_vec().into_iter().map(|WorstFirst(kept)| kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fully_sorted(mut matches: Vec<Match>, k: usize, min_score: f32) -> Vec<Match> {
        matches.retain(|candidate| candidate.score >= min_score);
        matches.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
        matches.truncate(k);
        matches
    }

    fn select(matches: &[Match], k: usize, min_score: f32) -> TopK {
        let mut top_k = TopK::new(k, min_score);
        for &candidate in matches {
            top_k.push(candidate);
        }
        top_k
    }

    /// Few distinct scores, so that ties decide; rows in any order.
    fn matches() -> impl Strategy<Value = Vec<Match>> {
        prop::collection::vec(-4_i8..=4, 0..200)
            .prop_map(|scores| {
                let rows = 0_u32..;
                rows.zip(scores).map(|(row, score)| Match { row, score: f32::from(score) / 4.0 }).collect::<Vec<_>>()
            })
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn selects_what_a_full_sort_would(matches in matches(), k in 1_usize..60, min_score in -5_i8..=5) {
            let min_score = f32::from(min_score) / 4.0;
            let expected = fully_sorted(matches.clone(), k, min_score);
            prop_assert_eq!(select(&matches, k, min_score).into_ranked(), expected);
        }

        #[test]
        fn the_threshold_is_the_kth_best_of_all_that_were_pushed(
            parts in prop::collection::vec(prop::collection::vec(-5_i8..5, 0..40), 1..6),
            k in 1_usize..30,
        ) {
            let mut top_k = select(&[Match { row: 7, score: 9.0 }], 1, -0.5);
            top_k.restart(k, f32::NEG_INFINITY);
            let mut all = Vec::new();
            for part in parts {
                for score in part {
                    top_k.push(Match { row: all.len() as u32, score: f32::from(score) });
                    all.push(f32::from(score));
                }
                all.sort_by(|a, b| b.total_cmp(a));
                let kth = all.get(k - 1).copied().unwrap_or(f32::NEG_INFINITY);
                prop_assert_eq!(top_k.threshold().to_bits(), kth.to_bits());
            }
        }

        #[test]
        fn merged_parts_equal_the_whole(matches in matches(), k in 1_usize..60, cut in any::<prop::sample::Index>()) {
            let (left, right) = matches.split_at(cut.index(matches.len() + 1));
            let mut merged = select(left, k, -0.5);
            merged.merge(select(right, k, -0.5));
            prop_assert_eq!(merged.into_ranked(), fully_sorted(matches, k, -0.5));
        }
    }

    #[test]
    fn among_equal_scores_the_earlier_row_wins_whenever_it_arrives() {
        let tied = [5, 1, 9, 3, 7].map(|row| Match { row, score: 0.25 });
        let rows: Vec<u32> = select(&tied, 3, 0.25).into_ranked().iter().map(|kept| kept.row).collect();
        assert_eq!(rows, [1, 3, 5]);
    }

    #[test]
    fn an_empty_selection_takes_no_room() {
        assert_eq!(TopK::new(1_000, f32::NEG_INFINITY).heap.capacity(), 0);
    }
}
