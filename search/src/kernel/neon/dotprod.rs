//! The dot product extension: `sdot` multiplies four dimensions of four rows with four codes of a query, picked by
//! number from a register that holds four times as many, and adds the products up in 32 bits.

use std::arch::aarch64::{int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s32, vld1q_s8};
use std::arch::{asm, is_aarch64_feature_detected};

use super::lanes::{Products, Sums, sixteen};
use crate::kernel::bounds;
use crate::kernel::candidates::Candidates;
use crate::kernel::matrix::{self, Panels};
use crate::kernel::tile::{Scan, scan_tile};
use crate::layout::{BLOCK, Coding, Group};
use crate::quantize::{CodedQuery, Segment};

pub(in crate::kernel) const CODING: Coding = Coding { row_max: 127, query_max: 127, offset: 0, run: 4 };

pub(in crate::kernel) const WIDTHS: [usize; 3] = [4, 2, 1];

/// Words of a query in a register.
const WORDS: usize = 4;

struct DotProd;

pub(in crate::kernel) fn is_available() -> bool {
    is_aarch64_feature_detected!("dotprod")
}

/// # Safety
/// The processor has the dot product extension.
#[target_feature(enable = "neon,dotprod")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(in crate::kernel) unsafe fn scan(scan: &Scan<'_>, candidates: &mut Candidates) {
    for tile in scan.tiles.iter() {
        // SAFETY: the caller's promise.
        unsafe {
            match tile.width {
                4 => scan_tile::<DotProd, 1, 4>(scan, tile, candidates),
                2 => scan_tile::<DotProd, 2, 2>(scan, tile, candidates),
                _ => scan_tile::<DotProd, 2, 1>(scan, tile, candidates),
            }
        }
    }
}

/// # Safety
/// The processor has the dot product extension.
#[target_feature(enable = "neon,dotprod")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(in crate::kernel) unsafe fn lower_bounds(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe { bounds::lower_bounds::<DotProd>(segments, at, query) }
}

/// For both extensions: it calculates with floats alone.
#[expect(unsafe_code, reason = "the loop is shared with kernels that need other processor features")]
pub(in crate::kernel) fn multiply(vectors: &[f32], matrix: &Panels, products: &mut [f32]) {
    // SAFETY: it calculates with floats alone, and every 64-bit Arm processor has NEON.
    unsafe { matrix::multiply::<DotProd, 6, 1>(vectors, matrix, products) }
}

/// For both extensions: it calculates with floats alone.
#[expect(unsafe_code, reason = "the loop is shared with kernels that need other processor features")]
pub(in crate::kernel) fn rate<const N: usize>(
    columns: &[[[f32; BLOCK]; N]],
    vector: &[f32; N],
    products: &mut Vec<f32>,
) {
    // SAFETY: it calculates with floats alone, and every 64-bit Arm processor has NEON.
    unsafe { matrix::rate::<DotProd, N>(columns, vector, products) };
}

#[expect(unsafe_code, reason = "needs processor features")]
impl Products for DotProd {
    #[inline(always)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Sums; Q]; B] {
        // SAFETY: the features are the caller's promise; a block has as many groups as there are words for each query.
        unsafe {
            let mut sums = [start.map(|start| [vdupq_n_s32(start); 4]); B];
            for (at, words) in words.chunks_exact(WORDS * Q).enumerate() {
                let words = std::array::from_fn(|number| vld1q_s8(words.as_ptr().add(WORDS * number).cast()));
                let groups = blocks.map(|block| &block.as_chunks().0[at]);
                add::<B, Q, 0>(groups, &words, &mut sums);
                add::<B, Q, 1>(groups, &words, &mut sums);
                add::<B, Q, 2>(groups, &words, &mut sums);
                add::<B, Q, 3>(groups, &words, &mut sums);
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Sums {
        // Eight chains, as the instruction's latency is several times its throughput.
        // SAFETY: as for `tile`.
        unsafe {
            let (mut even, mut odd) = ([[[vdupq_n_s32(start); 4]]], [[[vdupq_n_s32(0); 4]]]);
            for (groups, words) in block.as_chunks::<WORDS>().0.iter().zip(words.as_chunks::<WORDS>().0) {
                let words = [vld1q_s8(words.as_ptr().cast())];
                add::<1, 1, 0>([groups], &words, &mut even);
                add::<1, 1, 1>([groups], &words, &mut odd);
                add::<1, 1, 2>([groups], &words, &mut even);
                add::<1, 1, 3>([groups], &words, &mut odd);
            }
            std::array::from_fn(|quarter| vaddq_s32(even[0][0][quarter], odd[0][0][quarter]))
        }
    }
}

/// Adds the products of one group of each block with the word of this step of each query.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add<const B: usize, const Q: usize, const STEP: usize>(
    blocks: [&[Group; WORDS]; B],
    words: &[int8x16_t; Q],
    sums: &mut [[Sums; Q]; B],
) {
    for (groups, sums) in blocks.iter().zip(sums) {
        for quarter in 0..4 {
            let rows = sixteen(&groups[STEP], 16 * quarter);
            for (query, sums) in sums.iter_mut().enumerate() {
                let word = Q * STEP + query;
                sums[quarter] = sdot(sums[quarter], rows, words[word / WORDS], word % WORDS);
            }
        }
    }
}

/// Adds the products of four rows with the word of this number.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(sums: int32x4_t, rows: int8x16_t, words: int8x16_t, word: usize) -> int32x4_t {
    match word {
        0 => sdot_by::<0>(sums, rows, words),
        1 => sdot_by::<1>(sums, rows, words),
        2 => sdot_by::<2>(sums, rows, words),
        _ => sdot_by::<3>(sums, rows, words),
    }
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
#[expect(unsafe_code, reason = "its intrinsic is not stable")]
fn sdot_by<const WORD: usize>(mut sums: int32x4_t, rows: int8x16_t, words: int8x16_t) -> int32x4_t {
    // SAFETY: it only computes, and the function enables what it needs.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {rows:v}.16b, {words:v}.4b[{WORD}]",
            sums = inout(vreg) sums,
            rows = in(vreg) rows,
            words = in(vreg) words,
            WORD = const WORD,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
