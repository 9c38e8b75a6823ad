//! What the extensions share: a block is four registers of four rows.

use std::arch::aarch64::{
    float32x4_t, float64x2_t, int8x16_t, int32x4_t, vaddq_f32, vaddvq_u16, vandq_u16, vcgeq_f32, vcvt_f64_f32,
    vcvt_high_f64_f32, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_f64, vfmaq_f32, vfmaq_f64, vget_low_f32, vld1q_f32,
    vld1q_f64, vld1q_s8, vld1q_u16, vmulq_f32, vorrq_u16, vreinterpretq_u16_u32, vst1q_f32, vst1q_f64, vuzp1q_u16,
};

use crate::kernel::lanes::Lanes;
use crate::layout::{BLOCK, Group};
use crate::score::{self, LANES};

/// Sums of rows 0-3, 4-7, 8-11 and 12-15.
pub(super) type Sums = [int32x4_t; 4];

/// How an extension sums products: the methods of [`Lanes`] that differ.
#[expect(unsafe_code, reason = "each method needs processor features")]
pub(super) trait Products {
    /// # Safety
    /// As for [`Lanes::tile`].
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Sums; Q]; B];

    /// # Safety
    /// As for [`Lanes::tile`].
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Sums;
}

#[expect(unsafe_code, reason = "intrinsics")]
impl<P: Products> Lanes for P {
    type Sums = Sums;
    type Floats = [float32x4_t; 4];

    #[inline(always)]
    unsafe fn tile<const B: usize, const Q: usize>(
        blocks: [&[Group]; B],
        words: &[i32],
        start: &[i32; Q],
    ) -> [[Self::Sums; Q]; B] {
        // SAFETY: the caller's promise.
        unsafe { <P as Products>::tile(blocks, words, start) }
    }

    #[inline(always)]
    unsafe fn block(block: &[Group], words: &[i32], start: i32) -> Self::Sums {
        // SAFETY: the caller's promise.
        unsafe { <P as Products>::block(block, words, start) }
    }

    #[inline(always)]
    unsafe fn floats(sums: Self::Sums) -> Self::Floats {
        // SAFETY: every 64-bit Arm processor has NEON.
        sums.map(|sums| unsafe { vcvtq_f32_s32(sums) })
    }

    #[inline(always)]
    unsafe fn load(values: &[f32; BLOCK]) -> Self::Floats {
        // SAFETY: as above; 16 values are as long as four registers.
        [0, 4, 8, 12].map(|row| unsafe { vld1q_f32(values.as_ptr().add(row)) })
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        // SAFETY: as above.
        [unsafe { vdupq_n_f32(value) }; 4]
    }

    #[inline(always)]
    unsafe fn add(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: as above.
        std::array::from_fn(|quarter| unsafe { vaddq_f32(x[quarter], y[quarter]) })
    }

    #[inline(always)]
    unsafe fn multiply(x: Self::Floats, y: Self::Floats) -> Self::Floats {
        // SAFETY: as above.
        std::array::from_fn(|quarter| unsafe { vmulq_f32(x[quarter], y[quarter]) })
    }

    #[inline(always)]
    unsafe fn multiply_add(x: Self::Floats, y: Self::Floats, z: Self::Floats) -> Self::Floats {
        // SAFETY: as above.
        std::array::from_fn(|quarter| unsafe { vfmaq_f32(z[quarter], x[quarter], y[quarter]) })
    }

    #[inline(always)]
    unsafe fn reaches(x: Self::Floats, y: Self::Floats) -> u32 {
        const BITS: [[u16; 8]; 2] = [[1, 2, 4, 8, 16, 32, 64, 128], [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768]];
        // SAFETY: as above.
        let [low, high] = [0, 1].map(|half| unsafe {
            let reaches = |quarter: usize| vreinterpretq_u16_u32(vcgeq_f32(x[quarter], y[quarter]));
            let rows = vuzp1q_u16(reaches(2 * half), reaches(2 * half + 1));
            vandq_u16(rows, vld1q_u16(BITS[half].as_ptr()))
        });
        // SAFETY: as above.
        u32::from(unsafe { vaddvq_u16(vorrq_u16(low, high)) })
    }

    #[inline(always)]
    unsafe fn store(x: Self::Floats) -> [f32; BLOCK] {
        let mut values = [0.0; BLOCK];
        for (values, x) in values.as_chunks_mut::<4>().0.iter_mut().zip(x) {
            // SAFETY: as above; four values are as long as a register.
            unsafe { vst1q_f32(values.as_mut_ptr(), x) };
        }
        values
    }
}

/// The sixteen bytes of a group from `at` on.
#[inline(always)]
#[expect(unsafe_code, reason = "an intrinsic")]
pub(super) fn sixteen(group: &Group, at: usize) -> int8x16_t {
    let bytes: &[u8; 16] = group.0[at..].first_chunk().expect("a group has 64 bytes");
    // SAFETY: every 64-bit Arm processor has NEON.
    unsafe { vld1q_s8(bytes.as_ptr().cast()) }
}

/// What [`score::dots`] gives: four registers hold the lanes of one product.
#[inline]
#[expect(unsafe_code, reason = "intrinsics")]
pub(in crate::kernel) fn dots<const N: usize>(x: &[f64], ys: [&[f32]; N]) -> [f64; N] {
    // SAFETY: every 64-bit Arm processor has NEON; runs are as long as the registers that are loaded from them.
    unsafe {
        let mut sums: [[float64x2_t; LANES / 2]; N] = [[vdupq_n_f64(0.0); LANES / 2]; N];
        let y_runs = ys.map(|y| &y.as_chunks::<LANES>().0[..x.len() / LANES]);
        for (at, x) in x.as_chunks::<LANES>().0.iter().enumerate() {
            let x = [0, 2, 4, 6].map(|lane| vld1q_f64(x.as_ptr().add(lane)));
            for (sum, runs) in sums.iter_mut().zip(&y_runs) {
                for half in 0..2 {
                    let y = vld1q_f32(runs[at].as_ptr().add(4 * half));
                    sum[2 * half] = vfmaq_f64(sum[2 * half], x[2 * half], vcvt_f64_f32(vget_low_f32(y)));
                    sum[2 * half + 1] = vfmaq_f64(sum[2 * half + 1], x[2 * half + 1], vcvt_high_f64_f32(y));
                }
            }
        }
        std::array::from_fn(|product| {
            let mut lanes = [0.0; LANES];
            for (lanes, sum) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(sums[product]) {
                vst1q_f64(lanes.as_mut_ptr(), sum);
            }
            score::finish(lanes, x, ys[product])
        })
    }
}
