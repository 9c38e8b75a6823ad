//! Brute force: the search that scores every row. The search over codes must equal it to the bit, and small catalogs
//! are searched by it.
//!
//! Each chunk of rows, small enough for a core's cache, is scored against every query of the batch before the next one
//! is read from memory. Threads select on their own and merge at the end; because the ranking is a total order, who
//! scanned what cannot show in the result.

use rayon::prelude::*;

use crate::query::PreparedQuery;
use crate::rows::Rows;
use crate::score::{cosine, dot};
use crate::selection::Selection;
use crate::top_k::Match;

/// Rows that are scanned together, in bytes: fits into a core's second-level cache beside the queries.
const CHUNK_BYTES: usize = 128 * 1_024;

/// Selects for each query from all rows.
pub(crate) fn search(rows: &Rows, queries: &[PreparedQuery]) -> Vec<Selection> {
    let nothing_scanned = || queries.iter().map(Selection::new).collect::<Vec<_>>();
    let chunk_rows = (CHUNK_BYTES / size_of::<f32>() / rows.dimension()).max(1);
    rows.vectors()
        .par_chunks(chunk_rows * rows.dimension())
        .enumerate()
        .fold(nothing_scanned, |mut selections, (number, chunk)| {
            scan(rows, number * chunk_rows, chunk, queries, &mut selections);
            selections
        })
        .reduce(nothing_scanned, |mut selections, others| {
            for (selection, other) in selections.iter_mut().zip(others) {
                selection.merge(other);
            }
            selections
        })
}

/// Scores a chunk of consecutive rows against each query.
fn scan(rows: &Rows, first_row: usize, chunk: &[f32], queries: &[PreparedQuery], selections: &mut [Selection]) {
    for (query, selection) in queries.iter().zip(selections) {
        for (row, vector) in (first_row as u32..).zip(chunk.chunks_exact(rows.dimension())) {
            let Some(group) = query.group_of(rows.category_of(row)) else { continue };
            let score = cosine(dot(&query.vector, vector), query.norm, rows.norm(row));
            let candidate = Match { row, score };
            selection.rescored += 1;
            let best = selection.open(group, query);
            if best.admits(candidate) && !query.excludes(candidate.row) {
                best.push(candidate);
            }
        }
    }
}
