//! The scan of packed rows against tiles of queries, for any instruction set.
//!
//! For each block of rows and each query of a tile the integer products are summed, turned into an upper bound of the
//! score and compared with the threshold, sixteen rows at once; rows that pass are the candidates. An index that is
//! split in segments sums the next one only for blocks where some row still passes.

use std::ops::Range;

use super::bounds::{add, bound, mirrored, numbers};
use super::candidates::{Candidate, Candidates};
use super::lanes::Lanes;
use super::prefetch::{prefetch, prefetch_group};
use super::query_tiles::{Tile, Tiles};
use crate::layout::{BLOCK, Group};
use crate::quantize::{CodedQuery, Segment};

/// What a kernel scans: a chunk of consecutive blocks against the active queries.
pub(crate) struct Scan<'a> {
    pub(crate) segments: &'a [Segment],
    pub(crate) blocks: Range<usize>,
    pub(crate) tiles: &'a Tiles,
    /// The active queries, in the order of the tiles.
    pub(crate) queries: &'a [&'a CodedQuery],
    pub(crate) thresholds: Thresholds<'a>,
    /// For each active query, for each block of the chunk, a bit for each row that may match; empty if all may, for all
    /// queries.
    pub(crate) passing: &'a [&'a [u16]],
    /// What is scanned next: it is brought into the cache meanwhile.
    pub(crate) ahead: Ahead<'a>,
    /// Whether to look after each segment if a block may be left, rather than at the end alone.
    pub(crate) prune: bool,
}

/// What is read next: codes, and vectors.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a> {
    pub(crate) codes: &'a [Group],
    pub(crate) rows: &'a [&'a [f32]],
}

impl Ahead<'_> {
    /// Brings the n-th of so many parts into the cache.
    #[inline(always)]
    fn prefetch(self, n: usize, parts: usize) {
        let part = |length: usize| length * n / parts..length * (n + 1) / parts;
        self.codes[part(self.codes.len())].iter().for_each(prefetch_group);
        self.rows[part(self.rows.len())].iter().for_each(|row| prefetch(row));
    }
}

/// What the first segment's bound must reach, in the query's units ([`CodedQuery::threshold`]).
#[derive(Clone, Copy)]
pub(crate) enum Thresholds<'a> {
    /// For each active query one for all rows, sixteen times.
    Alike(&'a [[f32; BLOCK]]),
    /// For each active query, for each block of the chunk: one for each row.
    ByRow(&'a [[f32; BLOCK]]),
}

impl Scan<'_> {
    /// What the rows of a block must reach for one of the active queries.
    #[inline(always)]
    fn thresholds(&self, slot: usize, at: usize) -> &[f32; BLOCK] {
        match self.thresholds {
            Thresholds::Alike(thresholds) => &thresholds[slot],
            Thresholds::ByRow(thresholds) => &thresholds[slot * self.blocks.len() + at - self.blocks.start],
        }
    }

    /// A bit for each row of a block that may match one of the active queries. `SOME`: not all rows match all queries.
    #[inline(always)]
    fn passing<const SOME: bool>(&self, slot: usize, at: usize) -> u32 {
        if SOME { u32::from(self.passing[slot][at - self.blocks.start]) } else { u32::MAX }
    }
}

/// Of the pairs of a block and a query in a tile, the share (1 / this) below which those that pass are read on one by
/// one rather than all together.
const ALONE: usize = 3;

/// Scans the chunk's blocks, `B` at a time, against a tile of `Q` queries.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn scan_tile<L: Lanes, const B: usize, const Q: usize>(
    scan: &Scan<'_>,
    tile: Tile<'_>,
    candidates: &mut Candidates,
) {
    if !scan.passing.is_empty() {
        // SAFETY: the caller's promise.
        return unsafe { scan_passing::<L, B, Q>(scan, tile, candidates) };
    }
    let mut at = scan.blocks.start;
    let steps = scan.blocks.len() / B + scan.blocks.len() % B;
    let parts = steps * scan.tiles.count();
    let mut part = steps * tile.number;
    while at + B <= scan.blocks.end {
        scan.ahead.prefetch(part, parts);
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, B, Q, false>(scan, std::array::from_fn(|block| at + block), tile, candidates) };
        at += B;
        part += 1;
    }
    while at < scan.blocks.end {
        scan.ahead.prefetch(part, parts);
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, 1, Q, false>(scan, [at], tile, candidates) };
        at += 1;
        part += 1;
    }
}

/// As [`scan_tile`], of the blocks in which some row may match some query of the tile.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn scan_passing<L: Lanes, const B: usize, const Q: usize>(
    scan: &Scan<'_>,
    tile: Tile<'_>,
    candidates: &mut Candidates,
) {
    let parts = scan.blocks.len() * scan.tiles.count();
    let (mut waiting, mut count) = ([0; B], 0);
    for (part, at) in (scan.blocks.len() * tile.number..).zip(scan.blocks.clone()) {
        scan.ahead.prefetch(part, parts);
        if (0..Q).all(|query| scan.passing::<true>(tile.first + query, at) == 0) {
            continue;
        }
        if tile.number == 0 {
            // The blocks between are not read, which the processor does not foresee.
            scan.segments[0].block(at).iter().for_each(prefetch_group);
        }
        waiting[count] = at;
        count += 1;
        if count == B {
            count = 0;
            // SAFETY: the caller's promise.
            unsafe { scan_blocks::<L, B, Q, true>(scan, waiting, tile, candidates) };
        }
    }
    for &at in &waiting[..count] {
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, 1, Q, true>(scan, [at], tile, candidates) };
    }
}

/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn scan_blocks<L: Lanes, const B: usize, const Q: usize, const SOME: bool>(
    scan: &Scan<'_>,
    at: [usize; B],
    tile: Tile<'_>,
    candidates: &mut Candidates,
) {
    let queries: &[&CodedQuery; Q] = scan.queries[tile.first..].first_chunk().expect("a tile has Q queries");
    // SAFETY: the caller's promise.
    let mut products = unsafe { [[L::splat(0.0); Q]; B] };
    // Which pairs of a block and a query have rows that pass.
    let mut pairs = 0_u64;
    for (number, segment) in scan.segments.iter().enumerate() {
        if number > 0 && scan.prune && (pairs.count_ones() as usize) * ALONE < B * Q {
            while pairs != 0 {
                let pair = pairs.trailing_zeros() as usize;
                pairs &= pairs - 1;
                let (block, query) = (pair / Q, pair % Q);
                let products = products[block][query];
                // SAFETY: the caller's promise.
                unsafe { scan_alone::<L, SOME>(scan, number, at[block], tile.first + query, products, candidates) };
            }
            return;
        }
        let blocks: [&[Group]; B] = std::array::from_fn(|block| segment.block(at[block]));
        let start = std::array::from_fn(|query| queries[query].parts[number].start);
        // SAFETY: the caller's promise; for each query, `words` gives as many as a block of the segment has groups.
        let sums = unsafe { L::tile::<B, Q>(blocks, tile.words::<Q>(number, segment.words()), &start) };
        let last = number + 1 == scan.segments.len();
        let look = last || scan.prune;
        pairs = 0;
        for block in 0..B {
            // SAFETY: the caller's promise.
            let numbers = unsafe { numbers::<L>(segment, at[block]) };
            for query in 0..Q {
                let (part, products) = (&queries[query].parts[number], &mut products[block][query]);
                let threshold = scan.thresholds(tile.first + query, at[block]);
                // SAFETY: the caller's promise.
                unsafe {
                    *products = add::<L>(&numbers, part, L::floats(sums[block][query]), *products);
                    if look {
                        let bound = bound::<L>(&numbers, part, *products);
                        let passing =
                            L::reaches(bound, L::load(threshold)) & scan.passing::<SOME>(tile.first + query, at[block]);
                        pairs |= u64::from(passing != 0) << (block * Q + query);
                    }
                }
            }
        }
        if number == 0 && look && !last {
            candidates.tried += (B * Q) as u32;
            candidates.passed += pairs.count_ones();
        }
    }
    while pairs != 0 {
        let pair = pairs.trailing_zeros() as usize;
        pairs &= pairs - 1;
        let (block, query) = (pair / Q, pair % Q);
        // SAFETY: the caller's promise.
        unsafe { add_candidates::<L, SOME>(scan, at[block], tile.first + query, products[block][query], candidates) };
    }
}

/// Reads a block on from segment `from` for one query.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn scan_alone<L: Lanes, const SOME: bool>(
    scan: &Scan<'_>,
    from: usize,
    at: usize,
    slot: usize,
    mut products: L::Floats,
    candidates: &mut Candidates,
) {
    let query = scan.queries[slot];
    // SAFETY: the caller's promise; the words are cut to those of the segment, which are as many as a block's groups.
    unsafe {
        let threshold = L::load(scan.thresholds(slot, at));
        for (segment, part) in scan.segments[from..].iter().zip(&query.parts[from..]) {
            let sums = L::block(segment.block(at), &part.words[..segment.words()], part.start);
            let numbers = numbers::<L>(segment, at);
            products = add::<L>(&numbers, part, L::floats(sums), products);
            let reaches = L::reaches(bound::<L>(&numbers, part, products), threshold);
            if reaches & scan.passing::<SOME>(slot, at) == 0 {
                return;
            }
        }
        add_candidates::<L, SOME>(scan, at, slot, products, candidates);
    }
}

/// Appends the rows of a block that pass the last segment.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn add_candidates<L: Lanes, const SOME: bool>(
    scan: &Scan<'_>,
    at: usize,
    slot: usize,
    products: L::Floats,
    candidates: &mut Candidates,
) {
    let (Some(segment), Some(part)) = (scan.segments.last(), scan.queries[slot].parts.last()) else { return };
    // SAFETY: the caller's promise.
    let (uppers, lowers, mut passing) = unsafe {
        let bound = bound::<L>(&numbers::<L>(segment, at), part, products);
        let lower = mirrored::<L>(products, bound);
        (L::store(bound), L::store(lower), L::reaches(bound, L::load(scan.thresholds(slot, at))))
    };
    passing &= scan.passing::<SOME>(slot, at);
    let first = (at - scan.blocks.start) * BLOCK;
    while passing != 0 {
        let lane = passing.trailing_zeros() as usize;
        passing &= passing - 1;
        candidates.list.push(Candidate {
            slot: slot as u16,
            row: (first + lane) as u16,
            upper: uppers[lane],
            lower: lowers[lane],
        });
    }
}
