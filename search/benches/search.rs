//! What a search costs, by the shape of the question: `make bench`.
//!
//! Elements are multiply-adds of a full scan (rows x dimension x queries), so that criterion's Gelem/s are GMAC/s,
//! whatever the engine spares itself. Each case runs on one thread, with brute force beside it. The comparison with other
//! engines, and with the limits of the machine, is `make compare`.

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use fastrand::Rng;
use ndarray::{Array2, Axis};
use nearline_search::{Grouping, Index, Query, QueryError, Ranking};
use rayon::{ThreadPool, ThreadPoolBuilder};

const DIMENSION: usize = 384;
const CLUSTERS: usize = 1_000;
/// Several of the largest batches, so that consecutive searches ask something else.
const QUERIES: usize = 256;

/// A shape of question, and the rows it is put to.
struct Case<'a> {
    name: &'static str,
    rows: &'a Array2<f32>,
    categories: u32,
    grouping: Grouping,
    top_k: usize,
    batches: &'static [usize],
}

fn main() {
    // Without --bench each case runs once, to see that it works: that needs few rows.
    let row_count = if std::env::args().any(|argument| argument == "--bench") { 100_000 } else { 1_000 };
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(5))
        .without_plots()
        .configure_from_args();

    let rows = &clustered(row_count + QUERIES);
    let (rows, queries) = rows.view().split_at(Axis(0), row_count);
    let (rows, queries) = (&rows.to_owned(), &queries.to_owned());
    let equal = &Array2::from_shape_fn(rows.dim(), |(_, column)| rows[(0, column)]);

    let top_10 = Case { name: "top 10", rows, categories: 1, grouping: Grouping::Overall, top_k: 10, batches: &[10] };
    let of_each = Case { grouping: Grouping::ByCategory, ..top_10 };
    for case in [
        Case { batches: &[1, 10, 64], ..top_10 },
        Case { name: "top 1,000", top_k: 1_000, ..top_10 },
        Case { name: "top 10, all rows equal", rows: equal, ..top_10 },
        Case { name: "top 10 of each of 20 categories", categories: 20, ..of_each },
        Case { name: "top 5 of each of 50 categories", categories: 50, top_k: 5, ..of_each },
        Case { name: "top 5 of each of 5,000 categories", categories: 5_000, top_k: 5, ..of_each },
    ] {
        search(&mut criterion, &case, queries);
    }
    build(&mut criterion, rows);
    criterion.final_summary();
}

fn search(criterion: &mut Criterion, case: &Case<'_>, queries: &Array2<f32>) {
    let index = index(case.rows.clone(), case.categories);
    let &Case { top_k, grouping, .. } = case;
    let query = |vector| Query { vector, top_k, grouping, categories: None, min_score: None, exclude: &[], rows: None };
    let queries: Vec<Query<'_>> = queries.rows().into_iter().map(query).collect();
    let engines: [(&str, Search); 2] = [("index", Index::search), ("brute force", Index::search_brute_force)];
    let pool = one_thread();

    let mut group = criterion.benchmark_group(case.name);
    group.sampling_mode(SamplingMode::Flat);
    for &batch in case.batches {
        group.throughput(Throughput::Elements((case.rows.len() * batch) as u64));
        for (engine, search) in engines {
            group.bench_function(BenchmarkId::new(engine, format!("batch {batch}")), |bencher| {
                let mut batches = queries.chunks_exact(batch).cycle();
                bencher.iter(|| batches.next().map(|queries| pool.install(|| search(&index, queries))));
            });
        }
    }
    group.finish();
}

type Search = fn(&Index, &[Query<'_>]) -> Result<Vec<Ranking>, QueryError>;

/// Bytes are those of the rows.
fn build(criterion: &mut Criterion, rows: &Array2<f32>) {
    let pool = one_thread();
    let mut group = criterion.benchmark_group("build");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Bytes((rows.len() * size_of::<f32>()) as u64));
    group.bench_function("50 categories", |bencher| {
        let build = |rows| pool.install(|| index(rows, 50));
        bencher.iter_batched(|| rows.clone(), build, BatchSize::PerIteration);
    });
    group.finish();
}

/// Categories are mixed, as in a catalog in no particular order.
fn index(rows: Array2<f32>, categories: u32) -> Index {
    let categories = (0..rows.nrows() as u32).map(|row| row % categories).collect();
    Index::build(rows, categories).expect("the rows are finite, and the categories dense")
}

fn one_thread() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(1).build().expect("a process may start one more thread")
}

/// Rows around centres, at half of a centre's length from it.
fn clustered(rows: usize) -> Array2<f32> {
    let mut rng = Rng::with_seed(7);
    let centres = Array2::from_shape_simple_fn((CLUSTERS, DIMENSION), || rng.f32() - 0.5);
    let mut clustered = Array2::zeros((rows, DIMENSION));
    for mut row in clustered.rows_mut() {
        row.assign(&centres.row(rng.usize(..CLUSTERS)));
        row.map_inplace(|component| *component += 0.5 * (rng.f32() - 0.5));
    }
    clustered
}
