//! The codes of all rows, in the order in which they are scanned.
//!
//! Rows of a category lie together, so a category is a range of positions; blocks and chunks run across the borders of
//! categories, so that thousands of small ones need no padding. The f32 rows stay where they are: a position leads to
//! its row.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernel::{BLOCK, Kernel};
use crate::quantize::{CodedQuery, Precision, ROUNDING, Segment, pack};

/// Codes that are scanned together, in bytes: they stay in a core's second-level cache while all queries pass over
/// them, beside the rows that are rescored.
const CHUNK_BYTES: usize = 128 * 1_024;

/// Bounds of the blocks in a full chunk.
const CHUNK_BLOCKS: Range<usize> = 4..64;

/// Blocks of the first chunk of a category: all its rows reach a threshold that is not there yet, so it is small, and
/// the next ones grow.
const FIRST_CHUNK_BLOCKS: usize = 4;

/// Rows in scanning order, coded.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) kernel: Kernel,
    pub(crate) segments: Vec<Segment>,
    /// The row at each position.
    order: Vec<u32>,
    /// By position.
    norms: Vec<f64>,
    /// For each category the position of its first row, and at the end the number of rows.
    starts: Vec<u32>,
    /// Ascending: the first block of each chunk, and at the end the number of blocks.
    chunks: Vec<u32>,
    precision: Precision,
}

impl Packed {
    /// Codes `rows` (n x `dimension`) for a kernel that the processor has.
    pub(crate) fn build(
        rows: &[f32],
        dimension: usize,
        norms: &[f64],
        category_of: &[u32],
        category_count: u32,
        kernel: Kernel,
    ) -> Self {
        let (order, starts) = by_category(category_of, category_count);
        let blocks = order.len().div_ceil(BLOCK);
        let fitting = CHUNK_BYTES / (dimension * BLOCK);
        let chunk_blocks = fitting.clamp(CHUNK_BLOCKS.start, CHUNK_BLOCKS.end) / 4 * 4;
        let mut segments = vec![Segment::new(0..dimension, blocks, true)];
        let mut writers: Vec<_> = segments.iter_mut().map(|segment| segment.parts(chunk_blocks)).collect();
        let parts: Vec<Vec<_>> = (0..blocks.div_ceil(chunk_blocks))
            .map(|_| writers.iter_mut().map(|parts| parts.next().expect("segments have as many parts")).collect())
            .collect();
        let row_error = order
            .par_chunks(chunk_blocks * BLOCK)
            .zip(parts)
            .map_init(Vec::new, |unit_rows, (order, mut parts)| {
                unit_rows.clear();
                for &row in order {
                    let row = row as usize;
                    append_unit(&rows[row * dimension..][..dimension], norms[row], unit_rows);
                }
                pack(unit_rows, dimension, ROUNDING, kernel.coding(), &mut parts)
            })
            .reduce(|| 0.0, f32::max);
        drop(writers);
        let precision = Precision { row_error, vector_error: ROUNDING, defect: 0.0 };
        let norms = order.par_iter().map(|&row| norms[row as usize]).collect();
        let chunks = chunks(&starts, blocks, chunk_blocks);
        Self { kernel, segments, order, norms, starts, chunks, precision }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.segments.iter().map(Segment::memory_bytes).sum::<usize>()
            + size_of_val(self.order.as_slice())
            + size_of_val(self.norms.as_slice())
            + size_of_val(self.chunks.as_slice())
            + size_of_val(self.starts.as_slice())
    }

    /// Codes a vector of this norm as the rows are coded.
    pub(crate) fn code(&self, vector: &[f32], norm: f64) -> CodedQuery {
        let mut unit = Vec::with_capacity(vector.len());
        append_unit(vector, norm, &mut unit);
        CodedQuery::new(&unit, &self.segments, self.kernel.coding(), self.precision)
    }

    /// The row at a position.
    #[inline]
    pub(crate) fn row(&self, position: usize) -> u32 {
        self.order[position]
    }

    /// The norm of the row at a position.
    #[inline]
    pub(crate) fn norm(&self, position: usize) -> f64 {
        self.norms[position]
    }

    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len() - 1
    }

    /// Most rows in a chunk, with the padding of the last block.
    pub(crate) fn chunk_rows(&self) -> usize {
        (0..self.chunks()).map(|chunk| self.blocks(chunk).len() * BLOCK).max().unwrap_or(0)
    }

    /// The blocks of a chunk.
    pub(crate) fn blocks(&self, chunk: usize) -> Range<usize> {
        self.chunks[chunk] as usize..self.chunks[chunk + 1] as usize
    }

    /// The categories that have rows in these blocks, in order, each with the positions there.
    pub(crate) fn categories(&self, blocks: Range<usize>) -> impl Iterator<Item = (u32, Range<usize>)> {
        let (first, end) = (blocks.start * BLOCK, (blocks.end * BLOCK).min(self.order.len()));
        let category = self.starts.partition_point(|&start| start as usize <= first) - 1;
        self.starts[category..].windows(2).zip(category as u32..).map_while(move |(bounds, category)| {
            let (start, stop) = (bounds[0] as usize, bounds[1] as usize);
            (start < end).then(|| (category, start.max(first)..stop.min(end)))
        })
    }
}

/// Rows by category, in catalog order within each; and where each category starts.
fn by_category(category_of: &[u32], category_count: u32) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0; category_count as usize + 1];
    for &category in category_of {
        starts[category as usize + 1] += 1;
    }
    for category in 1..starts.len() {
        starts[category] += starts[category - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0; category_of.len()];
    for (row, &category) in (0..).zip(category_of) {
        let next = &mut next[category as usize];
        order[*next as usize] = row;
        *next += 1;
    }
    (order, starts)
}

/// Where chunks start: those at the start of a category that fills several are smaller.
fn chunks(starts: &[u32], blocks: usize, full: usize) -> Vec<u32> {
    let mut chunks = vec![0];
    let mut at = 0;
    // The blocks that hold a category's first rows, of categories that are worth it.
    let mut warm = starts.windows(2).filter_map(|bounds| {
        let (first, end) = (bounds[0] as usize / BLOCK, bounds[1] as usize / BLOCK);
        (end - first > 2 * FIRST_CHUNK_BLOCKS).then_some(first)
    });
    let mut next_warm = warm.next();
    let mut size = full;
    while at < blocks {
        if next_warm == Some(at) {
            size = FIRST_CHUNK_BLOCKS;
            next_warm = warm.next();
        }
        let end = (at + size).min(blocks).min(next_warm.unwrap_or(blocks));
        size = (size * 2).min(full);
        at = end;
        chunks.push(at as u32);
    }
    chunks
}

/// Appends the vector, scaled to length 1 and rounded to f32.
fn append_unit(vector: &[f32], norm: f64, to: &mut Vec<f32>) {
    let inverse = 1.0 / norm;
    to.extend(vector.iter().map(|&value| (f64::from(value) * inverse) as f32));
}
