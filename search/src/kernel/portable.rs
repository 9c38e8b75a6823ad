//! Plain Rust: for processors without a kernel of their own, and the oracle of the others.

use super::bounds;
use super::candidates::Candidates;
use super::lanes::Lanes;
use super::matrix::{self, Panels};
use super::tile::{Scan, scan_tile};
use crate::layout::{BLOCK, Coding, Group, STEP};
use crate::quantize::{CodedQuery, Segment};

pub(super) const CODING: Coding = Coding { row_max: 127, query_max: 127, offset: 0, run: 4 };

pub(super) const WIDTHS: [usize; 4] = [8, 4, 2, 1];

/// Codes that a row has side by side.
const RUN: usize = CODING.run;

/// Groups whose codes are widened together.
const GROUPS: usize = 2;

const _: () = assert!(
    2 * CODING.row_max * CODING.query_max <= i16::MAX as i32
        && (BLOCK * STEP).is_multiple_of(GROUPS * size_of::<Group>()),
    "the products of two dimensions must fit into 16 bits, and groups into a step"
);

struct Portable;

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn scan(scan: &Scan<'_>, candidates: &mut Candidates) {
    for tile in scan.tiles.iter() {
        // SAFETY: plain Rust needs no processor features.
        unsafe {
            match tile.width {
                8 => scan_tile::<Portable, 1, 8>(scan, tile, candidates),
                4 => scan_tile::<Portable, 1, 4>(scan, tile, candidates),
                2 => scan_tile::<Portable, 1, 2>(scan, tile, candidates),
                _ => scan_tile::<Portable, 1, 1>(scan, tile, candidates),
            }
        }
    }
}

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn lower_bounds(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: plain Rust needs no processor features.
    unsafe { bounds::lower_bounds::<Portable>(segments, at, query) }
}

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn multiply(vectors: &[f32], matrix: &Panels, products: &mut [f32]) {
    // SAFETY: plain Rust needs no processor features.
    unsafe { matrix::multiply::<Portable, 1, 1>(vectors, matrix, products) }
}

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn rate<const N: usize>(columns: &[[[f32; BLOCK]; N]], vector: &[f32; N], products: &mut Vec<f32>) {
    // SAFETY: plain Rust needs no processor features.
    unsafe { matrix::rate::<Portable, N>(columns, vector, products) };
}

#[expect(unsafe_code, reason = "the trait is for kernels that need processor features; these need none")]
impl Lanes for Portable {
    type Sums = [i32; BLOCK];
    type Floats = [f32; BLOCK];

    // On its own, as the compiler vectorises it best so.
    #[inline(never)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B] {
        let mut sums = [start.map(|start| [start; BLOCK]); B];
        let mut rows = [[[0; BLOCK]; RUN]; GROUPS];
        let steps = words.as_chunks::<Q>().0.as_chunks::<GROUPS>().0;
        for (block, sums) in blocks.iter().zip(&mut sums) {
            for (groups, words) in block.as_chunks().0.iter().zip(steps) {
                widen(groups, &mut rows);
                for (query, sums) in sums.iter_mut().enumerate() {
                    add_products(&rows, words.map(|words| words[query]), sums);
                }
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums {
        // SAFETY: the caller's promise.
        unsafe { Self::tile::<1, 1>([block], words, &[start])[0][0] }
    }

    #[inline(always)]
    unsafe fn floats(sums: Self::Sums) -> Self::Floats {
        sums.map(|sum| sum as f32)
    }

    #[inline(always)]
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats {
        *values
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        [value; BLOCK]
    }

    #[inline(always)]
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        std::array::from_fn(|row| x[row] + y[row])
    }

    #[inline(always)]
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        std::array::from_fn(|row| x[row] * y[row])
    }

    #[inline(always)]
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        std::array::from_fn(|row| x[row] * y[row] + z[row])
    }

    #[inline(always)]
    unsafe fn fused(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        std::array::from_fn(|row| x[row].mul_add(y[row], z[row]))
    }

    #[inline(always)]
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32 {
        (0..BLOCK).map(|row| u32::from(x[row] >= y[row]) << row).sum()
    }

    #[inline(always)]
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK] {
        x
    }
}

/// Writes for each dimension of some groups the codes of the 16 rows side by side, in 16 bits.
// On its own, and with shifts rather than bytes: so the compiler does several rows at once.
#[inline(never)]
fn widen(groups: &[Group; GROUPS], rows: &mut [[[i16; BLOCK]; RUN]; GROUPS]) {
    for (group, dimensions) in groups.iter().zip(rows) {
        for (place, rows) in dimensions.iter_mut().enumerate() {
            for (row, codes) in rows.iter_mut().zip(group.0.as_chunks::<RUN>().0) {
                *row = (i32::from_le_bytes(*codes) << (24 - 8 * place) >> 24) as i16;
            }
        }
    }
}

/// Adds the products of the rows' codes with those of a query.
#[inline(always)]
fn add_products(rows: &[[[i16; BLOCK]; RUN]; GROUPS], words: [i32; GROUPS], sums: &mut [i32; BLOCK]) {
    let query = words.map(|word| word.to_le_bytes().map(|code| i16::from(code.cast_signed())));
    for (row, sum) in sums.iter_mut().enumerate() {
        for (rows, query) in rows.iter().zip(query) {
            let product = |place: usize| rows[place][row] * query[place];
            *sum += i32::from(product(0) + product(1)) + i32::from(product(2) + product(3));
        }
    }
}
