//! Columns of every type as attributes, and what is said of what cannot be one; which rows pass is in `oracle`.

mod oracle;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, FixedSizeListArray,
    Float16Array, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, LargeListArray, LargeStringArray,
    ListArray, RecordBatch, StringArray, StringViewArray, TimestampMillisecondArray, TimestampSecondArray, UInt8Array,
};
use arrow_schema::{DataType, Field};
use nearline_contract::filter::Filter;
use nearline_contract::{Attribute, ErrorCode};
use serde_json::{Value, json};

use super::{Attributes, Builders};
use crate::catalog::ipc::Budget;

/// The columns as attributes.
pub(crate) fn attributes(columns: &[(&str, ArrayRef)]) -> Attributes {
    read(columns, 1_000).unwrap()
}

/// The columns as attributes, in batches of so many rows.
fn read(columns: &[(&str, ArrayRef)], batch_rows: usize) -> Result<Attributes, String> {
    let batch = RecordBatch::try_from_iter(columns.iter().cloned()).unwrap();
    let names: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut builders = Builders::new(&batch.schema(), &names).map_err(|error| error.to_string())?;
    let mut budget = Budget::new(1 << 30);
    for start in (0..batch.num_rows()).step_by(batch_rows) {
        let part = batch.slice(start, batch_rows.min(batch.num_rows() - start));
        builders.append(&part, &mut budget).map_err(|error| error.to_string())?;
    }
    Ok(builders.finish())
}

fn rows(attributes: &Attributes, filter: &Value) -> Result<Vec<usize>, String> {
    let filter = Filter::parse(filter).map_err(|error| error.to_string())?;
    let resolved = attributes.resolve(&filter).map_err(|error| error.to_string())?;
    let words = attributes.passing(&resolved, &AtomicBool::new(false));
    Ok((0..attributes.rows).filter(|row| words[row / 64] >> (row % 64) & 1 != 0).collect())
}

#[test]
fn the_most_selective_condition_first_finds_the_same() {
    let count = 40_000_i64;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|row| row * 7 % 1_000)));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..count).map(|row| ["a", "b", "c"][row as usize % 3])));
    let attributes = read(&[("n", numbers), ("t", texts)], 16_384).unwrap();
    let expected: Vec<usize> = (0..count)
        .filter(|row| row * 7 % 1_000 < 990 && row % 3 == 1 && row * 7 % 1_000 != 7)
        .map(|row| row as usize)
        .collect();
    assert_eq!(rows(&attributes, &json!({"n": {"$lt": 990, "$ne": 7}, "t": "b"})).unwrap(), expected);
}

#[test]
fn every_layout_of_a_type_is_read() {
    let texts = ["b", "a", "b"];
    let same = |array: ArrayRef, filter: Value, expected: &[usize]| {
        assert_eq!(rows(&read(&[("x", array)], 2).unwrap(), &filter).unwrap(), expected, "{filter}");
    };
    for array in [
        Arc::new(StringArray::from_iter_values(texts)) as ArrayRef,
        Arc::new(LargeStringArray::from_iter_values(texts)),
        Arc::new(StringViewArray::from_iter_values(texts)),
        Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
    ] {
        same(array, json!({"x": "b"}), &[0, 2]);
    }
    same(Arc::new(UInt8Array::from(vec![1, 2, 255])), json!({"x": {"$gte": 2}}), &[1, 2]);
    same(Arc::new(Float16Array::from_iter_values([1.0, 2.5].map(half::f16::from_f32))), json!({"x": 2.5}), &[1]);
    let decimals = Decimal128Array::from(vec![Some(1_999), Some(-50), None]).with_precision_and_scale(10, 2).unwrap();
    same(Arc::new(decimals.clone()), json!({"x": 19.99}), &[0]);
    same(Arc::new(decimals), json!({"x": {"$lt": 0}}), &[1]);
    let whole = Decimal128Array::from(vec![12, 13]).with_precision_and_scale(10, -2).unwrap();
    same(Arc::new(whole), json!({"x": 1_300}), &[1]);
    same(Arc::new(Date64Array::from(vec![86_400_000 * 20_785])), json!({"x": "2026-11-28"}), &[0]);
    same(
        Arc::new(TimestampSecondArray::from(vec![0]).with_timezone("+02:00")),
        json!({"x": "1970-01-01T00:00:00Z"}),
        &[0],
    );
    same(
        Arc::new(TimestampMillisecondArray::from(vec![1_500])),
        json!({"x": {"$in": ["1970-01-01T00:00:01.5"]}}),
        &[0],
    );
    let lists =
        LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), None, Some(vec![None])]);
    same(Arc::new(lists), json!({"x": {"$exists": true}}), &[0, 2]);
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let fixed = FixedSizeListArray::new(item, 2, Arc::new(Int32Array::from(vec![1, 2, 3, 4])), None);
    same(Arc::new(fixed), json!({"x": 3}), &[1]);
}

#[test]
fn values_are_returned_as_they_are_and_absent_ones_not_at_all() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("x"), None]);
    tags.append(false);
    tags.append_value([None::<&str>; 0]);
    let attributes = read(
        &[
            ("tags", Arc::new(tags.finish())),
            ("price", Arc::new(Float64Array::from(vec![Some(4.9), None, Some(f64::NAN)]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(1), None, Some(0)]).with_timezone("UTC"))),
            ("in_stock", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ],
        10,
    )
    .unwrap();
    let row = |row| (0..4).map(|number| attributes.get(number, row)).collect::<Vec<_>>();
    let number = |text: &str| Attribute::Number(text.parse().unwrap());
    assert_eq!(
        row(0),
        [
            Some(Attribute::Texts(vec!["x".into()])),
            Some(number("4.9")),
            Some(Attribute::Text("1970-01-01T00:00:00.001Z".into())),
            Some(Attribute::Boolean(true))
        ]
    );
    assert_eq!(row(1), [None, None, None, None]);
    assert_eq!(
        row(2),
        [
            Some(Attribute::Numbers(vec![])),
            None,
            Some(Attribute::Text("1970-01-01T00:00:00Z".into())),
            Some(Attribute::Boolean(false))
        ]
    );
    let summaries = attributes.summaries();
    let summary = |name: &str| summaries.iter().find(|summary| summary.name == name).unwrap();
    let price = summary("price");
    assert_eq!(
        (price.kind, price.compares_with, price.rows, price.nulls, price.distinct),
        ("float", "number", 1, 2, 1)
    );
    assert_eq!(price.examples, [number("4.9")]);
    assert_eq!((summary("tags").kind, summary("tags").rows), ("strings", 2));
    assert_eq!((summary("at").kind, summary("at").compares_with), ("timestamp", "string"));
}

#[test]
fn what_cannot_be_an_attribute_is_refused_by_name() {
    let refused = |array: ArrayRef, words: &str| {
        let error = read(&[("x", array)], 10).unwrap_err();
        assert!(error.contains("column x") && error.contains(words), "{error}");
    };
    refused(Arc::new(arrow_array::BinaryArray::from(vec![&b"x"[..]])), "cannot be an attribute, is Binary; strings");
    refused(Arc::new(arrow_array::NullArray::new(2)), "is Null");
    refused(Arc::new(arrow_array::Time32SecondArray::from(vec![1])), "is Time32");
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]);
    let nested = ListArray::new(
        Arc::new(Field::new("item", lists.data_type().clone(), true)),
        arrow_buffer::OffsetBuffer::from_lengths([1]),
        Arc::new(lists),
        None,
    );
    refused(Arc::new(nested), "cannot be an attribute, is List");
    let long = Decimal128Array::from(vec![1, 12_345_678_901_234_567]).with_precision_and_scale(20, 2).unwrap();
    refused(Arc::new(long), "row 1, column x: is a decimal with more digits than can be kept");
    refused(Arc::new(Date32Array::from(vec![3_000_000])), "row 0, column x: is outside the years 0 to 9999");
}

#[test]
fn values_must_fit_their_attribute_and_attributes_must_be_there() {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("x")]);
    let attributes = read(
        &[
            ("brand", Arc::new(StringArray::from(vec!["a"]))),
            ("price", Arc::new(Float64Array::from(vec![1.0]))),
            ("new", Arc::new(BooleanArray::from(vec![true]))),
            ("added", Arc::new(Date32Array::from(vec![1]))),
            ("tags", Arc::new(tags.finish())),
        ],
        10,
    )
    .unwrap();
    let refused = |filter: Value| rows(&attributes, &filter).unwrap_err();
    assert_eq!(
        refused(json!({"brand": 5})),
        "invalid_filter: filter.brand: must be a string, the attribute is a string, was 5"
    );
    assert_eq!(
        refused(json!({"$or": [{"price": {"$in": [1, "x"]}}]})),
        "invalid_filter: filter.$or[0].price.$in[1]: must be a number, the attribute is a number, was \"x\""
    );
    assert_eq!(
        refused(json!({"new": "true"})),
        "invalid_filter: filter.new: must be a boolean, the attribute is a boolean, was \"true\""
    );
    assert_eq!(
        refused(json!({"brand": {"$gt": 5}})),
        "invalid_filter: filter.brand.$gt: $gt compares numbers, the attribute is a string"
    );
    assert_eq!(
        refused(json!({"added": {"$gte": 5}})),
        "invalid_filter: filter.added.$gte: $gte compares numbers, the attribute is a date, text such as 2026-11-28; keep it as a number, too, to ask for ranges"
    );
    assert_eq!(
        refused(json!({"tags": {"$ne": true}})),
        "invalid_filter: filter.tags.$ne: must be a string, the attribute is a list of strings, was true"
    );
    assert_eq!(
        refused(json!({"prise": {"$lt": 5}})),
        "unknown_attribute: filter.prise.$lt: the catalog has no attribute `prise`, did you mean `price`?"
    );
    assert_eq!(
        refused(json!({"weight": 5})),
        "unknown_attribute: filter.weight: the catalog has no attribute `weight`"
    );
    let none = Attributes::default().find("price", "return").unwrap_err();
    assert_eq!(none.code, ErrorCode::UnknownAttribute);
    assert_eq!(
        none.message,
        "return: the catalog has no attribute `price`: it has none (`catalog build --attributes`)"
    );
}

#[test]
fn memory_is_that_of_arrow() {
    let count = 50_000;
    let mut random = fastrand::Rng::with_seed(1);
    let brands: Vec<String> = (0..200).map(|number| format!("brand {number}")).collect();
    let mut tags = ListBuilder::new(StringBuilder::new());
    for _ in 0..count {
        tags.append_value((0..random.usize(..4)).map(|_| Some(["new", "sale", "organic"][random.usize(..3)])));
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("brand", Arc::new(StringArray::from_iter_values((0..count).map(|_| &brands[random.usize(..200)])))),
        (
            "coded",
            Arc::new((0..count).map(|_| &brands[random.usize(..200)][..]).collect::<DictionaryArray<Int32Type>>()),
        ),
        ("url", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("https://example.com/p/{row}"))))),
        ("sku", Arc::new(StringArray::from_iter_values((0..count).map(|row| format!("{row:x}"))))),
        ("price", Arc::new((0..count).map(|row| (row % 9 > 0).then(|| random.f64())).collect::<Float64Array>())),
        ("weight", Arc::new(Float32Array::from_iter_values((0..count).map(|_| random.f32())))),
        ("stock", Arc::new(Int32Array::from_iter_values((0..count).map(|_| random.i32(..))))),
        ("rating", Arc::new(Int8Array::from_iter_values((0..count).map(|_| random.i8(-5..5))))),
        ("in_stock", Arc::new(BooleanArray::from((0..count).map(|_| random.bool()).collect::<Vec<_>>()))),
        ("added", Arc::new(Date32Array::from_iter_values((0..count).map(|_| random.i32(15_000..21_000))))),
        (
            "at",
            Arc::new(TimestampMillisecondArray::from_iter_values((0..count).map(|_| random.i64(0..2_000_000_000_000)))),
        ),
        ("tags", Arc::new(tags.finish())),
    ];
    for (name, array) in columns {
        let arrow = array.to_data().get_slice_memory_size().unwrap();
        let ours = read(&[(name, array)], 16_384).unwrap().columns[0].memory_bytes();
        assert!(ours as f64 <= 1.15 * arrow as f64, "{name}: {ours} bytes, {arrow} in Arrow");
    }
}

#[test]
fn what_no_list_shows_is_not_looked_at() {
    let item = Arc::new(Field::new("item", DataType::Decimal128(20, 2), true));
    let decimals = Decimal128Array::from(vec![150, 12_345_678_901_234_567]).with_precision_and_scale(20, 2).unwrap();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([1, 1]);
    let nulls = Some(vec![true, false].into());
    let lists: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(decimals), nulls));
    assert_eq!(rows(&read(&[("x", lists)], 10).unwrap(), &json!({"x": 1.5})).unwrap(), [0]);
}

#[test]
fn values_count_against_what_a_file_may_expand_to() {
    let item = Arc::new(Field::new("item", DataType::Int8, true));
    let zeros = Int8Array::from(vec![0; 10_000_000]);
    let lists: ArrayRef = Arc::new(FixedSizeListArray::new(item, 1_000_000, Arc::new(zeros), None));
    let batch = RecordBatch::try_from_iter([("x", lists)]).unwrap();
    let mut builders = Builders::new(&batch.schema(), &["x".to_owned()]).unwrap();
    let error = builders.append(&batch, &mut Budget::new(1_000)).unwrap_err().to_string();
    assert!(error.contains("row 0, column x: takes 320000000 bytes"), "{error}");
}

#[test]
fn all_rows_pass_a_filter_that_asks_for_nothing_also_where_there_are_no_attributes() {
    let attributes = Attributes::default().of_rows(70);
    assert_eq!(rows(&attributes, &json!({})).unwrap().len(), 70);
}
