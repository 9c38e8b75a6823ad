//! An index with changed rows answers as one that was built of the rows that are left, in catalog order, to the bit.

use std::collections::HashMap;
use std::iter::zip;
use std::sync::atomic::AtomicBool;

use fastrand::Rng;
use ndarray::Array2;
use nearline_search::{Available, Changes, Grouping, Index, IndexError, Kernel, Query, QueryFault, Ranking, RowSet};
use proptest::prelude::*;

use crate::oracle::{self, Question};
use crate::{Catalog, POOLS, cases, catalog, noise, numbered, plain_question, query, uneven};

/// What keeps its identity while rows come and go.
#[derive(Debug, Clone)]
struct Product {
    id: u32,
    vector: Vec<f32>,
    label: u16,
    /// The row of the base where it stands, if its vector was kept.
    origin: Option<u32>,
    touched: bool,
}

/// Products in catalog order, and those that were deleted.
struct History {
    products: Vec<Product>,
    deleted: Vec<Product>,
    next_id: u32,
    /// What vectors are drawn from, so that ties are common.
    vectors: Vec<Vec<f32>>,
    labels: u16,
    random: Rng,
}

impl History {
    fn new(base: &Catalog, seed: u64) -> Self {
        let product = |(row, (vector, &label)): (u32, (&Vec<f32>, &u32))| Product {
            id: row,
            vector: vector.clone(),
            label: u16::try_from(label).unwrap(),
            origin: Some(row),
            touched: false,
        };
        let products: Vec<Product> = (0..).zip(zip(&base.rows, &base.categories)).map(product).collect();
        Self {
            next_id: u32::try_from(products.len()).unwrap(),
            products,
            deleted: Vec::new(),
            vectors: base.rows.clone(),
            labels: u16::try_from(base.categories.iter().max().unwrap() + 3).unwrap(),
            random: Rng::with_seed(seed),
        }
    }

    /// Something that an update may do to a product.
    fn step(&mut self) {
        let random = &mut self.random;
        let mut vector = self.vectors[random.usize(..self.vectors.len())].clone();
        if random.bool() {
            vector[0] += random.f32();
        }
        let label = random.u16(..self.labels);
        let at = random.usize(..self.products.len().max(1));
        match random.u8(..10) {
            0..2 => {
                let id = self.new_id();
                self.products.push(Product { id, vector, label, origin: None, touched: true });
            }
            2 if !self.deleted.is_empty() => {
                let back = self.deleted.swap_remove(random.usize(..self.deleted.len()));
                self.products.push(Product { vector, label, origin: None, touched: true, ..back });
            }
            _ if self.products.is_empty() => {}
            2..4 => {
                let replaced = self.products.remove(at);
                self.products.push(Product { vector, label, origin: None, touched: true, ..replaced });
            }
            4..7 => {
                let product = &mut self.products[at];
                product.touched = true;
                if random.bool() {
                    product.label = label;
                }
            }
            _ => self.deleted.push(self.products.remove(at)),
        }
    }

    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// The changes since the base, and the product of each row that lives, in catalog order.
    fn changes(&self, base: &Catalog) -> (Changes, Vec<u32>) {
        let rows = u32::try_from(base.rows.len()).unwrap();
        let untouched: Vec<u32> =
            self.products.iter().filter(|product| !product.touched).filter_map(|product| product.origin).collect();
        let dead = (0..rows).filter(|row| untouched.binary_search(row).is_err()).collect();
        let kept = self.products.iter().filter(|product| product.touched && product.origin.is_some());
        let after = self.products.iter().filter(|product| product.origin.is_none());
        let changed: Vec<&Product> = kept.chain(after).collect();
        let mut numbers: Vec<u16> = Vec::new();
        let known = base.categories.iter().max().unwrap() + 1;
        let mut number = |label: u16| {
            if u32::from(label) < known {
                return u32::from(label);
            }
            let at = numbers.iter().position(|seen| *seen == label).unwrap_or_else(|| {
                numbers.push(label);
                numbers.len() - 1
            });
            known + u32::try_from(at).unwrap()
        };
        let categories = changed.iter().map(|product| number(product.label)).collect();
        let vectors: Vec<f32> = changed.iter().flat_map(|product| product.vector.iter().copied()).collect();
        let changes = Changes {
            dead,
            places: changed.iter().filter_map(|product| product.origin).collect(),
            vectors: Array2::from_shape_vec((changed.len(), base.rows[0].len()), vectors).unwrap(),
            categories,
        };
        let row_of: HashMap<u32, u32> = zip(changed, rows..).map(|(product, row)| (product.id, row)).collect();
        let row = |product: &Product| row_of.get(&product.id).copied().or(product.origin).unwrap();
        (changes, self.products.iter().map(row).collect())
    }

    /// What is left, as a catalog of its own.
    fn compacted(&self) -> Catalog {
        let labels: Vec<u16> = self.products.iter().map(|product| product.label).collect();
        Catalog {
            rows: self.products.iter().map(|product| product.vector.clone()).collect(),
            categories: numbered(&labels),
        }
    }

    /// A question to what is left.
    fn question(&mut self, compacted: &Catalog) -> Question {
        let random = &mut self.random;
        let count = compacted.rows.len();
        // Of a row that is left, or of one that may be gone.
        let of = if random.bool() { &compacted.rows } else { &self.vectors };
        let mut vector = of[random.usize(..of.len())].clone();
        if random.bool() {
            vector[0] += random.f32() + 0.01;
        }
        if vector.iter().all(|&value| value == 0.0) {
            vector[0] = 1.0;
        }
        let categories = compacted.categories.iter().max().unwrap() + 1;
        let min_score = match random.u8(..4) {
            0 => Some(random.f32()),
            1 => Some(oracle::score(&vector, &compacted.rows[random.usize(..count)])),
            _ => None,
        };
        let share = [0, 1, 10, 50, 100][random.usize(..5)];
        let passing = random.bool().then(|| (0..count).map(|_| random.u8(..100) < share).collect());
        Question {
            top_k: [1, 3, 10, 100, 1_000][random.usize(..5)],
            by_category: random.bool(),
            categories: (random.u8(..3) == 0)
                .then(|| (0..random.usize(..4)).map(|_| random.u32(..categories)).collect()),
            min_score,
            exclude: (0..random.usize(..6)).map(|_| random.u32(..u32::try_from(count).unwrap())).collect(),
            rows: passing,
            vector,
        }
    }
}

/// An index, and which of its rows each row of the compacted catalog is.
struct Subject<'a> {
    index: &'a Index,
    row_of: &'a [u32],
    /// The other way round.
    compacted: HashMap<u32, u32>,
}

impl<'a> Subject<'a> {
    fn new(index: &'a Index, row_of: &'a [u32]) -> Self {
        let compacted = row_of.iter().copied().zip(0..).collect();
        Self { index, row_of, compacted }
    }

    fn set(&self, question: &Question) -> Option<RowSet> {
        let passing = question.rows.as_ref()?;
        // All of those that are dead, which must not matter, and bits beyond the last row.
        let mut bits = vec![u64::MAX; self.index.rows().div_ceil(64)];
        let of_rows = zip(self.row_of, passing).filter(|(_, passes)| !**passes);
        of_rows.for_each(|(row, _)| bits[*row as usize / 64] &= !(1 << (row % 64)));
        let set = self.index.row_set(&bits);
        assert_eq!(set.rows(), passing.iter().filter(|passes| **passes).count());
        Some(set)
    }

    /// Per group its category, and its rows by the numbers of the compacted catalog with the bits of their scores.
    fn answer(&self, ranking: &Ranking) -> oracle::Answer {
        let matches = |group: &nearline_search::Group| {
            group.matches.iter().map(|found| (self.compacted[&found.row], found.score.to_bits())).collect()
        };
        ranking.groups.iter().map(|group| (group.category, matches(group))).collect()
    }

    /// Each search, and all together, in pools of threads.
    fn answers(&self, questions: &[Question]) -> Vec<oracle::Answer> {
        let sets: Vec<Option<RowSet>> = questions.iter().map(|question| self.set(question)).collect();
        let excluded: Vec<Question> = questions
            .iter()
            .map(|question| Question {
                exclude: question.exclude.iter().map(|&row| self.row_of[row as usize]).collect(),
                ..question.clone()
            })
            .collect();
        let queries: Vec<Query<'_>> =
            zip(&excluded, &sets).map(|(question, set)| query(question, set.as_ref())).collect();
        let answers = |rankings: &[Ranking]| rankings.iter().map(|ranking| self.answer(ranking)).collect::<Vec<_>>();
        let by_all = answers(&self.index.search_brute_force(&queries).unwrap());
        for pool in &*POOLS {
            let together = pool.install(|| self.index.search(&queries)).unwrap();
            assert_eq!(answers(&together), by_all, "{} threads", pool.current_num_threads());
        }
        for (query, expected) in zip(&queries, &by_all) {
            let alone = POOLS[0].install(|| self.index.search(&[*query])).unwrap();
            assert_eq!(&answers(&alone)[0], expected, "alone");
        }
        assert_eq!(self.index.search_unless(&AtomicBool::new(false), &queries).unwrap().unwrap().len(), queries.len());
        by_all
    }

    /// What it tells of its rows.
    fn check(&self, compacted: &Catalog, built: &Index) {
        let index = self.index;
        assert_eq!((index.live_rows(), index.categories()), (built.rows(), built.categories()));
        assert_eq!((index.dimension(), index.kernel()), (built.dimension(), built.kernel()));
        let live: Vec<u32> = (0..u32::try_from(index.rows()).unwrap()).filter(|&row| index.is_live(row)).collect();
        assert_eq!(live.len(), index.live_rows());
        assert!(live.iter().all(|row| self.compacted.contains_key(row)));
        for ((&row, vector), &category) in zip(self.row_of, &compacted.rows).zip(&compacted.categories) {
            assert_eq!((index.row(row).to_vec(), index.category_of(row)), (vector.clone(), category));
            assert_eq!(index.category_number(index.known_category(category)), Some(category));
        }
        assert!(self.row_of.windows(2).all(|rows| index.place(rows[0]) < index.place(rows[1])), "places ascend");
        let all = index.row_set(&vec![u64::MAX; index.rows().div_ceil(64)]);
        for category in 0..u32::try_from(built.categories()).unwrap() {
            let count = compacted.categories.iter().filter(|&&of_row| of_row == category).count();
            assert_eq!(index.rows_in(category, &all), count);
        }
    }
}

/// Several rounds of changes, each applied to the base anew.
fn check_history(base: &Catalog, seed: u64, steps: &[usize], kernels: impl Iterator<Item = Available>) {
    let kernels: Vec<(Available, Index)> = kernels.map(|kernel| (kernel, base.index(kernel))).collect();
    let mut history = History::new(base, seed);
    for &steps in steps {
        (0..steps).for_each(|_| history.step());
        check(&mut history, base, &kernels);
    }
}

/// Compares what is left of a history with an index that is built of it.
fn check(history: &mut History, base: &Catalog, kernels: &[(Available, Index)]) {
    let (changes, row_of) = history.changes(base);
    if row_of.is_empty() {
        for (_, base) in kernels {
            assert_eq!(Index::changed(base, changes.clone()).unwrap_err(), IndexError::NoRows);
        }
        return;
    }
    let compacted = history.compacted();
    let questions: Vec<Question> = (0..6).map(|_| history.question(&compacted)).collect();
    for (kernel, base) in kernels {
        let index = Index::changed(base, changes.clone()).unwrap();
        let built = compacted.index(*kernel);
        let subject = Subject::new(&index, &row_of);
        subject.check(&compacted, &built);
        let same: Vec<u32> = (0..u32::try_from(row_of.len()).unwrap()).collect();
        assert_eq!(
            subject.answers(&questions),
            Subject::new(&built, &same).answers(&questions),
            "{kernel}, {} rows changed",
            changes.categories.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::with_cases(cases(60)) })]
    #[test]
    fn changed_rows_are_ranked_as_if_the_index_had_been_built_of_them(
        base in (1_usize..50).prop_flat_map(|dimension| catalog(dimension, 1..500)),
        seed in any::<u64>(),
        steps in prop::collection::vec(prop_oneof![0_usize..5, 5_usize..80, 200_usize..900], 1..4),
    ) {
        check_history(&base, seed, &steps, Kernel::available());
    }
}

/// Compares what is left of a history with the oracle: as good as an index that is built of it, and sooner there.
fn check_by_oracle(history: &History, base: &Catalog, kernel: Available, questions: &[Question]) {
    let (changes, row_of) = history.changes(base);
    let compacted = history.compacted();
    let index = Index::changed(&base.index(kernel), changes).unwrap();
    let expected: Vec<oracle::Answer> =
        questions.iter().map(|question| oracle::answer(&compacted.rows, &compacted.categories, question)).collect();
    assert_eq!(Subject::new(&index, &row_of).answers(questions), expected);
}

/// With this one pruning always pays; others may scan so fast that it does not.
fn pruning_kernel() -> Available {
    Kernel::Portable.detect().unwrap()
}

#[test]
fn changed_rows_of_a_pruned_catalog_equal_the_oracle() {
    let base = Catalog { rows: uneven(12_000, 128), categories: (0..12_000).map(|row| row % 20).collect() };
    let mut history = History::new(&base, 20);
    (0..2_000).for_each(|_| history.step());
    let compacted = history.compacted();
    let questions: Vec<Question> = (0..12).map(|_| history.question(&compacted)).collect();
    check_by_oracle(&history, &base, pruning_kernel(), &questions);
}

#[test]
fn as_many_changed_rows_as_are_pruned_equal_the_oracle() {
    let vectors = uneven(13_000, 128);
    let base = Catalog { rows: vectors[..1_000].to_vec(), categories: vec![0; 1_000] };
    let mut history = History::new(&base, 3);
    (0..100).for_each(|_| history.step());
    for vector in &vectors[1_000..] {
        let id = history.new_id();
        history.products.push(Product { id, vector: vector.clone(), label: 0, origin: None, touched: true });
    }
    let compacted = history.compacted();
    let questions: Vec<Question> = (0..6).map(|_| history.question(&compacted)).collect();
    check_by_oracle(&history, &base, pruning_kernel(), &questions);
}

#[test]
fn changed_rows_among_near_ties_by_the_thousand_equal_the_oracle() {
    // So many rows have to be scored after the first category that the next chunks are scored without their codes.
    let mut noise = noise(4);
    let vector: Vec<f32> = (0..100).map(|_| noise()).collect();
    let rows = (0..7_500).map(|_| vector.iter().map(|value| value + noise() * 2e-7).collect()).collect();
    let base = Catalog { rows, categories: (0..7_500).map(|row| row / 2_500).collect() };
    let mut history = History::new(&base, 1);
    (0..1_000).for_each(|_| history.step());
    let questions: Vec<Question> = (0..8).map(|_| plain_question(vector.clone(), 1_000, true)).collect();
    check_by_oracle(&history, &base, Kernel::fastest(), &questions);
}

fn small(categories: &[u32]) -> Catalog {
    Catalog { rows: (0..categories.len()).map(|row| vec![1.0, row as f32]).collect(), categories: categories.to_vec() }
}

fn no_changes(dimension: usize) -> Changes {
    Changes { dead: vec![], places: vec![], vectors: Array2::zeros((0, dimension)), categories: vec![] }
}

#[test]
fn rows_that_score_the_same_are_ranked_by_their_place() {
    let base = Catalog { rows: vec![vec![1.0, 1.0]; 4], categories: vec![0, 0, 1, 0] };
    // Row 2 keeps its place with another category, row 0 comes back after all others, and a new one after that.
    let changes =
        Changes { dead: vec![0, 2], places: vec![2], vectors: Array2::ones((3, 2)), categories: vec![0, 2, 0] };
    let index = Index::changed(&base.index(Kernel::fastest()), changes).unwrap();
    let question = plain_question(vec![1.0, 1.0], 9, false);
    let found = &index.search(&[query(&question, None)]).unwrap()[0];
    let rows = |ranking: &Ranking| -> Vec<u32> { ranking.groups[0].matches.iter().map(|found| found.row).collect() };
    assert_eq!(rows(found), [1, 4, 3, 5, 6]);
    assert_eq!([1, 4, 3, 5, 6].map(|row| index.place(row)), [1, 2, 3, 4, 5]);
    // Only the new one is of a category that the base did not have; that of row 2 is gone.
    assert_eq!(
        (index.categories(), [0, 1, 2].map(|known| index.category_number(known))),
        (2, [Some(0), None, Some(1)])
    );
    assert_eq!([1, 3, 4, 5, 6].map(|row| index.category_of(row)), [0, 0, 0, 1, 0]);
}

#[test]
fn categories_are_numbered_anew_by_the_rows_that_live() {
    let base = small(&[0, 1, 0, 2]).index(Kernel::fastest());
    let index = Index::changed(&base, Changes { dead: vec![0, 3], ..no_changes(2) }).unwrap();
    assert_eq!((index.rows(), index.live_rows(), index.categories()), (4, 2, 2));
    assert_eq!([1, 2].map(|row| index.category_of(row)), [0, 1]);
    assert_eq!([0, 1].map(|category| index.known_category(category)), [1, 0]);
    assert_eq!([0, 1, 2, 3, u32::MAX].map(|known| index.category_number(known)), [Some(1), Some(0), None, None, None]);
    let by_category = plain_question(vec![1.0, 0.0], 5, true);
    let asked = |categories: &'static [u32]| Query { categories: Some(categories), ..query(&by_category, None) };
    let error = index.search(&[asked(&[2])]).unwrap_err();
    assert_eq!(error.fault, QueryFault::UnknownCategory { category: 2, categories: 2 });
    let rankings =
        index.search(&[asked(&[]), asked(&[1]), Query { grouping: Grouping::Overall, ..asked(&[]) }]).unwrap();
    assert_eq!(rankings[0].groups, []);
    let [group] = rankings[1].groups.as_slice() else { panic!("one category was asked for") };
    assert_eq!((group.category, group.matches[0].row, group.matches.len()), (Some(1), 2, 1));
    assert_eq!((rankings[2].groups.len(), rankings[2].groups[0].matches.len()), (1, 0));
}

#[test]
fn the_base_is_searched_as_before() {
    let base = Catalog { rows: uneven(600, 20), categories: vec![0; 600] };
    let index = base.index(Kernel::fastest());
    let question = plain_question(base.rows[17].clone(), 3, false);
    let before = index.search(&[query(&question, None)]).unwrap();
    let changed = Index::changed(&index, Changes { dead: (0..600).step_by(2).collect(), ..no_changes(20) }).unwrap();
    let without = Index::changed(&index, Changes { dead: vec![17], ..no_changes(20) }).unwrap();
    let again = index.search(&[query(&question, None)]).unwrap();
    assert_eq!(again[0].groups, before[0].groups);
    assert_eq!(changed.search(&[query(&question, None)]).unwrap()[0].groups[0].matches[0].row, 17);
    drop(index);
    let left = &without.search(&[query(&question, None)]).unwrap()[0].groups[0].matches;
    assert!(left.iter().all(|found| found.row != 17));
    assert_eq!(left[0], before[0].groups[0].matches[1]);
    // All but the errors of the codes, and a bit for each row, is shared.
    assert_eq!(changed.memory_bytes() - changed.unshared_bytes(), without.memory_bytes() - without.unshared_bytes());
    assert!(changed.unshared_bytes() < 600 * 8, "{}", changed.unshared_bytes());
}

#[test]
fn sets_of_rows_belong_to_the_index_that_made_them() {
    let base = small(&[0; 70]).index(Kernel::fastest());
    let changes = Changes { vectors: Array2::ones((3, 2)), categories: vec![0; 3], ..no_changes(2) };
    let index = Index::changed(&base, changes).unwrap();
    let question = plain_question(vec![1.0, 0.0], 5, false);
    let of_base = base.row_set(&[u64::MAX; 2]);
    let fault = index.search(&[query(&question, Some(&of_base))]).unwrap_err().fault;
    assert_eq!(fault, QueryFault::ForeignRows);
    // Rows 0, 70 and 72.
    let set = index.row_set(&[1, 0b1_0100_0000]);
    assert_eq!((set.rows(), index.rows_in(0, &set)), (3, 3));
    assert!(set.memory_bytes() > of_base.memory_bytes());
}

#[test]
fn a_cancelled_search_of_changed_rows_has_no_answer() {
    let base = Catalog { rows: uneven(400, 20), categories: vec![0; 400] };
    let rows = Array2::from_shape_vec((200, 20), base.rows[..200].concat()).unwrap();
    let changes = Changes { vectors: rows, categories: vec![0; 200], ..no_changes(20) };
    let index = Index::changed(&base.index(Kernel::fastest()), changes).unwrap();
    let question = plain_question(vec![1.0; 20], 5, false);
    assert_eq!(index.search_unless(&AtomicBool::new(true), &[query(&question, None)]).unwrap(), None);
}

#[test]
fn changes_that_do_not_fit_their_base_are_refused() {
    let base = small(&[0, 1, 0, 2]).index(Kernel::fastest());
    let refused = |changes: Changes| Index::changed(&base, changes).unwrap_err();
    let one = Changes { vectors: Array2::ones((1, 2)), categories: vec![0], ..no_changes(2) };
    let wide = Changes { vectors: Array2::ones((1, 3)), ..one.clone() };
    assert_eq!(refused(wide), IndexError::DimensionMismatch { expected: 2, actual: 3 });
    let unnamed = Changes { categories: vec![], ..one.clone() };
    assert_eq!(refused(unnamed), IndexError::LengthMismatch { rows: 1, categories: 0 });
    let beyond = Changes { dead: vec![1, 4], ..one.clone() };
    assert_eq!(refused(beyond), IndexError::NoSuchRow { row: 4, rows: 4 });
    let place_of_a_live_row = Changes { dead: vec![1], places: vec![2], ..one.clone() };
    assert_eq!(refused(place_of_a_live_row), IndexError::PlaceNotFree { changed: 0, row: 2 });
    let one_row_in_two_places = Changes { dead: vec![1, 2], places: vec![1, 2], ..one.clone() };
    assert_eq!(refused(one_row_in_two_places), IndexError::PlaceNotFree { changed: 1, row: 2 });
    let skipped = Changes { categories: vec![4], ..one.clone() };
    assert_eq!(refused(skipped), IndexError::CategoriesNotDense { row: 0, category: 4, expected: 3 });
    let zero = Changes { vectors: Array2::zeros((1, 2)), ..one.clone() };
    assert_eq!(refused(zero), IndexError::ZeroRow { row: 0 });
    assert_eq!(refused(Changes { dead: vec![3, 0, 1, 2, 0], ..no_changes(2) }), IndexError::NoRows);
    let changed = Index::changed(&base, one.clone()).unwrap();
    assert_eq!(Index::changed(&changed, one).unwrap_err(), IndexError::ChangedBase);
}
