//! The int8 matrix multiplication extension: `smmla` multiplies eight dimensions of two rows with those of two queries
//! and adds the products up in 32 bits: twice the work of `sdot`. Each register holds four sums, of row 0 with query 0
//! and 1 and of row 1 with query 0 and 1, so two registers become four rows of each query at the end.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_lane_s64, vdupq_n_s32, vld1_s32, vld1q_s8, vreinterpret_s64_s32, vreinterpretq_s8_s32,
    vreinterpretq_s32_s64, vuzp1q_s32, vuzp2q_s32,
};
use std::arch::{asm, is_aarch64_feature_detected};

use super::lanes::{Products, Sums, sixteen};
use crate::kernel::bounds;
use crate::kernel::candidates::Candidates;
use crate::kernel::tile::{Scan, scan_tile};
use crate::layout::{BLOCK, Coding, Group};
use crate::quantize::{CodedQuery, Segment};

pub(in crate::kernel) const CODING: Coding = Coding { row_max: 127, query_max: 127, offset: 0, run: 8 };

/// Two queries share an instruction, so all but the last are even.
pub(in crate::kernel) const WIDTHS: [usize; 4] = [6, 4, 2, 1];

/// Groups, and words of a query, that eight dimensions take.
const RUN: usize = 2;

struct I8mm;

pub(in crate::kernel) fn is_available() -> bool {
    is_aarch64_feature_detected!("i8mm")
}

/// # Safety
/// The processor has the int8 matrix multiplication extension.
#[target_feature(enable = "neon,i8mm")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(in crate::kernel) unsafe fn scan(scan: &Scan<'_>, candidates: &mut Candidates) {
    for tile in scan.tiles.iter() {
        // SAFETY: the caller's promise.
        unsafe {
            match tile.width {
                6 => scan_tile::<I8mm, 1, 6>(scan, tile, candidates),
                4 => scan_tile::<I8mm, 1, 4>(scan, tile, candidates),
                2 => scan_tile::<I8mm, 1, 2>(scan, tile, candidates),
                _ => scan_tile::<I8mm, 1, 1>(scan, tile, candidates),
            }
        }
    }
}

/// # Safety
/// The processor has the int8 matrix multiplication extension.
#[target_feature(enable = "neon,i8mm")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(in crate::kernel) unsafe fn lower_bounds(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe { bounds::lower_bounds::<I8mm>(segments, at, query) }
}

#[expect(unsafe_code, reason = "needs processor features")]
impl Products for I8mm {
    #[inline(always)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Sums; Q]; B] {
        const { assert!(Q == 1 || Q.is_multiple_of(2), "queries are read in pairs") };
        // SAFETY: the features are the caller's promise; a block has as many groups as there are words for each query,
        // and each pair of queries has its words in each run.
        unsafe {
            let mut sums = [[[vdupq_n_s32(0); 4]; Q]; B];
            if Q == 1 {
                for (block, sums) in blocks.iter().zip(&mut sums) {
                    sums[0] = Self::block(block, words, start[0]);
                }
                return sums;
            }
            // Meanwhile, of two queries the first has the sums of rows 0 and 1 of four with both, the second those of
            // rows 2 and 3.
            for query in 0..Q {
                let two = twice(&start.as_chunks().0[query / 2]);
                for sums in &mut sums {
                    sums[query] = [two; 4];
                }
            }
            for (at, words) in words.chunks_exact(RUN * Q).enumerate() {
                let queries: [int8x16_t; Q] =
                    std::array::from_fn(|query| vld1q_s8(words.as_ptr().add(query / 2 * 2 * RUN).cast()));
                for block in 0..B {
                    for (half, group) in blocks[block].as_chunks::<RUN>().0[at].iter().enumerate() {
                        for pair in 0..4 {
                            let rows = sixteen(group, 16 * pair);
                            for query in (0..Q).step_by(2) {
                                let sum = &mut sums[block][query + pair % 2][2 * half + pair / 2];
                                *sum = smmla(*sum, rows, queries[query]);
                            }
                        }
                    }
                }
            }
            let untangle = |sums: [Sums; Q], query: usize, quarter: usize| {
                let [low, high] = [sums[query / 2 * 2][quarter], sums[query / 2 * 2 + 1][quarter]];
                if query.is_multiple_of(2) { vuzp1q_s32(low, high) } else { vuzp2q_s32(low, high) }
            };
            sums.map(|sums| std::array::from_fn(|query| std::array::from_fn(|quarter| untangle(sums, query, quarter))))
        }
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Sums {
        // The query is its own partner; eight chains keep the multiplier busy.
        // SAFETY: as for `tile`.
        unsafe {
            let mut sums = [[vdupq_n_s32(start); 2]; 4];
            for (groups, words) in block.as_chunks::<RUN>().0.iter().zip(words.as_chunks::<RUN>().0) {
                let query = vreinterpretq_s8_s32(twice(words));
                for (half, group) in groups.iter().enumerate() {
                    for pair in 0..4 {
                        let sum = &mut sums[2 * half + pair / 2][pair % 2];
                        *sum = smmla(*sum, sixteen(group, 16 * pair), query);
                    }
                }
            }
            sums.map(|[low, high]| vuzp1q_s32(low, high))
        }
    }
}

/// Two words, twice over. They are read as words: nothing puts a pair of them on a boundary of 8 bytes.
#[inline(always)]
#[expect(unsafe_code, reason = "intrinsics")]
fn twice(words: &[i32; RUN]) -> int32x4_t {
    // SAFETY: every 64-bit Arm processor has NEON; two words are as long as half a register, and aligned as words.
    unsafe { vreinterpretq_s32_s64(vdupq_lane_s64::<0>(vreinterpret_s64_s32(vld1_s32(words.as_ptr())))) }
}

/// Adds the products of two rows with two queries.
#[inline]
#[target_feature(enable = "neon,i8mm")]
#[expect(unsafe_code, reason = "its intrinsic is not stable")]
fn smmla(mut sums: int32x4_t, rows: int8x16_t, queries: int8x16_t) -> int32x4_t {
    // SAFETY: it only computes, and the function enables what it needs.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {rows:v}.16b, {queries:v}.16b",
            sums = inout(vreg) sums,
            rows = in(vreg) rows,
            queries = in(vreg) queries,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}
