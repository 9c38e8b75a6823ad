//! x86-64 with AVX-512 VNNI: a group of 4 dimensions x 16 rows is one register, and one `vpdpbusd` multiplies it with
//! four codes of a query and adds the products up in 32 bits. The instruction wants one side unsigned: codes of rows
//! are stored 128 higher, and the sums start lower by 128 times the sum of the query's codes.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _mm256_loadu_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_ps, _mm512_cvtps_pd, _mm512_dpbusd_epi32, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_load_si512,
    _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_pd,
    _mm512_setzero_si512, _mm512_storeu_pd, _mm512_storeu_ps,
};

use super::bounds;
use super::candidates::Candidates;
use super::lanes::Lanes;
use super::matrix::{self, Panels};
use super::tile::{Scan, scan_tile};
use crate::layout::{BLOCK, Coding, Group};
use crate::quantize::{CodedQuery, Segment};
use crate::score::{self, LANES};

pub(super) const CODING: Coding = Coding { row_max: 127, query_max: 127, offset: 128, run: 4 };

pub(super) const WIDTHS: [usize; 4] = [8, 4, 2, 1];

struct Avx512;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

/// # Safety
/// The processor has AVX-512 VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn scan(scan: &Scan<'_>, candidates: &mut Candidates) {
    for tile in scan.tiles.iter() {
        // SAFETY: the caller's promise.
        unsafe {
            match tile.width {
                8 => scan_tile::<Avx512, 3, 8>(scan, tile, candidates),
                4 => scan_tile::<Avx512, 4, 4>(scan, tile, candidates),
                2 => scan_tile::<Avx512, 4, 2>(scan, tile, candidates),
                _ => scan_tile::<Avx512, 4, 1>(scan, tile, candidates),
            }
        }
    }
}

/// # Safety
/// The processor has AVX-512 VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn lower_bounds(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe { bounds::lower_bounds::<Avx512>(segments, at, query) }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512vnni")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn multiply(vectors: &[f32], matrix: &Panels, products: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { matrix::multiply::<Avx512, 6, 4>(vectors, matrix, products) }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx512f,avx512vnni")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn rate<const N: usize>(columns: &[[[f32; BLOCK]; N]], vector: &[f32; N], products: &mut Vec<f32>) {
    // SAFETY: the caller's promise.
    unsafe { matrix::rate::<Avx512, N>(columns, vector, products) }
}

/// What [`score::dots`] gives: a register holds the lanes of one product.
///
/// # Safety
/// The processor has AVX-512.
#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn dots<const N: usize>(x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
    let mut sums = [_mm512_setzero_pd(); N];
    let y_runs = ys.map(|y| &y.as_chunks::<LANES>().0[..x.len() / LANES]);
    for (at, x) in x.as_chunks::<LANES>().0.iter().enumerate() {
        // SAFETY: each run is as long as the register.
        let x = unsafe { _mm512_loadu_pd(x.as_ptr()) };
        for (sum, runs) in sums.iter_mut().zip(&y_runs) {
            // SAFETY: each run is as long as the register.
            let y = unsafe { _mm256_loadu_ps(runs[at].as_ptr()) };
            *sum = _mm512_fmadd_pd(x, _mm512_cvtps_pd(y), *sum);
        }
    }
    let mut products = [0.0; N];
    for ((product, sum), y) in products.iter_mut().zip(sums).zip(ys) {
        let mut lanes = [0.0; LANES];
        // SAFETY: there are as many lanes as the register holds.
        unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), sum) };
        *product = score::finish(lanes, x, y);
    }
    products
}

#[expect(unsafe_code, reason = "intrinsics")]
impl Lanes for Avx512 {
    type Sums = __m512i;
    type Floats = __m512;

    #[inline(always)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B] {
        // SAFETY: the features are the caller's promise; a block has a group for each run of words.
        unsafe {
            let mut sums = [start.map(|start| _mm512_set1_epi32(start)); B];
            for (at, words) in words.chunks_exact(Q).enumerate() {
                let rows = blocks.map(|block| _mm512_load_si512(block.as_ptr().add(at).cast()));
                for query in 0..Q {
                    let word = _mm512_set1_epi32(words[query]);
                    for block in 0..B {
                        sums[block][query] = _mm512_dpbusd_epi32(sums[block][query], rows[block], word);
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums {
        // Four chains, as the instruction's latency is several times its throughput.
        // SAFETY: the features are the caller's promise; a group is 64 bytes on a boundary of 64.
        unsafe {
            let mut sums =
                [_mm512_set1_epi32(start), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()];
            for (groups, words) in block.chunks_exact(4).zip(words.chunks_exact(4)) {
                for chain in 0..4 {
                    let rows = _mm512_load_si512(groups.as_ptr().add(chain).cast());
                    sums[chain] = _mm512_dpbusd_epi32(sums[chain], rows, _mm512_set1_epi32(words[chain]));
                }
            }
            _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]))
        }
    }

    #[inline(always)]
    unsafe fn floats(sums: Self::Sums) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { _mm512_cvtepi32_ps(sums) }
    }

    #[inline(always)]
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats {
        // SAFETY: the caller's promise; 16 values are as long as the register.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mul_ps(x, y) }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { _mm512_fmadd_ps(x, y, z) }
    }

    #[inline(always)]
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32 {
        // SAFETY: the caller's promise.
        u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, y) })
    }

    #[inline(always)]
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK] {
        let mut values = [0.0; BLOCK];
        // SAFETY: the caller's promise; 16 values are as long as the register.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), x) };
        values
    }
}
