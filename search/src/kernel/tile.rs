//! The scan of packed rows against tiles of queries, for any instruction set.
//!
//! For each block of rows and each query of a tile the integer products are summed, turned into an upper bound of the
//! score and compared with the threshold, sixteen rows at once; rows that pass are the candidates. An index that is
//! split in segments sums the next one only for blocks where some row still passes.

use std::ops::Range;

use super::candidates::{Candidate, Candidates};
use super::prefetch::prefetch;
use super::query_tiles::{Tile, Tiles};
use crate::layout::{BLOCK, Group};
use crate::quantize::{CodedQuery, Part, Segment};

/// What a kernel scans: a chunk of consecutive blocks against the active queries.
pub(crate) struct Scan<'a> {
    pub(crate) segments: &'a [Segment],
    pub(crate) blocks: Range<usize>,
    pub(crate) tiles: &'a Tiles,
    /// The active queries, in the order of the tiles.
    pub(crate) queries: &'a [&'a CodedQuery],
    /// For each active query, for each row of the chunk: what the head's bound must reach, in the query's units
    /// ([`CodedQuery::threshold`]).
    pub(crate) thresholds: &'a [f32],
    /// The rows of the chunk, to prefetch those that will be rescored.
    pub(crate) order: &'a [u32],
    pub(crate) vectors: &'a [f32],
    pub(crate) dimension: usize,
    /// Whether to look after each segment if a block may be left, rather than at the end alone.
    pub(crate) prune: bool,
}

impl Scan<'_> {
    /// One of the chunk's rows.
    #[inline(always)]
    fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[self.order[row] as usize * self.dimension..][..self.dimension]
    }

    /// What the rows of a block must reach for one of the active queries.
    #[inline(always)]
    fn thresholds(&self, slot: usize, at: usize) -> &[f32; BLOCK] {
        let first = (slot * self.blocks.len() + at - self.blocks.start) * BLOCK;
        self.thresholds[first..].first_chunk().expect("there is one for each row")
    }
}

/// What the scan needs from an instruction set. Each method requires a processor with its features, and is inlined
/// into a function that enables them.
#[expect(unsafe_code, reason = "each method needs processor features")]
pub(super) trait Lanes {
    /// Integer sums of the 16 rows of a block with one query.
    type Sums: Copy;
    /// One f32 for each row of a block.
    type Floats: Copy;

    /// Sums of `B` blocks with each query of a tile of `Q`, whose words are interleaved, starting from `start`.
    ///
    /// # Safety
    /// The processor has the features; each block has as many groups as there are words for each query.
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B];

    /// Sums of one block with one query.
    ///
    /// # Safety
    /// As for [`tile`](Self::tile).
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums;

    /// # Safety
    /// The processor has the features.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn splat(value: f32) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats;

    /// # Safety
    /// The processor has the features.
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats;

    /// `x * y + z`, rounded once or twice.
    ///
    /// # Safety
    /// The processor has the features.
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats;

    /// Bit i is set if row i of `x` is at least that of `y`.
    ///
    /// # Safety
    /// The processor has the features.
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32;

    /// # Safety
    /// The processor has the features.
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK];
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
    let mut at = scan.blocks.start;
    while at + B <= scan.blocks.end {
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, B, Q>(scan, at, tile, candidates) };
        at += B;
    }
    while at < scan.blocks.end {
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, 1, Q>(scan, at, tile, candidates) };
        at += 1;
    }
}

/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn scan_blocks<L: Lanes, const B: usize, const Q: usize>(
    scan: &Scan<'_>,
    at: usize,
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
                unsafe { scan_alone::<L>(scan, number, at + block, tile.first + query, products, candidates) };
            }
            return;
        }
        let blocks: [&[Group]; B] = std::array::from_fn(|block| segment.block(at + block));
        let start = std::array::from_fn(|query| queries[query].parts[number].start);
        // SAFETY: the caller's promise; for each query, `words` gives as many as a block of the segment has groups.
        let sums = unsafe { L::tile::<B, Q>(blocks, tile.words::<Q>(number, segment.words()), &start) };
        let last = number + 1 == scan.segments.len();
        let look = last || scan.prune;
        pairs = 0;
        for block in 0..B {
            // SAFETY: the caller's promise.
            let numbers = unsafe { numbers::<L>(segment, at + block) };
            for query in 0..Q {
                let (part, products) = (&queries[query].parts[number], &mut products[block][query]);
                let threshold = scan.thresholds(tile.first + query, at + block);
                // SAFETY: the caller's promise.
                unsafe {
                    *products = add::<L>(&numbers, part, L::floats(sums[block][query]), *products);
                    if look {
                        let bound = bound::<L>(&numbers, part, *products);
                        pairs |= u64::from(L::reaches(bound, L::load(threshold)) != 0) << (block * Q + query);
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
        unsafe { add_candidates::<L>(scan, at + block, tile.first + query, products[block][query], candidates) };
    }
}

/// Reads a block on from segment `from` for one query.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn scan_alone<L: Lanes>(
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
            if L::reaches(bound::<L>(&numbers, part, products), threshold) == 0 {
                return;
            }
        }
        add_candidates::<L>(scan, at, slot, products, candidates);
    }
}

/// What is known of the rows of a block in one segment.
struct Numbers<F> {
    scales: F,
    errors: F,
    rests: Option<F>,
}

/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn numbers<L: Lanes>(segment: &Segment, at: usize) -> Numbers<L::Floats> {
    // SAFETY: the caller's promise.
    unsafe {
        Numbers {
            scales: L::load(&segment.scales[at]),
            errors: L::load(&segment.errors[at]),
            rests: segment.rests.get(at).map(|rests| L::load(rests)),
        }
    }
}

/// Adds a segment's sums to the products of those before it, in the query's unit.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn add<L: Lanes>(numbers: &Numbers<L::Floats>, part: &Part, sums: L::Floats, products: L::Floats) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe { L::multiply_add(L::multiply(sums, numbers.scales), L::splat(part.scale), products) }
}

/// The bound after a segment, in the query's unit.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn bound<L: Lanes>(numbers: &Numbers<L::Floats>, part: &Part, products: L::Floats) -> L::Floats {
    // SAFETY: the caller's promise.
    unsafe {
        let mut bound = L::multiply_add(numbers.errors, L::splat(part.error_weight), products);
        if let Some(rests) = numbers.rests {
            bound = L::multiply_add(rests, L::splat(part.rest_weight), bound);
        }
        L::add(bound, L::splat(part.shift))
    }
}

/// Appends the rows of a block that pass the last segment.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn add_candidates<L: Lanes>(
    scan: &Scan<'_>,
    at: usize,
    slot: usize,
    products: L::Floats,
    candidates: &mut Candidates,
) {
    let query = scan.queries[slot];
    let (Some(segment), Some(part)) = (scan.segments.last(), query.parts.last()) else { return };
    // SAFETY: the caller's promise.
    let (uppers, mut passing) = unsafe {
        let bound = bound::<L>(&numbers::<L>(segment, at), part, products);
        (L::store(bound), L::reaches(bound, L::load(scan.thresholds(slot, at))))
    };
    let block = at - scan.blocks.start;
    let prefetched = &mut candidates.prefetched[block];
    let mut new = passing & !u32::from(*prefetched);
    *prefetched |= passing as u16;
    while new != 0 {
        let row = new.trailing_zeros() as usize;
        new &= new - 1;
        prefetch(scan.vector(block * BLOCK + row));
    }
    while passing != 0 {
        let row = passing.trailing_zeros() as usize;
        passing &= passing - 1;
        candidates.list.push(Candidate::new(slot, query.upper(uppers[row]), block * BLOCK + row));
    }
}

/// Appends the product of each column with the vector, 16 columns at a time.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn rate<L: Lanes, const N: usize>(
    columns: &[[[f32; BLOCK]; N]],
    vector: &[f32; N],
    products: &mut Vec<f32>,
) {
    for columns in columns {
        // SAFETY: the caller's promise.
        let sums = unsafe {
            // Two sums, as one would wait for itself.
            let mut sums = [L::splat(0.0); 2];
            for (at, (column, &value)) in columns.iter().zip(vector).enumerate() {
                sums[at % 2] = L::multiply_add(L::load(column), L::splat(value), sums[at % 2]);
            }
            L::store(L::add(sums[0], sums[1]))
        };
        products.extend_from_slice(&sums);
    }
}
