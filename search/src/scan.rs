//! The search over codes: chunk by chunk the kernel names the rows that may still matter, and what is left of them when
//! a category is done is rescored.
//!
//! Threads take runs of chunks as they are free and tell each other, for each group of each query, the score below
//! which no row can be among the best any more. What one thread knows late only costs it some rescoring.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::active::Active;
use crate::centroids::COMPONENTS;
use crate::kernel::{Ahead, Candidates, Scan, Thresholds};
use crate::layout::BLOCK;
use crate::packed::Packed;
use crate::quantize::CodedQuery;
use crate::query::{PreparedQuery, Ranking};
use crate::rescore::{Pending, Rescorer};
use crate::rows::Rows;
use crate::thresholds::SharedThresholds;
use crate::top_k::{Match, TopK};
use crate::warm_start::{self, WarmStart};

/// If more than this share of the blocks passes the head, the next chunks are scanned whole at once...
const PRUNE_SHARE_MAX: f64 = 0.3;

/// ...and so many chunks later it is tried again.
const PRUNE_AGAIN: usize = 8;

/// After chunks of which most rows had to be scored, so many are scored without looking at their codes.
const DENSE_CHUNKS: usize = 8;

/// With so many queries the next chunk's codes are read ahead while one is multiplied.
const READ_AHEAD: usize = 8;

/// More rows than this do not wait to be rescored.
const PENDING_MAX: usize = 1 << 17;

/// Categories with fewer rows than this times `top_k` have most of them scored, whatever their lower bounds.
const MANY: usize = 8;

/// Ranks for each query all rows; `None` if it was cancelled.
pub(crate) fn search(
    rows: &Rows,
    packed: &Packed,
    queries: &[PreparedQuery<'_>],
    cancelled: &AtomicBool,
) -> Option<Vec<Ranking>> {
    let coded = packed.code(queries);
    let shared: Vec<SharedThresholds> = queries.iter().map(SharedThresholds::new).collect();
    let (started, scored): (Vec<Ranking>, Vec<u64>) = (0..queries.len())
        .into_par_iter()
        .map(|number| warm_start::start(rows, packed, &queries[number], &coded[number], &shared[number]))
        .unzip();
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(packed.chunks());
    let runs = match (queries, WarmStart::new(rows, packed)) {
        ([query], Some(mut warm_start)) if query.groups.len() == 1 => warm_start.chunks(query),
        _ => packed.runs(threads),
    };
    let scanned = (0..threads).into_par_iter().map(|_| {
        // What was found already is in the ranking of each thread, so that none scores it again.
        let rescorer = Rescorer::new(rows, packed, queries, &coded, started.clone(), cancelled);
        let mut scanner = Scanner::new(rows, packed, queries, &coded, &shared, rescorer);
        // Ascending: a thread that has left a category does not come back.
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for chunk in run.clone() {
                if cancelled.load(Ordering::Relaxed) {
                    return None;
                }
                scanner.scan(chunk);
            }
        }
        scanner.finish()
    });
    let rankings = scanned.try_reduce_with(|mut rankings, others| {
        for ((ranking, other), query) in rankings.iter_mut().zip(others).zip(queries) {
            ranking.merge(other, query.top_k);
        }
        Some(rankings)
    });
    let mut rankings = rankings.expect("there is at least one thread")?;
    for (ranking, scored) in rankings.iter_mut().zip(scored) {
        ranking.rescored += scored;
    }
    Some(rankings)
}

/// Of an active query in a category of the chunk.
#[derive(Clone, Copy)]
struct Cell {
    /// The group in which the category's rows compete; `None` if the query does not want them.
    group: Option<u32>,
    /// What they must reach, in the query's units.
    threshold: f32,
    /// Whether there are so many that their lower bounds are worth a look: of few, most are scored anyway.
    many: bool,
}

/// One thread's part of a search, and its scratch.
struct Scanner<'a> {
    packed: &'a Packed,
    queries: &'a [PreparedQuery<'a>],
    coded: &'a [CodedQuery],
    shared: &'a [SharedThresholds],
    rescorer: Rescorer<'a>,
    active: Active<'a>,
    categories: Vec<(u32, Range<usize>)>,
    /// Which of them each row of the chunk belongs to.
    category_of: Vec<u16>,
    /// For each active query, for each category of the chunk.
    cells: Vec<Cell>,
    row_thresholds: Vec<[f32; BLOCK]>,
    candidates: Candidates,
    rows_ahead: Vec<&'a [f32]>,
    warm_start: Option<WarmStart<'a>>,
    /// Of each query the leading components, if there is a warm start.
    projected: Vec<[f32; COMPONENTS]>,
    /// For each query what it knows of the group in which it met its last candidate.
    open: Vec<Open>,
    /// How many rows went on waiting when those that need not were last told apart.
    kept: usize,
    /// Chunks to score without codes before they are tried again.
    dense: usize,
    /// Chunks to scan whole before pruning is tried again.
    unpruned: usize,
}

/// The group that a query is at.
struct Open {
    group: Option<u32>,
    /// The largest lower bounds of its rows, by position: no row below the k-th is among the best, and no row had to be
    /// scored to know that.
    lower_bounds: TopK,
}

impl<'a> Scanner<'a> {
    fn new(
        rows: &'a Rows,
        packed: &'a Packed,
        queries: &'a [PreparedQuery<'a>],
        coded: &'a [CodedQuery],
        shared: &'a [SharedThresholds],
        rescorer: Rescorer<'a>,
    ) -> Self {
        // The thresholds of many small groups are so low that pruning does not pay.
        let many = queries.iter().filter(|query| query.groups.len() > warm_start::GROUPS_MAX).count();
        let warm_start = WarmStart::new(rows, packed);
        Self {
            packed,
            queries,
            coded,
            shared,
            rescorer,
            active: Active::new(queries, coded),
            categories: Vec::new(),
            category_of: Vec::with_capacity(packed.chunk_rows()),
            cells: Vec::new(),
            row_thresholds: Vec::new(),
            candidates: Candidates::default(),
            rows_ahead: Vec::new(),
            projected: warm_start.iter().flat_map(|start| queries.iter().map(|query| start.project(query))).collect(),
            warm_start,
            open: queries.iter().map(|_| Open { group: None, lower_bounds: TopK::new(1, f32::NEG_INFINITY) }).collect(),
            kept: 0,
            dense: 0,
            unpruned: if 2 * many > queries.len() { usize::MAX } else { 0 },
        }
    }

    fn scan(&mut self, chunk: usize) {
        let blocks = self.packed.blocks(chunk);
        self.categories.clear();
        self.categories.extend(self.packed.categories(blocks.clone()));
        self.active.choose(&blocks, &self.categories);
        if self.active.numbers.is_empty() {
            return;
        }
        if self.dense > 0 {
            self.dense -= 1;
            self.rescorer.score_all(&self.active.numbers, &self.categories);
            return;
        }
        self.set_thresholds(blocks.len());
        let kernel = self.packed.kernel;
        self.active.gather(kernel);
        // A few queries are done before the processor's own reading ahead is beaten.
        let codes = if self.active.numbers.len() >= READ_AHEAD
            && self.active.reads_most()
            && chunk + 1 < self.packed.chunks()
        {
            self.packed.segments[0].blocks(self.packed.blocks(chunk + 1))
        } else {
            &[]
        };
        self.rescorer.ahead(&mut self.rows_ahead);
        let alike = self.categories.len() == 1;
        let scan = Scan {
            segments: &self.packed.segments,
            blocks: blocks.clone(),
            tiles: &self.active.tiles,
            queries: &self.active.codes,
            thresholds: if alike {
                Thresholds::Alike(&self.row_thresholds)
            } else {
                Thresholds::ByRow(&self.row_thresholds)
            },
            passing: &self.active.passing,
            ahead: Ahead { codes, rows: &self.rows_ahead },
            prune: self.unpruned == 0,
        };
        self.candidates.clear();
        kernel.scan(&scan, &mut self.candidates);
        self.unpruned = match self.candidates.share_beyond_head() {
            Some(share) if share > PRUNE_SHARE_MAX => PRUNE_AGAIN,
            _ => self.unpruned.saturating_sub(1),
        };
        self.rescorer.scanned += (self.active.numbers.len() * blocks.len() * BLOCK) as u64;
        self.look_at_candidates(blocks.start * BLOCK);
        if self.rescorer.rescore(self.rows_ahead.len()) {
            self.dense = DENSE_CHUNKS;
        }
        let pending = self.rescorer.pending.len();
        // What waits for a group that is still open is not looked at for each category that ends.
        if !alike && pending >= 2 * self.kept || pending > PENDING_MAX {
            let open = &self.open;
            // The last category goes on in the next chunk; what its rows must reach is about to rise.
            self.rescorer.collect(|pending| open[usize::from(pending.query)].group == Some(pending.group));
            if self.rescorer.pending.len() > PENDING_MAX / 2 {
                self.rescorer.collect(|_| false);
            }
            self.kept = self.rescorer.pending.len();
            if self.rescorer.is_full() && self.rescorer.rescore(usize::MAX) {
                self.dense = DENSE_CHUNKS;
            }
        }
    }

    /// What was found when all chunks were scanned; `None` if it was cancelled meanwhile.
    fn finish(mut self) -> Option<Vec<Ranking>> {
        self.rescorer.collect(|_| false);
        self.rescorer.rescore(usize::MAX);
        self.rescorer.finish()
    }

    /// What each active query asks of the rows of the chunk.
    fn set_thresholds(&mut self, blocks: usize) {
        self.cells.clear();
        self.row_thresholds.clear();
        for &number in &self.active.numbers {
            let (query, coded) = (&self.queries[number], &self.coded[number]);
            let first = self.cells.len();
            for (category, positions) in &self.categories {
                self.cells.push(match query.group_of(*category) {
                    None => Cell { group: None, threshold: f32::INFINITY, many: false },
                    Some(group) => {
                        let threshold = &mut self.rescorer.thresholds[number][group];
                        if query.groups.len() > warm_start::GROUPS_MAX
                            && let Some(warm_start) = &mut self.warm_start
                            && let all = self.packed.positions(*category)
                            && all.start == positions.start
                            && let Some(reached) = warm_start.threshold(query, coded, &self.projected[number], all)
                        {
                            *threshold = threshold.max(reached);
                        }
                        *threshold = self.shared[number].exchange(group, *threshold);
                        Cell {
                            group: Some(group as u32),
                            threshold: coded.threshold(*threshold),
                            many: query.groups.len() == 1
                                || self.packed.positions(*category).len() >= MANY * query.top_k,
                        }
                    }
                });
            }
            if let [cell] = self.cells[first..] {
                self.row_thresholds.push([cell.threshold; BLOCK]);
                continue;
            }
            let from = self.row_thresholds.len();
            // The padding of the last block reaches nothing.
            self.row_thresholds.resize(from + blocks, [f32::INFINITY; BLOCK]);
            let of_rows = self.row_thresholds[from..].as_flattened_mut();
            let start = self.categories[0].1.start;
            for (cell, (_, positions)) in self.cells[first..].iter().zip(&self.categories) {
                of_rows[positions.start - start..positions.end - start].fill(cell.threshold);
            }
        }
        self.category_of.clear();
        for (number, (_, positions)) in self.categories.iter().enumerate() {
            if self.categories.len() > 1 {
                self.category_of.resize(self.category_of.len() + positions.len(), number as u16);
            }
        }
    }

    /// Raises thresholds by the candidates' lower bounds.
    fn look_at_candidates(&mut self, first: usize) {
        let categories = self.categories.len();
        for candidate in &self.candidates.list {
            let (slot, row) = (usize::from(candidate.slot), usize::from(candidate.row));
            let (number, position) = (self.active.numbers[slot], first + row);
            let query = &self.queries[number];
            if query.has_exclusions() && query.excludes(self.packed.row(position)) {
                continue;
            }
            let category = if categories == 1 { 0 } else { usize::from(self.category_of[row]) };
            let Cell { group: Some(group), many, .. } = self.cells[slot * categories + category] else { continue };
            let open = &mut self.open[number];
            if open.group != Some(group) {
                // A thread's chunks come in ascending order, unless there is one group alone: no more of the group that
                // was open will come.
                Self::settle(&self.coded[number], open, &mut self.rescorer.thresholds[number]);
                open.group = Some(group);
                open.lower_bounds.restart(query.top_k, f32::NEG_INFINITY);
            }
            if many {
                open.lower_bounds.push(Match { row: position as u32, score: candidate.lower });
            }
            let pending = Pending { query: number as u16, group, position: position as u32, upper: candidate.upper };
            self.rescorer.pending.push(pending);
        }
        for &number in &self.active.numbers {
            let thresholds = &mut self.rescorer.thresholds[number];
            Self::settle(&self.coded[number], &self.open[number], thresholds);
        }
    }

    /// Raises the threshold of a query's open group to what its lower bounds prove.
    fn settle(coded: &CodedQuery, open: &Open, thresholds: &mut [f32]) {
        let Some(group) = open.group else { return };
        let threshold = &mut thresholds[group as usize];
        *threshold = threshold.max(coded.lower(open.lower_bounds.threshold()));
    }
}
