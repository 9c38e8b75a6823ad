//! A packed index as bytes, for another process with the same rows: made once by whoever publishes a catalog, for
//! whatever processor will search it.
//!
//! Rows and what follows from them (norms, positions, chunks, the error of the rotation) are not stored. What is stored is
//! checked against the rows before it serves: lengths, that the order is one, that every number is one, and for a
//! sample of the rows the bounds themselves. What no check can find, a hash over all of it must: that is the caller's.
//!
//! All numbers are little-endian: the head, then axes and centroids if there are any, the order, and for each segment
//! codes, scales, errors and rests. Codes lie as `portable` has them.

use std::fmt::{self, Display};
use std::sync::Arc;

use rayon::prelude::*;

use crate::bytes::{bytes_of, bytes_of_mut};
use crate::centroids::Centroids;
use crate::kernel::{Available, Kernel, Panels};
use crate::layout::{BLOCK, Codes, Coding};
use crate::order;
use crate::packed::{Packed, Parts, segments, units};
use crate::quantize::Segment;
use crate::rotation::Rotation;
use crate::rows::Rows;

/// The format of stored indexes that this release writes and reads.
pub const STORED_FORMAT: u32 = 1;

/// How a stored index begins.
const MAGIC: u32 = u32::from_le_bytes(*b"NLIX");
/// Segments at most.
const CUTS_MAX: usize = 3;
/// Rows whose bounds are checked.
const SAMPLE: usize = 256;
/// What computing an error again may differ by.
const TOLERANCE: f32 = 1e-3;

/// What its head says: numbers, and which rows it is of.
const HEAD_NUMBERS: usize = 16;
const HEAD_BYTES: usize = HEAD_NUMBERS * size_of::<u32>() + 32;

/// Why a stored index does not serve. The rows are packed again then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(String);

impl Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn unfit(why: impl Into<String>) -> Unfit {
    Unfit(why.into())
}

/// A packed index without its rows.
#[derive(Debug)]
pub struct StoredIndex {
    of: [u8; 32],
    codes: Codes,
    rows: usize,
    axes: Option<Panels>,
    centroids: Option<Centroids>,
    order: Vec<u32>,
    segments: Vec<Segment>,
}

impl Kernel {
    /// The codes that it searches.
    pub fn codes(self) -> Codes {
        if self == Self::Avx2 { Codes::Seven } else { Codes::Eight }
    }
}

impl StoredIndex {
    /// Packs rows for all kernels with these codes, on any processor to the same bytes. `of` says which rows they are.
    pub(crate) fn pack(rows: &Rows, codes: Codes, of: [u8; 32]) -> Self {
        let for_kernel = match codes {
            Codes::Seven => Kernel::Avx2,
            Codes::Eight => Kernel::I8mm,
        };
        let packed = Packed::build_as(rows, Kernel::fastest(), for_kernel, Coding::stored(codes.max()));
        let axes = packed.rotation.map(|rotation| {
            let axes = &rotation.axes;
            Panels { rows: axes.rows, columns: axes.columns, values: axes.values.clone() }
        });
        let Packed { centroids, order, segments, .. } = packed;
        let (centroids, order) = (centroids.and_then(Arc::into_inner), Arc::unwrap_or_clone(order));
        Self { of, codes, rows: rows.count(), axes, centroids, order, segments }
    }

    /// Reads one: `fill` fills bytes with those that come next. Takes no more memory than `rows` of `dimension` numbers
    /// need.
    ///
    /// # Errors
    /// Those of `fill`. In it, [`Unfit`]: it is not of this format, these codes, or so many rows.
    pub fn read<E>(
        rows: usize,
        dimension: usize,
        codes: Codes,
        mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Result<Self, Unfit>, E> {
        let (mut numbers, mut of) = ([0_u32; HEAD_NUMBERS], [0; 32]);
        fill(bytes_of_mut(&mut numbers))?;
        fill(&mut of)?;
        let [magic, format, max, stored_rows, stored_dimension, prunes, count, cuts @ ..] = numbers;
        if magic != MAGIC {
            return Ok(Err(unfit("it is no stored index")));
        }
        let same = |what: &str, found: u32, wanted: usize| {
            (found as usize == wanted)
                .then_some(())
                .ok_or_else(|| unfit(format!("its {what} is {found}, not {wanted}")))
        };
        let cuts: Vec<usize> = cuts.iter().take(count as usize).map(|&cut| cut as usize).collect();
        let checked = same("format", format, STORED_FORMAT as usize)
            .and_then(|()| same("largest code", max, codes.max() as usize))
            .and_then(|()| same("number of rows", stored_rows, rows))
            .and_then(|()| same("dimension", stored_dimension, dimension));
        if let Err(unfit) = checked {
            return Ok(Err(unfit));
        }
        let ascends = cuts.is_sorted_by(|one, next| one < next) && cuts.first().is_some_and(|&first| first > 0);
        if prunes > 1 || !(1..=CUTS_MAX).contains(&(count as usize)) || !ascends || cuts.last() != Some(&dimension) {
            return Ok(Err(unfit(format!("its segments end at {cuts:?}"))));
        }
        let mut stored = Self {
            of,
            codes,
            rows,
            axes: (prunes == 1).then(|| Panels::room(dimension)),
            centroids: (prunes == 1).then(|| Centroids::room(dimension, rows)),
            order: vec![0; rows],
            segments: segments(&cuts, rows, Coding::stored(codes.max())),
        };
        stored.bytes_mut().into_iter().try_for_each(&mut fill)?;
        Ok(Ok(stored))
    }

    /// All its bytes, in order.
    pub fn write<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut numbers = [0; HEAD_NUMBERS];
        let cuts: Vec<u32> = self.segments.iter().map(|segment| segment.dimensions.end as u32).collect();
        let head = [
            MAGIC,
            STORED_FORMAT,
            self.codes.max() as u32,
            self.rows as u32,
            cuts.last().copied().unwrap_or_default(),
            u32::from(self.axes.is_some()),
            cuts.len() as u32,
        ];
        let head = head.into_iter().chain(cuts);
        numbers.iter_mut().zip(head).for_each(|(to, number)| *to = number);
        write(bytes_of(&numbers))?;
        write(&self.of)?;
        self.bytes().into_iter().try_for_each(write)
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        (HEAD_BYTES + self.bytes().iter().map(|bytes| bytes.len()).sum::<usize>()) as u64
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    fn bytes(&self) -> Vec<&[u8]> {
        let axes = self.axes.iter().map(|axes| bytes_of(&axes.values));
        let centroids = self.centroids.iter().flat_map(Centroids::bytes);
        let segments = self.segments.iter().flat_map(Segment::bytes);
        axes.chain(centroids).chain([bytes_of(&self.order)]).chain(segments).collect()
    }

    fn bytes_mut(&mut self) -> Vec<&mut [u8]> {
        let axes = self.axes.iter_mut().map(|axes| bytes_of_mut(&mut axes.values));
        let centroids = self.centroids.iter_mut().flat_map(Centroids::bytes_mut);
        let segments = self.segments.iter_mut().flat_map(Segment::bytes_mut);
        axes.chain(centroids).chain([bytes_of_mut(&mut self.order)]).chain(segments).collect()
    }

    /// The index of rows, if it is theirs.
    pub(crate) fn packed(self, rows: &Rows, of: [u8; 32], kernel: Available) -> Result<Packed, Unfit> {
        if self.of != of {
            return Err(unfit("it is of another catalog"));
        }
        if kernel.kernel().codes() != self.codes {
            return Err(unfit(format!("its codes are {}, of another kernel than {kernel}", self.codes.name())));
        }
        let starts = self.checked_starts(rows)?;
        let is_number = |axes: &Panels| axes.values.as_flattened().iter().copied().all(f32::is_finite);
        if !self.axes.iter().all(is_number) || !self.centroids.iter().all(Centroids::is_finite) {
            return Err(unfit("some of its axes or centroids are no numbers"));
        }
        let Self { codes, axes, centroids, order, mut segments, .. } = self;
        let rotation = axes.map(Rotation::of);
        if rotation.as_ref().is_some_and(|rotation| !rotation.defect.is_finite() || rotation.defect > 0.1) {
            return Err(unfit("its axes are not orthonormal"));
        }
        segments.iter().try_for_each(|segment| check_numbers(segment, order.len()))?;
        check_sample(rows, &order, &segments, rotation.as_ref())?;
        for segment in &mut segments {
            segment.convert(Coding::stored(codes.max()), kernel.coding());
        }
        Ok(Packed::assemble(rows, kernel, Parts { segments, rotation, centroids, order, starts }))
    }

    /// Where each category starts, if the order is one of all rows by category.
    fn checked_starts(&self, rows: &Rows) -> Result<Vec<u32>, Unfit> {
        let (plain, starts) = order::by_category(rows.categories(), rows.category_count());
        let mut seen = vec![false; plain.len()];
        for (category, bounds) in (0..).zip(starts.windows(2)) {
            for &row in &self.order[bounds[0] as usize..bounds[1] as usize] {
                let is_new = seen.get_mut(row as usize).is_some_and(|seen| !std::mem::replace(seen, true));
                if !is_new || rows.category_of(row) != category {
                    return Err(unfit("its order is not one of these rows by category"));
                }
            }
        }
        Ok(starts)
    }
}

/// Checks that what bounds are made of are numbers, and that no row is missing.
fn check_numbers(segment: &Segment, rows: usize) -> Result<(), Unfit> {
    let is_size = |value: &f32| value.is_finite() && *value >= 0.0;
    let (errors, padding) = segment.errors.as_flattened().split_at(rows);
    let all_sizes = |values: &[f32]| values.par_iter().all(is_size);
    let are_numbers = all_sizes(errors)
        && all_sizes(segment.scales.as_flattened())
        && all_sizes(segment.rests.as_flattened())
        && padding.iter().all(|error| *error == f32::NEG_INFINITY);
    are_numbers.then_some(()).ok_or_else(|| unfit("some of its bounds are no numbers"))
}

/// Checks for some rows that codes and bounds are theirs.
fn check_sample(rows: &Rows, order: &[u32], segments: &[Segment], rotation: Option<&Rotation>) -> Result<(), Unfit> {
    let check = |position: usize| {
        let mut vector = units(rows, &order[position..=position]);
        if let Some(rotation) = rotation {
            vector = rotation.apply(&vector);
        }
        let (block, lane) = (position / BLOCK, position % BLOCK);
        let mut lost = 0.0;
        segments.iter().all(|segment| {
            let scale = segment.scales[block][lane];
            for (code, value) in segment.row_codes(position).zip(&vector[segment.dimensions.clone()]) {
                lost += (value - f32::from(code) * scale).powi(2);
            }
            let rest = vector[segment.dimensions.end..].iter().map(|value| value * value).sum::<f32>();
            let rests = segment.rests.get(block).map_or(f32::INFINITY, |rests| rests[lane]);
            let bounds = |root: f32, bound: f32| root <= bound * (1.0 + TOLERANCE) + TOLERANCE * TOLERANCE;
            bounds(lost.sqrt(), segment.errors[block][lane]) && bounds(rest.sqrt(), rests)
        })
    };
    let sample: Vec<usize> = (0..order.len()).step_by(order.len().div_ceil(SAMPLE)).collect();
    let fits = sample.into_par_iter().all(check);
    fits.then_some(()).ok_or_else(|| unfit("its codes are not of these rows"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use ndarray::{Array2, aview1};

    use super::*;
    use crate::index::Index;
    use crate::numbers::Numbers;
    use crate::query::{Grouping, Query};

    const OF: [u8; 32] = [7; 32];
    /// FNV-1a of what is packed of some rows, for 7 and for 8 bits.
    const GOLDEN: [u64; 2] = [0xb5ad_6fd6_f42f_72b5, 0x8566_f977_a39b_1163];

    /// Vectors whose components shrink, so that principal components decide, and their categories.
    fn rows(count: usize, dimension: usize) -> (Array2<f32>, Vec<u32>) {
        // Products alone: they are the same on every processor.
        let weights: Vec<f32> = std::iter::successors(Some(1.0), |weight| Some(weight * 0.8)).take(dimension).collect();
        let mut state = 7_u64;
        let vectors = Array2::from_shape_fn((count, dimension), |(_, column)| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            noise * weights[column]
        });
        (vectors, (0..count as u32).map(|row| row % 5).collect())
    }

    fn bytes(stored: &StoredIndex) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Ok(()) = stored.write::<Infallible>(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!(bytes.len() as u64, stored.len());
        bytes
    }

    fn read(mut bytes: &[u8], rows: usize, dimension: usize, codes: Codes) -> Result<StoredIndex, Unfit> {
        let fill = |to: &mut [u8]| {
            let (now, rest) = bytes.split_at_checked(to.len()).ok_or("it ends")?;
            to.copy_from_slice(now);
            bytes = rest;
            Ok::<_, &str>(())
        };
        StoredIndex::read(rows, dimension, codes, fill).map_err(unfit)?
    }

    fn finds_what_is_packed_here(count: usize, dimension: usize, prunes: bool) {
        let (vectors, categories) = rows(count, dimension);
        for kernel in Kernel::available() {
            let built = Index::build_with(vectors.clone(), categories.clone(), kernel).unwrap();
            let codes = kernel.kernel().codes();
            let stored = bytes(&built.stored(codes, OF).unwrap());
            let stored = read(&stored, count, dimension, codes).unwrap();
            assert_eq!(stored.axes.is_some(), prunes);
            let numbers = Numbers::from(vectors.clone().into_raw_vec_and_offset().0);
            let restored = Index::build_from(numbers, dimension, categories.clone(), kernel, Some((OF, stored)));
            let (restored, unfit) = restored.unwrap();
            assert_eq!(unfit, None, "{kernel}");
            for row in (0..count).step_by(count / 20) {
                let vector = vectors.row(row).to_vec();
                for grouping in [Grouping::Overall, Grouping::ByCategory] {
                    let query = Query {
                        vector: aview1(&vector),
                        top_k: 7,
                        grouping,
                        categories: None,
                        min_score: None,
                        exclude: &[],
                        rows: None,
                    };
                    let [one, other] = [&built, &restored].map(|index| index.search(&[query]).unwrap());
                    assert_eq!(one[0].groups, other[0].groups, "{kernel}");
                }
            }
        }
    }

    #[test]
    fn what_is_stored_finds_what_is_packed_here() {
        finds_what_is_packed_here(300, 50, false);
    }

    #[test]
    fn what_is_stored_and_pruned_finds_what_is_packed_here() {
        finds_what_is_packed_here(12_000, 128, true);
    }

    #[test]
    fn packed_bytes_are_the_same_on_every_processor() {
        let (vectors, categories) = rows(12_000, 128);
        let index = Index::build(vectors, categories).unwrap();
        let hashes = Codes::ALL.map(|codes| {
            let bytes = bytes(&index.stored(codes, OF).unwrap());
            bytes
                .iter()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
        });
        assert_eq!(hashes, GOLDEN, "{hashes:#x?}");
    }

    #[test]
    fn what_does_not_fit_is_packed_again() {
        let (count, dimension) = (12_001, 128);
        let (vectors, categories) = rows(count, dimension);
        let kernel = Kernel::Portable.detect().unwrap();
        let built = Index::build_with(vectors.clone(), categories.clone(), kernel).unwrap();
        let good = bytes(&built.stored(Codes::Eight, OF).unwrap());
        let why = |bytes: &[u8], vectors: &Array2<f32>, of: [u8; 32]| {
            let stored = match read(bytes, count, dimension, Codes::Eight) {
                Ok(stored) => stored,
                Err(unfit) => return unfit.to_string(),
            };
            let numbers = Numbers::from(vectors.clone().into_raw_vec_and_offset().0);
            let (index, unfit) =
                Index::build_from(numbers, dimension, categories.clone(), kernel, Some((of, stored))).unwrap();
            assert_eq!(index.rows(), count, "it is there all the same");
            unfit.map(|unfit| unfit.to_string()).unwrap_or_default()
        };
        assert_eq!(why(&good, &vectors, OF), "");
        assert_eq!(why(&good, &vectors, [8; 32]), "it is of another catalog");
        assert_eq!(why(&good, &vectors.mapv(|value| 1.0 - value), OF), "its codes are not of these rows");
        assert_eq!(why(b"<html>", &vectors, OF), "it ends");
        let axes = HEAD_BYTES;
        let centroids = axes + 4 * dimension * dimension;
        let order = centroids + 4 * 16 * (dimension + count.div_ceil(256) * 16);
        let last_rests = good.len() - 4;
        let with = |at: usize, number: u32| {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            why(&bytes, &vectors, OF)
        };
        let nan = f32::NAN.to_bits();
        assert_eq!(with(0, 1), "it is no stored index");
        assert_eq!(with(4, 2), "its format is 2, not 1");
        assert_eq!(with(12, 1), "its number of rows is 1, not 12001");
        assert!(with(24, 9).starts_with("its segments end at"));
        assert!(with(28, 0).starts_with("its segments end at"));
        assert_eq!(with(axes, nan), "some of its axes or centroids are no numbers");
        assert_eq!(with(axes, 9_f32.to_bits()), "its axes are not orthonormal");
        assert_eq!(with(centroids, nan), "some of its axes or centroids are no numbers");
        assert_eq!(with(order, u32::MAX), "its order is not one of these rows by category");
        assert_eq!(with(order, 1), "its order is not one of these rows by category", "another category");
        assert_eq!(with(last_rests, nan), "some of its bounds are no numbers");
        assert_eq!(with(last_rests, 0), "some of its bounds are no numbers", "the padding would be found");
    }
}
