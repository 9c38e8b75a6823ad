//! Which way each query of a batch is searched: by the number of rows that it may match, and how they lie.
//!
//! Few rows are scored directly. Rows that are spread over many blocks are gathered once for all queries that ask for the
//! same ones, and scanned as an index of their own. All else is scanned where it lies; blocks without such a row are
//! passed over. The ways differ in what they cost, never in what they find.

use std::collections::HashMap;
use std::iter::zip;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::layout::BLOCK;
use crate::packed::Packed;
use crate::position_set::PositionSet;
use crate::query::{PreparedQuery, Ranking};
use crate::rows::Rows;
use crate::{direct, scan};

/// Queries that are scanned together at most: their codes and thresholds stay in cache beside those of the rows.
const BATCH_MAX: usize = 64;

/// Gathered codes take no more than this, in bytes.
const GATHERED_BYTES_MAX: usize = 64 << 20;

/// What a search costs, in half of the time that one query of a full tile takes to scan a block. Measured at 384
/// dimensions.
mod cost {
    /// To scan a block for a lone query, which waits for memory: where all of it is read, and where the head decides...
    pub(super) const BLOCK_ALONE: [usize; 2] = [22, 16];
    /// ...for one of many that has few blocks, and no tile with others...
    pub(super) const BLOCK_APART: [usize; 2] = [16, 11];
    /// ...and in a tile.
    pub(super) const BLOCK_IN_TILE: usize = 2;
    /// To score a row directly, and what a query that is scanned costs before its first block, and for so many groups.
    pub(super) const SCORED_ROW: usize = 12;
    pub(super) const CODED_QUERY: usize = 1_200;
    pub(super) const GROUPS: usize = 2;
    /// To gather the rows of a block, and each of these.
    pub(super) const GATHERED_BLOCK: usize = 24;
    pub(super) const GATHERED_ROW: usize = 20;
}

/// How a query is searched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Directly,
    /// With the others that have the same set.
    Gathered,
    Scanned,
}

/// Ranks for each query all rows that it may match; `None` if it was cancelled.
pub(crate) fn search(
    rows: &Rows,
    packed: &Packed,
    queries: Vec<PreparedQuery<'_>>,
    cancelled: &AtomicBool,
) -> Option<Vec<Ranking>> {
    if queries.iter().all(|query| query.rows.is_none()) {
        return scan_all(rows, packed, &queries, cancelled);
    }
    let ways = ways(packed, &queries);
    let mut rankings: Vec<Option<Ranking>> = zip(&queries, &ways)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(query, way)| {
            let directly = *way == Way::Directly && !cancelled.load(Ordering::Relaxed);
            directly.then(|| direct::search(rows, packed, query))
        })
        .collect();
    let mut rest: Vec<(usize, PreparedQuery<'_>)> = Vec::new();
    let mut gathered: Vec<(&PositionSet, Vec<(usize, PreparedQuery<'_>)>)> = Vec::new();
    for (number, (mut query, way)) in zip(queries, ways).enumerate() {
        match (way, query.rows) {
            (Way::Directly, _) => {}
            (Way::Gathered, Some(set)) => {
                // All its rows may match.
                query.rows = None;
                match gathered.iter_mut().find(|(known, _)| ptr::eq(*known, set)) {
                    Some((_, queries)) => queries.push((number, query)),
                    None => gathered.push((set, vec![(number, query)])),
                }
            }
            _ => rest.push((number, query)),
        }
    }
    let mut scan = |packed: &Packed, queries: Vec<(usize, PreparedQuery<'_>)>| {
        let (numbers, queries): (Vec<usize>, Vec<PreparedQuery<'_>>) = queries.into_iter().unzip();
        let scanned = scan_all(rows, packed, &queries, cancelled)?;
        zip(numbers, scanned).for_each(|(number, ranking)| rankings[number] = Some(ranking));
        Some(())
    };
    scan(packed, rest)?;
    for (set, queries) in gathered {
        scan(&packed.subset(set), queries)?;
    }
    rankings.into_iter().collect()
}

fn scan_all(
    rows: &Rows,
    packed: &Packed,
    queries: &[PreparedQuery<'_>],
    cancelled: &AtomicBool,
) -> Option<Vec<Ranking>> {
    let mut rankings = Vec::with_capacity(queries.len());
    for batch in queries.chunks(BATCH_MAX) {
        rankings.extend(scan::search(rows, packed, batch, cancelled)?);
    }
    Some(rankings)
}

fn ways(packed: &Packed, queries: &[PreparedQuery<'_>]) -> Vec<Way> {
    let mut alike: HashMap<*const PositionSet, usize> = HashMap::new();
    for set in queries.iter().filter_map(|query| query.rows) {
        *alike.entry(ptr::from_ref(set)).or_default() += 1;
    }
    let way = |query: &PreparedQuery<'_>| {
        let Some(set) = query.rows else { return Way::Scanned };
        let alike = alike[&ptr::from_ref(set)];
        let has_head = usize::from(packed.segments.len() > 1);
        let of_block = match queries.len() {
            1 => cost::BLOCK_ALONE[has_head],
            _ if set.is_sparse() => cost::BLOCK_IN_TILE + cost::BLOCK_APART[has_head] / alike,
            _ => cost::BLOCK_IN_TILE,
        };
        if scores_directly(packed, query, set, of_block) {
            Way::Directly
        } else if gathers(packed, set, alike) {
            Way::Gathered
        } else {
            Way::Scanned
        }
    };
    queries.iter().map(way).collect()
}

/// Whether it costs less to score the rows than to scan the blocks in which they are.
fn scores_directly(packed: &Packed, query: &PreparedQuery<'_>, set: &PositionSet, of_block: usize) -> bool {
    // All of them would be scored in any case.
    if set.rows() <= query.top_k {
        return true;
    }
    let coded = cost::CODED_QUERY + query.groups.len() / cost::GROUPS;
    let pays = |rows: usize, blocks: usize| rows * cost::SCORED_ROW <= coded + blocks * of_block;
    match query.categories() {
        None => pays(set.rows(), set.blocks_with_rows()),
        // Then fewer of them are enough, whatever the categories.
        Some(_) if set.rows() * cost::SCORED_ROW <= coded => true,
        categories => {
            let (mut rows, mut blocks) = (0, 0);
            for positions in packed.positions_of(categories) {
                let passing = set.count(positions.clone());
                rows += passing;
                blocks += passing.min(positions.len() / BLOCK + 1);
            }
            pays(rows, blocks)
        }
    }
}

/// Whether it costs less to gather the rows of a set for so many queries than to scan for each the blocks around them.
fn gathers(packed: &Packed, set: &PositionSet, queries: usize) -> bool {
    let (rows, blocks) = (set.rows(), set.blocks_with_rows());
    let spared = blocks.saturating_sub(rows.div_ceil(BLOCK));
    queries.min(BATCH_MAX) * spared * cost::BLOCK_IN_TILE > blocks * cost::GATHERED_BLOCK + rows * cost::GATHERED_ROW
        && packed.subset_bytes(rows) <= GATHERED_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, aview1};

    use super::*;
    use crate::kernel::Kernel;
    use crate::query::{Grouping, Query};
    use crate::row_set::{Identity, RowSet};

    const ROWS: usize = 20_000;

    /// The ways of so many queries of the rows of which one in so many passes.
    fn ways_of(queries: usize, one_in: usize, categories: Option<&[u32]>) -> Vec<Way> {
        let mut random = fastrand::Rng::with_seed(1);
        let vectors = Array2::from_shape_simple_fn((ROWS, 8), || random.f32() + 0.1);
        let rows = Rows::new(vectors, (0..ROWS as u32).map(|row| row % 2).collect()).unwrap();
        let packed = Packed::build(&rows, Kernel::Portable.detect().unwrap());
        let identity = Identity::new();
        let mut bits = vec![0_u64; ROWS.div_ceil(64)];
        (0..ROWS).filter(|_| random.usize(..one_in) == 0).for_each(|row| bits[row / 64] |= 1 << (row % 64));
        let set = PositionSet::new(&bits, ROWS, |row| packed.position(row));
        let set = RowSet::new(identity, set, None);
        let query = Query {
            vector: aview1(&[1.0; 8]),
            top_k: 10,
            grouping: Grouping::Overall,
            categories,
            min_score: None,
            exclude: &[],
            rows: Some(&set),
        };
        let queries: Vec<_> = (0..queries).map(|_| PreparedQuery::new(&query, 8, 2, identity).unwrap()).collect();
        let ways = ways(&packed, &queries);
        assert!(ways.iter().all(|way| *way == ways[0]));
        ways
    }

    #[test]
    fn few_rows_are_scored_many_are_scanned_and_spread_ones_are_gathered_for_many_queries() {
        assert!(ways_of(1, 1_000, None)[0] == Way::Directly);
        assert!(ways_of(1, 100, None)[0] == Way::Directly);
        assert!(ways_of(1, 2, None)[0] == Way::Scanned);
        assert!(ways_of(64, 1_000, None)[0] == Way::Directly);
        assert!(ways_of(64, 100, None)[0] == Way::Gathered);
        assert!(ways_of(64, 10, None)[0] == Way::Gathered);
        assert!(ways_of(4, 10, None)[0] == Way::Scanned);
        assert!(ways_of(64, 2, None)[0] == Way::Scanned);
        assert!(ways_of(64, 1, None)[0] == Way::Scanned);
        assert!(ways_of(64, 150, Some(&[1]))[0] == Way::Directly, "half of them");
        assert!(ways_of(64, 2_500, None)[0] == Way::Directly, "fewer than top_k");
    }
}
