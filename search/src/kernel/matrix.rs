//! Products of matrices and vectors in f32, for any instruction set: for what guides a search, and for rotations, whose
//! rounding is bounded and the same everywhere, so that an index can be packed on another processor.

use std::ops::Range;

use ndarray::ArrayView2;

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

/// Components that are summed in one go; longer sums would round more.
pub(crate) const RUN: usize = 64;

/// A matrix as the right factor of products: 16 columns at a time, row after row, padded with zeros.
#[derive(Debug, PartialEq)]
pub(crate) struct Panels {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// For each panel as many as there are rows.
    pub(crate) values: Vec<[f32; BLOCK]>,
}

impl Panels {
    /// Of a matrix in any layout.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub(crate) fn new(matrix: ArrayView2<'_, f32>) -> Self {
        let (rows, columns) = matrix.dim();
        let mut values = vec![[0.0; BLOCK]; rows * columns.div_ceil(BLOCK)];
        for ((row, column), &value) in matrix.indexed_iter() {
            values[column / BLOCK * rows + row][column % BLOCK] = value;
        }
        Self { rows, columns, values }
    }

    /// Room for a square matrix.
    pub(crate) fn room(size: usize) -> Self {
        Self { rows: size, columns: size, values: vec![[0.0; BLOCK]; size * size.div_ceil(BLOCK)] }
    }

    /// A number of the matrix.
    pub(crate) fn get(&self, row: usize, column: usize) -> f32 {
        self.values[column / BLOCK * self.rows + row][column % BLOCK]
    }
}

/// Adds to `products` those of vectors (n x rows) and a matrix: the same bits whatever the instruction set, as each is
/// the sum of the sums of runs, and in a run each product is added fused and in order. `ROWS` vectors and `PANELS`
/// panels are multiplied together.
///
/// # Safety
/// The processor has the features of `L`.
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
pub(super) unsafe fn multiply<L: Lanes, const ROWS: usize, const PANELS: usize>(
    vectors: &[f32],
    matrix: &Panels,
    products: &mut [f32],
) {
    let panels = matrix.columns.div_ceil(BLOCK);
    let mut from = 0;
    while from < panels {
        // SAFETY: the caller's promise.
        unsafe {
            if panels - from >= PANELS {
                multiply_panels::<L, ROWS, PANELS>(vectors, matrix, from, products);
                from += PANELS;
            } else {
                multiply_panels::<L, ROWS, 1>(vectors, matrix, from, products);
                from += 1;
            }
        }
    }
}

/// # Safety
/// As for [`multiply`].
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn multiply_panels<L: Lanes, const ROWS: usize, const PANELS: usize>(
    vectors: &[f32],
    matrix: &Panels,
    from: usize,
    products: &mut [f32],
) {
    let count = vectors.len() / matrix.rows;
    for start in (0..matrix.rows).step_by(RUN) {
        let run = start..matrix.rows.min(start + RUN);
        let panels: [&[[f32; BLOCK]]; PANELS] =
            std::array::from_fn(|panel| &matrix.values[(from + panel) * matrix.rows..][run.clone()]);
        let mut row = 0;
        while row < count {
            // SAFETY: the caller's promise.
            unsafe {
                if count - row >= ROWS {
                    multiply_tile::<L, ROWS, PANELS>(vectors, matrix, panels, &run, [row, from], products);
                    row += ROWS;
                } else {
                    multiply_tile::<L, 1, PANELS>(vectors, matrix, panels, &run, [row, from], products);
                    row += 1;
                }
            }
        }
    }
}

/// # Safety
/// As for [`multiply`].
#[inline(always)]
#[expect(unsafe_code, reason = "calls methods that need processor features")]
unsafe fn multiply_tile<L: Lanes, const ROWS: usize, const PANELS: usize>(
    vectors: &[f32],
    matrix: &Panels,
    panels: [&[[f32; BLOCK]]; PANELS],
    run: &Range<usize>,
    [row, panel]: [usize; 2],
    products: &mut [f32],
) {
    // Of a length that the compiler sees, so that nothing is checked in the loop; and no closures in it, which may not
    // have the processor features of what is around them.
    let length = run.len();
    let vectors: [&[f32]; ROWS] = std::array::from_fn(|at| &vectors[(row + at) * matrix.rows + run.start..][..length]);
    let panels = panels.map(|panel| &panel[..length]);
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(0.0); PANELS]; ROWS];
        for at in 0..length {
            let mut columns = [L::splat(0.0); PANELS];
            for panel in 0..PANELS {
                columns[panel] = L::load(&panels[panel][at]);
            }
            for row in 0..ROWS {
                let value = L::splat(vectors[row][at]);
                for panel in 0..PANELS {
                    sums[row][panel] = L::fused(columns[panel], value, sums[row][panel]);
                }
            }
        }
        // Stored first, and added where loops may be long: what has an address does not stay in registers.
        let mut stored = [[[0.0; BLOCK]; PANELS]; ROWS];
        for row in 0..ROWS {
            for panel in 0..PANELS {
                stored[row][panel] = L::store(sums[row][panel]);
            }
        }
        for (at, sums) in stored.iter().enumerate() {
            let products = &mut products[(row + at) * matrix.columns..][..matrix.columns][panel * BLOCK..];
            // The last panel may have fewer columns.
            for (product, sum) in products.iter_mut().zip(sums.as_flattened()) {
                *product += sum;
            }
        }
    }
}
