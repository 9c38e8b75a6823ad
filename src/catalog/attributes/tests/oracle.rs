//! Which rows pass, against a naive oracle that looks at one value after the other.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array, ListArray,
    StringArray, StringViewArray, UInt64Array,
};
use nearline_contract::filter::{Comparison, Filter, Scalar, Test};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{read, rows};

/// What a row has of an attribute, for the oracle.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Text(String),
    Boolean(bool),
    Integer(i128),
    Float32(f32),
    Float(f64),
}

/// An attribute in plain types: for each row nothing, or values, of which there is one unless it is a list.
#[derive(Debug, Clone)]
struct Column {
    name: &'static str,
    array: ArrayRef,
    values: Vec<Option<Vec<Plain>>>,
}

/// The order of a value and a number of a filter, from the definition: nothing is rounded but for 32-bit floats.
fn compare(value: &Plain, number: &serde_json::Number) -> Option<Ordering> {
    let integer = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    let float = number.as_f64().unwrap();
    // Of the integer to the float.
    let mixed = |integer: i128, float: f64| {
        let floor = float.floor();
        integer.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal })
    };
    match (value, integer) {
        (Plain::Integer(value), Some(integer)) => Some(value.cmp(&integer)),
        (Plain::Integer(value), None) => Some(mixed(*value, float)),
        (Plain::Float(value), _) if !value.is_finite() => value.partial_cmp(&float),
        (Plain::Float(value), Some(integer)) => Some(mixed(integer, *value).reverse()),
        (Plain::Float(value), None) => value.partial_cmp(&float),
        (Plain::Float32(value), _) if (float as f32).is_finite() => value.partial_cmp(&(float as f32)),
        (Plain::Float32(value), _) => f64::from(*value).partial_cmp(&float),
        _ => None,
    }
}

fn equals(value: &Plain, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (Plain::Text(value), Scalar::Text(text)) => value == text,
        (Plain::Boolean(value), Scalar::Boolean(boolean)) => value == boolean,
        (value, Scalar::Number(number)) => compare(value, number) == Some(Ordering::Equal),
        _ => false,
    }
}

fn passes(columns: &[Column], row: usize, filter: &Filter) -> bool {
    let condition = match filter {
        Filter::All(all) => return all.iter().all(|filter| passes(columns, row, filter)),
        Filter::Any(any) => return any.iter().any(|filter| passes(columns, row, filter)),
        Filter::Condition(condition) => condition,
    };
    let column = columns.iter().find(|column| column.name == condition.attribute).unwrap();
    let value = column.values[row].as_ref();
    let any = |test: &dyn Fn(&Plain) -> bool| value.is_some_and(|items| items.iter().any(test));
    match &condition.test {
        Test::Exists(exists) => value.is_some() == *exists,
        Test::OneOf(scalars) => any(&|item| scalars.iter().any(|scalar| equals(item, scalar))),
        Test::NoneOf(scalars) => !any(&|item| scalars.iter().any(|scalar| equals(item, scalar))),
        Test::Compare(comparison, number) => any(&|item| match (comparison, compare(item, number)) {
            (_, None) => false,
            (Comparison::Less, Some(order)) => order.is_lt(),
            (Comparison::AtMost, Some(order)) => order.is_le(),
            (Comparison::AtLeast, Some(order)) => order.is_ge(),
            (Comparison::Greater, Some(order)) => order.is_gt(),
        }),
    }
}

const BIG: i64 = 1 << 53;

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        -3_i64..4,
        select(vec![BIG - 1, BIG, BIG + 1, BIG + 2, -BIG - 1, i64::MAX, i64::MAX - 1, i64::MIN]),
        any::<i64>()
    ]
}

fn float() -> impl Strategy<Value = f64> {
    let special = vec![
        0.0,
        -0.0,
        0.1,
        0.5,
        1.0,
        -1.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        1.844_674_407_370_955_2e19,
        1e300,
        5e-324,
    ];
    prop_oneof![3 => select(special), 1 => any::<f64>(), 1 => -3.0_f64..3.0]
}

fn columns(rows: usize) -> impl Strategy<Value = Vec<Column>> {
    let texts =
        prop::collection::vec(prop::option::weighted(0.8, select(vec!["", "red", "blue", "green", "Red"])), rows);
    let ids = prop::collection::vec(prop::option::weighted(0.9, "[a-c]{1,5}"), rows);
    let booleans = prop::collection::vec(prop::option::of(any::<bool>()), rows);
    let integers = prop::collection::vec(prop::option::weighted(0.9, integer()), rows);
    let small = prop::collection::vec(-3_i8..4, rows);
    let unsigned =
        prop::collection::vec(prop::option::of(prop_oneof![0_u64..4, Just(u64::MAX), Just(u64::MAX - 1)]), rows);
    let floats = prop::collection::vec(prop::option::weighted(0.9, float()), rows);
    let narrow = prop::collection::vec(
        prop::option::weighted(
            0.9,
            prop_oneof![select(vec![0.1_f32, -0.0, 16_777_216.0, f32::MAX, f32::INFINITY, f32::NAN]), any::<f32>()],
        ),
        rows,
    );
    let days = prop::collection::vec(prop::option::of(prop_oneof![20_780_i32..20_790, Just(-719_528)]), rows);
    let tags = prop::collection::vec(
        prop::option::weighted(
            0.8,
            prop::collection::vec(prop::option::weighted(0.9, select(vec!["a", "b", "c"])), 0..4),
        ),
        rows,
    );
    let sizes = prop::collection::vec(
        prop::option::weighted(0.8, prop::collection::vec(prop::option::weighted(0.9, integer()), 0..4)),
        rows,
    );
    (texts, ids, booleans, integers, (small, unsigned), (floats, narrow), days, (tags, sizes)).prop_map(
        |(texts, ids, booleans, integers, (small, unsigned), (floats, narrow), days, (tags, sizes))| {
            fn plain<T: Clone>(values: &[Option<T>], plain: impl Fn(T) -> Option<Plain>) -> Vec<Option<Vec<Plain>>> {
                values.iter().map(|value| value.clone().and_then(&plain).map(|value| vec![value])).collect()
            }
            let float = |value: f64| (!value.is_nan()).then_some(Plain::Float(value));
            let date = |days: i32| {
                let date = time::OffsetDateTime::UNIX_EPOCH.date() + time::Duration::days(days.into());
                Some(Plain::Text(format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())))
            };
            let mut tag_lists = ListBuilder::new(StringBuilder::new());
            for tags in &tags {
                match tags {
                    Some(tags) => tag_lists.append_value(tags.iter().copied()),
                    None => tag_lists.append(false),
                }
            }
            let lists = |lists: &[Option<Vec<Option<Plain>>>]| {
                lists
                    .iter()
                    .map(|items| items.as_ref().map(|items| items.iter().flatten().cloned().collect()))
                    .collect()
            };
            let tag_values: Vec<Option<Vec<Option<Plain>>>> = tags
                .iter()
                .map(|tags| {
                    tags.as_ref().map(|tags| tags.iter().map(|tag| tag.map(|tag| Plain::Text(tag.into()))).collect())
                })
                .collect();
            let size_values: Vec<Option<Vec<Option<Plain>>>> = sizes
                .iter()
                .map(|sizes| {
                    sizes
                        .as_ref()
                        .map(|sizes| sizes.iter().map(|size| size.map(|size| Plain::Integer(size.into()))).collect())
                })
                .collect();
            let column = |name, array: ArrayRef, values| Column { name, array, values };
            vec![
                column(
                    "colour",
                    Arc::new(StringArray::from(texts.clone())),
                    plain(&texts, |text| Some(Plain::Text(text.into()))),
                ),
                column(
                    "coded",
                    Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>()),
                    plain(&texts, |text| Some(Plain::Text(text.into()))),
                ),
                column(
                    "id",
                    Arc::new(StringViewArray::from_iter(ids.clone())),
                    plain(&ids, |text| Some(Plain::Text(text))),
                ),
                column(
                    "new",
                    Arc::new(BooleanArray::from(booleans.clone())),
                    plain(&booleans, |value| Some(Plain::Boolean(value))),
                ),
                column(
                    "stock",
                    Arc::new(Int64Array::from(integers.clone())),
                    plain(&integers, |value| Some(Plain::Integer(value.into()))),
                ),
                column(
                    "small",
                    Arc::new(Int8Array::from(small.clone())),
                    small.iter().map(|&value| Some(vec![Plain::Integer(value.into())])).collect(),
                ),
                column(
                    "serial",
                    Arc::new(UInt64Array::from(unsigned.clone())),
                    plain(&unsigned, |value| Some(Plain::Integer(value.into()))),
                ),
                column("price", Arc::new(Float64Array::from(floats.clone())), plain(&floats, float)),
                column(
                    "weight",
                    Arc::new(Float32Array::from(narrow.clone())),
                    plain(&narrow, |value| (!value.is_nan()).then_some(Plain::Float32(value))),
                ),
                column("added", Arc::new(Date32Array::from(days.clone())), plain(&days, date)),
                column("tags", Arc::new(tag_lists.finish()), lists(&tag_values)),
                column(
                    "sizes",
                    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(sizes.clone())),
                    lists(&size_values),
                ),
            ]
        },
    )
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        integer().prop_map(Value::from),
        select(vec![
            json!(u64::MAX),
            json!(u64::MAX - 1),
            json!(9_007_199_254_740_993_u64),
            json!(0.1),
            json!(-0.0),
            json!(2.5),
            json!(1e300),
            json!(-1e300),
            json!(1.844_674_407_370_955_2e19),
            json!(9_007_199_254_740_992.0),
            json!(16_777_217),
            json!(5e-324)
        ]),
        (-3.0_f64..3.0).prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(vec!["", "red", "blue", "Red", "a", "b", "2026-11-28", "2026-11-29", "0000-01-01", "2026-1-1"])
            .prop_map(Value::from),
        "[a-c]{1,5}".prop_map(Value::from)
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    fn tests(value: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
        let values =
            prop_oneof![prop::collection::vec(value.clone(), 1..4), prop::collection::vec(value.clone(), 5..9)];
        prop_oneof![
            value.clone(),
            (select(vec!["$eq", "$ne"]), value).prop_map(|(operator, value)| json!({operator: value})),
            (select(vec!["$in", "$nin"]), values).prop_map(|(operator, values)| json!({operator: values})),
            any::<bool>().prop_map(|exists| json!({"$exists": exists})),
        ]
    }
    let comparison =
        (select(vec!["$lt", "$lte", "$gt", "$gte"]), number()).prop_map(|(operator, value)| json!({operator: value}));
    let range = (number(), number()).prop_map(|(low, high)| json!({"$gte": low, "$lt": high}));
    let of_numbers = prop_oneof![tests(number().boxed()), comparison, range];
    prop_oneof![
        (select(vec!["stock", "small", "serial", "price", "weight", "sizes"]), of_numbers),
        (select(vec!["colour", "coded", "id", "added", "tags"]), tests(text().boxed())),
        (Just("new"), tests(any::<bool>().prop_map(Value::from).boxed())),
    ]
    .prop_map(|(name, test)| json!({name: test}))
}

fn filter() -> impl Strategy<Value = Value> {
    condition().prop_recursive(3, 12, 4, |inner| {
        let several = prop::collection::vec(inner, 1..4);
        prop_oneof![several.clone().prop_map(|all| json!({"$and": all})), several.prop_map(|any| json!({"$or": any}))]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn rows_that_pass_are_the_oracles(
        columns in (1_usize..150).prop_flat_map(columns),
        filters in prop::collection::vec(filter(), 1..8),
        batch_rows in 1_usize..150,
    ) {
        let arrays: Vec<(&str, ArrayRef)> = columns.iter().map(|column| (column.name, Arc::clone(&column.array))).collect();
        let attributes = read(&arrays, batch_rows).unwrap();
        for filter in filters {
            let parsed = Filter::parse(&filter).unwrap();
            let expected: Vec<usize> = (0..attributes.rows).filter(|&row| passes(&columns, row, &parsed)).collect();
            prop_assert_eq!(rows(&attributes, &filter).unwrap(), expected, "{}", filter);
        }
    }
}
