//! The queries of a batch that want rows of the chunk that is scanned, in the order in which the kernel has them.
//!
//! Those with the same set of rows are side by side, so that a block without such a row is passed over by whole tiles.

use std::ops::Range;

use crate::kernel::{Available, Tiles};
use crate::packed::CHUNK_BLOCKS;
use crate::position_set::PositionSet;
use crate::quantize::CodedQuery;
use crate::query::PreparedQuery;

/// All rows of so many blocks: for queries that have no set of rows.
static ALL: [u16; CHUNK_BLOCKS.end] = [u16::MAX; CHUNK_BLOCKS.end];

/// What is active, and its scratch.
pub(crate) struct Active<'a> {
    queries: &'a [PreparedQuery<'a>],
    coded: &'a [CodedQuery],
    /// All queries, those with the same set of rows side by side.
    in_order: Vec<usize>,
    /// Queries that want rows of the chunk.
    pub(crate) numbers: Vec<usize>,
    pub(crate) codes: Vec<&'a CodedQuery>,
    /// For each of them the rows of the chunk's blocks that may match; empty if all may.
    pub(crate) passing: Vec<&'a [u16]>,
    pub(crate) tiles: Tiles,
    /// Those that the tiles were gathered for.
    gathered: Vec<usize>,
}

impl<'a> Active<'a> {
    pub(crate) fn new(queries: &'a [PreparedQuery<'a>], coded: &'a [CodedQuery]) -> Self {
        let mut in_order: Vec<usize> = (0..queries.len()).collect();
        in_order.sort_by_key(|&query| queries[query].rows.map(|rows| (rows.is_sparse(), std::ptr::from_ref(rows))));
        Self {
            queries,
            coded,
            in_order,
            numbers: Vec::with_capacity(queries.len()),
            codes: Vec::with_capacity(queries.len()),
            passing: Vec::with_capacity(queries.len()),
            tiles: Tiles::default(),
            gathered: Vec::with_capacity(queries.len()),
        }
    }

    /// Chooses the queries for some blocks, whose rows are of these categories.
    pub(crate) fn choose(&mut self, blocks: &Range<usize>, categories: &[(u32, Range<usize>)]) {
        let queries = self.queries;
        let passing =
            |query: &PreparedQuery<'a>| query.rows.map_or(&ALL[..blocks.len()], |rows| rows.blocks(blocks.clone()));
        let wants = |query: &PreparedQuery<'a>| {
            categories.iter().any(|(category, _)| query.group_of(*category).is_some())
                && (query.rows.is_none() || passing(query).iter().any(|&rows| rows != 0))
        };
        self.numbers.clear();
        self.numbers.extend(self.in_order.iter().filter(|&&number| wants(&queries[number])));
        self.passing.clear();
        if self.numbers.iter().any(|&number| queries[number].rows.is_some()) {
            self.passing.extend(self.numbers.iter().map(|&number| passing(&queries[number])));
        }
    }

    /// Whether most blocks have to be read.
    pub(crate) fn reads_most(&self) -> bool {
        let is_sparse = |&number: &usize| self.queries[number].rows.is_some_and(PositionSet::is_sparse);
        self.passing.is_empty() || !self.numbers.iter().all(is_sparse)
    }

    /// Puts the codes of the chosen queries side by side.
    pub(crate) fn gather(&mut self, kernel: Available) {
        self.codes.clear();
        self.codes.extend(self.numbers.iter().map(|&number| &self.coded[number]));
        if self.gathered != self.numbers {
            // Where few blocks have a row for a query, others would keep it from passing the rest over.
            let queries = self.queries;
            let sparse = |&number: &usize| queries[number].rows.filter(|rows| rows.is_sparse()).map(std::ptr::from_ref);
            let parts = self.numbers.chunk_by(|one, other| sparse(one) == sparse(other)).map(<[usize]>::len);
            self.tiles.gather(&self.codes, parts, kernel.tile_widths(), kernel.coding().run);
            self.gathered.clone_from(&self.numbers);
        }
    }
}
