//! The search over codes: chunk by chunk the kernel names the rows that may still matter, and those are rescored.
//!
//! Threads take chunks as they are free and tell each other, for each group of each query, the score below which no
//! row can be among the best any more. What one thread knows late only costs it some rescoring.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::index::Index;
use crate::kernel::{self, BLOCK, Hit, Scan, Tiles};
use crate::packed::Packed;
use crate::quantize::CodedQuery;
use crate::query::PreparedQuery;
use crate::score::cosine;
use crate::selection::Selection;
use crate::top_k::{Match, ordered, unordered};

/// Rows that are scored side by side: the sums of one alone would wait for each other.
const ROWS_TOGETHER: usize = 4;

/// How many hits ahead a row is asked for.
const PREFETCH: usize = 8;

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

    /// Tells the other threads of a group's limit, and takes theirs if it is higher.
    fn exchange(&self, group: usize, limit: f32) -> f32 {
        let known = unordered(self.0[group].load(Ordering::Relaxed));
        if known < limit {
            self.0[group].fetch_max(ordered(limit), Ordering::Relaxed);
        }
        known.max(limit)
    }
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
    /// Those that the tiles were gathered for.
    gathered: Vec<usize>,
    tiles: Tiles,
    thresholds: Vec<f32>,
    hits: Vec<Hit>,
    categories: Vec<(u32, Range<usize>)>,
    /// The queries' vectors.
    exact: Vec<Vec<f64>>,
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
            limits: queries.iter().map(|query| vec![query.min_score; query.groups.len()]).collect(),
            selections: queries.iter().map(Selection::new).collect(),
            active: Vec::with_capacity(queries.len()),
            gathered: Vec::with_capacity(queries.len()),
            tiles: Tiles::default(),
            thresholds: Vec::with_capacity(rows),
            hits: Vec::with_capacity(rows),
            categories: Vec::new(),
            exact: queries.iter().map(|query| query.vector.iter().map(|&value| f64::from(value)).collect()).collect(),
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
        self.rescore(chunk);
    }

    /// What each active query asks of each row of the chunk.
    fn set_thresholds(&mut self, chunk: usize) {
        let blocks = self.packed.blocks(chunk);
        self.thresholds.clear();
        for &number in &self.active {
            let (query, coded) = (&self.queries[number], &self.coded[number]);
            for (category, positions) in self.packed.categories(blocks.clone()) {
                let threshold = query.group_of(category).map_or(f32::INFINITY, |group| {
                    let limit = &mut self.limits[number][group];
                    *limit = self.floors[number].exchange(group, *limit);
                    coded.threshold(*limit)
                });
                self.thresholds.extend(positions.map(|_| threshold));
            }
            // The padding of the last block.
            let padded = self.thresholds.len().next_multiple_of(BLOCK);
            self.thresholds.resize(padded, f32::INFINITY);
        }
    }

    /// Scores the rows that the kernel named, the most promising of each query first: most of the others need not be.
    fn rescore(&mut self, chunk: usize) {
        self.hits.sort_unstable();
        let blocks = self.packed.blocks(chunk);
        let first = blocks.start * BLOCK;
        self.categories.clear();
        self.categories.extend(self.packed.categories(blocks));
        let mut at = 0;
        while at < self.hits.len() {
            at = self.rescore_query(first, at);
        }
    }

    /// Scores the rows of the query whose hits start at `from`; returns where those of the next one start.
    fn rescore_query(&mut self, first: usize, from: usize) -> usize {
        let slot = self.hits[from].slot();
        let number = self.active[slot];
        let query = &self.queries[number];
        let kernel = self.packed.kernel;
        let mut waiting = [(0, 0); ROWS_TOGETHER];
        let mut count = 0;
        let mut at = from;
        while let Some(hit) = self.hits.get(at)
            && hit.slot() == slot
        {
            at += 1;
            let position = first + hit.row();
            let category = match &self.categories[..] {
                [(category, _)] => *category,
                several => several[several.partition_point(|(_, positions)| positions.end <= position)].0,
            };
            let group = query.group_of(category).expect("no other rows reach a threshold");
            if hit.upper() < self.limits[number][group] {
                continue;
            }
            if let Some(later) = self.hits.get(at + PREFETCH) {
                kernel::prefetch(self.vector(first + later.row()));
            }
            if query.excludes(self.packed.row(position)) {
                continue;
            }
            waiting[count] = (position, group);
            count += 1;
            if count == ROWS_TOGETHER {
                let vectors = waiting.map(|(position, _)| self.vector(position));
                let products = kernel.dots(&self.exact[number], vectors);
                for ((position, group), xy) in waiting.into_iter().zip(products) {
                    self.keep(number, group, position, xy);
                }
                count = 0;
            }
        }
        for &(position, group) in &waiting[..count] {
            let [xy] = kernel.dots(&self.exact[number], [self.vector(position)]);
            self.keep(number, group, position, xy);
        }
        at
    }

    fn vector(&self, position: usize) -> &'a [f32] {
        self.index.vector(self.packed.row(position))
    }

    fn keep(&mut self, number: usize, group: usize, position: usize, xy: f64) {
        let query = &self.queries[number];
        let score = cosine(xy, query.norm, self.packed.norm(position));
        let selection = &mut self.selections[number];
        selection.rescored += 1;
        let limit = &mut self.limits[number][group];
        if score >= *limit {
            let best = selection.open(group, query);
            best.push(Match { row: self.packed.row(position), score });
            *limit = limit.max(best.threshold());
        }
    }
}
