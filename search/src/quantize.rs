//! Scalar quantization: rows and queries as small integers, with a bound of what rounding can have changed.
//!
//! A vector of length 1 is cut into segments; each segment is a scale times a vector of codes. Of each row the norm of
//! what the codes lose is kept, and the norm of the segments that are still to come: with the same norms of the query,
//! the product of the codes becomes an upper bound of the score. docs/exactness.md has the proof; the names of its
//! quantities stand in the comments here.

#![expect(clippy::inline_always, reason = "what is inlined is compiled for the features of the function around it")]

use std::ops::Range;
use std::sync::Arc;

use crate::layout::{BLOCK, Coding, Group, STEP};
use crate::pages::ask_for_huge_pages_later;

mod stored;

/// Covers, for each vector, the rounding of its components to f32 and of the norms that are computed from them.
pub(crate) const ROUNDING: f32 = 1.0 / (1 << 21) as f32;

/// Rounding of the score itself: to f32, half a unit in the last place of a number below 2.
const SCORE_ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// What a kernel's arithmetic may lose, of the sum of all that it adds: sixteen roundings to f32.
const BOUND_ROUNDING: f64 = 1.0 / (1 << 20) as f64;

/// Stands for "no threshold" where minus infinity would let the padding pass: finite, below every bound.
const NO_THRESHOLD: f32 = -1e30;

/// Consecutive dimensions of all rows, in blocks of 16 rows. A copy shares all until it is written to.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) dimensions: Range<usize>,
    /// For each block [`groups`](Self::groups) of codes.
    codes: Arc<Vec<Group>>,
    groups: usize,
    /// Per row: what its codes are multiples of.
    pub(crate) scales: Arc<Vec<[f32; BLOCK]>>,
    /// Per row: at least the norm of what the codes lose, in this segment and those before (E).
    pub(crate) errors: Arc<Vec<[f32; BLOCK]>>,
    /// Per row: at least the norm of the segments after this one (R); none for the last segment.
    pub(crate) rests: Arc<Vec<[f32; BLOCK]>>,
}

/// The part of a [`Segment`] that holds some consecutive blocks, while they are being written.
pub(crate) struct SegmentPart<'a> {
    dimensions: Range<usize>,
    codes: &'a mut [Group],
    groups: usize,
    scales: &'a mut [[f32; BLOCK]],
    errors: &'a mut [[f32; BLOCK]],
    rests: &'a mut [[f32; BLOCK]],
}

/// Groups that `dimensions` take for each block.
fn groups(dimensions: &Range<usize>) -> usize {
    dimensions.len().next_multiple_of(STEP) * BLOCK / size_of::<Group>()
}

impl Segment {
    /// Room for `blocks` blocks, of which no row reaches any threshold.
    pub(crate) fn new(dimensions: Range<usize>, blocks: usize, last: bool, coding: Coding) -> Self {
        let groups = groups(&dimensions);
        let mut codes = Vec::with_capacity(blocks * groups);
        ask_for_huge_pages_later(codes.spare_capacity_mut());
        codes.resize(blocks * groups, Group([coding.offset as u8; 64]));
        Self {
            dimensions,
            codes: Arc::new(codes),
            groups,
            scales: Arc::new(vec![[0.0; BLOCK]; blocks]),
            errors: Arc::new(vec![[f32::NEG_INFINITY; BLOCK]; blocks]),
            rests: Arc::new(if last { Vec::new() } else { vec![[0.0; BLOCK]; blocks] }),
        }
    }

    /// The groups of a block.
    #[inline]
    pub(crate) fn block(&self, at: usize) -> &[Group] {
        &self.codes[at * self.groups..(at + 1) * self.groups]
    }

    /// The groups of some blocks.
    pub(crate) fn blocks(&self, blocks: Range<usize>) -> &[Group] {
        &self.codes[blocks.start * self.groups..blocks.end * self.groups]
    }

    /// Words of four codes that a query has in this segment.
    pub(crate) fn words(&self) -> usize {
        self.groups
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.codes.as_slice())
            + size_of_val(self.scales.as_slice())
            + size_of_val(self.errors.as_slice())
            + size_of_val(self.rests.as_slice())
    }

    /// The rows at some positions, one after the other.
    pub(crate) fn gather(&self, positions: &[usize], coding: Coding) -> Self {
        let blocks = positions.len().div_ceil(BLOCK);
        let mut gathered = Self::new(self.dimensions.clone(), blocks, self.rests.is_empty(), coding);
        let (codes, rests) = (Arc::make_mut(&mut gathered.codes), Arc::make_mut(&mut gathered.rests));
        let (scales, errors) = (Arc::make_mut(&mut gathered.scales), Arc::make_mut(&mut gathered.errors));
        for (at, &position) in positions.iter().enumerate() {
            let (block, lane) = (at / BLOCK, at % BLOCK);
            let (from_block, from_lane) = (position / BLOCK, position % BLOCK);
            let to = &mut codes[block * self.groups..][..self.groups];
            let from = self.block(from_block);
            match coding.run {
                4 => copy_lane::<4>(from, from_lane, to, lane),
                _ => copy_lane::<8>(from, from_lane, to, lane),
            }
            scales[block][lane] = self.scales[from_block][from_lane];
            errors[block][lane] = self.errors[from_block][from_lane];
            if let (Some(to), Some(from)) = (rests.get_mut(block), self.rests.get(from_block)) {
                to[lane] = from[from_lane];
            }
        }
        gathered
    }

    /// Parts of `blocks` blocks each, the last one maybe shorter.
    pub(crate) fn parts(&mut self, blocks: usize) -> impl Iterator<Item = SegmentPart<'_>> {
        let groups = self.groups;
        let mut rests = Arc::make_mut(&mut self.rests).chunks_mut(blocks);
        let codes = Arc::make_mut(&mut self.codes).chunks_mut(blocks * groups);
        let errors = Arc::make_mut(&mut self.errors).chunks_mut(blocks);
        let numbers = Arc::make_mut(&mut self.scales).chunks_mut(blocks).zip(errors);
        let dimensions = self.dimensions.clone();
        codes.zip(numbers).map(move |(codes, (scales, errors))| SegmentPart {
            dimensions: dimensions.clone(),
            codes,
            groups,
            scales,
            errors,
            rests: rests.next().unwrap_or_default(),
        })
    }
}

/// Codes the rows of some blocks: `rows` x dimensions, of length 1, each within `error` of its exact value (eta).
/// The lanes of rows that are missing at the end stay as they are. Inlined into what is compiled for a processor.
#[inline(always)]
pub(crate) fn pack(rows: &[f32], dimension: usize, error: f32, coding: Coding, parts: &mut [SegmentPart<'_>]) {
    let mut codes = vec![0_i8; dimension];
    let mut stored = vec![0_u8; dimension.next_multiple_of(STEP)];
    for (at, row) in rows.chunks_exact(dimension).enumerate() {
        let (block, lane) = (at / BLOCK, at % BLOCK);
        let mut lost = 0.0;
        for part in &mut *parts {
            let values = &row[part.dimensions.clone()];
            let codes = &mut codes[..values.len()];
            let (scale, lost_here) = code(values, coding.row_max, codes);
            lost += lost_here;
            let norm_lost = norm_up(lost, dimension) + error;
            part.scales[block][lane] = scale;
            part.errors[block][lane] = norm_lost;
            if let Some(rests) = part.rests.get_mut(block) {
                let rest: f32 = sum_of_squares(&row[part.dimensions.end..]);
                rests[lane] = norm_up(rest, dimension) + error;
            }
            let groups = &mut part.codes[block * part.groups..(block + 1) * part.groups];
            let stored = &mut stored[..codes.len().next_multiple_of(STEP)];
            stored[codes.len()..].fill(coding.offset as u8);
            for (stored, &code) in stored.iter_mut().zip(&*codes) {
                *stored = (i32::from(code) + coding.offset) as u8;
            }
            match coding.run {
                4 => place::<4>(stored, lane, groups),
                _ => place::<8>(stored, lane, groups),
            }
        }
    }
}

/// Writes the codes of one row, `RUN` of which lie side by side, into its lane of a block.
#[inline(always)]
fn place<const RUN: usize>(codes: &[u8], lane: usize, groups: &mut [Group]) {
    let lanes_in_group = size_of::<Group>() / RUN;
    let groups = groups.iter_mut().skip(lane / lanes_in_group).step_by(BLOCK / lanes_in_group);
    for (group, &codes) in groups.zip(codes.as_chunks::<RUN>().0) {
        group.0.as_chunks_mut::<RUN>().0[lane % lanes_in_group] = codes;
    }
}

/// Copies the codes of one row, `RUN` of which lie side by side, to a lane of another block.
fn copy_lane<const RUN: usize>(from: &[Group], from_lane: usize, to: &mut [Group], lane: usize) {
    let lanes_in_group = size_of::<Group>() / RUN;
    let groups_in_run = BLOCK / lanes_in_group;
    let (from_place, place) = (from_lane % lanes_in_group, lane % lanes_in_group);
    let from = from.iter().skip(from_lane / lanes_in_group).step_by(groups_in_run);
    let to = to.iter_mut().skip(lane / lanes_in_group).step_by(groups_in_run);
    for (to, from) in to.zip(from) {
        to.0.as_chunks_mut::<RUN>().0[place] = from.0.as_chunks::<RUN>().0[from_place];
    }
}

/// A query in codes.
#[derive(Debug)]
pub(crate) struct CodedQuery {
    /// One for each segment.
    pub(crate) parts: Vec<Part>,
    /// A kernel's bounds are multiples of this...
    unit: f64,
    /// ...and lower by this than what they bound.
    constant: f64,
}

/// A query's codes in one segment, and the weights of what the rows' norms add to the bound, in the query's unit.
#[derive(Debug)]
pub(crate) struct Part {
    /// Four codes each.
    pub(crate) words: Vec<i32>,
    /// What sums start from, so that the offset in the codes of rows cancels out.
    pub(crate) start: i32,
    /// What sums are multiplied with; 1 for the head, whose scale is the unit.
    pub(crate) scale: f32,
    pub(crate) error_weight: f32,
    pub(crate) rest_weight: f32,
    /// What the query's own error adds to the bound beyond what it adds in the head.
    pub(crate) shift: f32,
}

/// What bounds need to know of an index besides the codes of its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Precision {
    /// Largest of the rows' errors.
    pub(crate) row_error: f32,
    /// How far the vectors that are coded may be from the exact ones, of rows and of queries (eta).
    pub(crate) vector_error: f32,
    /// How much the product of two vectors of length 1 may change when both are rotated (delta).
    pub(crate) defect: f64,
}

impl CodedQuery {
    /// `vector` has length 1 and is rotated as the rows are.
    pub(crate) fn new(vector: &[f32], segments: &[Segment], coding: Coding, precision: Precision) -> Self {
        let dimension = vector.len();
        let (eta, delta) = (f64::from(precision.vector_error), precision.defect);
        let mut codes = vec![0; dimension];
        let (mut lost, mut seen) = (0.0, 0.0);
        let mut parts = Vec::with_capacity(segments.len());
        let (mut unit, mut constant) = (1.0, 0.0);
        for (number, segment) in segments.iter().enumerate() {
            let values = &vector[segment.dimensions.clone()];
            let codes = &mut codes[..values.len()];
            let (scale, lost_here) = code(values, coding.query_max, codes);
            lost += lost_here;
            seen += sum_of_squares(values);
            let own_error = f64::from(norm_up(lost, dimension)) + eta;
            let norm = f64::from(norm_up(seen, dimension)) + eta;
            let rest = f64::from(norm_up(sum_of_squares(&vector[segment.dimensions.end..]), dimension)) + eta;
            // All that a bound is made of, for the rounding of the arithmetic that makes it.
            let row_norm = 1.0 + delta + f64::from(precision.row_error);
            let magnitude = row_norm * (1.0 + delta + own_error) * 2.0 + 2.0;
            let summation = (dimension + 64) as f64 * f64::EPSILON;
            let this_constant =
                (1.0 + delta) * own_error + delta + SCORE_ROUNDING + summation + BOUND_ROUNDING * magnitude;
            if number == 0 {
                // A head without any energy has codes of 0; its unit must still be one.
                unit = f64::from(scale.max(f32::EPSILON));
                constant = this_constant;
            }
            let in_units = |value: f64| ((value / unit) as f32).next_up();
            parts.push(Part {
                start: -coding.offset * codes.iter().map(|&code| i32::from(code)).sum::<i32>(),
                words: words(codes, segment.words()),
                scale: (f64::from(scale) / unit) as f32,
                error_weight: in_units(norm + own_error),
                rest_weight: in_units(rest),
                shift: in_units(this_constant - constant),
            });
        }
        Self { parts, unit, constant }
    }

    /// What a kernel's bound must reach for the score to reach `score`.
    pub(crate) fn threshold(&self, score: f32) -> f32 {
        (((f64::from(score) - self.constant) / self.unit) as f32).next_down().max(NO_THRESHOLD)
    }

    /// The score that a kernel's upper bound stands for, or a little more.
    pub(crate) fn upper(&self, bound: f32) -> f32 {
        ((f64::from(bound) * self.unit + self.constant) as f32).next_up()
    }

    /// The score that a kernel's lower bound stands for, or a little less.
    pub(crate) fn lower(&self, bound: f32) -> f32 {
        ((f64::from(bound) * self.unit - self.constant) as f32).next_down()
    }
}

/// Writes each value as the nearest multiple of the scale that is returned, at most `max` of them; and returns the sum
/// of the squares of what that loses.
#[inline(always)]
fn code(values: &[f32], max: i32, codes: &mut [i8]) -> (f32, f32) {
    let largest = largest(values);
    let scale = largest / max as f32;
    // A scale this small has no reciprocal; then its values are lost whole.
    let (scale, inverse) = if scale < f32::MIN_POSITIVE { (0.0, 0.0) } else { (scale, 1.0 / scale) };
    let limit = max as f32;
    let mut lost = [0.0_f32; 8];
    let (values, values_rest) = values.as_chunks::<8>();
    let (codes, codes_rest) = codes.as_chunks_mut::<8>();
    let one = |value: f32, code: &mut i8, lost: &mut f32| {
        // Adding and taking away 1.5 x 2^23 rounds to the nearest integer.
        const ROUND: f32 = 12_582_912.0;
        let rounded = ((value * inverse + ROUND) - ROUND).clamp(-limit, limit);
        // So small, it is what the last bits of the sum say: a cast would take one value at a time.
        *code = (rounded + ROUND).to_bits() as i8;
        let difference = value - rounded * scale;
        *lost += difference * difference;
    };
    for (values, codes) in values.iter().zip(codes) {
        for lane in 0..8 {
            one(values[lane], &mut codes[lane], &mut lost[lane]);
        }
    }
    for (lane, (&value, code)) in values_rest.iter().zip(codes_rest).enumerate() {
        one(value, code, &mut lost[lane]);
    }
    (scale, lost.iter().sum())
}

/// The largest size of a value. In lanes, as one maximum would wait for the one before.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (whole, rest) = values.as_chunks::<16>();
    for values in whole {
        for lane in 0..16 {
            lanes[lane] = lanes[lane].max(values[lane].abs());
        }
    }
    lanes.iter().chain(rest).fold(0.0, |largest, value| largest.max(value.abs()))
}

#[inline(always)]
fn sum_of_squares(values: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (whole, rest) = values.as_chunks::<8>();
    for values in whole {
        for lane in 0..8 {
            sums[lane] += values[lane] * values[lane];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| value * value).sum::<f32>()
}

/// The root of a sum of at most `terms` squares, above what rounding can have taken from it.
fn norm_up(sum_of_squares: f32, terms: usize) -> f32 {
    (f64::from(sum_of_squares).sqrt() * (1.0 + (terms + 8) as f64 * f64::from(f32::EPSILON))) as f32
}

/// Four codes in each word, padded with zeros.
fn words(codes: &[i8], count: usize) -> Vec<i32> {
    let mut words = vec![0; count];
    for (word, codes) in words.iter_mut().zip(codes.chunks(4)) {
        let mut bytes = [0; 4];
        for (byte, code) in bytes.iter_mut().zip(codes) {
            *byte = code.cast_unsigned();
        }
        *word = i32::from_le_bytes(bytes);
    }
    words
}

#[cfg(test)]
pub(crate) mod tests;
