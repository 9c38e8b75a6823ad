//! Plain Rust: for processors without a kernel of their own, and the oracle of the others.

use super::tile::{self, Hits, Lanes, Scan, scan_tile};
use super::{BLOCK, Coding, Group};

pub(super) const CODING: Coding = Coding { row_max: 127, query_max: 127, offset: 0, run: 4 };

pub(super) const WIDTHS: [usize; 2] = [4, 1];

struct Portable;

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn scan(scan: &Scan<'_>, hits: &mut Hits) {
    for tile in scan.tiles.iter() {
        // SAFETY: plain Rust needs no processor features.
        unsafe {
            match tile.width {
                4 => scan_tile::<Portable, 1, 4>(scan, tile, hits),
                _ => scan_tile::<Portable, 1, 1>(scan, tile, hits),
            }
        }
    }
}

#[expect(unsafe_code, reason = "the loop is shared with kernels that need processor features")]
pub(super) fn rate<const N: usize>(columns: &[[[f32; BLOCK]; N]], vector: &[f32; N], products: &mut Vec<f32>) {
    // SAFETY: plain Rust needs no processor features.
    unsafe { tile::rate::<Portable, N>(columns, vector, products) };
}

#[expect(unsafe_code, reason = "the trait is for kernels that need processor features; these need none")]
impl Lanes for Portable {
    type Sums = [i32; BLOCK];
    type Floats = [f32; BLOCK];

    #[inline(always)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B] {
        let mut sums = [start.map(|start| [start; BLOCK]); B];
        for (at, words) in words.chunks_exact(Q).enumerate() {
            for (block, sums) in blocks.iter().zip(&mut sums) {
                for (&word, sums) in words.iter().zip(sums) {
                    add_products(&block[at], word, sums);
                }
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums {
        let mut sums = [start; BLOCK];
        for (group, &word) in block.iter().zip(words) {
            add_products(group, word, &mut sums);
        }
        sums
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
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32 {
        (0..BLOCK).map(|row| u32::from(x[row] >= y[row]) << row).sum()
    }

    #[inline(always)]
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK] {
        x
    }
}

/// Adds the products of four dimensions of 16 rows with those of a query.
#[inline(always)]
fn add_products(group: &Group, word: i32, sums: &mut [i32; BLOCK]) {
    let query = word.to_le_bytes().map(|code| i32::from(code.cast_signed()));
    for (row, sum) in group.0.as_chunks::<4>().0.iter().zip(sums) {
        for (&code, query) in row.iter().zip(query) {
            *sum += i32::from(code.cast_signed()) * query;
        }
    }
}
