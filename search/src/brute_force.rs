//! Brute force: the search that scores every row. The search over codes must equal it to the bit, and small catalogs
//! are searched by it.
//!
//! Each chunk of rows, small enough for a core's cache, is scored against every query of the batch before the next one
//! is read from memory. Threads select on their own and merge at the end; because the ranking is a total order, who
//! scanned what cannot show in the result.

use std::ops::Range;

use rayon::prelude::*;

use crate::query::{Group, PreparedQuery, Ranking};
use crate::rows::Rows;
use crate::score::{cosine, dot};
use crate::top_k::{Match, TopK};

/// Rows that are scanned together, in bytes: fits into a core's second-level cache beside the queries.
const CHUNK_BYTES: usize = 128 * 1_024;

/// Selects for each query from all rows. `position` tells where sets of rows have a row.
pub(crate) fn search(
    rows: &Rows,
    queries: &[PreparedQuery<'_>],
    position: impl Fn(usize) -> usize + Sync,
) -> Vec<Ranking> {
    let nothing_scanned = || queries.iter().map(Selection::new).collect::<Vec<_>>();
    let chunk_rows = (CHUNK_BYTES / size_of::<f32>() / rows.dimension()).max(1);
    let selections = rows
        .vectors()
        .par_chunks(chunk_rows * rows.dimension())
        .enumerate()
        .fold(nothing_scanned, |mut selections, (number, chunk)| {
            let rows_of_chunk = number * chunk_rows..number * chunk_rows + chunk.len() / rows.dimension();
            scan(rows, rows_of_chunk, queries, &position, &mut selections);
            selections
        })
        .reduce(nothing_scanned, |mut selections, others| {
            for (selection, other) in selections.iter_mut().zip(others) {
                selection.merge(other);
            }
            selections
        });
    queries.iter().zip(selections).map(|(query, selection)| selection.rank(query)).collect()
}

/// Scores consecutive rows against each query.
fn scan(
    rows: &Rows,
    chunk: Range<usize>,
    queries: &[PreparedQuery<'_>],
    position: &impl Fn(usize) -> usize,
    selections: &mut [Selection],
) {
    for (query, selection) in queries.iter().zip(selections) {
        for row in chunk.clone() {
            if query.rows.is_some() && !query.passes(position(row)) {
                continue;
            }
            let row = row as u32;
            if !rows.is_live(row) {
                continue;
            }
            let Some(group) = query.group_of(rows.category_of(row)) else { continue };
            let score = cosine(dot(&query.vector, rows.vector(row)), query.norm, rows.norm(row));
            let candidate = Match { row, score };
            selection.rescored += 1;
            let best = selection.open(group, query);
            if best.admits(candidate) && !query.excludes(candidate.row) {
                best.push(candidate);
            }
        }
    }
}

/// What one query has found among the rows that one thread has scored.
struct Selection {
    /// One for each group of the answer; boxed, as most stay empty if there are thousands.
    groups: Vec<Option<Box<TopK>>>,
    /// Rows whose score was computed.
    rescored: u64,
}

impl Selection {
    fn new(query: &PreparedQuery<'_>) -> Self {
        Self { groups: query.groups.iter().map(|_| None).collect(), rescored: 0 }
    }

    /// The best matches of a group.
    fn open(&mut self, group: usize, query: &PreparedQuery<'_>) -> &mut TopK {
        self.groups[group].get_or_insert_with(|| Box::new(TopK::new(query.top_k, query.floor(group))))
    }

    /// Takes over what was selected from other rows.
    fn merge(&mut self, other: Self) {
        self.rescored += other.rescored;
        for (mine, theirs) in self.groups.iter_mut().zip(other.groups) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.merge(*theirs),
                (mine @ None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// The query's answer, if this is the selection from all rows.
    fn rank(self, query: &PreparedQuery<'_>) -> Ranking {
        let groups = query.groups.iter().zip(self.groups).map(|(&category, best)| Group {
            category,
            matches: best.map_or_else(Vec::new, |best| best.into_ranked()),
        });
        Ranking { groups: groups.collect(), rescored: self.rescored }
    }
}
