//! The scan of packed rows against tiles of queries, for any instruction set.
//!
//! For each block of rows and each query of a tile the integer products are summed, turned into an upper bound of the
//! score and compared with the threshold, sixteen rows at once; rows that pass are appended to the hits. An index
//! that is split in segments sums the next one only for blocks where some row still passes.

use std::ops::Range;

use super::{BLOCK, Group};
use crate::top_k::{ordered, unordered};
use crate::quantize::{CodedQuery, Part, Segment};

/// A row whose bound reaches its query's threshold. In one number, as hits are sorted before they are rescored: by
/// query, then the best bound first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit(u64);

impl Hit {
    /// `slot` and `row` are below 65,536.
    #[inline]
    fn new(slot: usize, upper: f32, row: usize) -> Self {
        Self((slot as u64) << 48 | u64::from(!ordered(upper)) << 16 | row as u64)
    }

    /// Which of the scan's active queries.
    pub(crate) fn slot(self) -> usize {
        (self.0 >> 48) as usize
    }

    /// No smaller than the row's score.
    pub(crate) fn upper(self) -> f32 {
        unordered(!((self.0 >> 16) as u32))
    }

    /// Which of the chunk's rows.
    pub(crate) fn row(self) -> usize {
        usize::from(self.0 as u16)
    }
}

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
}

impl Scan<'_> {
    /// For each tile the slot of its first query, its width and its words.
    pub(super) fn tiles(&self) -> impl Iterator<Item = (usize, usize, &[i32])> {
        self.tiles.iter(self.segments[0].words())
    }

    /// What the rows of a block must reach for one of the active queries.
    #[inline(always)]
    fn thresholds(&self, slot: usize, at: usize) -> &[f32; BLOCK] {
        let first = (slot * self.blocks.len() + at - self.blocks.start) * BLOCK;
        self.thresholds[first..].first_chunk().expect("there is one for each row")
    }
}

/// Codes of the active queries' heads, interleaved tile by tile as the kernel reads them.
#[derive(Debug, Default)]
pub(crate) struct Tiles {
    /// Four codes each: for each run of dimensions, the words of each query of the tile.
    words: Vec<i32>,
    widths: Vec<usize>,
}

impl Tiles {
    /// Gathers the heads of `queries` into as few tiles as the widths (widest first, ending in 1) allow. `run` is the
    /// kernel's, 4 or 8.
    pub(crate) fn gather(&mut self, queries: &[&CodedQuery], widths: &[usize], run: usize) {
        self.words.clear();
        self.widths.clear();
        let words_in_run = run / 4;
        let mut rest = queries;
        for &width in widths {
            while rest.len() >= width {
                let tile;
                (tile, rest) = rest.split_at(width);
                self.widths.push(width);
                for start in (0..tile[0].parts[0].words.len()).step_by(words_in_run) {
                    for query in tile {
                        self.words.extend_from_slice(&query.parts[0].words[start..start + words_in_run]);
                    }
                }
            }
        }
    }

    fn iter(&self, words_of_query: usize) -> impl Iterator<Item = (usize, usize, &[i32])> {
        self.widths.iter().scan(0, move |first, &width| {
            let at = *first;
            *first += width;
            Some((at, width, &self.words[at * words_of_query..*first * words_of_query]))
        })
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

/// Scans the chunk's blocks, `B` at a time, against the tile of `Q` queries that starts at slot `first`.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn scan_tile<L: Lanes, const B: usize, const Q: usize>(
    scan: &Scan<'_>,
    first: usize,
    words: &[i32],
    hits: &mut Vec<Hit>,
) {
    let mut at = scan.blocks.start;
    while at + B <= scan.blocks.end {
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, B, Q>(scan, at, first, words, hits) };
        at += B;
    }
    while at < scan.blocks.end {
        // SAFETY: the caller's promise.
        unsafe { scan_blocks::<L, 1, Q>(scan, at, first, words, hits) };
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
    first: usize,
    words: &[i32],
    hits: &mut Vec<Hit>,
) {
    let head = &scan.segments[0];
    let queries: &[&CodedQuery; Q] = scan.queries[first..].first_chunk().expect("a tile has Q queries");
    let blocks: [&[Group]; B] = std::array::from_fn(|block| head.block(at + block));
    let start = std::array::from_fn(|query| queries[query].parts[0].start);
    // SAFETY: the caller's promise; segments and queries are padded alike.
    let sums = unsafe { L::tile::<B, Q>(blocks, words, &start) };
    let mut passing = [[0; Q]; B];
    for block in 0..B {
        for query in 0..Q {
            let threshold = scan.thresholds(first + query, at + block);
            // SAFETY: the caller's promise.
            passing[block][query] = unsafe {
                let products = L::floats(sums[block][query]);
                let bound = head_bound::<L>(head, at + block, &queries[query].parts[0], products).1;
                L::reaches(bound, L::load(threshold))
            };
        }
    }
    for block in 0..B {
        for query in 0..Q {
            if passing[block][query] != 0 {
                // SAFETY: the caller's promise.
                unsafe {
                    let products = L::floats(sums[block][query]);
                    pass::<L>(scan, at + block, first + query, products, passing[block][query], hits);
                }
            }
        }
    }
}

/// What is known after the head: the products so far, and the bound.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn head_bound<L: Lanes>(head: &Segment, at: usize, part: &Part, products: L::Floats) -> (L::Floats, L::Floats) {
    // SAFETY: the caller's promise.
    unsafe {
        let products = L::multiply(products, L::load(&head.scales[at]));
        let mut bound = L::multiply_add(L::load(&head.errors[at]), L::splat(part.error_weight), products);
        if let Some(rests) = head.rests.get(at) {
            bound = L::multiply_add(L::load(rests), L::splat(part.rest_weight), bound);
        }
        (products, bound)
    }
}

/// Appends the rows of a block that pass all segments, of those that have passed the head.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn pass<L: Lanes>(
    scan: &Scan<'_>,
    at: usize,
    slot: usize,
    products: L::Floats,
    mut passing: u32,
    hits: &mut Vec<Hit>,
) {
    let query = scan.queries[slot];
    // SAFETY: the caller's promise; segments and queries are padded alike.
    let uppers = unsafe {
        let threshold = L::load(scan.thresholds(slot, at));
        let (mut products, mut bound) = head_bound::<L>(&scan.segments[0], at, &query.parts[0], products);
        for (segment, part) in scan.segments.iter().zip(&query.parts).skip(1) {
            let sums = L::floats(L::block(segment.block(at), &part.words, part.start));
            let scaled = L::multiply(sums, L::load(&segment.scales[at]));
            products = L::multiply_add(scaled, L::splat(part.scale), products);
            bound = L::multiply_add(L::load(&segment.errors[at]), L::splat(part.error_weight), products);
            if let Some(rests) = segment.rests.get(at) {
                bound = L::multiply_add(L::load(rests), L::splat(part.rest_weight), bound);
            }
            bound = L::add(bound, L::splat(part.shift));
            passing = L::reaches(bound, threshold);
            if passing == 0 {
                return;
            }
        }
        L::store(bound)
    };
    while passing != 0 {
        let row = passing.trailing_zeros() as usize;
        passing &= passing - 1;
        hits.push(Hit::new(slot, query.upper(uppers[row]), (at - scan.blocks.start) * BLOCK + row));
    }
}
