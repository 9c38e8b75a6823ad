//! The scan allocates nothing: a search over many times the rows allocates as often as one over few.

use allocation_counter::measure;
use ndarray::{Array2, ArrayView1};
use nearline_search::{Grouping, Index, Kernel, Query};
use rayon::ThreadPoolBuilder;

#[test]
fn a_search_allocates_as_often_over_many_rows_as_over_few() {
    let mut state = 1_u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut vectors = |rows: usize| Array2::from_shape_simple_fn((rows, 48), &mut noise);
    let (few, many) = (vectors(4_000), vectors(80_000));
    let asked = vectors(20);
    let queries: Vec<Query<'_>> = asked
        .outer_iter()
        .map(|vector: ArrayView1<'_, f32>| Query {
            vector,
            top_k: 10,
            grouping: Grouping::ByCategory,
            categories: None,
            min_score: None,
            exclude: &[],
            rows: None,
        })
        .collect();
    // With one thread rayon runs everything where it is called, and the counter counts a thread's allocations.
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for kernel in Kernel::available() {
        let [few, many] = [&few, &many].map(|rows| {
            let categories = (0..rows.nrows()).map(|row| u32::try_from(row % 3).unwrap()).collect();
            let index = Index::build_with(rows.clone(), categories, kernel).unwrap();
            pool.install(|| measure(|| drop(index.search(&queries).unwrap()))).count_total
        });
        assert!(few > 20, "{few} allocations: the counter does not count");
        // Lists of candidates may grow once or twice more.
        assert!(many <= few + 8, "{kernel}: {few} allocations over 4,000 rows, {many} over 80,000");
    }
}
