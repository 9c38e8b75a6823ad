//! A change of axes for rows and queries alike, which leaves their products as they are but for a known error.
//!
//! Nothing here needs the axes to be exactly orthonormal or the arithmetic to be exact: what is missing is measured
//! once (`defect`) or bounded (`error`), and both are part of the bound that prunes rows.

use ndarray::{Array2, Axis};

use crate::kernel::{Kernel, Panels, RUN};

/// Axes, and how far they are from a rotation.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// Column j is the j-th axis.
    pub(crate) axes: Panels,
    /// How far a rotated vector of length 1 may be from its exact value (eta).
    pub(crate) error: f32,
    /// At least the spectral norm of what the axes' matrix times its transpose differs from the identity by (delta).
    pub(crate) defect: f64,
}

impl Rotation {
    /// `axes` has the new axes as columns, about orthonormal.
    pub(crate) fn new(axes: &Array2<f64>) -> Self {
        Self::of(Panels::new(axes.mapv(|value| value as f32).view()))
    }

    /// The rotation to these axes.
    pub(crate) fn of(axes: Panels) -> Self {
        let dimension = axes.rows;
        let exact = Array2::from_shape_fn((dimension, dimension), |(row, column)| f64::from(axes.get(row, column)));
        let mut difference = exact.dot(&exact.t());
        for diagonal in difference.diag_mut() {
            *diagonal -= 1.0;
        }
        let frobenius = difference.iter().map(|value| value * value).sum::<f64>().sqrt();
        // The spectral norm of the absolute values is at most the root of the largest sums of a row and of a column.
        let largest = |axis| exact.map_axis(axis, |line| line.iter().map(|value| value.abs()).sum::<f64>());
        let largest = |axis| largest(axis).into_iter().fold(0.0, f64::max);
        let absolute = (largest(Axis(0)) * largest(Axis(1))).sqrt();
        // Each product passes at most this many roundings.
        let roundings = (RUN + dimension.div_ceil(RUN) + 1) as f64;
        let unit = f64::from(f32::EPSILON) / 2.0;
        let relative = roundings * unit / (1.0 - roundings * unit);
        Self {
            error: ((relative * absolute * 1.001) as f32).next_up(),
            // Doubled, for the rounding of its own computation in f64.
            defect: 2.0 * frobenius,
            axes,
        }
    }

    /// Rotates vectors of length 1, one after the other.
    pub(crate) fn apply(&self, vectors: &[f32]) -> Vec<f32> {
        let mut rotated = vec![0.0; vectors.len()];
        Kernel::fastest().multiply(vectors, &self.axes, &mut rotated);
        rotated
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.axes.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Orthonormal axes: a reflection.
    fn axes(dimension: usize) -> Array2<f64> {
        let normal: Vec<f64> = (0..dimension).map(|at| ((at * 7 + 3) % 11) as f64 - 5.0).collect();
        let square: f64 = normal.iter().map(|value| value * value).sum();
        Array2::from_shape_fn((dimension, dimension), |(i, j)| {
            f64::from(u8::from(i == j)) - 2.0 * normal[i] * normal[j] / square
        })
    }

    fn exact(rotation: &Rotation) -> Array2<f64> {
        let axes = &rotation.axes;
        Array2::from_shape_fn((axes.rows, axes.columns), |(row, column)| f64::from(axes.get(row, column)))
    }

    fn units(count: usize, dimension: usize) -> Array2<f32> {
        let mut vectors = Array2::from_shape_fn((count, dimension), |(i, j)| ((i * 31 + j * 17) % 23) as f32 - 11.0);
        for mut vector in vectors.outer_iter_mut() {
            let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            vector.mapv_inplace(|value| value / norm);
        }
        vectors
    }

    #[test]
    fn rotated_vectors_are_within_the_error() {
        for dimension in [64, 100, 385] {
            let rotation = Rotation::new(&axes(dimension));
            for count in [1, 7, 33] {
                let vectors = units(count, dimension);
                let rotated = rotation.apply(vectors.as_slice().unwrap());
                let rotated = Array2::from_shape_vec((count, dimension), rotated).unwrap();
                let exact = vectors.mapv(f64::from).dot(&exact(&rotation));
                for (rotated, exact) in rotated.outer_iter().zip(exact.outer_iter()) {
                    let square: f64 =
                        rotated.iter().zip(exact).map(|(&rotated, exact)| (f64::from(rotated) - exact).powi(2)).sum();
                    let error = f64::from(rotation.error);
                    assert!(square.sqrt() <= error, "{} > {error}", square.sqrt());
                    assert!(error < 2e-4, "{error} would prune nothing");
                }
            }
        }
    }

    #[test]
    fn the_defect_bounds_how_much_products_change() {
        // Axes that are visibly not orthonormal.
        let mut axes = axes(80);
        axes[(3, 5)] += 0.01;
        axes[(70, 70)] -= 0.02;
        let rotation = Rotation::new(&axes);
        let exact = exact(&rotation);
        let vectors = units(40, 80).mapv(f64::from);
        let rotated = vectors.dot(&exact);
        let change = &rotated.dot(&rotated.t()) - &vectors.dot(&vectors.t());
        let largest = change.iter().fold(0.0_f64, |largest, change| largest.max(change.abs()));
        assert!(largest > 1e-4 && largest <= rotation.defect, "{largest}, {}", rotation.defect);
        let orthonormal = Rotation::new(&super::tests::axes(80));
        assert!(orthonormal.defect < 1e-5, "{}", orthonormal.defect);
    }
}
