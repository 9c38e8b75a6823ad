//! The search for a query that few rows may match: they are scored at once, and no code is looked at.
//!
//! That spares what a query costs before its first row, and the blocks around rows that lie far from each other.

use crate::kernel::prefetch;
use crate::packed::{Packed, ROWS_TOGETHER};
use crate::query::{PreparedQuery, Ranking};
use crate::rows::Rows;
use crate::top_k::{Match, TopK};

/// Rows that are read ahead.
const AHEAD: usize = 4 * ROWS_TOGETHER;

/// Ranks the rows that may match.
pub(crate) fn search(rows: &Rows, packed: &Packed, query: &PreparedQuery<'_>) -> Ranking {
    let mut ranking = query.empty_ranking();
    let Some(set) = query.rows else { return ranking };
    let mut best = TopK::new(query.top_k, query.min_score);
    let mut wanted: Vec<usize> = Vec::new();
    for group in 0..query.groups.len() {
        let positions = packed.positions_of(query.categories_of(group)).flat_map(|range| set.positions(range));
        wanted.clear();
        wanted.extend(positions.filter(|&position| !query.excludes(packed.row(position))));
        if wanted.is_empty() {
            continue;
        }
        let ahead = |at: usize| {
            if let Some(&position) = wanted.get(at) {
                prefetch(rows.vector(packed.row(position)));
            }
        };
        (0..AHEAD).for_each(ahead);
        best.restart(query.top_k, query.floor(group));
        let mut keep = |position: usize, score| best.push(Match { row: packed.row(position), score });
        let (together, alone) = wanted.as_chunks::<ROWS_TOGETHER>();
        for (number, &positions) in together.iter().enumerate() {
            let next = number * ROWS_TOGETHER + AHEAD;
            (next..next + ROWS_TOGETHER).for_each(ahead);
            let scores = packed.scores(rows, query, positions);
            positions.into_iter().zip(scores).for_each(|(position, score)| keep(position, score));
        }
        for &position in alone {
            let [score] = packed.scores(rows, query, [position]);
            keep(position, score);
        }
        best.finish(&mut ranking.groups[group].matches);
        ranking.rescored += wanted.len() as u64;
    }
    ranking
}
