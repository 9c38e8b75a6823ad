//! The search over codes: chunk by chunk the kernel names the rows that may still matter, and those are rescored.
//!
//! Threads take chunks as they are free and tell each other, for each group of each query, the score below which no
//! row can be among the best any more. What one thread knows late only costs it some rescoring.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::index::Index;
use crate::kernel::{Hit, Scan, Tiles};
use crate::packed::Packed;
use crate::quantize::CodedQuery;
use crate::query::PreparedQuery;
use crate::score::cosine;
use crate::selection::Selection;
use crate::top_k::Match;

/// Selects for each query from all rows; `None` if it was cancelled.
pub(crate) fn search(
    index: &Index,
    packed: &Packed,
    queries: &[PreparedQuery],
    cancelled: &AtomicBool,
) -> Option<Vec<Selection>> {
    let coded: Vec<CodedQuery> = queries.iter().map(|query| packed.code(&query.vector, query.norm)).collect();
    let floors: Vec<Floors> = queries.iter().map(Floors::new).collect();
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
    scanned
        .try_reduce_with(|mut selections, others| {
            for (selection, other) in selections.iter_mut().zip(others) {
                selection.merge(other);
            }
            Some(selections)
        })
        .expect("there is at least one thread")
}

/// For each group of a query the best threshold that some thread has reached: at least top_k rows score that much.
struct Floors(Vec<AtomicU32>);

impl Floors {
    fn new(query: &PreparedQuery) -> Self {
        Self(query.groups.iter().map(|_| AtomicU32::new(ordered(query.min_score))).collect())
    }

    fn get(&self, group: usize) -> f32 {
        score(self.0[group].load(Ordering::Relaxed))
    }

    fn raise(&self, group: usize, threshold: f32) {
        self.0[group].fetch_max(ordered(threshold), Ordering::Relaxed);
    }
}

/// A score as an integer of the same order.
fn ordered(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn score(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// One thread's part of a search, and its scratch.
struct Scanner<'a> {
    index: &'a Index,
    packed: &'a Packed,
    queries: &'a [PreparedQuery],
    coded: &'a [CodedQuery],
    floors: &'a [Floors],
    selections: Vec<Selection>,
    /// Queries that want rows of the chunk.
    active: Vec<usize>,
    /// Those that the tiles were gathered for.
    gathered: Vec<usize>,
    tiles: Tiles,
    thresholds: Vec<f32>,
    hits: Vec<Hit>,
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
        Self {
            index,
            packed,
            queries,
            coded,
            floors,
            selections: queries.iter().map(Selection::new).collect(),
            active: Vec::with_capacity(queries.len()),
            gathered: Vec::with_capacity(queries.len()),
            tiles: Tiles::default(),
            thresholds: Vec::with_capacity(rows),
            hits: Vec::with_capacity(rows),
        }
    }

    fn scan(&mut self, chunk: usize) {
        let blocks = self.packed.blocks(chunk);
        let categories = || self.packed.categories(blocks.clone());
        self.active.clear();
        let wants = |query: &PreparedQuery| categories().any(|(category, _)| query.group_of(category).is_some());
        self.active.extend((0..self.queries.len()).filter(|&query| wants(&self.queries[query])));
        if self.active.is_empty() {
            return;
        }
        self.set_thresholds(chunk);
        let active: Vec<&CodedQuery> = self.active.iter().map(|&query| &self.coded[query]).collect();
        let kernel = self.packed.kernel;
        if self.gathered != self.active {
            self.tiles.gather(&active, kernel.tile_widths(), kernel.coding().run);
            self.gathered.clone_from(&self.active);
        }
        let scan = Scan {
            segments: &self.packed.segments,
            blocks: blocks.clone(),
            tiles: &self.tiles,
            queries: &active,
            thresholds: &self.thresholds,
        };
        self.hits.clear();
        kernel.scan(&scan, &mut self.hits);
        self.rescore();
    }

    /// What each active query asks of each row of the chunk.
    fn set_thresholds(&mut self, chunk: usize) {
        let blocks = self.packed.blocks(chunk);
        self.thresholds.clear();
        for &number in &self.active {
            let (query, coded) = (&self.queries[number], &self.coded[number]);
            for (category, positions) in self.packed.categories(blocks.clone()) {
                let threshold = match query.group_of(category) {
                    Some(group) => coded.threshold(self.threshold(number, group)),
                    None => f32::INFINITY,
                };
                self.thresholds.extend(positions.map(|_| threshold));
            }
            // The padding of the last block.
            let padded = self.thresholds.len().next_multiple_of(crate::kernel::BLOCK);
            self.thresholds.resize(padded, f32::INFINITY);
        }
    }

    fn threshold(&self, query: usize, group: usize) -> f32 {
        self.selections[query].threshold(group, &self.queries[query]).max(self.floors[query].get(group))
    }

    /// Scores the rows that the kernel named, the most promising first, so that most of the others need not be.
    fn rescore(&mut self) {
        self.hits.sort_unstable_by_key(|hit| (hit.slot, Reverse(ordered(hit.upper))));
        for at in 0..self.hits.len() {
            let hit = self.hits[at];
            let number = self.active[hit.slot as usize];
            let query = &self.queries[number];
            let row = self.packed.row(hit.position);
            let group = query.group_of(self.index.category_of(row)).expect("no other rows reach a threshold");
            if hit.upper < self.threshold(number, group) || query.excludes(row) {
                continue;
            }
            let xy = self.packed.kernel.dot(&query.vector, self.index.vector(row));
            let score = cosine(xy, query.norm, self.index.norm(row));
            let selection = &mut self.selections[number];
            selection.rescored += 1;
            let best = selection.open(group, query);
            best.push(Match { row, score });
            self.floors[number].raise(group, best.threshold());
        }
    }
}
