//! The codes of all rows, in the order in which they are scanned.
//!
//! Rows of a category lie together, so a category is a range of positions; blocks and chunks run across the borders of
//! categories, so that thousands of small ones need no padding. The f32 rows stay where they are: a position leads to
//! its row.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::centroids::Centroids;
use crate::kernel::{Available, Kernel};
use crate::layout::{BLOCK, Coding, STEP};
use crate::order;
use crate::pca;
use crate::quantize::{CodedQuery, Precision, ROUNDING, Segment};
use crate::query::PreparedQuery;
use crate::rotation::Rotation;
use crate::rows::Rows;
use crate::score::cosine;

/// Codes that are scanned together, in bytes: they stay in a core's second-level cache while all queries pass over
/// them, beside the rows that are rescored.
const CHUNK_BYTES: usize = 160 * 1_024;

/// Bounds of the blocks in a full chunk.
pub(crate) const CHUNK_BLOCKS: Range<usize> = 12..60;

/// Blocks of the first chunk of a category: all its rows reach a threshold that is not there yet, so it is small, and
/// the next ones grow.
const FIRST_CHUNK_BLOCKS: usize = 4;

/// Runs of chunks for each thread.
const RUNS_FOR_THREAD: usize = 8;

/// The most that an index keeps besides the f32 rows, in bytes: for each dimension of a row, and for each row.
const MEMORY_FOR_DIMENSION: f64 = 1.1;
const MEMORY_FOR_ROW: f64 = 68.0;

/// What it keeps for each row in any case: twice its norm, its category, its number, its position, scale and error, a share of chunks.
const KEPT_FOR_ROW: usize = 2 * size_of::<f64>() + 5 * size_of::<u32>() + 1;

/// Rows that are scored side by side: the sums of one alone would wait for each other.
pub(crate) const ROWS_TOGETHER: usize = 4;

/// What an index consists of besides what follows from it and the rows.
pub(crate) struct Parts {
    pub(crate) segments: Vec<Segment>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) centroids: Option<Centroids>,
    pub(crate) order: Vec<u32>,
    pub(crate) starts: Vec<u32>,
}

/// Room for the codes of so many rows, cut at some dimensions.
pub(crate) fn segments(cuts: &[usize], rows: usize, coding: Coding) -> Vec<Segment> {
    let blocks = rows.div_ceil(BLOCK);
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let segment = |(from, &end)| Segment::new(from..end, blocks, Some(&end) == cuts.last(), coding);
    starts.zip(cuts).map(segment).collect()
}

/// How far vectors may be from the exact ones when they are coded.
pub(crate) fn vector_error(rotation: Option<&Rotation>) -> f32 {
    ROUNDING + rotation.map_or(0.0, |rotation| rotation.error)
}

/// Some rows, scaled to length 1, one after the other.
pub(crate) fn units(rows: &Rows, numbers: &[u32]) -> Vec<f32> {
    let mut units = vec![0.0; numbers.len() * rows.dimension()];
    for (&row, unit) in numbers.iter().zip(units.chunks_exact_mut(rows.dimension().max(1))) {
        Kernel::fastest().unit(rows.vector(row), rows.norm(row), unit);
    }
    units
}

/// Rows in scanning order, coded. A copy shares all that grows with the number of rows.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) kernel: Available,
    pub(crate) segments: Vec<Segment>,
    pub(crate) rotation: Option<Arc<Rotation>>,
    pub(crate) centroids: Option<Arc<Centroids>>,
    /// The row at each position.
    pub(crate) order: Arc<Vec<u32>>,
    /// The position of each row: of an index of all rows.
    pub(crate) positions: Arc<Vec<u32>>,
    /// By position.
    pub(crate) norms: Arc<Vec<f64>>,
    /// For each category the position of its first row, and at the end the number of rows.
    pub(crate) starts: Arc<Vec<u32>>,
    /// Ascending: the first block of each chunk, and at the end the number of blocks.
    pub(crate) chunks: Arc<Vec<u32>>,
    pub(crate) precision: Precision,
}

impl Packed {
    /// Codes rows for a kernel.
    pub(crate) fn build(rows: &Rows, kernel: Available) -> Self {
        Self::build_as(rows, kernel, kernel.kernel(), kernel.coding())
    }

    /// Codes rows for the kernel `for_kernel`, which another processor may have.
    pub(crate) fn build_as(rows: &Rows, kernel: Available, for_kernel: Kernel, coding: Coding) -> Self {
        let dimension = rows.dimension();
        let units = |numbers: &[u32]| units(rows, numbers);
        let (mut order, starts) = order::by_category(rows.categories(), rows.category_count());
        // What every index keeps, and what it may.
        let plain = order.len() * (KEPT_FOR_ROW + dimension.next_multiple_of(STEP)) + size_of_val(starts.as_slice());
        let room = (order.len() as f64 * (MEMORY_FOR_DIMENSION * dimension as f64 + MEMORY_FOR_ROW)) as usize;
        let pruning = if plain + pca::memory_bytes(order.len(), dimension) <= room {
            pca::fit(&units, dimension, &mut order, &starts, for_kernel)
        } else {
            None
        };
        let rotated = pruning.map(|pruning| (Rotation::new(&pruning.axes), pruning));
        // Axes that are not finite would bound nothing.
        let rotated = rotated.filter(|(rotation, _)| rotation.defect.is_finite() && rotation.error.is_finite());
        let (rotation, pruning) = rotated.unzip();
        let (cuts, centroids) =
            pruning.map_or_else(|| (vec![dimension], None), |pruning| (pruning.cuts, Some(pruning.centroids)));
        let vector_error = vector_error(rotation.as_ref());

        let chunk_blocks = full_chunk(dimension);
        let mut segments = segments(&cuts, order.len(), coding);
        let mut writers: Vec<_> = segments.iter_mut().map(|segment| segment.parts(chunk_blocks)).collect();
        let parts: Vec<Vec<_>> = (0..order.len().div_ceil(BLOCK).div_ceil(chunk_blocks))
            .map(|_| writers.iter_mut().map(|parts| parts.next().expect("segments have as many parts")).collect())
            .collect();
        order.par_chunks(chunk_blocks * BLOCK).zip(parts).for_each(|(numbers, mut parts)| {
            let mut vectors = units(numbers);
            if let Some(rotation) = &rotation {
                vectors = rotation.apply(&vectors);
            }
            Kernel::fastest().pack(&vectors, dimension, vector_error, coding, &mut parts);
        });
        drop(writers);
        Self::assemble(rows, kernel, Parts { segments, rotation, centroids, order, starts })
    }

    /// What follows from codes and their order.
    pub(crate) fn assemble(rows: &Rows, kernel: Available, parts: Parts) -> Self {
        let Parts { segments, rotation, centroids, order, starts } = parts;
        let vector_error = vector_error(rotation.as_ref());
        let defect = rotation.as_ref().map_or(0.0, |rotation| rotation.defect);
        let row_error = segments.iter().map(Segment::largest_error).fold(0.0, f32::max);
        let precision = Precision { row_error, vector_error, defect };
        let norms = order.par_iter().map(|&row| rows.norm(row)).collect();
        let chunks = chunks(&starts, order.len().div_ceil(BLOCK), full_chunk(rows.dimension()));
        let mut positions = vec![0; order.len()];
        (0..).zip(&order).for_each(|(position, &row)| positions[row as usize] = position);
        let rotation = rotation.map(Arc::new);
        Self {
            kernel,
            segments,
            rotation,
            centroids: centroids.map(Arc::new),
            order: Arc::new(order),
            positions: Arc::new(positions),
            norms: Arc::new(norms),
            starts: Arc::new(starts),
            chunks: Arc::new(chunks),
            precision,
        }
    }

    /// The same codes, but for rows that are dead: as padding, they reach no threshold. It is the last segment that
    /// decides whether a row is a candidate.
    pub(crate) fn without(&self, dead: &[u32]) -> Self {
        let mut rest = self.clone();
        if let (Some(last), false) = (rest.segments.last_mut(), dead.is_empty()) {
            let errors = Arc::make_mut(&mut last.errors).as_flattened_mut();
            for &row in dead {
                errors[self.position(row as usize)] = f32::NEG_INFINITY;
            }
        }
        rest
    }

    /// What [`without`](Self::without) does not share.
    pub(crate) fn errors_bytes(&self) -> usize {
        self.segments.last().map_or(0, |last| size_of_val(last.errors.as_slice()))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.segments.iter().map(Segment::memory_bytes).sum::<usize>()
            + self.rotation.as_ref().map_or(0, |rotation| rotation.memory_bytes())
            + self.centroids.as_ref().map_or(0, |centroids| centroids.memory_bytes())
            + size_of_val(self.order.as_slice())
            + size_of_val(self.positions.as_slice())
            + size_of_val(self.norms.as_slice())
            + size_of_val(self.chunks.as_slice())
            + size_of_val(self.starts.as_slice())
    }

    /// Codes queries as the rows are coded.
    pub(crate) fn code(&self, queries: &[PreparedQuery<'_>]) -> Vec<CodedQuery> {
        let together = queries.len().div_ceil(rayon::current_num_threads());
        queries.par_chunks(together.max(1)).flat_map_iter(|queries| self.code_together(queries)).collect()
    }

    fn code_together(&self, queries: &[PreparedQuery<'_>]) -> Vec<CodedQuery> {
        let dimension = queries.first().map_or(0, |query| query.vector.len());
        let mut units = vec![0.0; queries.len() * dimension];
        for (query, unit) in queries.iter().zip(units.chunks_exact_mut(dimension.max(1))) {
            self.kernel.unit(&query.vector, query.norm, unit);
        }
        if let Some(rotation) = &self.rotation {
            units = rotation.apply(&units);
        }
        let code = |vector| CodedQuery::new(vector, &self.segments, self.kernel.coding(), self.precision);
        units.chunks_exact(dimension.max(1)).map(code).collect()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.order.len()
    }

    /// The position of a row.
    pub(crate) fn position(&self, row: usize) -> usize {
        self.positions[row] as usize
    }

    /// The row at a position.
    #[inline]
    pub(crate) fn row(&self, position: usize) -> u32 {
        self.order[position]
    }

    /// The scores of the rows at some positions, made side by side.
    pub(crate) fn scores<const N: usize>(
        &self,
        rows: &Rows,
        query: &PreparedQuery<'_>,
        positions: [usize; N],
    ) -> [f32; N] {
        let vectors = positions.map(|position| rows.vector(self.row(position)));
        let products = self.kernel.dots(&query.exact, vectors);
        std::array::from_fn(|at| cosine(products[at], query.norm, self.norms[positions[at]]))
    }

    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len() - 1
    }

    /// Runs of chunks for threads to take, in order: several for each thread, and if possible whole categories, so that
    /// one thread soon knows what a row must reach.
    pub(crate) fn runs(&self, threads: usize) -> Vec<Range<usize>> {
        let most = if threads == 1 { self.chunks() } else { self.chunks().div_ceil(threads * RUNS_FOR_THREAD) };
        let mut runs = Vec::new();
        let mut from = 0;
        for end in 1..=self.chunks() {
            let long = end - from >= most;
            let starts_category = || self.blocks(end).len() == FIRST_CHUNK_BLOCKS;
            if end == self.chunks() || long || (2 * (end - from) >= most && starts_category()) {
                runs.push(from..end);
                from = end;
            }
        }
        runs
    }

    /// Most rows in a chunk, with the padding of the last block.
    pub(crate) fn chunk_rows(&self) -> usize {
        (0..self.chunks()).map(|chunk| self.blocks(chunk).len() * BLOCK).max().unwrap_or(0)
    }

    /// The blocks of a chunk.
    pub(crate) fn blocks(&self, chunk: usize) -> Range<usize> {
        self.chunks[chunk] as usize..self.chunks[chunk + 1] as usize
    }

    /// The positions of a category's rows.
    pub(crate) fn positions(&self, category: u32) -> Range<usize> {
        self.starts[category as usize] as usize..self.starts[category as usize + 1] as usize
    }

    /// The positions of the rows of some categories, `None` for all.
    pub(crate) fn positions_of(&self, categories: Option<&[u32]>) -> impl Iterator<Item = Range<usize>> {
        let all = categories.is_none().then_some(0..self.order.len());
        all.into_iter().chain(categories.unwrap_or_default().iter().map(|&category| self.positions(category)))
    }

    /// The categories that have rows in these blocks, in order, each with the positions there: no more than rows.
    pub(crate) fn categories(&self, blocks: Range<usize>) -> impl Iterator<Item = (u32, Range<usize>)> {
        let (first, end) = (blocks.start * BLOCK, (blocks.end * BLOCK).min(self.order.len()));
        let category = self.starts.partition_point(|&start| start as usize <= first) - 1;
        let all = self.starts[category..].windows(2).zip(category as u32..).map_while(move |(bounds, category)| {
            let (start, stop) = (bounds[0] as usize, bounds[1] as usize);
            (start < end).then(|| (category, start.max(first)..stop.min(end)))
        });
        // Only a subset has categories without rows.
        all.filter(|(_, positions)| !positions.is_empty())
    }
}

/// Blocks of a full chunk.
pub(crate) fn full_chunk(dimension: usize) -> usize {
    (CHUNK_BYTES / (dimension * BLOCK)).clamp(CHUNK_BLOCKS.start, CHUNK_BLOCKS.end) / 12 * 12
}

/// Where chunks start: those at the start of a category that fills several are smaller.
pub(crate) fn chunks(starts: &[u32], blocks: usize, full: usize) -> Vec<u32> {
    let mut chunks = vec![0];
    let mut at = 0;
    // The blocks that hold a category's first rows, of categories that are worth it.
    let mut large = starts.windows(2).filter_map(|bounds| {
        let (first, end) = (bounds[0] as usize / BLOCK, bounds[1] as usize / BLOCK);
        (end - first > 2 * FIRST_CHUNK_BLOCKS).then_some(first)
    });
    let mut next_large = large.next();
    let mut size = full;
    while at < blocks {
        if next_large == Some(at) {
            size = FIRST_CHUNK_BLOCKS;
            next_large = large.next();
        }
        let end = (at + size).min(blocks).min(next_large.unwrap_or(blocks));
        size = (size * 2).min(full);
        at = end;
        chunks.push(at as u32);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn packed(categories: &[u32]) -> Packed {
        let vectors =
            Array2::from_shape_fn((categories.len(), 2), |(row, column)| if column == 0 { 1.0 } else { row as f32 });
        let rows = Rows::new(vectors, categories.to_vec()).unwrap();
        Packed::build(&rows, Kernel::Portable.detect().unwrap())
    }

    #[test]
    fn every_position_is_in_one_chunk_and_one_category() {
        for (rows, count) in [(256, 1), (5_000, 1), (5_001, 3), (5_000, 2_500), (30_000, 7)] {
            let categories: Vec<u32> = (0..rows).map(|row| row % count).collect();
            let packed = packed(&categories);
            let mut next = 0;
            for chunk in 0..packed.chunks() {
                let blocks = packed.blocks(chunk);
                assert!(!blocks.is_empty() && blocks.len() * BLOCK <= packed.chunk_rows());
                for (category, positions) in packed.categories(blocks) {
                    assert_eq!(positions.start, next);
                    next = positions.end;
                    for position in positions {
                        let row = packed.row(position);
                        assert_eq!(categories[row as usize], category);
                        assert!(packed.positions(category).contains(&position));
                        let norm = crate::score::norm(&[1.0, row as f32]);
                        assert_eq!(packed.norms[position].to_bits(), norm.to_bits());
                    }
                }
            }
            assert_eq!(next, rows as usize);
            for threads in [1, 2, 7] {
                let runs = packed.runs(threads);
                assert!(runs.iter().cloned().flatten().eq(0..packed.chunks()), "{runs:?}");
            }
        }
    }

    #[test]
    fn chunks_are_small_where_a_large_category_starts() {
        let sizes = |starts: &[u32], blocks| {
            let chunks = chunks(starts, blocks, 20);
            chunks.windows(2).map(|bounds| bounds[1] - bounds[0]).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[0, 1_600], 100), [4, 8, 16, 20, 20, 20, 12]);
        assert_eq!(sizes(&[0, 648, 1_600], 100), [4, 8, 16, 12, 4, 8, 16, 20, 12]);
        // None of these fills several chunks.
        let tiny: Vec<u32> = (0..=100).map(|category| category * 16).collect();
        assert_eq!(sizes(&tiny, 100), [20; 5]);
    }
}
