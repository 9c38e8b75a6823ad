//! Products of a small matrix and a vector in f32, for any instruction set: for what guides a search, and for rotations,
//! whose rounding is bounded.

use super::lanes::Lanes;
use crate::layout::BLOCK;

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

/// Adds to `sums` the rows of a matrix, each times a factor. Rows are as long as `sums`.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn add_rows<L: Lanes>(rows: &[f32], factors: &[f32], sums: &mut [f32]) {
    /// Registers of sums: one alone would wait for itself.
    const WIDE: usize = 4;
    let length = sums.len();
    let row = |at: usize, from: usize| &rows[at * length + from..(at + 1) * length];
    let (wide, rest) = sums.as_chunks_mut::<{ WIDE * BLOCK }>();
    for (number, sums) in wide.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            let mut added = [L::splat(0.0); WIDE];
            for (at, &factor) in factors.iter().enumerate() {
                let columns = row(at, number * WIDE * BLOCK).as_chunks::<BLOCK>().0;
                let factor = L::splat(factor);
                for (added, column) in added.iter_mut().zip(columns) {
                    *added = L::multiply_add(L::load(column), factor, *added);
                }
            }
            for (sums, added) in sums.as_chunks_mut::<BLOCK>().0.iter_mut().zip(added) {
                *sums = L::store(L::add(L::load(sums), added));
            }
        }
    }
    let from = length - rest.len();
    for (column, sum) in rest.iter_mut().enumerate() {
        *sum += factors.iter().enumerate().map(|(at, factor)| row(at, from)[column] * factor).sum::<f32>();
    }
}
