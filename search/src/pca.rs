//! Principal component analysis (PCA): whether a catalog's vectors lie so unevenly in space that the leading components
//! decide most rows, and the axes and cuts to use then.
//!
//! A row's score is at most the product of the leading components plus the product of the norms of the rest. The cuts
//! are chosen by trying them: with some of the catalog's own rows as queries, what share of the blocks would have to be
//! read on is counted. Where that does not pay, as with vectors that are the same in all directions, there is no
//! rotation. The choice is about speed alone; no result depends on it.

use std::f64::consts::PI;
use std::ops::RangeInclusive;

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use crate::centroids::{COMPONENTS, Centroids};
use crate::kernel::{Kernel, Panels};
use crate::layout::{BLOCK, STEP};
use crate::order;
use crate::top_k::{Match, TopK};

/// Below, a scan is short anyway; above, the eigenvectors (D^3) would take longer than a start should.
const DIMENSIONS: RangeInclusive<usize> = 64..=2_048;

/// Rows that the second moments are taken of.
const MOMENT_ROWS: usize = 16_384;

/// The trial: queries, the rank whose score is the threshold, blocks.
const TRIAL_QUERIES: usize = 32;
const TRIAL_TOP_K: usize = 50;
const TRIAL_BLOCKS: usize = 512;

/// Rows that thresholds are taken of, and the best of them that are looked at at least.
const THRESHOLD_ROWS: usize = 1 << 18;
const THRESHOLD_RANK_MIN: usize = 4;

/// What coding adds to a bound, about.
const TRIAL_ERROR: f32 = 0.015;

/// What pruning costs, in multiplications of codes for each row: the faster those are, the more of them the rest is.
#[derive(Clone, Copy)]
struct Costs {
    /// For each query whatever is saved, times D^2 for all rows: rotating it, and scoring what looks most promising.
    query: f64,
    /// To read a block on for one query alone; and for each dimension of it.
    alone: f64,
    dimension: f64,
    /// A second cut, where all is read on together: sums become bounds once more.
    segment: f64,
}

impl Costs {
    fn new(kernel: Kernel) -> Self {
        match kernel {
            Kernel::Avx512Vnni | Kernel::I8mm => Self { query: 4.0, alone: 700.0, dimension: 2.0, segment: 6.0 },
            Kernel::Avx2 | Kernel::DotProd => Self { query: 4.0, alone: 300.0, dimension: 1.5, segment: 6.0 },
            Kernel::Portable => Self { query: 2.0, alone: 300.0, dimension: 1.5, segment: 6.0 },
        }
    }
}

/// The share of the plain scan's work at which pruning is worth it.
const WORTH_IT: f64 = 0.85;

/// Gives rows by their numbers, scaled to length 1, one after the other.
pub(crate) type Vectors<'a> = dyn Fn(&[u32]) -> Vec<f32> + Sync + 'a;

/// How to prune.
pub(crate) struct Pruning {
    /// New axes as columns, D x D; the leading ones first.
    pub(crate) axes: Array2<f64>,
    /// Where the segments end, the last at D.
    pub(crate) cuts: Vec<usize>,
    pub(crate) centroids: Centroids,
}

/// The most that pruning adds to an index: the axes, the centroids, and the norms of two more segments.
pub(crate) fn memory_bytes(rows: usize, dimension: usize) -> usize {
    let of_row = size_of::<f32>() * (2 * 2 + 2) + size_of::<f32>() * COMPONENTS / BLOCK;
    let of_dimension = size_of::<f32>() * (dimension + COMPONENTS);
    let padding = 2 * BLOCK * (of_row + dimension);
    rows * of_row + dimension * of_dimension + padding
}

/// Decides how to prune, and brings similar rows in `order` together then.
pub(crate) fn fit(
    vectors: &Vectors<'_>,
    dimension: usize,
    order: &mut [u32],
    starts: &[u32],
    kernel: Kernel,
) -> Option<Pruning> {
    if order.len() < TRIAL_QUERIES * BLOCK || !DIMENSIONS.contains(&dimension) {
        return None;
    }
    let components = components(vectors, dimension, order.len());
    let leading = components.slice(s![.., ..COMPONENTS]).mapv(|value| value as f32);
    let panels = Panels::new(leading.view());
    let mut coordinates = vec![0.0; order.len() * COMPONENTS];
    coordinates.par_chunks_mut(1_024 * COMPONENTS).enumerate().for_each(|(chunk, coordinates)| {
        let first = chunk * 1_024;
        let rows: Vec<u32> = (first..first + coordinates.len() / COMPONENTS).map(|row| row as u32).collect();
        Kernel::fastest().multiply(&vectors(&rows), &panels, coordinates);
    });
    let coordinates =
        Array2::from_shape_vec((order.len(), COMPONENTS), coordinates).expect("there are coordinates for each row");
    let mut similar = order.to_vec();
    order::by_similarity(&mut similar, starts, &coordinates);
    let cuts = cuts(&trial(vectors, &components, &similar), dimension, order.len(), Costs::new(kernel))?;
    order.copy_from_slice(&similar);
    let mut axes = components;
    let mut from = 0;
    for &end in &cuts {
        mix(&mut axes, from, end);
        from = end;
    }
    let centroids = Centroids::new(&leading, &coordinates, order);
    Some(Pruning { axes, cuts, centroids })
}

/// Eigenvectors of the second-moment matrix as columns, the largest eigenvalue first.
fn components(vectors: &Vectors<'_>, dimension: usize, rows: usize) -> Array2<f64> {
    let sample: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(MOMENT_ROWS)).collect();
    let moments: Vec<Vec<f32>> = sample
        .par_chunks(MOMENT_ROWS / 8)
        .map(|rows| {
            let mut moments = vec![0.0; dimension * dimension];
            for rows in rows.chunks(256) {
                let vectors = matrix(vectors(rows), dimension);
                let transposed = vectors.t().as_standard_layout().into_owned();
                moments = sum_of(moments, product(transposed.view(), vectors.view()).as_slice().unwrap_or_default());
            }
            moments
        })
        .collect();
    // In order, so that it is the same sum whoever computed what.
    let moments = moments.into_iter().reduce(|sum, moments| sum_of(sum, &moments)).unwrap_or_default();
    let eigen =
        SymmetricEigen::new(DMatrix::from_fn(dimension, dimension, |i, j| f64::from(moments[i * dimension + j])));
    let mut by_value: Vec<usize> = (0..dimension).collect();
    by_value.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    Array2::from_shape_fn((dimension, dimension), |(i, j)| eigen.eigenvectors[(i, by_value[j])])
}

/// For each possible cut, how many dimensions lie before it and the share of blocks that some query must read on.
fn trial(vectors: &Vectors<'_>, components: &Array2<f64>, order: &[u32]) -> Vec<(usize, f64)> {
    let dimension = components.nrows();
    let queries: Vec<u32> = order.iter().copied().step_by(order.len() / TRIAL_QUERIES).take(TRIAL_QUERIES).collect();
    let queries = matrix(vectors(&queries), dimension);
    let thresholds = thresholds(vectors, &queries, order);
    let components = Panels::new(components.mapv(|value| value as f32).view());
    let queries = rotated(queries.view(), &components);
    let step = (dimension / 24).next_multiple_of(STEP);
    let ends: Vec<usize> = (step..dimension).step_by(step).collect();
    let query_rests = rests(&queries, &ends);
    let blocks = order.len() / BLOCK;
    let tried: Vec<usize> = (0..blocks).step_by(blocks.div_ceil(TRIAL_BLOCKS)).collect();
    let survivors = tried
        .par_iter()
        .map(|block| {
            let rows = matrix(vectors(&order[block * BLOCK..(block + 1) * BLOCK]), dimension);
            let rows = rotated(rows.view(), &components);
            let row_rests = rests(&rows, &ends);
            let mut products = Array2::<f32>::zeros((BLOCK, queries.nrows()));
            let mut from = 0;
            let mut survivors = Vec::with_capacity(ends.len());
            for (at, &end) in ends.iter().enumerate() {
                let part = s![.., from..end];
                products += &product(rows.slice(part), queries.slice(part).t());
                from = end;
                let reaches = |row: usize, query: usize| {
                    let rest = row_rests[(row, at)] * query_rests[(query, at)];
                    products[(row, query)] + rest + TRIAL_ERROR >= thresholds[query]
                };
                let survives = |query: &usize| (0..BLOCK).any(|row| reaches(row, *query));
                survivors.push((0..queries.nrows()).filter(survives).count());
            }
            survivors
        })
        .reduce(|| vec![0; ends.len()], |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect());
    let tries = (tried.len() * queries.nrows()) as f64;
    ends.into_iter().zip(survivors).map(|(end, survivors)| (end, survivors as f64 / tries)).collect()
}

/// About the score at the trial's rank for each query: of large catalogs by some of the rows.
fn thresholds(vectors: &Vectors<'_>, queries: &Array2<f32>, order: &[u32]) -> Vec<f32> {
    let stride = order.len().div_ceil(THRESHOLD_ROWS);
    let rank = (TRIAL_TOP_K / stride).max(THRESHOLD_RANK_MIN);
    let none = || (0..queries.nrows()).map(|_| TopK::new(rank, f32::NEG_INFINITY)).collect::<Vec<_>>();
    let some: Vec<u32> = order.iter().copied().step_by(stride).collect();
    let panels = Panels::new(queries.t());
    let best = some.par_chunks(1_024).fold(none, |mut best, rows| {
        let mut scores = Array2::zeros((rows.len(), queries.nrows()));
        if let Some(scores) = scores.as_slice_mut() {
            Kernel::fastest().multiply(&vectors(rows), &panels, scores);
        }
        for (&row, scores) in rows.iter().zip(scores.outer_iter()) {
            for (best, &score) in best.iter_mut().zip(scores) {
                best.push(Match { row, score });
            }
        }
        best
    });
    let best = best.reduce(none, |mut best, others| {
        best.iter_mut().zip(others).for_each(|(best, other)| best.merge(other));
        best
    });
    best.iter().map(TopK::threshold).collect()
}

/// So many numbers a row.
fn matrix(numbers: Vec<f32>, columns: usize) -> Array2<f32> {
    Array2::from_shape_vec((numbers.len() / columns, columns), numbers).expect("whole rows")
}

/// The product of two matrices, the same bits on every processor.
#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
fn product(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>) -> Array2<f32> {
    rotated(left, &Panels::new(right))
}

#[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
fn rotated(vectors: ArrayView2<'_, f32>, axes: &Panels) -> Array2<f32> {
    let mut products = vec![0.0; vectors.nrows() * axes.columns];
    let vectors = vectors.as_standard_layout();
    Kernel::fastest().multiply(vectors.as_slice().unwrap_or_default(), axes, &mut products);
    matrix(products, axes.columns)
}

fn sum_of(mut numbers: Vec<f32>, others: &[f32]) -> Vec<f32> {
    numbers.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
    numbers
}

/// For each vector the norm of what follows each cut.
fn rests(vectors: &Array2<f32>, ends: &[usize]) -> Array2<f32> {
    Array2::from_shape_fn((vectors.nrows(), ends.len()), |(vector, at)| {
        vectors.slice(s![vector, ends[at]..]).iter().map(|value| value * value).sum::<f32>().sqrt()
    })
}

/// The one or two cuts with the least work, in dimensions of each row for each query; `None` if that is not worth it.
fn cuts(trial: &[(usize, f64)], dimension: usize, rows: usize, costs: Costs) -> Option<Vec<usize>> {
    let overhead = costs.query * (dimension * dimension) as f64 / rows as f64;
    let (fixed, each) = (costs.alone, costs.dimension);
    let width = |from: usize, end: usize| (end - from) as f64;
    let one = |&(cut, share): &(usize, f64)| {
        let alone = share * (fixed + each * width(cut, dimension));
        (overhead + width(0, cut) + alone, vec![cut, dimension])
    };
    let two = |&(first, first_share): &(usize, f64), &(second, second_share): &(usize, f64)| {
        let alone =
            first_share * (fixed + each * width(first, second)) + second_share * each * width(second, dimension);
        (overhead + width(0, first) + alone + costs.segment, vec![first, second, dimension])
    };
    let ones = trial.iter().map(one);
    let twos =
        trial.iter().enumerate().flat_map(|(at, first)| trial[at + 1..].iter().map(move |second| two(first, second)));
    let (work, cuts) = ones.chain(twos).min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (work < WORTH_IT * dimension as f64).then_some(cuts)
}

/// Turns some of the axes among themselves by a cosine transform, so that a vector's components there are of about the
/// same size: coded with one scale, they lose less.
fn mix(axes: &mut Array2<f64>, from: usize, end: usize) {
    let size = end - from;
    let cosines = cosines(size);
    let transform = |i: usize, j: usize| {
        let norm = if i == 0 { 1.0 } else { 2.0 } / size as f64;
        norm.sqrt() * cosines[(2 * j + 1) * i % (4 * size)]
    };
    let transform: Vec<f64> = (0..size * size).map(|at| transform(at / size, at % size)).collect();
    for mut axes in axes.slice_mut(s![.., from..end]).outer_iter_mut() {
        let old = axes.to_vec();
        // Every new axis has a share of each old one, summed in order and not fused.
        axes.fill(0.0);
        for (old, shares) in old.into_iter().zip(transform.chunks_exact(size)) {
            axes.iter_mut().zip(shares).for_each(|(mixed, share)| *mixed += old * share);
        }
    }
}

/// The cosines of a whole turn in 4 x `size` steps. By their series, as the one of the system's library may have other
/// last bits elsewhere.
fn cosines(size: usize) -> Vec<f64> {
    let series = |angle: f64, first: f64, mut number: f64| {
        let (mut term, mut sum) = (first, first);
        for _ in 0..12 {
            term *= -angle * angle / ((number + 1.0) * (number + 2.0));
            number += 2.0;
            sum += term;
        }
        sum
    };
    let of_quarter = |step: usize| {
        let angle = |step: usize| PI / 2.0 * step as f64 / size as f64;
        if 2 * step <= size {
            series(angle(step), 1.0, 0.0)
        } else {
            series(angle(size - step), angle(size - step), 1.0)
        }
    };
    let cosine = |step: usize| match step / size {
        0 => of_quarter(step),
        1 => -of_quarter(2 * size - step),
        2 => -of_quarter(step - 2 * size),
        _ => of_quarter(4 * size - step),
    };
    (0..4 * size).map(cosine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(rows: usize, dimension: usize, decay: f32) -> Array2<f32> {
        let mut state = 3_u64;
        let mut vectors = Array2::from_shape_fn((rows, dimension), |(_, column)| {
            // The sum of some uniform numbers: about normal.
            let mut sum = 0.0;
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            }
            sum * decay.powf(column as f32)
        });
        for mut vector in vectors.outer_iter_mut() {
            let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            vector.mapv_inplace(|value| value / norm);
        }
        vectors
    }

    fn fit_all(vectors: &Array2<f32>) -> (Option<Pruning>, Vec<u32>) {
        let (mut order, starts) = order::by_category(&vec![0; vectors.nrows()], 1);
        let rows = |rows: &[u32]| rows.iter().flat_map(|&row| vectors.row(row as usize).to_vec()).collect();
        let pruning = fit(&rows, vectors.ncols(), &mut order, &starts, Kernel::Portable);
        (pruning, order)
    }

    #[test]
    fn an_uneven_catalog_is_pruned_after_its_leading_components() {
        let vectors = catalog(6_000, 128, 0.9);
        let (pruning, order) = fit_all(&vectors);
        let pruning = pruning.unwrap();
        assert_eq!(pruning.cuts.last(), Some(&128));
        assert!(pruning.cuts[0] <= 96 && pruning.cuts.is_sorted(), "{:?}", pruning.cuts);
        assert!(!order.is_sorted(), "similar rows are brought together");
        // Orthonormal, and most of the energy is before the first cut.
        let products = pruning.axes.t().dot(&pruning.axes);
        for ((i, j), product) in products.indexed_iter() {
            assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9);
        }
        let rotated = vectors.mapv(f64::from).dot(&pruning.axes);
        let energy = |part: ndarray::ArrayView2<'_, f64>| part.iter().map(|value| value * value).sum::<f64>();
        let head = energy(rotated.slice(s![.., ..pruning.cuts[0]])) / energy(rotated.view());
        assert!(head > 0.7, "{head}");
    }

    #[test]
    fn cosines_are_those_of_the_library_but_for_the_last_bits() {
        for size in [1, 2, 7, 64, 97] {
            for (step, cosine) in cosines(size).into_iter().enumerate() {
                let expected = (PI / 2.0 * step as f64 / size as f64).cos();
                assert!((cosine - expected).abs() < 1e-14, "{step} of {size}: {cosine}, {expected}");
            }
        }
    }

    #[test]
    fn a_catalog_that_is_the_same_in_all_directions_is_left_as_it_is() {
        let (pruning, order) = fit_all(&catalog(6_000, 128, 1.0));
        assert!(pruning.is_none());
        assert!(order.is_sorted());
    }

    #[test]
    fn centroids_rate_the_blocks_of_a_vector_s_neighbours_best() {
        let vectors = catalog(6_000, 128, 0.9);
        let (pruning, order) = fit_all(&vectors);
        let centroids = pruning.unwrap().centroids;
        for kernel in Kernel::available() {
            let mut found = 0;
            for (position, &row) in order.iter().enumerate().step_by(143) {
                let vector: Vec<f64> = vectors.row(row as usize).iter().map(|&value| f64::from(value)).collect();
                let mut ratings = Vec::new();
                let projected = centroids.project(&vector);
                let blocks = order.len() / BLOCK;
                centroids.rate(kernel, &projected, 0..blocks, &mut ratings);
                assert!(ratings.len() >= blocks);
                let mut some = Vec::new();
                let before = centroids.rate(kernel, &projected, 37..90, &mut some);
                assert_eq!(some[before..][..53], ratings[37..90]);
                let better = ratings.iter().filter(|&&rating| rating > ratings[position / BLOCK]).count();
                found += usize::from(better < 5);
            }
            assert!(found > 25, "{kernel}: only {found} of 42 are in one of the five best blocks");
        }
    }
}
