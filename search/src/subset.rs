//! Some of the rows of an index, coded as they are there: an index of their own for as long as a batch takes.

use std::sync::Arc;

use crate::layout::BLOCK;
use crate::packed::{Packed, chunks, full_chunk};
use crate::position_set::PositionSet;
use crate::quantize::Segment;

impl Packed {
    /// The rows of a set, in the same order; without centroids, so that searches of it start cold.
    pub(crate) fn subset(&self, set: &PositionSet) -> Self {
        let positions: Vec<usize> = set.positions(0..self.rows()).collect();
        let blocks = positions.len().div_ceil(BLOCK);
        let mut starts = Vec::with_capacity(self.starts.len());
        starts.push(0);
        for bounds in self.starts.windows(2) {
            let rows = set.count(bounds[0] as usize..bounds[1] as usize) as u32;
            starts.push(starts[starts.len() - 1] + rows);
        }
        let dimension = self.segments.last().map_or(0, |segment| segment.dimensions.end);
        Self {
            kernel: self.kernel,
            segments: self.segments.iter().map(|segment| segment.gather(&positions, self.kernel.coding())).collect(),
            rotation: self.rotation.as_ref().map(Arc::clone),
            centroids: None,
            order: Arc::new(positions.iter().map(|&position| self.order[position]).collect()),
            // Nobody asks it where a row is.
            positions: Arc::default(),
            norms: Arc::new(positions.iter().map(|&position| self.norms[position]).collect()),
            chunks: Arc::new(chunks(&starts, blocks, full_chunk(dimension))),
            starts: Arc::new(starts),
            precision: self.precision,
        }
    }

    /// Bytes of the codes that so many rows have.
    pub(crate) fn subset_bytes(&self, rows: usize) -> usize {
        self.segments.iter().map(Segment::memory_bytes).sum::<usize>() / self.rows() * rows
    }
}
