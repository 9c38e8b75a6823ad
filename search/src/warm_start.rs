//! The warm start of a search: the most promising rows are scored before the scan, so that it starts with thresholds
//! that are close to the last ones. What is found here the scan will find again.

use crate::centroids::Centroids;
use crate::kernel::prefetch;
use crate::layout::BLOCK;
use crate::packed::{Packed, ROWS_TOGETHER};
use crate::query::PreparedQuery;
use crate::rows::Rows;
use crate::thresholds::SharedThresholds;
use crate::top_k::{Match, TopK};

/// Queries with more groups than this start cold: it would take longer than it saves.
pub(crate) const GROUPS_MAX: usize = 8;

/// Blocks whose rows are scored for each group; more if they would hold fewer rows than top_k.
const BLOCKS_MIN: usize = 3;

/// Raises a query's thresholds to what the most promising rows of each group score. Returns how many rows it scored.
pub(crate) fn warm_start(
    rows: &Rows,
    packed: &Packed,
    centroids: &Centroids,
    query: &PreparedQuery,
    thresholds: &SharedThresholds,
) -> u64 {
    let mut scored = 0;
    let most = BLOCKS_MIN.max(query.top_k.div_ceil(BLOCK) + 1);
    let mut ratings = Vec::new();
    centroids.rate(packed.kernel, &query.exact, &mut ratings);
    let mut positions = Vec::new();
    for group in 0..query.groups.len() {
        let mut promising = TopK::new(most, f32::NEG_INFINITY);
        for category in query.categories_of(group, rows.category_count()) {
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
            for (category, of_category) in packed.categories(block..block + 1) {
                if query.group_of(category) == Some(group) {
                    positions.extend(of_category.filter(|&position| !query.excludes(packed.row(position))));
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
            prefetch(rows.vector(packed.row(position)));
        }
        let mut best = TopK::new(query.top_k, query.min_score);
        let mut keep = |position: usize, score| best.push(Match { row: packed.row(position), score });
        let (together, alone) = positions.as_chunks::<ROWS_TOGETHER>();
        for &positions in together {
            let scores = packed.scores(rows, query, positions);
            positions.into_iter().zip(scores).for_each(|(position, score)| keep(position, score));
        }
        for &position in alone {
            let [score] = packed.scores(rows, query, [position]);
            keep(position, score);
        }
        thresholds.exchange(group, best.threshold());
        scored += positions.len() as u64;
    }
    scored
}
