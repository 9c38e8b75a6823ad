//! Every ranking equals the naive oracle's, to the bit, on any number of threads and in any batch.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod oracle;

use std::iter::zip;
use std::sync::{Arc, LazyLock};

use ndarray::{Array2, ArrayView1};
use nearline_search::{Available, Grouping, Index, Kernel, Query, Ranking, RowSet};
use oracle::{Answer, Question};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample;
use rayon::{ThreadPool, ThreadPoolBuilder};

static POOLS: LazyLock<[ThreadPool; 3]> =
    LazyLock::new(|| [1, 2, 5].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap()));

/// A catalog in plain types.
#[derive(Debug, Clone)]
struct Catalog {
    rows: Vec<Vec<f32>>,
    categories: Vec<u32>,
}

impl Catalog {
    fn index(&self, kernel: Available) -> Index {
        let rows = Array2::from_shape_vec((self.rows.len(), self.rows[0].len()), self.rows.concat()).unwrap();
        Index::build_with(rows, self.categories.clone(), kernel).unwrap()
    }
}

fn query<'a>(question: &'a Question, rows: Option<&'a RowSet>) -> Query<'a> {
    Query {
        vector: ArrayView1::from(&question.vector),
        top_k: question.top_k,
        grouping: if question.by_category { Grouping::ByCategory } else { Grouping::Overall },
        categories: question.categories.as_deref(),
        min_score: question.min_score,
        exclude: &question.exclude,
        rows,
    }
}

fn plain(ranking: &Ranking) -> Answer {
    let groups = ranking.groups.iter();
    groups.map(|group| (group.category, group.matches.iter().map(|m| (m.row, m.score.to_bits())).collect())).collect()
}

/// Asks all questions as one batch in each pool, and each question alone, of each kernel, and compares with the oracle.
fn check(catalog: &Catalog, questions: &[Question]) {
    let expected: Vec<Answer> =
        questions.iter().map(|question| oracle::answer(&catalog.rows, &catalog.categories, question)).collect();
    for kernel in Kernel::available() {
        let index = catalog.index(kernel);
        let sets = row_sets(&index, questions);
        let queries: Vec<Query<'_>> =
            zip(questions, &sets).map(|(question, set)| query(question, set.as_deref())).collect();
        for pool in &*POOLS {
            let threads = pool.current_num_threads();
            let together = pool.install(|| index.search(&queries)).unwrap();
            assert_eq!(
                together.iter().map(plain).collect::<Vec<_>>(),
                expected,
                "{kernel}, one batch, {threads} threads"
            );
            for (ranking, question) in together.iter().zip(questions) {
                check_work(catalog, ranking, question);
            }
        }
        for (position, (query, expected)) in queries.iter().zip(&expected).enumerate() {
            let pool = &POOLS[position % POOLS.len()];
            let alone = pool.install(|| index.search(&[*query])).unwrap();
            assert_eq!(alone.len(), 1);
            assert_eq!(&plain(&alone[0]), expected, "{kernel}, query {position} alone");
        }
    }
    let index = catalog.index(Kernel::Portable.detect().unwrap());
    let sets = row_sets(&index, questions);
    let queries: Vec<Query<'_>> =
        zip(questions, &sets).map(|(question, set)| query(question, set.as_deref())).collect();
    let brute_force = index.search_brute_force(&queries).unwrap();
    assert_eq!(brute_force.iter().map(plain).collect::<Vec<_>>(), expected, "brute force");
}

/// The sets of rows that questions ask for: questions with the same rows share one.
fn row_sets(index: &Index, questions: &[Question]) -> Vec<Option<Arc<RowSet>>> {
    let mut sets: Vec<(&[bool], Arc<RowSet>)> = Vec::new();
    let mut set = |rows| {
        if let Some((_, set)) = sets.iter().find(|(known, _)| *known == rows) {
            return Arc::clone(set);
        }
        let set = Arc::new(row_set(index, rows));
        sets.push((rows, Arc::clone(&set)));
        set
    };
    questions.iter().map(|question| question.rows.as_deref().map(&mut set)).collect()
}

fn row_set(index: &Index, rows: &[bool]) -> RowSet {
    let mut bits = vec![0; rows.len().div_ceil(64)];
    rows.iter().enumerate().for_each(|(row, &passes)| bits[row / 64] |= u64::from(passes) << (row % 64));
    let set = index.row_set(&bits);
    assert_eq!(set.rows(), rows.iter().filter(|passes| **passes).count());
    let mut by_category = vec![0; index.categories()];
    let passing = (0..).zip(rows).filter(|(_, passes)| **passes);
    passing.for_each(|(row, _)| by_category[index.category_of(row) as usize] += 1);
    for (category, count) in (0..).zip(by_category) {
        assert_eq!(index.rows_in(category, &set), count);
    }
    set
}

/// Every match was scored, and no row more than twice.
fn check_work(catalog: &Catalog, ranking: &Ranking, question: &Question) {
    let in_reach = |of: &&u32| question.categories.as_ref().is_none_or(|wanted| wanted.contains(of));
    let in_reach = catalog.categories.iter().filter(in_reach).count() as u64;
    let in_reach =
        question.rows.as_ref().map_or(in_reach, |rows| in_reach.min(rows.iter().filter(|row| **row).count() as u64));
    let matches: usize = ranking.groups.iter().map(|group| group.matches.len()).sum();
    assert!((matches as u64..=2 * in_reach).contains(&ranking.rescored), "rescored {} rows", ranking.rescored);
}

/// Category numbers from 0 by first appearance, from labels of any kind.
fn numbered(labels: &[u16]) -> Vec<u32> {
    let mut seen = Vec::new();
    let numbers = labels.iter().map(|label| {
        seen.iter().position(|known| known == label).unwrap_or_else(|| {
            seen.push(*label);
            seen.len() - 1
        })
    });
    numbers.map(|number| u32::try_from(number).unwrap()).collect()
}

/// Components that are ordinary, close to overflow, close to underflow, denormal, exact or zero.
fn component() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0_f32..1.0,
        2 => (-3_i8..=3).prop_map(f32::from),
        1 => prop_oneof![Just(f32::MAX), Just(-f32::MAX), 1e37_f32..3e38, -3e38_f32..-1e37],
        1 => prop_oneof![1e-38_f32..1e-36, -1e-36_f32..-1e-38],
        1 => (1_u32..1 << 23, any::<bool>()).prop_map(|(bits, minus)| f32::from_bits(bits | u32::from(minus) << 31)),
        1 => prop_oneof![Just(0.0), Just(-0.0)],
    ]
}

/// Vectors of one kind of component, of all kinds mixed, with a single component, or with all of them equal.
fn vector(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        4 => vec(-1.0_f32..1.0, dimension),
        3 => vec((-2_i8..=2).prop_map(f32::from), dimension),
        2 => vec(component(), dimension),
        1 => (component(), any::<sample::Index>()).prop_map(move |(value, at)| {
            let mut one_hot = vec![0.0; dimension];
            one_hot[at.index(dimension)] = value;
            one_hot
        }),
        1 => component().prop_map(move |value| vec![value; dimension]),
        1 => vec(prop_oneof![1e37_f32..3e38, -3e38_f32..-1e37], dimension),
        1 => vec(prop_oneof![1e-45_f32..1e-38, -1e-38_f32..-1e-45], dimension),
    ]
    .prop_map(|mut vector| {
        if vector.iter().all(|&value| value == 0.0) {
            vector[0] = 1.0;
        }
        vector
    })
}

/// Catalogs whose rows repeat a few distinct vectors, so that ties are common.
fn catalog(dimension: usize, rows: std::ops::Range<usize>) -> impl Strategy<Value = Catalog> {
    let distinct = vec(vector(dimension), 1..60);
    let labels = prop_oneof![Just(1_u16), 1_u16..8, 1_u16..500];
    (distinct, labels, vec(any::<(sample::Index, u16)>(), rows)).prop_map(|(distinct, labels, rows)| Catalog {
        categories: numbered(&rows.iter().map(|(_, label)| label % labels).collect::<Vec<_>>()),
        rows: rows.iter().map(|(of, _)| of.get(&distinct).clone()).collect(),
    })
}

/// A question before it knows its catalog.
fn question(catalog: &Catalog) -> impl Strategy<Value = Question> + use<> {
    let rows = catalog.rows.clone();
    let (row_count, category_count) =
        (u32::try_from(rows.len()).unwrap(), catalog.categories.iter().max().unwrap() + 1);
    let row_of = sample::select(rows.clone());
    (
        prop_oneof![3 => vector(rows[0].len()), 1 => row_of.clone()],
        prop_oneof![1_usize..12, 1_usize..=1_000, Just(1_000)],
        any::<bool>(),
        prop::option::of(vec(0..category_count, 0..6)),
        // A minimum that some row reaches exactly is inclusive, so it is drawn from the rows' own scores.
        prop_oneof![2 => Just(None), 1 => (-1.1_f32..1.1).prop_map(|min| Some(Err(min))), 2 => row_of.prop_map(|row| Some(Ok(row)))],
        prop_oneof![Just(vec![]).boxed(), vec(0..row_count + 5, 0..40).boxed(), Just(vec![u32::MAX, 0, 0]).boxed()],
        // All, none, few, runs of rows, or any: sets of a batch are its own each, or the same.
        prop_oneof![
            3 => Just(None),
            4 => (0_u8..4, prop_oneof![Just(0_u16), 1_u16..100, 100_u16..1_000, Just(1_000)]).prop_map(Some)
        ],
    )
        .prop_map(move |(vector, top_k, by_category, categories, min_score, exclude, passing)| {
            let rows = passing.map(|(seed, share)| passing_rows(row_count as usize, u64::from(seed), share));
            let min_score = min_score.map(|min| min.map_or_else(|min| min, |row| oracle::score(&vector, &row)));
            Question { vector, top_k, by_category, categories, min_score, exclude, rows }
        })
}

/// About so many of 1,000 rows, alone or in runs of 50.
fn passing_rows(rows: usize, seed: u64, share: u16) -> Vec<bool> {
    let mut noise = noise(seed + 10);
    let reaches = 2.0 * f32::from(share) / 1_000.0 - 1.0;
    let length = if seed.is_multiple_of(2) { 1 } else { 50 };
    (0..rows.div_ceil(length)).flat_map(|_| vec![noise() < reaches; length]).take(rows).collect()
}

fn catalog_and_questions(
    dimensions: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
) -> impl Strategy<Value = (Catalog, Vec<Question>)> {
    dimensions
        .prop_flat_map(move |dimension| catalog(dimension, rows.clone()))
        .prop_flat_map(|catalog| (vec(question(&catalog), 0..6), Just(catalog)))
        .prop_map(|(questions, catalog)| (catalog, questions))
}

/// How many cases a property is tried on; `TEST_CASES_PERCENT` asks for fewer where each takes long, as under emulation.
fn cases(all: u32) -> u32 {
    let percent = std::env::var("TEST_CASES_PERCENT").map_or(100, |percent| percent.parse().unwrap());
    (all * percent).div_ceil(100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]
    #[test]
    fn rankings_equal_the_oracle((catalog, questions) in catalog_and_questions(1..70, 1..600)) {
        check(&catalog, &questions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(cases(24)) })]
    #[test]
    fn rankings_of_catalogs_that_threads_share_equal_the_oracle(
        (catalog, questions) in catalog_and_questions(50..140, 800..3_000),
    ) {
        check(&catalog, &questions);
    }
}

/// Numbers without a pattern, the same in every run.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn plain_question(vector: Vec<f32>, top_k: usize, by_category: bool) -> Question {
    Question { vector, top_k, by_category, categories: None, min_score: None, exclude: vec![], rows: None }
}

#[test]
fn a_ranking_worked_out_by_hand() {
    let catalog = Catalog {
        rows: vec![vec![3.0, 4.0], vec![-4.0, 3.0], vec![4.0, 3.0], vec![0.0, -2.0], vec![6.0, 8.0]],
        categories: vec![0, 1, 0, 1, 2],
    };
    let expected = [
        (Some(0), vec![(0, 1.0_f32.to_bits()), (2, 0.96_f32.to_bits())]),
        (Some(1), vec![(1, 0.0_f32.to_bits()), (3, (-0.8_f32).to_bits())]),
        (Some(2), vec![(4, 1.0_f32.to_bits())]),
    ];
    let by_category = plain_question(vec![3.0, 4.0], 2, true);
    assert_eq!(oracle::answer(&catalog.rows, &catalog.categories, &by_category), expected);
    let overall = Question { min_score: Some(0.96), exclude: vec![0], ..plain_question(vec![3.0, 4.0], 3, false) };
    let expected = [(None, vec![(4, 1.0_f32.to_bits()), (2, 0.96_f32.to_bits())])];
    assert_eq!(oracle::answer(&catalog.rows, &catalog.categories, &overall), expected);
    check(&catalog, &[by_category, overall]);
}

#[test]
fn the_order_of_summation_decides_rankings() {
    // A one that meets 2^60 is lost. Summed one after the other, the rows' products with the query give 1 and 0; in
    // lanes 0 and 7: the other row wins.
    let big = f32::from_bits((127 + 60) << 23);
    let catalog = Catalog {
        rows: vec![
            vec![big, -big, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            vec![big, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -big],
        ],
        categories: vec![0, 0],
    };
    let sequential = |row: &[f32]| row.iter().map(|&value| f64::from(value)).sum::<f64>();
    assert_eq!([0, 1].map(|row| sequential(&catalog.rows[row]).to_bits()), [1.0, 0.0].map(f64::to_bits));

    let length = (2.0 * f64::from(big) * f64::from(big)).sqrt();
    let winner = ((7.0 / (3.0 * length)) as f32).to_bits();
    let question = plain_question(vec![1.0; 9], 2, false);
    let rankings = catalog.index(Kernel::fastest()).search(&[query(&question, None)]).unwrap();
    assert_eq!(plain(&rankings[0]), [(None, vec![(1, winner), (0, 0.0_f32.to_bits())])]);
    check(&catalog, &[question]);
}

#[test]
fn ties_by_the_thousand_go_to_the_earlier_rows() {
    let rows = 6_000_u32;
    let catalog = Catalog {
        rows: (0..rows).map(|row| if row % 3 == 0 { vec![1.0; 40] } else { vec![2.0; 40] }).collect(),
        categories: (0..rows).map(|row| row % 2).collect(),
    };
    for top_k in [1, 10, 1_000] {
        let exclude = vec![4, 2, 2, 0];
        let question = Question { exclude, ..plain_question(vec![0.5; 40], top_k, true) };
        check(&catalog, &[question.clone(), Question { by_category: false, min_score: Some(1.0), ..question }]);
    }
}

#[test]
fn thousands_of_tiny_categories_each_have_their_group() {
    let mut noise = noise(1);
    let mut vectors = |count| (0..count).map(|_| (0..12).map(|_| noise()).collect()).collect::<Vec<Vec<f32>>>();
    let catalog = Catalog { rows: vectors(12_000), categories: (0..12_000).map(|row| row % 5_000).collect() };
    let questions: Vec<Question> = vectors(2).into_iter().map(|vector| plain_question(vector, 1_000, true)).collect();
    check(&catalog, &questions);
}

/// Vectors whose components shrink geometrically, so that the engine prunes by principal components; every tenth row is
/// another one's duplicate, or close to it.
fn uneven(rows: usize, dimension: usize) -> Vec<Vec<f32>> {
    let mut noise = noise(3);
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut vector: Vec<f32> =
            (0..dimension).map(|column| noise() * 0.9_f32.powi(i32::try_from(column).unwrap())).collect();
        if row % 10 == 9 {
            vector.clone_from(&vectors[row - 5]);
            if row % 20 == 19 {
                vector[row % dimension] += 1e-6;
            }
        }
        vectors.push(vector);
    }
    vectors
}

#[test]
fn catalogs_that_are_pruned_by_principal_components_equal_the_oracle() {
    let rows = uneven(12_000, 128);
    // The first alone where tests are emulated: it has few groups and many.
    for categories in [20, 3, 1, 700].into_iter().take(if cases(100) < 100 { 1 } else { 4 }) {
        let catalog = Catalog { rows: rows.clone(), categories: (0..12_000).map(|row| row % categories).collect() };
        let questions: Vec<Question> = (0..12)
            .map(|at| {
                let mut vector = rows[at * 863].clone();
                vector[at] += 0.05;
                let exclude = if at % 3 == 0 { vec![u32::try_from(at * 863).unwrap(), 4, 5] } else { vec![] };
                let min_score = (at % 4 == 1).then_some(0.7);
                let asked = (at % 5 == 2).then(|| vec![0, categories / 2]);
                let share = [0, 500, 100, 10, 3][at % 5];
                Question {
                    exclude,
                    min_score,
                    categories: asked,
                    rows: (at % 5 > 0).then(|| passing_rows(rows.len(), at as u64 % 3, share)),
                    ..plain_question(vector, [1, 10, 100][at % 3], at % 2 == 0)
                }
            })
            .collect();
        check(&catalog, &questions);
    }
}

#[test]
fn many_queries_of_the_same_rows_equal_the_oracle() {
    let rows = uneven(4_000, 64);
    // One alone where tests are emulated.
    for (categories, share) in
        [(7, 60), (1, 60), (300, 100), (3, 300)].into_iter().take(if cases(100) < 100 { 1 } else { 4 })
    {
        let catalog = Catalog { rows: rows.clone(), categories: (0..4_000).map(|row| row % categories).collect() };
        let passing = passing_rows(rows.len(), 2, share);
        let questions: Vec<Question> = (0..70)
            .map(|at| {
                let exclude = if at % 3 == 0 { (0..200).collect() } else { vec![] };
                let asked = (at % 7 == 2).then(|| vec![0, categories - 1]);
                let passing = if at % 10 == 9 { passing_rows(rows.len(), at as u64, share) } else { passing.clone() };
                Question {
                    exclude,
                    min_score: (at % 5 == 1).then_some(0.5),
                    categories: asked,
                    rows: Some(passing),
                    ..plain_question(rows[at * 51].clone(), [1, 10, 200][at % 3], at % 2 == 0)
                }
            })
            .collect();
        check(&catalog, &questions);
    }
}

#[test]
fn few_rows_of_more_categories_than_a_chunk_can_tell_apart_equal_the_oracle() {
    // A gathered set has most of the categories without a row.
    let mut noise = noise(6);
    let count = 140_000_u32;
    let rows: Vec<Vec<f32>> = (0..count).map(|_| (0..4).map(|_| noise()).collect()).collect();
    let catalog = Catalog { categories: (0..count).map(|row| row / 2).collect(), rows };
    let index = catalog.index(Kernel::fastest());
    let passing: Vec<bool> = (0..count).map(|row| row % 70 == 0 || row > count - 20).collect();
    let questions: Vec<Question> = (0..64)
        .map(|at| Question {
            rows: Some(passing.clone()),
            categories: Some(vec![0, 35, 30_000 + at, 69_999, 69_995]),
            ..plain_question(catalog.rows[at as usize].clone(), 3, at % 2 == 0)
        })
        .collect();
    let sets = row_sets(&index, &questions);
    let queries: Vec<Query<'_>> =
        zip(&questions, &sets).map(|(question, set)| query(question, set.as_deref())).collect();
    let found = POOLS[0].install(|| index.search(&queries)).unwrap();
    for (ranking, question) in found.iter().zip(&questions) {
        assert_eq!(plain(ranking), oracle::answer(&catalog.rows, &catalog.categories, question));
    }
}

#[test]
fn near_ties_by_the_thousand_are_told_apart() {
    // All rows score within a few units in the last place of each other, far closer than codes can tell.
    let mut noise = noise(4);
    let base: Vec<f32> = (0..100).map(|_| noise()).collect();
    let rows = (0..5_000).map(|_| base.iter().map(|value| value + noise() * 2e-7).collect()).collect();
    let catalog = Catalog { rows, categories: (0..5_000).map(|row| row / 2_500).collect() };
    let questions = [(1, true), (10, false), (1_000, true), (1_000, false)];
    check(&catalog, &questions.map(|(top_k, by_category)| plain_question(base.clone(), top_k, by_category)));
}

#[test]
fn more_queries_than_one_scan_takes_are_all_answered() {
    let mut noise = noise(5);
    let mut vectors = |count| (0..count).map(|_| (0..33).map(|_| noise()).collect()).collect::<Vec<Vec<f32>>>();
    let catalog = Catalog { rows: vectors(700), categories: (0..700).map(|row| row % 3).collect() };
    let questions: Vec<Question> = vectors(131)
        .into_iter()
        .enumerate()
        .map(|(at, vector)| Question {
            categories: (at % 7 == 0).then(|| vec![u32::try_from(at).unwrap() % 3]),
            ..plain_question(vector, 1 + at % 9, at % 2 == 0)
        })
        .collect();
    check(&catalog, &questions);
}

#[test]
fn text_embedding_sizes_with_many_matches_equal_the_oracle() {
    let mut noise = noise(2);
    let mut vectors = |count| (0..count).map(|_| (0..384).map(|_| noise()).collect()).collect::<Vec<Vec<f32>>>();
    let labels: Vec<u16> = (0..3_000).map(|row| row % 7 * (row % 2)).collect();
    let catalog = Catalog { rows: vectors(3_000), categories: numbered(&labels) };
    let forms = [(1_000, true), (1_000, false), (10, true), (10, false)];
    let questions: Vec<Question> = vectors(forms.len())
        .into_iter()
        .zip(forms)
        .map(|(vector, (top_k, by_category))| plain_question(vector, top_k, by_category))
        .collect();
    check(&catalog, &questions);
}

#[test]
fn strided_and_reversed_views_are_searched_as_they_read() {
    let catalog = Catalog {
        rows: vec![vec![1.0, 2.0, 3.0], vec![3.0, -1.0, 0.5], vec![0.0, 0.0, 1.0]],
        categories: vec![0, 1, 0],
    };
    let plain_question = plain_question(vec![0.5, 1.0, -2.0], 3, true);
    let expected = oracle::answer(&catalog.rows, &catalog.categories, &plain_question);

    let column_major = Array2::from_shape_fn((3, 3), |(column, row)| catalog.rows[row][column]).reversed_axes();
    assert!(!column_major.is_standard_layout());
    let index = Index::build(column_major, catalog.categories.clone()).unwrap();
    assert_eq!(index.row(1).to_vec(), catalog.rows[1]);

    let spread = [-2.0, 9.0, 1.0, 9.0, 0.5];
    let reversed = ArrayView1::from(&spread).slice_move(ndarray::s![..;-2]);
    let rankings = index.search(&[Query { vector: reversed, ..query(&plain_question, None) }]).unwrap();
    assert_eq!(plain(&rankings[0]), expected);
}

#[test]
fn an_empty_batch_has_no_rankings() {
    let catalog = Catalog { rows: vec![vec![1.0]], categories: vec![0] };
    assert_eq!(catalog.index(Kernel::fastest()).search(&[]).unwrap(), []);
}

#[test]
fn groups_without_matches_are_there_and_empty() {
    let catalog = Catalog { rows: vec![vec![1.0], vec![1.0], vec![-1.0]], categories: vec![0, 1, 2] };
    let none_left = Question {
        categories: Some(vec![2, 0, 2]),
        min_score: Some(0.5),
        exclude: vec![0],
        ..plain_question(vec![1.0], 5, true)
    };
    let overall = Question { by_category: false, ..none_left.clone() };
    let index = catalog.index(Kernel::fastest());
    let rankings = index.search(&[query(&none_left, None), query(&overall, None)]).unwrap();
    assert_eq!(plain(&rankings[0]), [(Some(0), vec![]), (Some(2), vec![])]);
    assert_eq!(plain(&rankings[1]), [(None, vec![])]);
}
