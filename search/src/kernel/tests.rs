//! Every kernel that this processor has does the arithmetic of its codes exactly, in tiles of any width over chunks of
//! any size.
//!
//! Most vectors here consist of codes: scales are 1, and norms add nothing to the bound, so that it is the sum of the
//! products itself. All sums stay below 2^24 and are exact in f32: a row passes a threshold that is its sum, and not
//! the next number above.

use std::iter::zip;
use std::ops::Range;
use std::sync::Arc;

use fastrand::Rng;
use ndarray::Array2;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Ahead, Available, Candidates, Kernel, Panels, RUN, Scan, Thresholds, Tiles};
use crate::layout::{BLOCK, Coding};
use crate::packed::segments;
use crate::quantize::tests::CODINGS;
use crate::quantize::{CodedQuery, Precision, ROUNDING, Segment, pack};
use crate::score::{cosine, dot, norm, unit};

/// Added to bounds before the last segment: more than any sum.
const REST: f32 = (1 << 26) as f32;

/// What a scan has found, in ascending order: slot, row, and the bits of both bounds.
type Found = Vec<(usize, usize, [u32; 2])>;

fn found(candidates: &Candidates) -> Found {
    let mut found: Found = candidates
        .list
        .iter()
        .map(|found| (found.slot.into(), found.row.into(), [found.upper, found.lower].map(f32::to_bits)))
        .collect();
    found.sort_unstable();
    found
}

/// Codes the rows for a coding, with segments that end at `cuts`.
fn packed(rows: &[Vec<f32>], cuts: &[usize], error: f32, coding: Coding) -> (Vec<Segment>, f32) {
    let blocks = rows.len().div_ceil(BLOCK);
    let dimension = *cuts.last().unwrap();
    let starts = [&[0], cuts].concat();
    let ranges = zip(starts, cuts).map(|(start, &end)| start..end);
    let mut segments: Vec<Segment> =
        ranges.map(|range| Segment::new(range.clone(), blocks, range.end == dimension, coding)).collect();
    let mut parts: Vec<_> = segments.iter_mut().map(|segment| segment.parts(blocks).next().unwrap()).collect();
    pack(&rows.concat(), dimension, error, coding, &mut parts);
    let row_error = segments.iter().map(Segment::largest_error).fold(0.0, f32::max);
    (segments, row_error)
}

/// Scans some of the blocks, asking of each row for each query what `threshold` says of it: looking after each segment
/// whether a block may be left, and at the end alone.
fn scan(
    kernel: Available,
    segments: &[Segment],
    queries: &[CodedQuery],
    run: usize,
    blocks: Range<usize>,
    threshold: impl Fn(usize, usize) -> f32,
) -> [Found; 2] {
    scan_passing(kernel, segments, queries, run, blocks, &[], threshold)
}

/// The same of the rows that may match: a bit for each row, for each block, for each query.
fn scan_passing(
    kernel: Available,
    segments: &[Segment],
    queries: &[CodedQuery],
    run: usize,
    blocks: Range<usize>,
    passing: &[Vec<u16>],
    threshold: impl Fn(usize, usize) -> f32,
) -> [Found; 2] {
    let passing: Vec<&[u16]> = passing.iter().map(Vec::as_slice).collect();
    let queries: Vec<&CodedQuery> = queries.iter().collect();
    let mut tiles = Tiles::default();
    tiles.gather(&queries, std::iter::once(queries.len()), kernel.tile_widths(), run);
    let pairs = (0..queries.len()).flat_map(|slot| (0..blocks.len()).map(move |block| (slot, block)));
    let of_block = |(slot, block)| std::array::from_fn(|lane| threshold(slot, block * BLOCK + lane));
    let thresholds: Vec<[f32; BLOCK]> = pairs.map(of_block).collect();
    let mut candidates = Candidates::default();
    [true, false].map(|prune| {
        let scan = Scan {
            segments,
            blocks: blocks.clone(),
            tiles: &tiles,
            queries: &queries,
            thresholds: Thresholds::ByRow(&thresholds),
            passing: &passing,
            ahead: Ahead { codes: segments[0].blocks(blocks.clone()), rows: &[&[1.0; 40][..]; 5] },
            prune,
        };
        candidates.clear();
        kernel.scan(&scan, &mut candidates);
        found(&candidates)
    })
}

/// A threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The row's sum: it passes.
    Reached,
    /// The next number above: it fails after the last segment.
    Missed,
    /// Infinity: it fails after the first.
    Nothing,
}

/// Rows and queries of codes, for kernels of any precision.
#[derive(Debug)]
struct Codes {
    rows: Vec<Vec<i8>>,
    queries: Vec<Vec<i8>>,
    /// Where segments end.
    cuts: Vec<usize>,
}

impl Codes {
    /// Of each vector the codes are random, or of the greatest size: all above zero, all below, or either.
    fn random(rows: usize, queries: usize, cuts: &[usize], seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut vector = || {
            let kind = random.u8(0..5);
            let mut code = || match kind {
                0 => 127,
                1 => -127,
                2 => random.choice([127, -127]).unwrap(),
                _ => random.i8(-127..=127),
            };
            (0..*cuts.last().unwrap()).map(|_| code()).collect()
        };
        let rows = (0..rows).map(|_| vector()).collect();
        Self { rows, queries: (0..queries).map(|_| vector()).collect(), cuts: cuts.to_vec() }
    }

    /// The codes for a kernel whose greatest is `max`. One in each segment is that, so that the scale is 1.
    fn at_most(&self, max: i32, vectors: &[Vec<i8>]) -> Vec<Vec<f32>> {
        let vectors = vectors.iter().map(|codes| {
            let mut codes: Vec<f32> = codes.iter().map(|&code| (i32::from(code) * max / 127) as f32).collect();
            for &cut in &self.cuts {
                codes[cut - 1] = (max as f32).copysign(codes[cut - 1]);
            }
            codes
        });
        vectors.collect()
    }

    /// Compares the scan of some blocks with plain sums. `asked` tells what is asked of a row, of slot and row.
    fn check(&self, kernel: Available, blocks: Range<usize>, asked: impl Fn(usize, usize) -> Asked) {
        let coding = kernel.coding();
        let rows = self.at_most(coding.row_max, &self.rows);
        let queries = self.at_most(coding.query_max, &self.queries);
        let in_chunk = &rows[blocks.start * BLOCK..rows.len().min(blocks.end * BLOCK)];
        let sum = |x: &[f32], y: &[f32]| zip(x, y).map(|(&x, &y)| x as i64 * y as i64).sum::<i64>() as f32;
        let sums: Vec<Vec<f32>> =
            queries.iter().map(|query| in_chunk.iter().map(|row| sum(row, query)).collect()).collect();
        assert!(sums.iter().flatten().all(|sum| sum.abs() < (1 << 24) as f32), "sums must be exact");
        let threshold = |slot: usize, row: usize| match sums[slot].get(row).map(|&sum| (sum, asked(slot, row))) {
            Some((sum, Asked::Reached)) => sum,
            Some((sum, Asked::Missed)) => sum.next_up(),
            Some((_, Asked::Nothing)) | None => f32::INFINITY,
        };

        let compare = |kernel, coding: Coding| {
            let (mut segments, _) = packed(&rows, &self.cuts, 0.0, coding);
            for segment in &mut segments {
                let scales = &segment.scales.as_flattened()[..rows.len()];
                assert!(scales.iter().all(|scale| scale.to_bits() == 1.0_f32.to_bits()));
                Arc::make_mut(&mut segment.errors).as_flattened_mut()[..rows.len()].fill(0.0);
                Arc::make_mut(&mut segment.rests).fill([REST; BLOCK]);
            }
            let precision = Precision { row_error: 0.0, vector_error: 0.0, defect: 0.0 };
            let code = |query: &Vec<f32>| {
                let mut query = CodedQuery::new(query, &segments, coding, precision);
                for part in &mut query.parts {
                    (part.scale, part.error_weight, part.rest_weight, part.shift) = (1.0, 1.0, 1.0, 0.0);
                }
                query
            };
            let coded: Vec<CodedQuery> = queries.iter().map(code).collect();
            let mut expected = Found::new();
            for (slot, sums) in sums.iter().enumerate() {
                let rows = sums.iter().enumerate().filter(|&(row, _)| asked(slot, row) == Asked::Reached);
                expected.extend(rows.map(|(row, &sum)| (slot, row, [sum.to_bits(); 2])));
            }
            let found = scan(kernel, &segments, &coded, coding.run, blocks.clone(), threshold);
            assert_eq!(found, [expected.clone(), expected], "{kernel}, blocks {blocks:?}");
            found
        };
        let found = compare(kernel, coding);
        let portable = compare(Kernel::Portable.detect().unwrap(), Coding { offset: 0, run: 4, ..coding });
        assert_eq!(found, portable, "{kernel}, blocks {blocks:?}");
    }
}

/// Where up to three segments end.
fn cuts(dimensions: Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    vec(dimensions, 1..4).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    })
}

/// A chunk that may be cut from anywhere, as two fractions of the blocks.
fn chunk(blocks: usize, (start, end): (u8, u8)) -> Range<usize> {
    let start = usize::from(start) * blocks / 256;
    start..start + 1 + usize::from(end) * (blocks - start) / 256
}

proptest! {
    #[test]
    fn bounds_are_the_sums_of_products(
        rows in 1_usize..200,
        queries in 1_usize..20,
        cuts in cuts(1..300),
        ends in any::<(u8, u8)>(),
        seed in any::<u64>(),
    ) {
        let codes = Codes::random(rows, queries, &cuts, seed);
        let chunk = chunk(rows.div_ceil(BLOCK), ends);
        // The fewer blocks are read on, the fewer are so together with others.
        let share = [0, 128, 220][(seed % 3) as usize];
        let chance = |of: usize, at: usize| Rng::with_seed(seed ^ (of << 32 | at) as u64).u8(..);
        let asked = |slot: usize, row: usize| match () {
            () if chance(slot, row / BLOCK) < share => Asked::Nothing,
            () if chance(slot, 1_000 + row) < 128 => Asked::Missed,
            () => Asked::Reached,
        };
        for kernel in Kernel::available() {
            codes.check(kernel, chunk.clone(), asked);
        }
    }

    #[test]
    fn a_row_reaches_the_threshold_of_its_own_score(
        rows in 1_usize..100,
        queries in 1_usize..10,
        cuts in cuts(2..100),
        seed in any::<u64>(),
    ) {
        let mut random = Rng::with_seed(seed);
        let dimension = *cuts.last().unwrap();
        // Components of very different sizes.
        let mut unit = || {
            let vector: Vec<f32> = (0..dimension).map(|_| (random.f32() - 0.5).powi(random.i32(1..8))).collect();
            let length = norm(&vector);
            vector.iter().map(|&value| (f64::from(value) / length) as f32).collect::<Vec<f32>>()
        };
        let rows: Vec<Vec<f32>> = (0..rows).map(|_| unit()).collect();
        let queries: Vec<Vec<f32>> = (0..queries).map(|_| unit()).collect();
        let score = |query: &[f32], row: &[f32]| cosine(dot(query, row), norm(query), norm(row));
        for kernel in Kernel::available() {
            let coding = kernel.coding();
            let (segments, row_error) = packed(&rows, &cuts, ROUNDING, coding);
            let precision = Precision { row_error, vector_error: ROUNDING, defect: 0.0 };
            let coded: Vec<CodedQuery> =
                queries.iter().map(|query| CodedQuery::new(query, &segments, coding, precision)).collect();
            let threshold = |slot: usize, row: usize| {
                rows.get(row).map_or(f32::INFINITY, |row| coded[slot].threshold(score(&queries[slot], row)))
            };
            for found in scan(kernel, &segments, &coded, coding.run, 0..rows.len().div_ceil(BLOCK), threshold) {
                let pairs = (0..queries.len()).flat_map(|slot| (0..rows.len()).map(move |row| (slot, row)));
                prop_assert!(found.iter().map(|&(slot, row, _)| (slot, row)).eq(pairs), "{}", kernel);
                for (slot, row, bounds) in found {
                    let (score, [upper, lower]) = (score(&queries[slot], &rows[row]), bounds.map(f32::from_bits));
                    prop_assert!(score <= coded[slot].upper(upper), "{}", kernel);
                    prop_assert!(score >= coded[slot].lower(lower), "{}", kernel);
                    let of_block = kernel.lower_bounds(&segments, row / BLOCK, &coded[slot]);
                    prop_assert_eq!(of_block[row % BLOCK].to_bits(), lower.to_bits(), "{}", kernel);
                }
            }
        }
    }

    #[test]
    fn dot_products_are_those_of_the_definition(
        (x, ys) in (1_usize..70).prop_flat_map(|dimension| {
            (vec(component(), dimension), [(); 4].map(|()| vec(component(), dimension)))
        }),
    ) {
        let wide: Vec<f64> = x.iter().map(|&value| f64::from(value)).collect();
        let ys = ys.each_ref().map(Vec::as_slice);
        let expected = ys.map(|y| dot(&x, y).to_bits());
        for kernel in Kernel::available() {
            prop_assert_eq!(kernel.dots(&wide, ys).map(f64::to_bits), expected, "{}", kernel);
            let alone = ys.map(|y| kernel.dots(&wide, [y])[0].to_bits());
            prop_assert_eq!(alone, expected, "{}, one at a time", kernel);
        }
    }
}

#[test]
fn ratings_are_products_with_each_column() {
    let mut random = Rng::with_seed(1);
    let vector: [f32; 24] = std::array::from_fn(|_| random.f32() - 0.5);
    let columns: [[[f32; BLOCK]; 24]; 3] =
        [[[(); BLOCK]; 24]; 3].map(|rows| rows.map(|row| row.map(|()| random.f32() - 0.5)));
    let product =
        |group: &[[f32; BLOCK]; 24], column: usize| zip(group, vector).map(|(row, value)| row[column] * value).sum();
    let expected: Vec<f32> =
        columns.iter().flat_map(|group| (0..BLOCK).map(move |column| product(group, column))).collect();
    for kernel in Kernel::available() {
        let mut products = Vec::new();
        kernel.rate(&columns, &vector, &mut products);
        assert_eq!(products.len(), expected.len());
        assert!(zip(&products, &expected).all(|(x, y)| (x - y).abs() < 1e-5), "{kernel}: {products:?}, {expected:?}");
    }
}

#[test]
fn one_threshold_for_all_rows_is_as_one_for_each() {
    let vectors = |count: usize, seed| -> Vec<Vec<f32>> {
        let mut random = Rng::with_seed(seed);
        (0..count).map(|_| (0..48).map(|_| random.f32() - 0.5).collect()).collect()
    };
    for kernel in Kernel::available() {
        let (segments, row_error) = packed(&vectors(100, 1), &[16, 48], ROUNDING, kernel.coding());
        let precision = Precision { row_error, vector_error: ROUNDING, defect: 0.0 };
        let code = |query: &Vec<f32>| CodedQuery::new(query, &segments, kernel.coding(), precision);
        let queries: Vec<CodedQuery> = vectors(11, 2).iter().map(code).collect();
        let threshold = |slot: usize| queries[slot].threshold(slot as f32 / 3.0 - 1.0);
        let by_row = scan(kernel, &segments, &queries, kernel.coding().run, 1..7, |slot, _| threshold(slot));

        let queries: Vec<&CodedQuery> = queries.iter().collect();
        let mut tiles = Tiles::default();
        tiles.gather(&queries, std::iter::once(queries.len()), kernel.tile_widths(), kernel.coding().run);
        let alike: Vec<[f32; BLOCK]> = (0..queries.len()).map(|slot| [threshold(slot); BLOCK]).collect();
        let mut candidates = Candidates::default();
        let scan = Scan {
            segments: &segments,
            blocks: 1..7,
            tiles: &tiles,
            queries: &queries,
            thresholds: Thresholds::Alike(&alike),
            passing: &[],
            ahead: Ahead { codes: &[], rows: &[] },
            prune: true,
        };
        kernel.scan(&scan, &mut candidates);
        assert_eq!(found(&candidates), by_row[0], "{kernel}");
        assert!(!by_row[0].is_empty() && by_row[0].len() < 11 * 6 * BLOCK, "some pass, and some do not");
    }
}

#[test]
fn rows_that_may_not_match_are_no_candidates() {
    let mut random = Rng::with_seed(3);
    let mut vectors =
        |count: usize| -> Vec<Vec<f32>> { (0..count).map(|_| (0..48).map(|_| random.f32() - 0.5).collect()).collect() };
    let (rows, asked) = (vectors(300), vectors(15));
    for kernel in Kernel::available() {
        let (segments, row_error) = packed(&rows, &[16, 48], ROUNDING, kernel.coding());
        let precision = Precision { row_error, vector_error: ROUNDING, defect: 0.0 };
        let code = |query: &Vec<f32>| CodedQuery::new(query, &segments, kernel.coding(), precision);
        let queries: Vec<CodedQuery> = asked.iter().map(code).collect();
        let run = kernel.coding().run;
        let threshold = |slot: usize, _| queries[slot].threshold(slot as f32 / 20.0 - 0.3);
        let all = scan(kernel, &segments, &queries, run, 1..18, threshold);
        // One block in so many has a row that may match.
        for one_in in [1, 2, 9] {
            let mut random = Rng::with_seed(one_in);
            let mut block = || if random.u64(..one_in) == 0 { random.u16(..) & random.u16(..) } else { 0 };
            let one: Vec<u16> = (0..17).map(|_| block()).collect();
            let own: Vec<Vec<u16>> = queries.iter().map(|_| (0..17).map(|_| block()).collect()).collect();
            for passing in [vec![one; queries.len()], own] {
                let passes = |slot: usize, row: usize| passing[slot][row / BLOCK] >> (row % BLOCK) & 1 != 0;
                let found = scan_passing(kernel, &segments, &queries, run, 1..18, &passing, threshold);
                for (found, mut expected) in zip(found, all.clone()) {
                    expected.retain(|&(slot, row, _)| passes(slot, row));
                    assert_eq!(found, expected, "{kernel}");
                }
            }
        }
        assert!(all[0].len() > 100, "some pass");
    }
}

proptest! {
    #[test]
    fn every_kernel_multiplies_matrices_to_the_same_bits(
        (count, rows, columns) in (0_usize..15, 1_usize..200, 1_usize..150),
        seed in any::<u64>(),
    ) {
        let mut random = Rng::with_seed(seed);
        let matrix = Array2::from_shape_simple_fn((rows, columns), || random.f32() - 0.5);
        let vectors: Vec<f32> = (0..count * rows).map(|_| random.f32() - 0.5).collect();
        let before: Vec<f32> = (0..count * columns).map(|_| random.f32() - 0.5).collect();
        let panels = Panels::new(matrix.view());
        prop_assert!(matrix.indexed_iter().all(|((row, column), &value)| panels.get(row, column).to_bits() == value.to_bits()));
        for kernel in Kernel::available() {
            let mut products = before.clone();
            kernel.multiply(&vectors, &panels, &mut products);
            for (at, &product) in products.iter().enumerate() {
                let (vector, column) = (at / columns, at % columns);
                let mut expected = before[at];
                for start in (0..rows).step_by(RUN) {
                    let run = start..rows.min(start + RUN);
                    expected += run.fold(0.0, |sum, row| matrix[(row, column)].mul_add(vectors[vector * rows + row], sum));
                }
                prop_assert_eq!(product.to_bits(), expected.to_bits(), "{}", kernel);
            }
        }
    }
}

proptest! {
    /// What is compiled for a processor is what is written once for all of them, down to lengths that fill no register.
    #[test]
    fn every_kernel_scales_and_codes_to_the_same_bits(rows in 1..40_usize, cuts in cuts(1..70), seed: u64) {
        let dimension = *cuts.last().unwrap();
        let mut random = Rng::with_seed(seed);
        let vectors: Vec<Vec<f32>> =
            (0..rows).map(|_| (0..dimension).map(|_| random.f32() * 8.0 - 4.0).collect()).collect();
        for kernel in Kernel::available() {
            let units: Vec<Vec<f32>> = vectors.iter().map(|vector| {
                let mut scaled = vec![0.0; dimension];
                kernel.unit(vector, norm(vector), &mut scaled);
                let mut expected = vec![0.0; dimension];
                unit(vector, norm(vector), &mut expected);
                assert!(zip(&scaled, &expected).all(|(a, b)| a.to_bits() == b.to_bits()), "{kernel}");
                scaled
            }).collect();
            let (expected, _) = packed(&units, &cuts, 0.001, kernel.coding());
            let blocks = rows.div_ceil(BLOCK);
            let mut segments = segments(&cuts, rows, kernel.coding());
            let mut parts: Vec<_> = segments.iter_mut().map(|segment| segment.parts(blocks).next().unwrap()).collect();
            kernel.pack(&units.concat(), dimension, 0.001, kernel.coding(), &mut parts);
            for (segment, expected) in zip(&segments, &expected) {
                prop_assert_eq!(segment.bytes(), expected.bytes());
            }
        }
    }
}

/// Components that are ordinary, zero, denormal or as great as can be.
fn component() -> impl Strategy<Value = f32> {
    let extreme = [0.0, f32::from_bits(1), f32::MIN_POSITIVE.next_down(), f32::MIN_POSITIVE, 1.0, f32::MAX];
    let extreme = (prop::sample::select(extreme.to_vec()), any::<bool>());
    prop_oneof![-1.0_f32..1.0, extreme.prop_map(|(value, minus)| if minus { -value } else { value })]
}

#[test]
fn tiles_of_every_width_sum_any_number_of_blocks() {
    for kernel in Kernel::available() {
        for &width in kernel.tile_widths() {
            for blocks in 1..10 {
                let codes = Codes::random((blocks + 2) * BLOCK, width, &[48, 85], (width * blocks) as u64);
                codes.check(kernel, 1..1 + blocks, |_, _| Asked::Reached);
                codes.check(kernel, 1..1 + blocks, |_, _| Asked::Missed);
                // Few enough to be read on one by one.
                let few = |slot: usize, row: usize| {
                    if (slot + row / BLOCK).is_multiple_of(8) { Asked::Reached } else { Asked::Nothing }
                };
                codes.check(kernel, 1..1 + blocks, few);
            }
        }
    }
}

#[test]
fn sums_of_the_greatest_codes_do_not_overflow() {
    for dimension in [16, 64, 1_040] {
        let vectors = vec![vec![127; dimension], vec![-127; dimension]];
        let codes = Codes { rows: vectors.clone(), queries: vectors, cuts: vec![dimension] };
        for kernel in Kernel::available() {
            codes.check(kernel, 0..1, |_, _| Asked::Reached);
        }
    }
}

/// What the instruction of this name does in each lane: four products of an unsigned and a signed byte, added to a sum
/// that wraps.
fn vpdpbusd(sum: i32, unsigned: [u8; 4], signed: [i8; 4]) -> i32 {
    zip(unsigned, signed).map(|(x, y)| i32::from(x) * i32::from(y)).fold(sum, i32::wrapping_add)
}

/// On any processor: the codes lie as AVX-512 VNNI wants them, and the offset cancels out.
#[test]
fn the_avx512vnni_coding_suits_a_model_of_the_instruction() {
    let coding = Coding { row_max: 127, query_max: 127, offset: 128, run: 4 };
    #[cfg(target_arch = "x86_64")]
    assert_eq!(super::avx512::CODING, coding);
    for seed in 0..20 {
        let codes = Codes::random(40, 3, &[85], seed);
        let (rows, queries) = (codes.at_most(127, &codes.rows), codes.at_most(127, &codes.queries));
        let (segments, _) = packed(&rows, &codes.cuts, 0.0, coding);
        let precision = Precision { row_error: 0.0, vector_error: 0.0, defect: 0.0 };
        for query in &queries {
            let part = &CodedQuery::new(query, &segments, coding, precision).parts[0];
            for (number, row) in rows.iter().enumerate() {
                let groups = segments[0].block(number / BLOCK);
                assert_eq!(groups.len(), part.words.len());
                let sum = zip(groups, &part.words).fold(part.start, |sum, (group, word)| {
                    let lane = group.0.as_chunks().0[number % BLOCK];
                    vpdpbusd(sum, lane, word.to_le_bytes().map(u8::cast_signed))
                });
                assert_eq!(f64::from(sum).to_bits(), dot(row, query).to_bits());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
proptest! {
    /// Says something only where the processor has AVX-512 VNNI.
    #[test]
    fn the_model_is_what_the_instruction_does(
        sums in any::<[i32; 16]>(),
        unsigned in vec(prop_oneof![any::<u8>(), Just(0), Just(255)], 64),
        signed in vec(prop_oneof![any::<i8>(), Just(-128), Just(127)], 64),
    ) {
        use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_storeu_si512};

        #[target_feature(enable = "avx512f,avx512vnni")]
        #[expect(unsafe_code, reason = "intrinsics")]
        fn instruction(mut sums: [i32; 16], unsigned: &[u8; 64], signed: &[i8; 64]) -> [i32; 16] {
            // SAFETY: each array is as long as the register.
            unsafe {
                let load = |bytes: *const __m512i| _mm512_loadu_si512(bytes);
                let sum = _mm512_dpbusd_epi32(
                    load(sums.as_ptr().cast()),
                    load(unsigned.as_ptr().cast()),
                    load(signed.as_ptr().cast()),
                );
                _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
            }
            sums
        }

        if Kernel::Avx512Vnni.detect().is_some() {
            let (unsigned, signed) = (unsigned.first_chunk().unwrap(), signed.first_chunk().unwrap());
            let model: [i32; 16] = std::array::from_fn(|lane| {
                vpdpbusd(sums[lane], unsigned.as_chunks().0[lane], signed.as_chunks().0[lane])
            });
            // SAFETY: the processor has the instruction.
            #[expect(unsafe_code, reason = "an intrinsic")]
            let sums = unsafe { instruction(sums, unsigned, signed) };
            prop_assert_eq!(sums, model);
        }
    }
}

#[test]
fn a_kernel_is_found_by_its_name() {
    for kernel in Kernel::ALL {
        assert_eq!(kernel.to_string(), kernel.name());
        assert_eq!(kernel.name().parse(), Ok(kernel));
    }
    let error = "sse9".parse::<Kernel>().unwrap_err().to_string();
    assert_eq!(error, "`sse9` is not a kernel; there are portable, avx2, avx512vnni, dotprod, i8mm");
}

#[test]
fn the_fastest_kernel_is_the_last_of_those_available() {
    let available: Vec<Available> = Kernel::available().collect();
    assert_eq!(available[0].kernel(), Kernel::Portable);
    assert_eq!(available.last(), Some(&Kernel::fastest()));
    for kernel in Kernel::ALL {
        assert_eq!(kernel.detect(), available.iter().copied().find(|available| available.kernel() == kernel));
    }
}

#[test]
fn a_kernel_of_another_architecture_is_not_detected() {
    let (x86, arm) = ([Kernel::Avx2, Kernel::Avx512Vnni], [Kernel::DotProd, Kernel::I8mm]);
    let foreign = if cfg!(target_arch = "x86_64") { arm } else { x86 };
    assert_eq!(foreign.map(Kernel::detect), [None; 2]);
}

#[test]
fn the_bound_is_tested_with_the_coding_of_every_kernel() {
    assert!(Kernel::available().all(|kernel| CODINGS.contains(&kernel.coding())));
}
