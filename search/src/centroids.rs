//! Where a query's best rows probably are: the blocks whose centroids are closest to it.
//!
//! As in an inverted file (IVF), but only to start a search with good thresholds; no result depends on it.

use std::ops::Range;

use ndarray::Array2;
use rayon::prelude::*;

use crate::bytes::{bytes_of, bytes_of_mut};
use crate::kernel::Available;
use crate::layout::BLOCK;

/// Leading components by which rows are called similar.
pub(crate) const COMPONENTS: usize = 16;

/// For each block of rows its centroid, in the leading principal components.
#[derive(Debug, Clone)]
pub(crate) struct Centroids {
    /// For each dimension its share of each component.
    leading: Vec<[f32; COMPONENTS]>,
    /// For 16 blocks at a time: for each component the blocks' centroids, side by side.
    centroids: Vec<[[f32; BLOCK]; COMPONENTS]>,
}

impl Centroids {
    pub(crate) fn new(leading: &Array2<f32>, coordinates: &Array2<f32>, order: &[u32]) -> Self {
        let leading = leading.outer_iter().map(|axes| std::array::from_fn(|at| axes[at])).collect();
        let centroids = order.par_chunks(BLOCK * BLOCK).map(|rows| {
            let mut centroids = [[0.0; BLOCK]; COMPONENTS];
            for (lane, rows) in rows.chunks(BLOCK).enumerate() {
                for &row in rows {
                    for (centroids, value) in centroids.iter_mut().zip(coordinates.row(row as usize)) {
                        centroids[lane] += value / rows.len() as f32;
                    }
                }
            }
            centroids
        });
        Self { leading, centroids: centroids.collect() }
    }

    /// Room for those of so many rows.
    pub(crate) fn room(dimension: usize, rows: usize) -> Self {
        let centroids = vec![[[0.0; BLOCK]; COMPONENTS]; rows.div_ceil(BLOCK * BLOCK)];
        Self { leading: vec![[0.0; COMPONENTS]; dimension], centroids }
    }

    /// Its numbers as bytes, in the order of a stored index.
    pub(crate) fn bytes(&self) -> [&[u8]; 2] {
        [bytes_of(&self.leading), bytes_of(&self.centroids)]
    }

    /// The same, to be written.
    pub(crate) fn bytes_mut(&mut self) -> [&mut [u8]; 2] {
        [bytes_of_mut(&mut self.leading), bytes_of_mut(&mut self.centroids)]
    }

    /// Whether all are numbers.
    pub(crate) fn is_finite(&self) -> bool {
        let numbers = self.leading.as_flattened().iter().chain(self.centroids.as_flattened().as_flattened());
        numbers.copied().all(f32::is_finite)
    }

    /// A vector's leading components.
    pub(crate) fn project(&self, vector: &[f64]) -> [f32; COMPONENTS] {
        let mut projected = [0.0; COMPONENTS];
        for (&value, axes) in vector.iter().zip(&self.leading) {
            for (sum, axis) in projected.iter_mut().zip(axes) {
                *sum += value as f32 * axis;
            }
        }
        projected
    }

    /// How promising some blocks are for a vector; and some more before them, how many of which is returned, and after
    /// them.
    pub(crate) fn rate(
        &self,
        kernel: Available,
        projected: &[f32; COMPONENTS],
        blocks: Range<usize>,
        ratings: &mut Vec<f32>,
    ) -> usize {
        ratings.clear();
        kernel.rate(&self.centroids[blocks.start / BLOCK..blocks.end.div_ceil(BLOCK)], projected, ratings);
        blocks.start % BLOCK
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.leading.as_slice()) + size_of_val(self.centroids.as_slice())
    }
}
