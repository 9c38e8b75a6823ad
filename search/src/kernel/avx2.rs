//! x86-64 with AVX2: `vpmaddubsw` multiplies codes and adds them up in pairs of 16 bits, which must not overflow: with
//! codes of rows in 1..=127 (stored 64 higher) and of queries in -63..=63, two such pairs fit (4 x 127 x 63 = 32,004)
//! before they are widened to 32 bits.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_GE_OQ, _mm_loadu_ps, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtps_pd, _mm256_fmadd_pd, _mm256_fmadd_ps, _mm256_load_si256, _mm256_loadu_pd,
    _mm256_loadu_ps, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_ps, _mm256_mul_ps, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_pd, _mm256_storeu_pd, _mm256_storeu_ps,
};

use super::bounds;
use super::candidates::Candidates;
use super::lanes::Lanes;
use super::matrix::{self, Panels};
use super::tile::{Scan, scan_tile};
use crate::layout::{BLOCK, Coding, Group};
use crate::quantize::{self, CodedQuery, Segment, SegmentPart};
use crate::score::{self, LANES};

pub(super) const CODING: Coding = Coding { row_max: 63, query_max: 63, offset: 64, run: 4 };

pub(super) const WIDTHS: [usize; 3] = [4, 2, 1];

/// Groups whose products are added up in 16 bits.
const NARROW: usize = 2;

const _: () = assert!(
    4 * (CODING.row_max + CODING.offset) * CODING.query_max <= i16::MAX as i32 && NARROW == 2,
    "sums of products must fit into 16 bits"
);

struct Avx2;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn scan(scan: &Scan<'_>, candidates: &mut Candidates) {
    for tile in scan.tiles.iter() {
        // SAFETY: the caller's promise.
        unsafe {
            match tile.width {
                4 => scan_tile::<Avx2, 1, 4>(scan, tile, candidates),
                2 => scan_tile::<Avx2, 1, 2>(scan, tile, candidates),
                _ => scan_tile::<Avx2, 1, 1>(scan, tile, candidates),
            }
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn lower_bounds(segments: &[Segment], at: usize, query: &CodedQuery) -> [f32; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe { bounds::lower_bounds::<Avx2>(segments, at, query) }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn pack(rows: &[f32], dimension: usize, error: f32, coding: Coding, parts: &mut [SegmentPart<'_>]) {
    quantize::pack(rows, dimension, error, coding, parts);
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn unit(vector: &[f32], norm: f64, unit: &mut [f32]) {
    score::unit(vector, norm, unit);
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn multiply(vectors: &[f32], matrix: &Panels, products: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { matrix::multiply::<Avx2, 6, 1>(vectors, matrix, products) }
}

/// # Safety
/// The processor has the features.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn rate<const N: usize>(columns: &[[[f32; BLOCK]; N]], vector: &[f32; N], products: &mut Vec<f32>) {
    // SAFETY: the caller's promise.
    unsafe { matrix::rate::<Avx2, N>(columns, vector, products) }
}

/// What [`score::dots`] gives: two registers hold the lanes of one product.
///
/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[expect(unsafe_code, reason = "needs processor features")]
pub(super) unsafe fn dots<const N: usize>(x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
    let mut sums = [[_mm256_setzero_pd(); 2]; N];
    let y_runs = ys.map(|y| &y.as_chunks::<LANES>().0[..x.len() / LANES]);
    for (at, x) in x.as_chunks::<LANES>().0.iter().enumerate() {
        for half in 0..2 {
            // SAFETY: each half of a run is as long as the register.
            let x = unsafe { _mm256_loadu_pd(x.as_ptr().add(4 * half)) };
            for (sum, runs) in sums.iter_mut().zip(&y_runs) {
                // SAFETY: each half of a run is as long as the register.
                let y = unsafe { _mm_loadu_ps(runs[at].as_ptr().add(4 * half)) };
                sum[half] = _mm256_fmadd_pd(x, _mm256_cvtps_pd(y), sum[half]);
            }
        }
    }
    let mut products = [0.0; N];
    for ((product, sum), y) in products.iter_mut().zip(sums).zip(ys) {
        let mut lanes = [0.0; LANES];
        // SAFETY: there are as many lanes as two registers hold.
        unsafe {
            _mm256_storeu_pd(lanes.as_mut_ptr(), sum[0]);
            _mm256_storeu_pd(lanes.as_mut_ptr().add(4), sum[1]);
        }
        *product = score::finish(lanes, x, y);
    }
    products
}

#[expect(unsafe_code, reason = "intrinsics")]
impl Lanes for Avx2 {
    /// Rows 0-7 and 8-15.
    type Sums = [__m256i; 2];
    type Floats = [__m256; 2];

    // On its own, so that the sums get all registers.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B] {
        // SAFETY: the features are the caller's promise; a block has a group for each run of words, 64 bytes on a
        // boundary of 64.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut sums = [start.map(|start| [_mm256_set1_epi32(start); 2]); B];
            for (at, words) in words.chunks_exact(NARROW * Q).enumerate() {
                for block in 0..B {
                    let group = |step, half| {
                        let group: *const __m256i = blocks[block].as_ptr().add(at * NARROW + step).cast();
                        _mm256_load_si256(group.add(half))
                    };
                    let rows: [[__m256i; 2]; NARROW] = [[group(0, 0), group(0, 1)], [group(1, 0), group(1, 1)]];
                    for query in 0..Q {
                        let codes: [__m256i; NARROW] =
                            [_mm256_set1_epi32(words[query]), _mm256_set1_epi32(words[Q + query])];
                        for half in 0..2 {
                            let pairs = _mm256_add_epi16(
                                _mm256_maddubs_epi16(rows[0][half], codes[0]),
                                _mm256_maddubs_epi16(rows[1][half], codes[1]),
                            );
                            let sum = &mut sums[block][query][half];
                            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                        }
                    }
                }
            }
            sums
        }
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums {
        // SAFETY: the caller's promise. One query keeps the multiplier busy: only an addition is in the chain.
        unsafe { Self::tile::<1, 1>([block], words, &[start])[0][0] }
    }

    #[inline(always)]
    unsafe fn floats(sums: Self::Sums) -> Self::Floats {
        // SAFETY: the caller's promise.
        sums.map(|sums| unsafe { _mm256_cvtepi32_ps(sums) })
    }

    #[inline(always)]
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats {
        let values = values.as_ptr();
        // SAFETY: the caller's promise; 16 values are as long as two registers.
        unsafe { [_mm256_loadu_ps(values), _mm256_loadu_ps(values.add(8))] }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        // SAFETY: the caller's promise.
        [unsafe { _mm256_set1_ps(value) }; 2]
    }

    #[inline(always)]
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_add_ps(x[0], y[0]), _mm256_add_ps(x[1], y[1])] }
    }

    #[inline(always)]
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_mul_ps(x[0], y[0]), _mm256_mul_ps(x[1], y[1])] }
    }

    #[inline(always)]
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_fmadd_ps(x[0], y[0], z[0]), _mm256_fmadd_ps(x[1], y[1], z[1])] }
    }

    #[inline(always)]
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32 {
        // SAFETY: the caller's promise.
        let [low, high] = unsafe {
            [0, 1].map(|half| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(x[half], y[half])).cast_unsigned())
        };
        low | high << 8
    }

    #[inline(always)]
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK] {
        let mut values = [0.0; BLOCK];
        // SAFETY: the caller's promise; 16 values are as long as two registers.
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(values.as_mut_ptr().add(8), x[1]);
        }
        values
    }
}
