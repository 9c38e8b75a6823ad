//! The search over codes: chunk by chunk the kernel names the rows that may still matter, and those are rescored.
//!
//! Threads take chunks as they are free and tell each other, for each group of each query, the score below which no
//! row can be among the best any more. What one thread knows late only costs it some rescoring.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::kernel::{Candidates, Scan, Tiles, prefetch};
use crate::layout::BLOCK;
use crate::packed::{Packed, ROWS_TOGETHER};
use crate::quantize::CodedQuery;
use crate::query::PreparedQuery;
use crate::rows::Rows;
use crate::selection::Selection;
use crate::thresholds::SharedThresholds;
use crate::top_k::Match;
use crate::warm_start;

/// If more than this share of the blocks passes the head, the next chunks are scanned whole at once...
const PRUNE_SHARE_MAX: f64 = 0.3;

/// ...and so many chunks later it is tried again.
const PRUNE_AGAIN: usize = 8;

/// After a chunk of which most rows had to be scored, so many are scored without looking at their codes.
const DENSE_CHUNKS: usize = 8;

/// How many rows ahead one is prefetched then.
const PREFETCH: usize = 8;

/// Selects for each query from all rows; `None` if it was cancelled.
pub(crate) fn search(
    rows: &Rows,
    packed: &Packed,
    queries: &[PreparedQuery],
    cancelled: &AtomicBool,
) -> Option<Vec<Selection>> {
    let coded = packed.code(queries);
    let shared: Vec<SharedThresholds> = queries.iter().map(SharedThresholds::new).collect();
    let warm_start = |(query, shared): (&PreparedQuery, &SharedThresholds)| match &packed.centroids {
        Some(centroids) if query.groups.len() <= warm_start::GROUPS_MAX => {
            warm_start::warm_start(rows, packed, centroids, query, shared)
        }
        _ => 0,
    };
    let scored_before: Vec<u64> = queries.par_iter().zip(&shared).map(warm_start).collect();
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(packed.chunks());
    let scanned = (0..threads).into_par_iter().map(|_| {
        let mut scanner = Scanner::new(rows, packed, queries, &coded, &shared);
        loop {
            if cancelled.load(Ordering::Relaxed) {
                return None;
            }
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            if chunk >= packed.chunks() {
                return Some(scanner.selections);
            }
            scanner.scan(chunk);
        }
    });
    let selections = scanned.try_reduce_with(|mut selections, others| {
        for (selection, other) in selections.iter_mut().zip(others) {
            selection.merge(other);
        }
        Some(selections)
    });
    let mut selections = selections.expect("there is at least one thread")?;
    for (selection, scored) in selections.iter_mut().zip(scored_before) {
        selection.rescored += scored;
    }
    Some(selections)
}

/// Rows that wait to be scored side by side: positions and groups.
#[derive(Default)]
struct Waiting {
    rows: [(usize, usize); ROWS_TOGETHER],
    count: usize,
}

/// One thread's part of a search, and its scratch.
struct Scanner<'a> {
    rows: &'a Rows,
    packed: &'a Packed,
    queries: &'a [PreparedQuery],
    coded: &'a [CodedQuery],
    shared: &'a [SharedThresholds],
    /// For each query, for each group: a row that scores less is not among the best.
    thresholds: Vec<Vec<f32>>,
    selections: Vec<Selection>,
    /// Queries that want rows of the chunk.
    active: Vec<usize>,
    active_codes: Vec<&'a CodedQuery>,
    /// Those that the tiles were gathered for.
    gathered: Vec<usize>,
    tiles: Tiles,
    /// For each active query, for each row of the chunk: its group's threshold, in the query's units.
    row_thresholds: Vec<f32>,
    candidates: Candidates,
    /// Chunks to score without codes before they are tried again.
    dense: usize,
    /// Rows of the chunk that were scored.
    scored: usize,
    /// Chunks to scan whole before pruning is tried again.
    unpruned: usize,
    categories: Vec<(u32, Range<usize>)>,
}

impl<'a> Scanner<'a> {
    fn new(
        rows: &'a Rows,
        packed: &'a Packed,
        queries: &'a [PreparedQuery],
        coded: &'a [CodedQuery],
        shared: &'a [SharedThresholds],
    ) -> Self {
        // The thresholds of many small groups are so low that pruning does not pay.
        let many = queries.iter().filter(|query| query.groups.len() > warm_start::GROUPS_MAX).count();
        Self {
            rows,
            packed,
            queries,
            coded,
            shared,
            thresholds: queries.iter().map(|query| vec![query.min_score; query.groups.len()]).collect(),
            selections: queries.iter().map(Selection::new).collect(),
            active: Vec::with_capacity(queries.len()),
            active_codes: Vec::with_capacity(queries.len()),
            gathered: Vec::with_capacity(queries.len()),
            tiles: Tiles::default(),
            row_thresholds: Vec::with_capacity(packed.chunk_rows() * queries.len()),
            candidates: Candidates::default(),
            dense: 0,
            scored: 0,
            unpruned: if 2 * many > queries.len() { usize::MAX } else { 0 },
            categories: Vec::new(),
        }
    }

    fn scan(&mut self, chunk: usize) {
        let blocks = self.packed.blocks(chunk);
        self.categories.clear();
        self.categories.extend(self.packed.categories(blocks.clone()));
        let wants = |query: &PreparedQuery| self.categories.iter().any(|(of, _)| query.group_of(*of).is_some());
        self.active.clear();
        self.active.extend((0..self.queries.len()).filter(|&query| wants(&self.queries[query])));
        if self.active.is_empty() {
            return;
        }
        if self.dense > 0 {
            self.dense -= 1;
            self.score_all();
            return;
        }
        self.set_row_thresholds();
        self.active_codes.clear();
        self.active_codes.extend(self.active.iter().map(|&query| &self.coded[query]));
        let kernel = self.packed.kernel;
        if self.gathered != self.active {
            self.tiles.gather(&self.active_codes, kernel.tile_widths(), kernel.coding().run);
            self.gathered.clone_from(&self.active);
        }
        let scan = Scan {
            segments: &self.packed.segments,
            blocks: blocks.clone(),
            tiles: &self.tiles,
            queries: &self.active_codes,
            thresholds: &self.row_thresholds,
            order: self.packed.rows(blocks.clone()),
            vectors: self.rows.vectors(),
            dimension: self.rows.dimension(),
            prune: self.unpruned == 0,
        };
        self.candidates.clear(blocks.len());
        kernel.scan(&scan, &mut self.candidates);
        self.unpruned = match self.candidates.share_beyond_head() {
            Some(share) if share > PRUNE_SHARE_MAX => PRUNE_AGAIN,
            _ => self.unpruned.saturating_sub(1),
        };
        self.scored = 0;
        self.rescore(blocks.start * BLOCK);
        if 2 * self.scored > self.active.len() * blocks.len() * BLOCK {
            self.dense = DENSE_CHUNKS;
        }
    }

    /// What each active query asks of each row of the chunk.
    fn set_row_thresholds(&mut self) {
        self.row_thresholds.clear();
        for &number in &self.active {
            let (query, coded) = (&self.queries[number], &self.coded[number]);
            for (category, positions) in &self.categories {
                let threshold = query.group_of(*category).map_or(f32::INFINITY, |group| {
                    let threshold = &mut self.thresholds[number][group];
                    *threshold = self.shared[number].exchange(group, *threshold);
                    coded.threshold(*threshold)
                });
                self.row_thresholds.extend(positions.clone().map(|_| threshold));
            }
            // The padding of the last block.
            let padded = self.row_thresholds.len().next_multiple_of(BLOCK);
            self.row_thresholds.resize(padded, f32::INFINITY);
        }
    }

    /// Scores all rows of the chunk for each active query.
    fn score_all(&mut self) {
        for at in 0..self.active.len() {
            let number = self.active[at];
            let query = &self.queries[number];
            for range in 0..self.categories.len() {
                let (category, positions) = self.categories[range].clone();
                let Some(group) = query.group_of(category) else { continue };
                let mut waiting = Waiting::default();
                for position in positions.clone() {
                    if position + PREFETCH < positions.end {
                        prefetch(self.rows.vector(self.packed.row(position + PREFETCH)));
                    }
                    self.score_soon(&mut waiting, number, group, position);
                }
                self.score_waiting(&mut waiting, number);
            }
        }
    }

    /// Scores the rows that the kernel named, the most promising of each query first: most of the others need not be.
    fn rescore(&mut self, first: usize) {
        self.candidates.list.sort_unstable();
        let mut at = 0;
        while at < self.candidates.list.len() {
            at = self.rescore_query(first, at);
        }
    }

    /// Scores the rows of the query whose candidates start at `from`; returns where those of the next one start.
    fn rescore_query(&mut self, first: usize, from: usize) -> usize {
        let slot = self.candidates.list[from].slot();
        let number = self.active[slot];
        let query = &self.queries[number];
        let mut waiting = Waiting::default();
        let mut at = from;
        while let Some(candidate) = self.candidates.list.get(at)
            && candidate.slot() == slot
        {
            at += 1;
            let position = first + candidate.row();
            let category = match &self.categories[..] {
                [(category, _)] => *category,
                several => several[several.partition_point(|(_, positions)| positions.end <= position)].0,
            };
            let group = query.group_of(category).expect("no other rows reach a threshold");
            if candidate.upper() >= self.thresholds[number][group] {
                self.score_soon(&mut waiting, number, group, position);
            }
        }
        self.score_waiting(&mut waiting, number);
        at
    }

    /// Scores a row, unless it is excluded, when there are enough to be scored side by side.
    fn score_soon(&mut self, waiting: &mut Waiting, number: usize, group: usize, position: usize) {
        let query = &self.queries[number];
        if query.excludes(self.packed.row(position)) {
            return;
        }
        waiting.rows[waiting.count] = (position, group);
        waiting.count += 1;
        if waiting.count == ROWS_TOGETHER {
            waiting.count = 0;
            let scores = self.packed.scores(self.rows, query, waiting.rows.map(|(position, _)| position));
            for ((position, group), score) in waiting.rows.into_iter().zip(scores) {
                self.keep(number, group, position, score);
            }
        }
    }

    /// Scores the rows that are left.
    fn score_waiting(&mut self, waiting: &mut Waiting, number: usize) {
        for &(position, group) in &waiting.rows[..waiting.count] {
            let [score] = self.packed.scores(self.rows, &self.queries[number], [position]);
            self.keep(number, group, position, score);
        }
        waiting.count = 0;
    }

    fn keep(&mut self, number: usize, group: usize, position: usize, score: f32) {
        let query = &self.queries[number];
        let selection = &mut self.selections[number];
        selection.rescored += 1;
        self.scored += 1;
        let threshold = &mut self.thresholds[number][group];
        if score >= *threshold {
            let best = selection.open(group, query);
            best.push(Match { row: self.packed.row(position), score });
            *threshold = threshold.max(best.threshold());
        }
    }
}
