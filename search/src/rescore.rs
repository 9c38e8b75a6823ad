//! Rescoring (reranking): the exact scores of the rows that bounds could not exclude, the most promising first, so that
//! most of the others need not be scored.

use std::ops::Range;

use crate::kernel::prefetch;
use crate::packed::{Packed, ROWS_TOGETHER};
use crate::quantize::CodedQuery;
use crate::query::{PreparedQuery, Ranking};
use crate::rows::Rows;
use crate::top_k::{Match, TopK, ordered};

/// How many rows ahead one is prefetched.
const PREFETCH: usize = 8;

/// How many rows are brought into the cache while a chunk is scanned, at least.
const AT_ONCE: usize = 64;

/// More rows than this are rescored at once.
const READY_MAX: usize = 4_096;

/// A row that waits to be rescored for a query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) query: u16,
    /// The group of the answer in which it competes.
    pub(crate) group: u32,
    pub(crate) position: u32,
    /// Its bound, in the query's units.
    pub(crate) upper: f32,
}

/// What rows that wait must reach.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// The group that was looked at last, and its threshold in the query's units.
    group: u32,
    threshold: f32,
    /// How many rows become ready, and then where the next of them goes.
    ready: usize,
}

/// What one thread has found, and the rows that wait.
pub(crate) struct Rescorer<'a> {
    rows: &'a Rows,
    packed: &'a Packed,
    queries: &'a [PreparedQuery],
    coded: &'a [CodedQuery],
    pub(crate) rankings: Vec<Ranking>,
    /// For each query, for each group: a row that scores less is not among the best.
    pub(crate) thresholds: Vec<Vec<f32>>,
    /// Rows of groups that are still being scanned: their thresholds will rise.
    pub(crate) pending: Vec<Pending>,
    /// Pairs of a query and a row that were scanned.
    pub(crate) scanned: u64,
    /// Rows that are next, by query and group, the best bounds first.
    ready: Vec<Pending>,
    /// How many of them are done.
    done: usize,
    /// Rows that become ready.
    leaving: Vec<Pending>,
    /// For each query.
    cuts: Vec<Cut>,
    /// Pairs that were scored since as many were `scanned`.
    scored: u64,
    best: TopK,
    /// Rows that are among the best already, ascending.
    held: Vec<u32>,
}

impl<'a> Rescorer<'a> {
    pub(crate) fn new(
        rows: &'a Rows,
        packed: &'a Packed,
        queries: &'a [PreparedQuery],
        coded: &'a [CodedQuery],
        rankings: Vec<Ranking>,
    ) -> Self {
        Self {
            rows,
            packed,
            queries,
            coded,
            rankings,
            thresholds: queries.iter().map(|query| vec![query.min_score; query.groups.len()]).collect(),
            pending: Vec::new(),
            scanned: 0,
            ready: Vec::new(),
            done: 0,
            leaving: Vec::new(),
            cuts: Vec::with_capacity(queries.len()),
            scored: 0,
            best: TopK::new(1, f32::NEG_INFINITY),
            held: Vec::new(),
        }
    }

    /// Readies the rows that need not wait any longer, and forgets those that do not reach their threshold any more.
    pub(crate) fn collect(&mut self, waits: impl Fn(&Pending) -> bool) {
        self.ready.drain(..self.done);
        self.done = 0;
        self.cuts.clear();
        self.cuts.resize(self.queries.len(), Cut { group: u32::MAX, threshold: 0.0, ready: 0 });
        self.leaving.clear();
        let (leaving, thresholds, coded, cuts) = (&mut self.leaving, &self.thresholds, self.coded, &mut self.cuts);
        self.pending.retain(|pending| {
            let query = usize::from(pending.query);
            let cut = &mut cuts[query];
            if cut.group != pending.group {
                cut.group = pending.group;
                cut.threshold = coded[query].threshold(thresholds[query][pending.group as usize]);
            }
            let reaches = pending.upper >= cut.threshold;
            let waits = waits(pending);
            if reaches && !waits {
                cut.ready += 1;
                leaving.push(*pending);
            }
            reaches && waits
        });
        let Some(&any) = self.leaving.first() else { return };
        // By query: rows of one come in ascending order, so those of a group are side by side then.
        let from = self.ready.len();
        self.ready.resize(from + self.leaving.len(), any);
        let mut next = from;
        for cut in &mut self.cuts {
            next += std::mem::replace(&mut cut.ready, next);
        }
        for pending in &self.leaving {
            let place = &mut self.cuts[usize::from(pending.query)].ready;
            self.ready[*place] = *pending;
            *place += 1;
        }
        let of_groups = self.ready[from..].chunk_by_mut(|a, b| (a.query, a.group) == (b.query, b.group));
        for of_group in of_groups {
            of_group.sort_unstable_by_key(|pending| !ordered(pending.upper));
        }
    }

    /// The rows that [`rescore`](Self::rescore) scores next, some of them at a time, to be brought into the cache.
    pub(crate) fn ahead(&self, rows: &mut Vec<&'a [f32]>) {
        let rest = &self.ready[self.done..];
        let next = &rest[..rest.len().min(AT_ONCE.max(rest.len() / 8))];
        rows.clear();
        rows.extend(next.iter().map(|pending| self.rows.vector(self.packed.row(pending.position as usize))));
    }

    /// Whether so many rows are ready that bringing them into the cache meanwhile would not pay.
    pub(crate) fn is_full(&self) -> bool {
        self.ready.len() > READY_MAX
    }

    /// Scores the next `count` rows that are ready, unless they do not reach their threshold any more. Returns whether
    /// most of what was scanned had to be scored.
    pub(crate) fn rescore(&mut self, count: usize) -> bool {
        let end = self.ready.len().min(self.done.saturating_add(count));
        while self.done < end {
            let first = self.ready[self.done];
            let same = |pending: &Pending| pending.query == first.query && pending.group == first.group;
            let of_group = self.ready[self.done..end].iter().position(|pending| !same(pending));
            let of_group = of_group.unwrap_or(end - self.done);
            self.rescore_group(self.done..self.done + of_group);
            self.done += of_group;
        }
        if self.done < self.ready.len() || self.scored == 0 {
            return false;
        }
        let dense = 2 * self.scored > self.scanned;
        (self.scored, self.scanned) = (0, 0);
        dense
    }

    /// Scores some of the rows that are ready, all of one group of one query.
    fn rescore_group(&mut self, range: Range<usize>) {
        let ready = &self.ready[range];
        let (number, group) = (usize::from(ready[0].query), ready[0].group as usize);
        let (query, coded) = (&self.queries[number], &self.coded[number]);
        let (packed, rows) = (self.packed, self.rows);
        let matches = &mut self.rankings[number].groups[group].matches;
        let threshold = &mut self.thresholds[number][group];
        self.held.clear();
        self.held.extend(matches.iter().map(|found| found.row));
        self.held.sort_unstable();
        self.best.restart(query.top_k, *threshold, matches);
        let mut scored = 0;
        let mut keep = |best: &mut TopK, position: usize, score| {
            best.push(Match { row: packed.row(position), score });
            scored += 1;
        };
        let mut waiting = [0; ROWS_TOGETHER];
        let mut count = 0;
        for (at, pending) in ready.iter().enumerate() {
            if let Some(pending) = ready.get(at + PREFETCH) {
                prefetch(rows.vector(packed.row(pending.position as usize)));
            }
            // The best bounds come first.
            if coded.upper(pending.upper) < *threshold {
                break;
            }
            let position = pending.position as usize;
            if self.held.binary_search(&packed.row(position)).is_ok() {
                continue;
            }
            waiting[count] = position;
            count += 1;
            if count == ROWS_TOGETHER {
                count = 0;
                for (position, score) in waiting.into_iter().zip(packed.scores(rows, query, waiting)) {
                    keep(&mut self.best, position, score);
                }
                *threshold = threshold.max(self.best.threshold());
            } else if self.best.len() + count == query.top_k {
                // A threshold at last.
                for &position in &waiting[..std::mem::take(&mut count)] {
                    let [score] = packed.scores(rows, query, [position]);
                    keep(&mut self.best, position, score);
                }
                *threshold = threshold.max(self.best.threshold());
            }
        }
        for &position in &waiting[..count] {
            let [score] = packed.scores(rows, query, [position]);
            keep(&mut self.best, position, score);
        }
        *threshold = threshold.max(self.best.threshold());
        self.best.finish(matches);
        self.rankings[number].rescored += scored;
        self.scored += scored;
    }

    /// Scores all rows of a chunk for each active query.
    pub(crate) fn score_all(&mut self, active: &[usize], categories: &[(u32, Range<usize>)]) {
        for &number in active {
            for (category, positions) in categories {
                let Some(group) = self.queries[number].group_of(*category) else { continue };
                let from = self.ready.len();
                let pending = |position| Pending {
                    query: number as u16,
                    group: group as u32,
                    position: position as u32,
                    upper: f32::INFINITY,
                };
                let wanted =
                    positions.clone().filter(|&position| !self.queries[number].excludes(self.packed.row(position)));
                self.ready.extend(wanted.map(pending));
                if from < self.ready.len() {
                    self.rescore_group(from..self.ready.len());
                    self.ready.truncate(from);
                }
            }
        }
    }
}
