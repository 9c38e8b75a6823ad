//! What cannot be searched is refused before any row is scored, and the error says what, where and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, ArrayView1, array};
use nearline_search::{Grouping, Index, IndexError, MAX_TOP_K, Query, QueryError, QueryFault};

fn index() -> Index {
    Index::build(array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], vec![0, 1, 0]).unwrap()
}

fn query(vector: &[f32]) -> Query<'_> {
    Query {
        vector: ArrayView1::from(vector),
        top_k: 1,
        grouping: Grouping::Overall,
        categories: None,
        min_score: None,
        exclude: &[],
        rows: None,
    }
}

fn fault(query: Query<'_>) -> QueryFault {
    index().search(&[query]).unwrap_err().fault
}

const GOOD: [f32; 2] = [0.5, 0.5];

fn refused(rows: Array2<f32>, categories: Vec<u32>) -> IndexError {
    Index::build(rows, categories).unwrap_err()
}

#[test]
fn a_vector_of_another_dimension() {
    let fault = fault(query(&[1.0, 2.0, 3.0]));
    assert_eq!(fault, QueryFault::DimensionMismatch { expected: 2, actual: 3 });
    assert_eq!(fault.to_string(), "its vector has 3 components, but the index has 2 dimensions");
}

#[test]
fn components_that_are_not_finite() {
    for value in [f32::INFINITY, f32::NEG_INFINITY] {
        let vector = [0.0, value];
        assert_eq!(fault(query(&vector)), QueryFault::NotFinite { component: 1, value });
    }
    let QueryFault::NotFinite { component: 0, value } = fault(query(&[f32::NAN, 1.0])) else {
        panic!("NaN must be named as not finite")
    };
    assert!(value.is_nan());
}

#[test]
fn a_set_of_rows_of_another_index() {
    let set = index().row_set(&[0b101]);
    assert_eq!(set.rows(), 2);
    let fault = fault(Query { rows: Some(&set), ..query(&GOOD) });
    assert_eq!(fault, QueryFault::ForeignRows);
    assert_eq!(fault.to_string(), "its set of rows was made by another index");
}

#[test]
fn a_vector_without_direction() {
    assert_eq!(fault(query(&[0.0, -0.0])), QueryFault::ZeroVector);
    let tiniest = [0.0, f32::from_bits(1)];
    assert!(index().search(&[query(&tiniest)]).is_ok());
}

#[test]
fn a_top_k_out_of_range() {
    for top_k in [0, MAX_TOP_K + 1, usize::MAX] {
        assert_eq!(fault(Query { top_k, ..query(&GOOD) }), QueryFault::TopKOutOfRange { top_k });
    }
    assert_eq!(QueryFault::TopKOutOfRange { top_k: 0 }.to_string(), "top_k must be 1 to 1000, was 0");
    for top_k in [1, MAX_TOP_K] {
        assert!(index().search(&[Query { top_k, ..query(&GOOD) }]).is_ok());
    }
}

#[test]
fn a_category_that_does_not_exist() {
    let asked = [1, 7, 0, 2];
    let fault = fault(Query { categories: Some(&asked), ..query(&GOOD) });
    assert_eq!(fault, QueryFault::UnknownCategory { category: 2, categories: 2 });
}

#[test]
fn a_minimum_that_is_not_a_number() {
    assert_eq!(fault(Query { min_score: Some(f32::NAN), ..query(&GOOD) }), QueryFault::MinScoreNotANumber);
}

#[test]
fn the_first_query_at_fault_fails_the_whole_batch() {
    let good = query(&GOOD);
    let bad = Query { top_k: 0, ..good };
    let worse = query(&[0.0, 0.0]);
    let error = index().search(&[good, good, bad, worse]).unwrap_err();
    assert_eq!(error, QueryError { position: 2, fault: QueryFault::TopKOutOfRange { top_k: 0 } });
    assert_eq!(error.to_string(), "query 2 of the batch: top_k must be 1 to 1000, was 0");
}

#[test]
fn catalogs_without_rows_or_columns() {
    assert_eq!(refused(Array2::zeros((0, 3)), vec![]), IndexError::NoRows);
    assert_eq!(refused(Array2::zeros((2, 0)), vec![0, 0]), IndexError::ZeroDimension);
}

#[test]
fn more_rows_than_row_numbers() {
    // Without columns, the rows take no memory.
    let rows = u32::MAX as usize + 1;
    assert_eq!(refused(Array2::zeros((rows, 0)), vec![]), IndexError::TooManyRows { rows });
}

#[test]
fn rows_and_categories_of_different_number() {
    let expected = IndexError::LengthMismatch { rows: 2, categories: 1 };
    assert_eq!(refused(Array2::ones((2, 1)), vec![0]), expected);
}

#[test]
fn categories_that_are_not_numbered_by_first_appearance() {
    let rows = || Array2::ones((3, 1));
    let expected = IndexError::CategoriesNotDense { row: 0, category: 1, expected: 0 };
    assert_eq!(refused(rows(), vec![1, 0, 1]), expected);
    let expected = IndexError::CategoriesNotDense { row: 2, category: u32::MAX, expected: 1 };
    assert_eq!(refused(rows(), vec![0, 0, u32::MAX]), expected);
}

#[test]
fn rows_that_are_not_finite_or_all_zero_are_named_the_first_first() {
    let rows = array![[1.0, 2.0], [0.0, 3e38], [1.0, f32::INFINITY], [0.0, 0.0], [f32::NAN, 0.0]];
    let expected = IndexError::NotFinite { row: 2, column: 1, value: f32::INFINITY };
    assert_eq!(refused(rows, vec![0; 5]), expected);
    let expected = IndexError::ZeroRow { row: 1 };
    assert_eq!(refused(array![[1e-45, 0.0], [0.0, -0.0], [f32::NAN, 0.0]], vec![0; 3]), expected);
    let error = refused(array![[1.0, 2.0], [f32::NAN, 0.0]], vec![0; 2]);
    assert_eq!(error.to_string(), "row 1, column 0 is NaN; every component must be finite");
}
