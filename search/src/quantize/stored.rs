//! A segment as bytes, and codes in the places that another kernel wants them in.

use std::sync::Arc;

use rayon::prelude::*;

use super::Segment;
use crate::bytes::{bytes_of, bytes_of_mut};
use crate::layout::{BLOCK, Coding, Group};

impl Segment {
    /// Its numbers as bytes, in the order of a stored index.
    pub(crate) fn bytes(&self) -> [&[u8]; 4] {
        let Self { codes, scales, errors, rests, .. } = self;
        [
            bytes_of(codes.as_slice()),
            bytes_of(scales.as_slice()),
            bytes_of(errors.as_slice()),
            bytes_of(rests.as_slice()),
        ]
    }

    /// The same, to be written.
    pub(crate) fn bytes_mut(&mut self) -> [&mut [u8]; 4] {
        let Self { codes, scales, errors, rests, .. } = self;
        let [scales, errors, rests] =
            [scales, errors, rests].map(|numbers| bytes_of_mut(Arc::make_mut(numbers).as_mut_slice()));
        [bytes_of_mut(Arc::make_mut(codes).as_mut_slice()), scales, errors, rests]
    }

    /// Largest of the rows' errors.
    pub(crate) fn largest_error(&self) -> f32 {
        self.errors.as_flattened().iter().copied().fold(0.0, f32::max)
    }

    /// The codes of a row, at a position, as a stored index has them.
    pub(crate) fn row_codes(&self, position: usize) -> impl Iterator<Item = i8> {
        let (block, lane) = (self.block(position / BLOCK), position % BLOCK);
        let codes = block.iter().flat_map(move |group| group.0.as_chunks::<4>().0[lane]);
        codes.take(self.dimensions.len()).map(u8::cast_signed)
    }

    /// Brings codes as they are stored into those of a kernel, or back.
    pub(crate) fn convert(&mut self, from: Coding, to: Coding) {
        let offset = (to.offset - from.offset) as u8;
        Arc::make_mut(&mut self.codes).par_chunks_mut(self.groups.max(1)).for_each(|block| {
            if offset != 0 {
                block.iter_mut().flat_map(|group| &mut group.0).for_each(|code| *code = code.wrapping_add(offset));
            }
            if from.run != to.run {
                let (old, lanes) = (block.to_vec(), 0..BLOCK);
                lanes.for_each(|lane| move_lane(&old, from.run, block, to.run, lane));
            }
        });
    }
}

/// Copies the codes of one row to where they lie in runs of another length, both 4 or 8.
fn move_lane(from: &[Group], from_run: usize, to: &mut [Group], to_run: usize, lane: usize) {
    let place = |run: usize, dimension: usize| {
        let (group, lanes) = (dimension / run, size_of::<Group>() / run);
        (group * (BLOCK / lanes) + lane / lanes, lane % lanes * run + dimension % run)
    };
    for dimension in (0..size_of_val(from) / BLOCK).step_by(4) {
        let ((from_group, from_byte), (to_group, to_byte)) = (place(from_run, dimension), place(to_run, dimension));
        let word: [u8; 4] = std::array::from_fn(|at| from[from_group].0[from_byte + at]);
        to[to_group].0[to_byte..to_byte + 4].copy_from_slice(&word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::pack;

    #[test]
    fn codes_in_other_places_are_those_that_are_packed_there() {
        let mut random = fastrand::Rng::with_seed(1);
        for (rows, dimension) in [(16, 16), (40, 17), (33, 100)] {
            let vectors: Vec<f32> = (0..rows * dimension).map(|_| random.f32() - 0.5).collect();
            let packed = |coding: Coding| {
                let mut segment = Segment::new(0..dimension, rows.div_ceil(BLOCK), true, coding);
                pack(&vectors, dimension, 0.0, coding, &mut segment.parts(rows.div_ceil(BLOCK)).collect::<Vec<_>>());
                segment
            };
            let stored = Coding::stored(127);
            for (offset, run) in [(0, 4), (128, 4), (0, 8), (64, 8)] {
                let coding = Coding { offset, run, ..stored };
                let mut segment = packed(stored);
                segment.convert(stored, coding);
                assert_eq!(segment.bytes(), packed(coding).bytes(), "{coding:?}");
                segment.convert(coding, stored);
                assert_eq!(segment.bytes(), packed(stored).bytes(), "{coding:?}");
            }
            let codes: Vec<i8> = packed(stored).row_codes(5).collect();
            assert_eq!(codes.len(), dimension);
            let largest =
                vectors[5 * dimension..6 * dimension].iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            for (code, value) in codes.iter().zip(&vectors[5 * dimension..]) {
                assert!((f32::from(*code) * largest / 127.0 - value).abs() <= largest / 127.0);
            }
        }
    }
}
