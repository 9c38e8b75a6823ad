//! What changed rows add to a search: the same questions, in turns, to an index and to the same index with one row in a
//! hundred changed. `make bench` runs it; it prints a line for each shape of question.
//!
//! The fastest of many turns counts for either, as whatever else the machine does can only slow a turn down.

use std::time::{Duration, Instant};

use fastrand::Rng;
use ndarray::{Array2, Axis};
use nearline_search::{Changes, Grouping, Index, Query};
use rayon::ThreadPoolBuilder;

const DIMENSION: usize = 384;
const CLUSTERS: usize = 1_000;
const CATEGORIES: u32 = 20;
/// Several of the largest batches, so that consecutive searches ask something else.
const QUERIES: usize = 256;
/// One row in so many is changed.
const CHANGED: usize = 100;
/// For each shape of question.
const TIME: Duration = Duration::from_secs(10);

fn main() {
    // Without --bench each case runs once, to see that it works: that needs few rows.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rows, time) = if measures { (100_000, TIME) } else { (2_000, Duration::ZERO) };
    let vectors = clustered(rows + rows / CHANGED + QUERIES);
    let (base, rest) = vectors.view().split_at(Axis(0), rows);
    let (changed, queries) = rest.split_at(Axis(0), rows / CHANGED);
    let categories = |rows: usize| (0..rows as u32).map(|row| row % CATEGORIES).collect::<Vec<u32>>();

    let unchanged = Index::build(base.to_owned(), categories(rows)).expect("the rows are finite");
    let start = Instant::now();
    // Half of them keep their places.
    let dead: Vec<u32> = (0..rows as u32).step_by(CHANGED).collect();
    let changes = Changes {
        places: dead.iter().copied().step_by(2).collect(),
        dead,
        vectors: changed.to_owned(),
        categories: categories(rows / CHANGED),
    };
    let index = Index::changed(&unchanged, changes).expect("the changes fit");
    println!(
        "{rows} x {DIMENSION}, {} rows changed, {} kernel: {:.1} ms, {:.1} MB besides the {:.1} MB that are shared",
        rows / CHANGED,
        index.kernel(),
        start.elapsed().as_secs_f64() * 1e3,
        index.unshared_bytes() as f64 / 1e6,
        (index.memory_bytes() - index.unshared_bytes()) as f64 / 1e6,
    );
    for threads in [1, 2] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a process may start more threads");
        for (name, grouping, top_k) in
            [("top 10", Grouping::Overall, 10), ("top 5 of each of 20 categories", Grouping::ByCategory, 5)]
        {
            let queries: Vec<Query<'_>> = queries
                .outer_iter()
                .map(|vector| Query {
                    vector,
                    top_k,
                    grouping,
                    categories: None,
                    min_score: None,
                    exclude: &[],
                    rows: None,
                })
                .collect();
            for batch in [1, 64] {
                let [before, after] = pool.install(|| fastest([&unchanged, &index], &queries, batch, time));
                println!(
                    "{name}, batch {batch}, {threads} threads: {:.3} ms unchanged, {:.3} ms changed, ratio {:.3}",
                    before * 1e3,
                    after * 1e3,
                    after / before
                );
            }
        }
    }
}

/// The mean over all batches of the fastest search of each, in seconds, of either index.
fn fastest(indexes: [&Index; 2], queries: &[Query<'_>], batch: usize, time: Duration) -> [f64; 2] {
    let batches: Vec<&[Query<'_>]> = queries.chunks_exact(batch).take(16).collect();
    let mut fastest = vec![[f64::INFINITY; 2]; batches.len()];
    let start = Instant::now();
    for turn in 0.. {
        for (batch, fastest) in batches.iter().zip(&mut fastest) {
            for at in [turn % 2, (turn + 1) % 2] {
                let start = Instant::now();
                let found = indexes[at].search(batch).expect("the queries are finite");
                fastest[at] = start.elapsed().as_secs_f64().min(fastest[at]);
                drop(found);
            }
        }
        if start.elapsed() >= time {
            break;
        }
    }
    [0, 1].map(|at| fastest.iter().map(|fastest| fastest[at]).sum::<f64>() / batches.len() as f64)
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
