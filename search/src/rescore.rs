//! Rescoring (reranking): the exact scores of the rows that bounds could not exclude, the most promising first, so that
//! most of the others need not be scored.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// So many rows at most are scored between two looks whether the search was cancelled.
const BETWEEN_LOOKS: usize = 512;

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

impl Pending {
    /// Whether the other may be scored right after this one: of the same group, with no better bound.
    fn precedes(&self, other: &Self) -> bool {
        (self.query, self.group) == (other.query, other.group) && self.upper >= other.upper
    }
}

/// What a query has found in the group in which it was last rescored; of the others that is in its ranking.
struct Selection {
    group: Option<usize>,
    best: TopK,
    /// Rows that were in the ranking before, ascending: the scan may name them again.
    held: Vec<u32>,
}

impl Selection {
    /// Goes to a group: what was found in the last one goes to the ranking, what is there comes from it.
    fn open(&mut self, group: usize, query: &PreparedQuery<'_>, ranking: &mut Ranking) {
        if self.group == Some(group) {
            return;
        }
        self.close(ranking);
        self.group = Some(group);
        self.best.restart(query.top_k, query.floor(group));
        let matches = &mut ranking.groups[group].matches;
        self.held.extend(matches.iter().map(|found| found.row));
        self.held.sort_unstable();
        matches.drain(..).for_each(|found| self.best.push(found));
    }

    /// Puts what was found into the ranking.
    fn close(&mut self, ranking: &mut Ranking) {
        if let Some(group) = self.group.take() {
            self.best.finish(&mut ranking.groups[group].matches);
        }
        self.held.clear();
    }
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
    queries: &'a [PreparedQuery<'a>],
    coded: &'a [CodedQuery],
    cancelled: &'a AtomicBool,
    rankings: Vec<Ranking>,
    /// For each query.
    selections: Vec<Selection>,
    /// For each query, for each group: a row that scores less is not among the best.
    pub(crate) thresholds: Vec<Vec<f32>>,
    /// Rows of groups that are still being scanned: their thresholds will rise.
    pub(crate) pending: Vec<Pending>,
    /// Pairs of a query and a row that were scanned.
    pub(crate) scanned: u64,
    /// Rows that are next; of those that became ready together by query and group, the best bounds first.
    ready: Vec<Pending>,
    /// How many of them are done.
    done: usize,
    /// Rows that become ready.
    leaving: Vec<Pending>,
    /// For each query.
    cuts: Vec<Cut>,
    /// Pairs that were scored since as many were `scanned`.
    scored: u64,
}

impl<'a> Rescorer<'a> {
    pub(crate) fn new(
        rows: &'a Rows,
        packed: &'a Packed,
        queries: &'a [PreparedQuery<'a>],
        coded: &'a [CodedQuery],
        rankings: Vec<Ranking>,
        cancelled: &'a AtomicBool,
    ) -> Self {
        let selection = |_| Selection { group: None, best: TopK::new(1, f32::NEG_INFINITY), held: Vec::new() };
        Self {
            rows,
            packed,
            queries,
            coded,
            cancelled,
            rankings,
            selections: queries.iter().map(selection).collect(),
            thresholds: queries
                .iter()
                .map(|query| (0..query.groups.len()).map(|group| query.floor(group)).collect())
                .collect(),
            pending: Vec::new(),
            scanned: 0,
            ready: Vec::new(),
            done: 0,
            leaving: Vec::new(),
            cuts: Vec::with_capacity(queries.len()),
            scored: 0,
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

    /// Scores the next `count` rows that are ready, unless they do not reach their threshold any more, or the search was
    /// cancelled. Returns whether most of what was scanned had to be scored.
    pub(crate) fn rescore(&mut self, count: usize) -> bool {
        let end = self.ready.len().min(self.done.saturating_add(count));
        while self.done < end && !self.cancelled.load(Ordering::Relaxed) {
            let next = &self.ready[self.done..end.min(self.done + BETWEEN_LOOKS)];
            let run = next.chunk_by(Pending::precedes).next().map_or(0, <[_]>::len);
            self.rescore_run(self.done..self.done + run);
            self.done += run;
        }
        if self.done < self.ready.len() || self.scored == 0 {
            return false;
        }
        let dense = 2 * self.scored > self.scanned;
        (self.scored, self.scanned) = (0, 0);
        dense
    }

    /// Scores some of the rows that are ready, all of one group of one query, the best bounds first.
    fn rescore_run(&mut self, range: Range<usize>) {
        let ready = &self.ready[range];
        let (number, group) = (usize::from(ready[0].query), ready[0].group as usize);
        let (query, coded) = (&self.queries[number], &self.coded[number]);
        let (packed, rows) = (self.packed, self.rows);
        let ranking = &mut self.rankings[number];
        self.selections[number].open(group, query, ranking);
        let Selection { best, held, .. } = &mut self.selections[number];
        let threshold = &mut self.thresholds[number][group];
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
            if held.binary_search(&packed.row(position)).is_ok() {
                continue;
            }
            waiting[count] = position;
            count += 1;
            if count == ROWS_TOGETHER {
                count = 0;
                for (position, score) in waiting.into_iter().zip(packed.scores(rows, query, waiting)) {
                    keep(best, position, score);
                }
                *threshold = threshold.max(best.threshold());
            } else if best.len() + count == query.top_k {
                // A threshold at last.
                for &position in &waiting[..std::mem::take(&mut count)] {
                    let [score] = packed.scores(rows, query, [position]);
                    keep(best, position, score);
                }
                *threshold = threshold.max(best.threshold());
            }
        }
        for &position in &waiting[..count] {
            let [score] = packed.scores(rows, query, [position]);
            keep(best, position, score);
        }
        *threshold = threshold.max(best.threshold());
        ranking.rescored += scored;
        self.scored += scored;
    }

    /// Scores all rows of a chunk for each active query.
    pub(crate) fn score_all(&mut self, active: &[usize], categories: &[(u32, Range<usize>)]) {
        for &number in active {
            if self.cancelled.load(Ordering::Relaxed) {
                return;
            }
            for (category, positions) in categories {
                let Some(group) = self.queries[number].group_of(*category) else { continue };
                let from = self.ready.len();
                let pending = |position| Pending {
                    query: number as u16,
                    group: group as u32,
                    position: position as u32,
                    upper: f32::INFINITY,
                };
                let query = &self.queries[number];
                let wanted = positions.clone().filter(|&position| {
                    let row = self.packed.row(position);
                    query.passes(position) && self.rows.is_live(row) && !query.excludes(row)
                });
                self.ready.extend(wanted.map(pending));
                if from < self.ready.len() {
                    self.rescore_run(from..self.ready.len());
                    self.ready.truncate(from);
                }
            }
        }
    }

    /// What was found; `None` if it was cancelled meanwhile.
    pub(crate) fn finish(mut self) -> Option<Vec<Ranking>> {
        if self.cancelled.load(Ordering::Relaxed) {
            return None;
        }
        self.selections.iter_mut().zip(&mut self.rankings).for_each(|(selection, ranking)| selection.close(ranking));
        Some(self.rankings)
    }
}
