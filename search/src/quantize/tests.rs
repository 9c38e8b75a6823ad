//! Each inequality of docs/exactness.md, on vectors that come close to it.
//!
//! What is exact there is f64 here. Rows and queries are of all kinds that may come; besides, each query gets a row that
//! points where the query's codes lose most, and each row such a query: random vectors alone would not miss a term.

use std::iter::zip;

use fastrand::Rng;
use ndarray::Array2;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample;

use super::*;
use crate::rotation::Rotation;
use crate::score::{cosine, dot, norm};

/// Those of all kernels, whatever this processor has.
pub(crate) const CODINGS: [Coding; 4] = [
    Coding { row_max: 127, query_max: 127, offset: 0, run: 4 },
    Coding { row_max: 127, query_max: 127, offset: 0, run: 8 },
    Coding { row_max: 127, query_max: 127, offset: 128, run: 4 },
    Coding { row_max: 63, query_max: 63, offset: 64, run: 4 },
];

fn coding() -> impl Strategy<Value = Coding> {
    sample::select(&CODINGS[..])
}

/// Vectors before they are coded.
#[derive(Debug, Clone)]
struct Catalog {
    rows: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
    /// Where segments end.
    cuts: Vec<usize>,
    /// How axes are chosen, and what is missing in the length of the first.
    axes: Option<(u64, f64)>,
    /// What is missing in the length of vectors when they are coded, as if arithmetic were that coarse.
    shortage: f32,
}

/// What coding made of a vector, and what it is exactly.
struct Vector {
    /// As given.
    given: Vec<f32>,
    /// Of length 1 and rotated, as it was coded (a, b).
    coded: Vec<f32>,
    /// The same, exactly (A, B).
    exact: Vec<f64>,
    /// Its scale in each segment, for queries.
    scales: Vec<f64>,
    /// Multiples of the scales.
    codes: Vec<i32>,
    /// What they stand for.
    stands_for: Vec<f64>,
}

impl Vector {
    /// The norm of what codes lose before a dimension.
    fn lost(&self, end: usize) -> f64 {
        distance(&self.exact[..end], &self.stands_for[..end])
    }
}

struct Coded {
    coding: Coding,
    segments: Vec<Segment>,
    precision: Precision,
    axes: Option<(Array2<f64>, Rotation)>,
    rows: Vec<Vector>,
    queries: Vec<(Vector, CodedQuery)>,
}

/// Axes as columns: some reflections, one after the other.
fn axes(dimension: usize, seed: u64, missing: f64) -> Array2<f64> {
    let mut random = Rng::with_seed(seed);
    let mut axes = Array2::eye(dimension);
    for _ in 0..3 {
        let normal: Vec<f64> = (0..dimension).map(|_| random.f64() - 0.5).collect();
        let square = length(&normal).powi(2);
        for mut axis in axes.columns_mut() {
            let along: f64 = zip(&normal, &axis).map(|(x, y)| x * y).sum();
            zip(&mut axis, &normal).for_each(|(value, normal)| *value -= 2.0 * along / square * normal);
        }
    }
    axes.column_mut(0).mapv_inplace(|value| value * (1.0 - missing));
    axes
}

fn wide(vector: &[f32]) -> Vec<f64> {
    vector.iter().map(|&value| f64::from(value)).collect()
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    zip(x, y).map(|(x, y)| x * y).sum()
}

fn length(x: &[f64]) -> f64 {
    product(x, x).sqrt()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    zip(x, y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

/// Scaled to length 1, as rows and queries are before they are rotated and coded.
fn unit(vector: &[f32]) -> Vec<f32> {
    let inverse = 1.0 / norm(vector);
    vector.iter().map(|&value| (f64::from(value) * inverse) as f32).collect()
}

/// The code of a row in one dimension of a segment, read from where a kernel finds it.
fn packed_code(segment: &Segment, row: usize, dimension: usize, coding: Coding) -> i32 {
    let lanes_in_group = size_of::<Group>() / coding.run;
    let lane = row % BLOCK;
    let group = dimension / coding.run * (BLOCK / lanes_in_group) + lane / lanes_in_group;
    let byte = segment.block(row / BLOCK)[group].0[lane % lanes_in_group * coding.run + dimension % coding.run];
    i32::from(byte.wrapping_sub(coding.offset as u8).cast_signed())
}

/// What is known of a pair after a segment.
struct Bounds {
    /// In f32, as kernels compute them.
    upper: f32,
    lower: f32,
    /// The upper one in f64, and the sum of the sizes of all that is added up for it.
    exact: f64,
    terms: f64,
}

impl Coded {
    fn new(catalog: &Catalog, coding: Coding) -> Self {
        let dimension = catalog.rows[0].len();
        let blocks = catalog.rows.len().div_ceil(BLOCK);
        let starts = [&[0], &catalog.cuts[..]].concat();
        let mut segments: Vec<Segment> = zip(starts, &catalog.cuts)
            .map(|(start, &end)| Segment::new(start..end, blocks, end == dimension, coding))
            .collect();
        let axes = catalog.axes.map(|(seed, missing)| {
            let axes = axes(dimension, seed, missing);
            (axes.mapv(|value| f64::from(value as f32)), Rotation::new(&axes))
        });
        let vector_error =
            ROUNDING + axes.as_ref().map_or(0.0, |(_, rotation)| rotation.error) + 1.01 * catalog.shortage;
        let defect = axes.as_ref().map_or(0.0, |(_, rotation)| rotation.defect);
        let rows = vectors(&catalog.rows, axes.as_ref(), catalog.shortage);
        let mut parts: Vec<_> = segments.iter_mut().map(|segment| segment.parts(blocks).next().unwrap()).collect();
        let packed: Vec<f32> = rows.iter().flat_map(|row| row.coded.iter().copied()).collect();
        pack(&packed, dimension, vector_error, coding, &mut parts);
        let row_error = segments.iter().map(Segment::largest_error).fold(0.0, f32::max);
        let precision = Precision { row_error, vector_error, defect };
        let mut coded = Self { coding, segments, precision, axes, rows, queries: Vec::new() };
        for (number, row) in coded.rows.iter_mut().enumerate() {
            for segment in &coded.segments {
                let scale = f64::from(segment.scales.as_flattened()[number]);
                for dimension in 0..segment.dimensions.len() {
                    let code = packed_code(segment, number, dimension, coding);
                    assert!(code.abs() <= coding.row_max);
                    row.codes.push(code);
                    row.stands_for.push(scale * f64::from(code));
                }
            }
        }
        coded.ask(&catalog.queries, catalog.shortage);
        coded
    }

    /// Codes more queries.
    fn ask(&mut self, queries: &[Vec<f32>], shortage: f32) {
        for mut query in vectors(queries, self.axes.as_ref(), shortage) {
            let coded = CodedQuery::new(&query.coded, &self.segments, self.coding, self.precision);
            for (segment, part) in zip(&self.segments, &coded.parts) {
                let values = &query.coded[segment.dimensions.clone()];
                let scale = f64::from(code(values, self.coding.query_max, &mut vec![0; values.len()]).0);
                query.scales.push(scale);
                let bytes = part.words.iter().flat_map(|word| word.to_le_bytes());
                for byte in bytes.take(values.len()) {
                    let code = i32::from(byte.cast_signed());
                    assert!(code.abs() <= self.coding.query_max);
                    query.codes.push(code);
                    query.stands_for.push(scale * f64::from(code));
                }
            }
            self.queries.push((query, coded));
        }
    }

    /// The bounds of a pair after each segment.
    fn bounds(&self, number: usize, query: &(Vector, CodedQuery), fused: bool) -> Vec<Bounds> {
        let multiply_add = |x: f32, y: f32, z: f32| if fused { x.mul_add(y, z) } else { x * y + z };
        let (row, (vector, query)) = (&self.rows[number], query);
        let mut products = (0.0_f32, 0.0_f64, 0.0_f64);
        let bounds = zip(&self.segments, &query.parts).enumerate().map(|(at, (segment, part))| {
            let scale = segment.scales.as_flattened()[number];
            let error = segment.errors.as_flattened()[number];
            let rest = segment.rests.as_flattened().get(number).copied();
            let codes = segment.dimensions.clone().map(|dimension| (row.codes[dimension], vector.codes[dimension]));
            // The offset in a row's codes cancels out.
            let sum = codes.fold(part.start, |sum, (x, y)| sum + (x + self.coding.offset) * y);
            let exact = f64::from(sum) * f64::from(scale) * (vector.scales[at] / query.unit);
            products.0 = multiply_add(sum as f32 * scale, part.scale, products.0);
            products.1 += exact;
            products.2 += exact.abs();
            let mut bound = multiply_add(error, part.error_weight, products.0);
            let mut added = f64::from(error) * f64::from(part.error_weight);
            if let Some(rest) = rest {
                bound = multiply_add(rest, part.rest_weight, bound);
                added += f64::from(rest) * f64::from(part.rest_weight);
            }
            added += f64::from(part.shift);
            let upper = bound + part.shift;
            let lower = multiply_add(products.0, 2.0, -upper);
            Bounds { upper, lower, exact: products.1 + added, terms: products.2 + added }
        });
        bounds.collect()
    }

    /// All pairs of a row and a query.
    fn pairs(&self) -> impl Iterator<Item = (usize, &(Vector, CodedQuery))> {
        self.queries.iter().flat_map(|query| (0..self.rows.len()).map(move |row| (row, query)))
    }

    fn score(&self, row: usize, query: &Vector) -> f32 {
        let row = &self.rows[row].given;
        cosine(dot(&query.given, row), norm(&query.given), norm(row))
    }

    /// The score before it is rounded to f32.
    fn cosine(&self, row: usize, query: &Vector) -> f64 {
        let (x, y) = (wide(&self.rows[row].given), wide(&query.given));
        product(&x, &y) / (length(&x) * length(&y))
    }

    /// A vector that codes well and points where the codes of this one lose most.
    fn adversary(&self, vector: &Vector) -> Option<Vec<f32>> {
        let lost = zip(&vector.exact, &vector.stands_for).map(|(exact, stands_for)| (exact - stands_for) as f32);
        let mut adversary: Vec<f32> = lost.collect();
        let mut codes = vec![0; adversary.len()];
        for segment in &self.segments {
            let values = &mut adversary[segment.dimensions.clone()];
            let codes = &mut codes[..values.len()];
            let (scale, _) = code(values, self.coding.row_max, codes);
            zip(values, codes).for_each(|(value, code)| *value = scale * f32::from(*code));
        }
        if let Some((axes, _)) = &self.axes {
            let back = axes.rows().into_iter().map(|row| zip(row, &adversary).map(|(x, &y)| x * f64::from(y)).sum());
            adversary = back.map(|value: f64| value as f32).collect();
        }
        adversary.iter().any(|value| *value != 0.0).then_some(adversary)
    }
}

/// Scales to length 1 and rotates, as in an index and exactly.
fn vectors(given: &[Vec<f32>], axes: Option<&(Array2<f64>, Rotation)>, shortage: f32) -> Vec<Vector> {
    let Some(dimension) = given.first().map(Vec::len) else {
        return Vec::new();
    };
    let units: Vec<f32> = given.iter().flat_map(|vector| unit(vector)).collect();
    let mut units = Array2::from_shape_vec((given.len(), dimension), units).unwrap();
    if let Some((_, rotation)) = axes {
        let rotated = rotation.apply(units.as_slice().unwrap());
        units = Array2::from_shape_vec((given.len(), dimension), rotated).unwrap();
    }
    units.mapv_inplace(|value| value * (1.0 - shortage));
    let vectors = zip(given, units.outer_iter()).map(|(given, coded)| {
        let mut exact = wide(given);
        let norm = length(&exact);
        for value in &mut exact {
            *value /= norm;
        }
        if let Some((axes, _)) = axes {
            let rotated = axes.columns().into_iter().map(|axis| zip(axis, &exact).map(|(x, y)| x * y).sum());
            exact = rotated.collect();
        }
        let (scales, codes, stands_for) = (Vec::new(), Vec::new(), Vec::new());
        Vector { given: given.clone(), coded: coded.to_vec(), exact, scales, codes, stands_for }
    });
    vectors.collect()
}

/// The catalog, and for each of its vectors one that its codes suit least.
fn coded(catalog: &Catalog, coding: Coding) -> Coded {
    let mut hostile = catalog.clone();
    let plain = Coded::new(catalog, coding);
    hostile.rows.extend(plain.queries.iter().filter_map(|(query, _)| plain.adversary(query)));
    hostile.queries.extend(plain.rows.iter().filter_map(|row| plain.adversary(row)));
    Coded::new(&hostile, coding)
}

/// Components that are ordinary, close to overflow, close to underflow, denormal, exact or zero.
fn component() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0_f32..1.0,
        2 => (-3_i8..=3).prop_map(f32::from),
        1 => prop_oneof![Just(f32::MAX), Just(-f32::MAX), 1e37_f32..3e38, -3e38_f32..-1e37],
        1 => prop_oneof![1e-38_f32..1e-36, -1e-36_f32..-1e-38],
        1 => (1_u32..1 << 23, any::<bool>()).prop_map(|(bits, minus)| f32::from_bits(bits | u32::from(minus) << 31)),
        1 => Just(0.0),
    ]
}

/// Vectors of one kind of component, of all kinds, of codes, with a single component, with all of them equal, or with
/// one beside which the others are lost.
fn vector(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        4 => vec(-1.0_f32..1.0, dimension),
        2 => vec((-63_i8..=63).prop_map(f32::from), dimension),
        2 => vec(component(), dimension),
        1 => (component(), any::<sample::Index>()).prop_map(move |(value, at)| {
            let mut one_hot = vec![0.0; dimension];
            one_hot[at.index(dimension)] = value;
            one_hot
        }),
        1 => component().prop_map(move |value| vec![value; dimension]),
        1 => vec(prop_oneof![1e37_f32..3e38, -3e38_f32..-1e37], dimension),
        1 => vec(prop_oneof![1e-45_f32..1e-38, -1e-38_f32..-1e-45], dimension),
        2 => (0.0_f32..0.012, any::<sample::Index>()).prop_map(move |(value, at)| {
            let mut spiky = vec![value; dimension];
            spiky[at.index(dimension)] = 1.0;
            spiky
        }),
    ]
    .prop_map(|mut vector| {
        if vector.iter().all(|&value| value == 0.0) {
            vector[0] = 1.0;
        }
        vector
    })
}

/// Where one segment ends, or three.
fn cuts(dimension: usize) -> impl Strategy<Value = Vec<usize>> {
    (any::<bool>(), vec(any::<sample::Index>(), 2)).prop_map(move |(several, cuts)| {
        let cuts = if several { &cuts[..] } else { &[] };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| 1 + cut.index(dimension)).chain([dimension]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    })
}

/// Rows and queries that are the same, opposite or close to each other, with axes that are orthonormal or nearly so.
fn catalog() -> impl Strategy<Value = Catalog> {
    let missing = prop_oneof![Just(0.0), Just(1e-3)];
    let shortage = prop_oneof![Just(0.0), Just(1e-3)];
    (1_usize..200, prop::option::of((any::<u64>(), missing)), shortage).prop_flat_map(|(dimension, axes, shortage)| {
        let distinct = vec(vector(dimension), 1..6);
        let near = vec((any::<sample::Index>(), -1e-6_f32..1e-6), 0..20);
        (distinct, near, cuts(dimension)).prop_map(move |(mut rows, near, cuts)| {
            if let Some((seed, missing)) = axes {
                rows.push(self::axes(dimension, seed, missing).column(0).iter().map(|&value| value as f32).collect());
            }
            let mut queries = rows.clone();
            queries.extend(rows.iter().map(|row| row.iter().map(|value| -value).collect()));
            for (number, (of, change)) in near.into_iter().enumerate() {
                let mut row = of.get(&queries).clone();
                let largest = row.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                row[number % dimension] += change * largest.min(1e38);
                if row.iter().any(|value| *value != 0.0) && row.iter().all(|value| value.is_finite()) {
                    rows.push(row);
                }
            }
            Catalog { rows, queries, cuts, axes, shortage }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn norms_of_rows_are_no_smaller_than_the_true_ones(catalog in catalog(), coding in coding()) {
        let coded = coded(&catalog, coding);
        for (number, row) in coded.rows.iter().enumerate() {
            prop_assert!(distance(&row.exact, &wide(&row.coded)) <= f64::from(coded.precision.vector_error));
            for segment in &coded.segments {
                let end = segment.dimensions.end;
                let error = segment.errors.as_flattened()[number];
                let lost = row.lost(end);
                prop_assert!(f64::from(error) >= lost, "row {}: {} < {}", number, error, lost);
                prop_assert!(coded.precision.row_error >= error);
                if let Some(&rest) = segment.rests.as_flattened().get(number) {
                    let exact = length(&row.exact[end..]);
                    prop_assert!(f64::from(rest) >= exact, "row {}: {} < {}", number, rest, exact);
                } else {
                    prop_assert_eq!(end, row.exact.len());
                }
            }
        }
    }

    #[test]
    fn weights_of_queries_are_no_smaller_than_the_true_norms(catalog in catalog(), coding in coding()) {
        let coded = coded(&catalog, coding);
        let defect = coded.precision.defect;
        for (vector, query) in &coded.queries {
            for (segment, part) in zip(&coded.segments, &query.parts) {
                let end = segment.dimensions.end;
                let lost = vector.lost(end);
                let error_weight = f64::from(part.error_weight) * query.unit;
                prop_assert!(error_weight >= length(&vector.exact[..end]) + lost);
                prop_assert!(f64::from(part.rest_weight) * query.unit >= length(&vector.exact[end..]));
                let constant = query.constant + f64::from(part.shift) * query.unit;
                prop_assert!(constant >= (1.0 + defect).sqrt() * lost + defect);
            }
        }
    }

    #[test]
    fn bounds_reach_the_threshold_of_the_score_after_every_segment(catalog in catalog(), coding in coding()) {
        let coded = coded(&catalog, coding);
        for (row, query) in coded.pairs() {
            let score = coded.score(row, &query.0);
            for fused in [false, true] {
                for Bounds { upper: bound, lower, .. } in coded.bounds(row, query, fused) {
                    let query = &query.1;
                    prop_assert!(f64::from(bound) * query.unit + query.constant >= f64::from(score));
                    prop_assert!(bound >= query.threshold(score), "{} < {}", bound, query.threshold(score));
                    prop_assert!(query.upper(bound) >= score, "{} < {}", query.upper(bound), score);
                    prop_assert!(query.lower(lower) <= score, "{} > {}", query.lower(lower), score);
                    prop_assert!(bound >= query.threshold(f32::NEG_INFINITY));
                    prop_assert!(bound < query.threshold(f32::INFINITY));
                }
            }
        }
    }

    #[test]
    fn each_rounding_is_within_its_constant_and_in_the_query_s(catalog in catalog(), coding in coding()) {
        let coded = coded(&catalog, coding);
        for (row, query) in coded.pairs() {
            let (vector, coded_query) = query;
            let (score, cosine) = (coded.score(row, vector), coded.cosine(row, vector));
            prop_assert!((f64::from(score) - cosine).abs() <= SCORE_ROUNDING, "{} is {}", score, cosine);
            for fused in [false, true] {
                let parts = zip(&coded.segments, &coded_query.parts);
                for ((segment, part), Bounds { upper: bound, exact, terms: added, .. }) in zip(parts, coded.bounds(row, query, fused)) {
                    let covered = BOUND_ROUNDING * added;
                    prop_assert!((f64::from(bound) - exact).abs() <= covered, "{} is {}", bound, exact);
                    let constant = coded_query.constant + f64::from(part.shift) * coded_query.unit;
                    let lost = vector.lost(segment.dimensions.end);
                    prop_assert!(constant >= lost + covered * coded_query.unit + SCORE_ROUNDING);
                }
            }
        }
    }

    #[test]
    fn norms_thresholds_and_bounds_are_rounded_outwards(
        vector in (1_usize..2_000).prop_flat_map(vector),
        coding in coding(),
        score in -1.0_f32..1.0,
        bound in -1e4_f32..1e4,
    ) {
        let vector = unit(&vector);
        prop_assert!(f64::from(norm_up(sum_of_squares(&vector), vector.len())) >= length(&wide(&vector)));
        let precision = Precision { row_error: 0.02, vector_error: ROUNDING, defect: 0.0 };
        let segments = [Segment::new(0..vector.len(), 1, true, Coding::stored(127))];
        let query = CodedQuery::new(&vector, &segments, coding, precision);
        let score_of = |bound: f32| f64::from(bound) * query.unit + query.constant;
        prop_assert!(score_of(query.threshold(score)) <= f64::from(score));
        prop_assert!(f64::from(query.upper(bound)) >= score_of(bound));
        prop_assert!(f64::from(query.lower(bound)) <= f64::from(bound) * query.unit - query.constant);
        prop_assert!(score_of(query.threshold(score).next_up().next_up()) >= f64::from(score), "not too far");
    }

    #[test]
    fn lanes_without_a_row_reach_no_threshold(catalog in catalog(), coding in coding()) {
        let coded = coded(&catalog, coding);
        for (_, query) in &coded.queries {
            for (segment, part) in zip(&coded.segments, &query.parts) {
                for lane in coded.rows.len()..segment.errors.as_flattened().len() {
                    let lane_of = |numbers: &[[f32; BLOCK]]| numbers.as_flattened().get(lane).copied();
                    // Their codes are 0 without the offset that others have.
                    let products = part.start as f32 * lane_of(&segment.scales).unwrap() * part.scale;
                    let rest = lane_of(&segment.rests).unwrap_or(0.0) * part.rest_weight;
                    let bound = products + lane_of(&segment.errors).unwrap() * part.error_weight + rest + part.shift;
                    prop_assert!(bound < query.threshold(f32::NEG_INFINITY), "{}", bound);
                }
            }
        }
    }
}

#[test]
fn bounds_are_close_to_the_scores_of_ordinary_vectors() {
    let mut random = Rng::with_seed(6);
    // The sum of some uniform numbers is about normal.
    let mut vectors = |count| {
        let mut component = || (0..12).map(|_| random.f32() - 0.5).sum::<f32>();
        (0..count).map(|_| (0..384).map(|_| component()).collect()).collect::<Vec<Vec<f32>>>()
    };
    for axes in [None, Some((1, 0.0))] {
        let catalog = Catalog { rows: vectors(100), queries: vectors(20), cuts: vec![384], axes, shortage: 0.0 };
        for coding in CODINGS {
            let coded = Coded::new(&catalog, coding);
            let limit = if coding.row_max == 127 { 0.03 } else { 0.05 };
            for (row, query) in coded.pairs() {
                let Bounds { upper: bound, .. } = coded.bounds(row, query, true)[0];
                let beyond = query.1.upper(bound) - coded.score(row, &query.0);
                assert!(beyond < limit, "{beyond} with {coding:?}");
            }
        }
    }
}
