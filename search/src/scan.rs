//! The search over codes: chunk by chunk the kernel names the rows that may still matter, and those are rescored.
//!
//! Threads take chunks as they are free and tell each other, for each group of each query, the score below which no
//! row can be among the best any more. What one thread knows late only costs it some rescoring.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::index::Index;
use crate::kernel::{self, BLOCK, Hits, Scan, Tiles};
use crate::packed::Packed;
use crate::principal::Guide;
use crate::quantize::CodedQuery;
use crate::query::PreparedQuery;
use crate::score::cosine;
use crate::selection::Selection;
use crate::top_k::{Match, TopK, ordered, unordered};

/// Queries with more groups than this start without such scores: they would take longer than they save. Nor are blocks
/// pruned for them, as the thresholds of small groups are low.
const PRIME_GROUPS_MAX: usize = 8;

/// If more than this share of the blocks passes the head, the next chunks are scanned whole at once...
const PRUNE_SHARE_MAX: f64 = 0.3;

/// ...and so many chunks later it is tried again.
const PRUNE_AGAIN: usize = 8;

/// Blocks whose rows are scored before the scan, for each group; more if they would hold fewer rows than top_k.
const PRIME_BLOCKS: usize = 3;

/// After a chunk of which most rows had to be scored, so many are scored without looking at their codes.
const DENSE_CHUNKS: usize = 8;

/// How many rows ahead one is asked for then.
const PREFETCH: usize = 8;

/// Rows that are scored side by side: the sums of one alone would wait for each other.
const ROWS_TOGETHER: usize = 4;

/// Selects for each query from all rows; `None` if it was cancelled.
pub(crate) fn search(
    index: &Index,
    packed: &Packed,
    queries: &[PreparedQuery],
    cancelled: &AtomicBool,
) -> Option<Vec<Selection>> {
    let coded = packed.code(queries);
    let floors: Vec<Floors> = queries.iter().map(Floors::new).collect();
    let prime = |(query, floors): (&PreparedQuery, &Floors)| match &packed.guide {
        Some(guide) if query.groups.len() <= PRIME_GROUPS_MAX => prime(index, packed, guide, query, floors),
        _ => 0,
    };
    let primed: Vec<u64> = queries.par_iter().zip(&floors).map(prime).collect();
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(packed.chunks());
    let scanned = (0..threads).into_par_iter().map(|_| {
        let mut scanner = Scanner::new(index, packed, queries, &coded, &floors);
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
    for (selection, primed) in selections.iter_mut().zip(primed) {
        selection.rescored += primed;
    }
    Some(selections)
}

/// Raises a query's floors to what the most promising rows of each group score, so that the scan starts with
/// thresholds that are close to the last ones. What it finds here the scan will find again. Returns how many it scored.
fn prime(index: &Index, packed: &Packed, guide: &Guide, query: &PreparedQuery, floors: &Floors) -> u64 {
    let mut scored = 0;
    let most = PRIME_BLOCKS.max(query.top_k.div_ceil(BLOCK) + 1);
    let mut ratings = Vec::new();
    guide.rate(packed.kernel, &query.exact, &mut ratings);
    let mut positions = Vec::new();
    for group in 0..query.groups.len() {
        let mut promising = TopK::new(most, f32::NEG_INFINITY);
        for category in query.categories_of(group, index.categories() as u32) {
            let positions = packed.positions(category);
            let blocks = positions.start / BLOCK..positions.end.div_ceil(BLOCK);
            for (block, &rating) in (blocks.start as u32..).zip(&ratings[blocks]) {
                if rating >= promising.threshold() {
                    promising.push(Match { row: block, score: rating });
                }
            }
        }
        positions.clear();
        for Match { row: block, .. } in promising.into_ranked() {
            let block = block as usize;
            for (category, rows) in packed.categories(block..block + 1) {
                if query.group_of(category) == Some(group) {
                    positions.extend(rows.filter(|&position| !query.excludes(packed.row(position))));
                }
            }
        }
        // A block between two categories may have been named by both.
        positions.sort_unstable();
        positions.dedup();
        if positions.len() < query.top_k {
            continue;
        }
        for &position in &positions {
            kernel::prefetch(index.vector(packed.row(position)));
        }
        let mut best = TopK::new(query.top_k, query.min_score);
        let mut keep = |position: usize, score| best.push(Match { row: packed.row(position), score });
        let (together, alone) = positions.as_chunks::<ROWS_TOGETHER>();
        for &positions in together {
            let scores = scores(index, packed, query, positions);
            positions.into_iter().zip(scores).for_each(|(position, score)| keep(position, score));
        }
        for &position in alone {
            let [score] = scores(index, packed, query, [position]);
            keep(position, score);
        }
        floors.exchange(group, best.threshold());
        scored += positions.len() as u64;
    }
    scored
}

/// The scores of the rows at some positions, made side by side.
fn scores<const N: usize>(index: &Index, packed: &Packed, query: &PreparedQuery, positions: [usize; N]) -> [f32; N] {
    let vectors = positions.map(|position| index.vector(packed.row(position)));
    let products = packed.kernel.dots(&query.exact, vectors);
    std::array::from_fn(|at| cosine(products[at], query.norm, packed.norm(positions[at])))
}

/// For each group of a query the best threshold that some thread has reached: at least top_k rows score that much.
struct Floors(Vec<AtomicU32>);

impl Floors {
    fn new(query: &PreparedQuery) -> Self {
        Self(query.groups.iter().map(|_| AtomicU32::new(ordered(query.min_score))).collect())
    }

    /// Tells the other threads of a group's limit, and takes theirs if it is higher.
    fn exchange(&self, group: usize, limit: f32) -> f32 {
        let known = unordered(self.0[group].load(Ordering::Relaxed));
        if known < limit {
            self.0[group].fetch_max(ordered(limit), Ordering::Relaxed);
        }
        known.max(limit)
    }
}

/// Rows that wait to be scored side by side: positions and groups.
#[derive(Default)]
struct Waiting {
    rows: [(usize, usize); ROWS_TOGETHER],
    count: usize,
}

/// One thread's part of a search, and its scratch.
struct Scanner<'a> {
    index: &'a Index,
    packed: &'a Packed,
    queries: &'a [PreparedQuery],
    coded: &'a [CodedQuery],
    floors: &'a [Floors],
    /// For each query, for each group: a row that scores less is not among the best.
    limits: Vec<Vec<f32>>,
    selections: Vec<Selection>,
    /// Queries that want rows of the chunk.
    active: Vec<usize>,
    active_codes: Vec<&'a CodedQuery>,
    /// Those that the tiles were gathered for.
    gathered: Vec<usize>,
    tiles: Tiles,
    thresholds: Vec<f32>,
    hits: Hits,
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
        index: &'a Index,
        packed: &'a Packed,
        queries: &'a [PreparedQuery],
        coded: &'a [CodedQuery],
        floors: &'a [Floors],
    ) -> Self {
        let rows = packed.chunk_rows() * queries.len();
        let many = queries.iter().filter(|query| query.groups.len() > PRIME_GROUPS_MAX).count();
        Self {
            index,
            packed,
            queries,
            coded,
            floors,
            limits: queries.iter().map(|query| vec![query.min_score; query.groups.len()]).collect(),
            selections: queries.iter().map(Selection::new).collect(),
            active: Vec::with_capacity(queries.len()),
            active_codes: Vec::with_capacity(queries.len()),
            gathered: Vec::with_capacity(queries.len()),
            tiles: Tiles::default(),
            thresholds: Vec::with_capacity(rows),
            hits: Hits::default(),
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
        self.set_thresholds();
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
            thresholds: &self.thresholds,
            order: self.packed.rows(blocks.clone()),
            vectors: self.index.vectors(),
            dimension: self.index.dimension(),
            prune: self.unpruned == 0,
        };
        self.hits.clear(blocks.len());
        kernel.scan(&scan, &mut self.hits);
        self.unpruned = match self.hits.share_beyond_head() {
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
    fn set_thresholds(&mut self) {
        self.thresholds.clear();
        for &number in &self.active {
            let (query, coded) = (&self.queries[number], &self.coded[number]);
            for (category, positions) in &self.categories {
                let threshold = query.group_of(*category).map_or(f32::INFINITY, |group| {
                    let limit = &mut self.limits[number][group];
                    *limit = self.floors[number].exchange(group, *limit);
                    coded.threshold(*limit)
                });
                self.thresholds.extend(positions.clone().map(|_| threshold));
            }
            // The padding of the last block.
            let padded = self.thresholds.len().next_multiple_of(BLOCK);
            self.thresholds.resize(padded, f32::INFINITY);
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
                        kernel::prefetch(self.index.vector(self.packed.row(position + PREFETCH)));
                    }
                    self.score_soon(&mut waiting, number, group, position);
                }
                self.score_waiting(&mut waiting, number);
            }
        }
    }

    /// Scores the rows that the kernel named, the most promising of each query first: most of the others need not be.
    fn rescore(&mut self, first: usize) {
        self.hits.list.sort_unstable();
        let mut at = 0;
        while at < self.hits.list.len() {
            at = self.rescore_query(first, at);
        }
    }

    /// Scores the rows of the query whose hits start at `from`; returns where those of the next one start.
    fn rescore_query(&mut self, first: usize, from: usize) -> usize {
        let slot = self.hits.list[from].slot();
        let number = self.active[slot];
        let query = &self.queries[number];
        let mut waiting = Waiting::default();
        let mut at = from;
        while let Some(hit) = self.hits.list.get(at)
            && hit.slot() == slot
        {
            at += 1;
            let position = first + hit.row();
            let category = match &self.categories[..] {
                [(category, _)] => *category,
                several => several[several.partition_point(|(_, positions)| positions.end <= position)].0,
            };
            let group = query.group_of(category).expect("no other rows reach a threshold");
            if hit.upper() >= self.limits[number][group] {
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
            let scores = scores(self.index, self.packed, query, waiting.rows.map(|(position, _)| position));
            for ((position, group), score) in waiting.rows.into_iter().zip(scores) {
                self.keep(number, group, position, score);
            }
        }
    }

    /// Scores the rows that are left.
    fn score_waiting(&mut self, waiting: &mut Waiting, number: usize) {
        for &(position, group) in &waiting.rows[..waiting.count] {
            let [score] = scores(self.index, self.packed, &self.queries[number], [position]);
            self.keep(number, group, position, score);
        }
        waiting.count = 0;
    }

    fn keep(&mut self, number: usize, group: usize, position: usize, score: f32) {
        let query = &self.queries[number];
        let selection = &mut self.selections[number];
        selection.rescored += 1;
        self.scored += 1;
        let limit = &mut self.limits[number][group];
        if score >= *limit {
            let best = selection.open(group, query);
            best.push(Match { row: self.packed.row(position), score });
            *limit = limit.max(best.threshold());
        }
    }
}
