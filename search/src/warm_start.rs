//! The warm start of a search: the most promising rows of a group are scored before the scan comes to it, so that it
//! starts with a threshold that is close to the last one.
//!
//! Blocks are chosen by their centroids, rows of these by their codes. What is found stays; where the scan names it
//! again, it is not scored again.

use std::ops::Range;

use crate::centroids::{COMPONENTS, Centroids};
use crate::kernel::prefetch;
use crate::layout::BLOCK;
use crate::packed::{Packed, ROWS_TOGETHER};
use crate::quantize::CodedQuery;
use crate::query::{PreparedQuery, Ranking};
use crate::rows::Rows;
use crate::thresholds::SharedThresholds;
use crate::top_k::{Match, TopK};

/// Queries with more groups than this are started group by group as the scan comes to them.
pub(crate) const GROUPS_MAX: usize = 8;

/// Categories with fewer blocks than this for each that would be looked at start cold: it would take longer than it
/// saves.
const BLOCKS_FOR_EACH: usize = 4;

/// What is found for a query with few groups before the scan, and how many rows were scored for it.
pub(crate) fn start(
    rows: &Rows,
    packed: &Packed,
    query: &PreparedQuery<'_>,
    coded: &CodedQuery,
    shared: &SharedThresholds,
) -> (Ranking, u64) {
    let mut ranking = query.empty_ranking();
    let mut scored = 0;
    if query.groups.len() <= GROUPS_MAX
        && let Some(mut warm_start) = WarmStart::new(rows, packed)
    {
        let projected = warm_start.project(query);
        for group in 0..query.groups.len() {
            let positions = packed.positions_of(query.categories_of(group));
            let matches = &mut ranking.groups[group].matches;
            scored += warm_start.find(query, coded, &projected, positions, matches);
            if matches.len() == query.top_k {
                shared.exchange(group, matches[query.top_k - 1].score);
            }
        }
    }
    (ranking, scored)
}

/// What finds promising rows, and its scratch.
pub(crate) struct WarmStart<'a> {
    rows: &'a Rows,
    packed: &'a Packed,
    centroids: &'a Centroids,
    ratings: Vec<f32>,
    blocks: TopK,
    ranked: Vec<Match>,
    /// Lower bounds and positions, in no order.
    promising: Vec<(f32, u32)>,
    best: TopK,
}

impl<'a> WarmStart<'a> {
    /// `None` if the index has no centroids.
    pub(crate) fn new(rows: &'a Rows, packed: &'a Packed) -> Option<Self> {
        Some(Self {
            rows,
            packed,
            centroids: packed.centroids.as_ref()?,
            ratings: Vec::new(),
            blocks: TopK::new(1, f32::NEG_INFINITY),
            ranked: Vec::new(),
            promising: Vec::new(),
            best: TopK::new(1, f32::NEG_INFINITY),
        })
    }

    /// A query's leading components.
    pub(crate) fn project(&self, query: &PreparedQuery<'_>) -> [f32; COMPONENTS] {
        self.centroids.project(&query.exact)
    }

    /// All chunks, those with the most promising block first: the sooner the best rows are met, the more is pruned.
    pub(crate) fn chunks(&mut self, query: &PreparedQuery<'_>) -> Vec<Range<usize>> {
        let packed = self.packed;
        let all = 0..packed.blocks(packed.chunks() - 1).end;
        self.centroids.rate(packed.kernel, &self.project(query), all, &mut self.ratings);
        let promise = |chunk| self.ratings[packed.blocks(chunk)].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut chunks: Vec<(f32, usize)> = (0..packed.chunks()).map(|chunk| (promise(chunk), chunk)).collect();
        chunks.sort_unstable_by(|(a, _), (b, _)| b.total_cmp(a));
        chunks.into_iter().map(|(_, chunk)| chunk..chunk + 1).collect()
    }

    /// Finds promising rows at some positions, and appends at most `top_k` of them to `matches`, which is empty: the
    /// best first. Returns how many rows it scored.
    pub(crate) fn find(
        &mut self,
        query: &PreparedQuery<'_>,
        coded: &CodedQuery,
        projected: &[f32; COMPONENTS],
        positions: impl Iterator<Item = Range<usize>>,
        matches: &mut Vec<Match>,
    ) -> u64 {
        let (packed, rows) = (self.packed, self.rows);
        if !self.promise(query, coded, projected, positions, 2 * query.top_k.div_ceil(BLOCK) + 2) {
            return 0;
        }
        let wanted = query.top_k.next_multiple_of(ROWS_TOGETHER).min(self.promising.len());
        self.promising.select_nth_unstable_by(wanted - 1, |(a, _), (b, _)| b.total_cmp(a));
        self.promising.truncate(wanted);
        for &(_, position) in &self.promising {
            prefetch(rows.vector(packed.row(position as usize)));
        }
        self.best.restart(query.top_k, query.min_score);
        let mut keep = |position: usize, score| self.best.push(Match { row: packed.row(position), score });
        let (together, alone) = self.promising.as_chunks::<ROWS_TOGETHER>();
        for four in together {
            let positions = four.map(|(_, position)| position as usize);
            let scores = packed.scores(rows, query, positions);
            positions.into_iter().zip(scores).for_each(|(position, score)| keep(position, score));
        }
        for &(_, position) in alone {
            let [score] = packed.scores(rows, query, [position as usize]);
            keep(position as usize, score);
        }
        self.best.finish(matches);
        wanted as u64
    }

    /// A score that `top_k` rows at some positions reach, by their codes alone; `None` if there are not so many rows
    /// that it is worth it.
    pub(crate) fn threshold(
        &mut self,
        query: &PreparedQuery<'_>,
        coded: &CodedQuery,
        projected: &[f32; COMPONENTS],
        positions: Range<usize>,
    ) -> Option<f32> {
        let most = query.top_k.div_ceil(BLOCK) + 1;
        if !self.promise(query, coded, projected, std::iter::once(positions), most) {
            return None;
        }
        let (_, &mut (kth, _), _) =
            self.promising.select_nth_unstable_by(query.top_k - 1, |(a, _), (b, _)| b.total_cmp(a));
        Some(coded.lower(kth))
    }

    /// Looks for promising rows at some positions, in so many blocks; false if there are not so many rows that it is
    /// worth it, or fewer than `top_k`.
    fn promise(
        &mut self,
        query: &PreparedQuery<'_>,
        coded: &CodedQuery,
        projected: &[f32; COMPONENTS],
        positions: impl Iterator<Item = Range<usize>>,
        most: usize,
    ) -> bool {
        let packed = self.packed;
        // Where few rows of a block may match, more blocks are looked at for as many rows.
        let most = query.rows.map_or(most, |rows| {
            let all = packed.rows() / rows.rows().max(1);
            (most * all.clamp(1, BLOCK)).min(most + query.top_k)
        });
        let mut seen = 0;
        self.ranked.clear();
        self.blocks.restart(most, f32::NEG_INFINITY);
        for positions in positions {
            // Whole blocks alone, as the others have rows of other categories.
            let blocks = positions.start.div_ceil(BLOCK)..positions.end / BLOCK;
            if blocks.is_empty() {
                continue;
            }
            seen += blocks.len();
            let before = self.centroids.rate(packed.kernel, projected, blocks.clone(), &mut self.ratings);
            for (block, &rating) in (blocks.start as u32..).zip(&self.ratings[before..][..blocks.len()]) {
                let may_match = || query.rows.is_none_or(|rows| rows.blocks(block as usize..block as usize + 1) != [0]);
                if rating >= self.blocks.threshold() && may_match() {
                    self.blocks.push(Match { row: block, score: rating });
                }
            }
        }
        if seen < BLOCKS_FOR_EACH * most {
            return false;
        }
        self.blocks.finish(&mut self.ranked);
        self.promising.clear();
        for &Match { row: block, .. } in &self.ranked {
            let bounds = packed.kernel.lower_bounds(&packed.segments, block as usize, coded);
            for (position, bound) in (block * BLOCK as u32..).zip(bounds) {
                let at = position as usize;
                let row = packed.row(at);
                // What a dead row has instead of an error would be a lower bound of infinity.
                if query.passes(at) && self.rows.is_live(row) && !(query.has_exclusions() && query.excludes(row)) {
                    self.promising.push((bound, position));
                }
            }
        }
        self.promising.len() >= query.top_k
    }
}
