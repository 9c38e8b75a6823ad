//! Whether what a match carries passes the job's filter, by the contract's rules.
//!
//! A record shows numbers as decimals and not what they are in the catalog, so where that is not known, or not enough, a
//! number is taken for whatever makes it pass: a right match is never called wrong.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use nearline_contract::filter::{Comparison, Condition, Scalar, Test};
use nearline_contract::{Attribute, Filter};
use serde_json::Number;

use super::catalog::CatalogInfo;

/// What a number of a record is in the catalog.
#[derive(Debug, Clone, Copy)]
enum Stored {
    Integer,
    /// A 64-bit float, whose shortest decimal the record has.
    Double,
    /// A 32-bit float; what it is compared with is rounded to one.
    Single,
}

/// Whether a product with these attributes, which are all that the filter names, can pass it.
pub(super) fn can_pass(
    filter: &Filter,
    attributes: &BTreeMap<String, Attribute>,
    catalog: Option<&CatalogInfo>,
) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| can_pass(filter, attributes, catalog)),
        Filter::Any(filters) => filters.iter().any(|filter| can_pass(filter, attributes, catalog)),
        Filter::Condition(Condition { attribute, test, .. }) => {
            let value = attributes.get(attribute);
            stored(attribute, catalog).iter().any(|stored| passes(test, value, *stored))
        }
    }
}

/// What the numbers of an attribute may be.
fn stored(attribute: &str, catalog: Option<&CatalogInfo>) -> &'static [Stored] {
    match catalog.and_then(|catalog| catalog.attribute(attribute)).map(|known| known.kind.as_str()) {
        Some("integer") => &[Stored::Integer],
        Some("float") => &[Stored::Double, Stored::Single],
        _ => &[Stored::Integer, Stored::Double, Stored::Single],
    }
}

fn passes(test: &Test, value: Option<&Attribute>, stored: Stored) -> bool {
    let is_one_of =
        |wanted: &[Scalar]| value.is_some_and(|value| wanted.iter().any(|wanted| equals(value, wanted, stored)));
    match test {
        Test::OneOf(wanted) => is_one_of(wanted),
        Test::NoneOf(wanted) => !is_one_of(wanted),
        Test::Exists(exists) => value.is_some() == *exists,
        Test::Compare(comparison, bound) => {
            let holds = |number: &Number| holds(*comparison, compare(number, bound, stored));
            value.is_some_and(|value| numbers(value).iter().any(holds))
        }
    }
}

/// Whether a value, or one element of a list, is the one that is wanted.
fn equals(value: &Attribute, wanted: &Scalar, stored: Stored) -> bool {
    match (value, wanted) {
        (Attribute::Text(text), Scalar::Text(wanted)) => text == wanted,
        (Attribute::Texts(texts), Scalar::Text(wanted)) => texts.contains(wanted),
        (Attribute::Boolean(value), Scalar::Boolean(wanted)) => value == wanted,
        (_, Scalar::Number(wanted)) => {
            numbers(value).iter().any(|number| compare(number, wanted, stored) == Some(Ordering::Equal))
        }
        _ => false,
    }
}

fn numbers(value: &Attribute) -> &[Number] {
    match value {
        Attribute::Number(number) => std::slice::from_ref(number),
        Attribute::Numbers(numbers) => numbers,
        Attribute::Boolean(_) | Attribute::Text(_) | Attribute::Texts(_) => &[],
    }
}

fn holds(comparison: Comparison, ordering: Option<Ordering>) -> bool {
    match comparison {
        Comparison::Less => ordering == Some(Ordering::Less),
        Comparison::AtMost => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        Comparison::AtLeast => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Comparison::Greater => ordering == Some(Ordering::Greater),
    }
}

fn compare(value: &Number, asked: &Number, stored: Stored) -> Option<Ordering> {
    match stored {
        Stored::Integer => exactly(value, asked),
        Stored::Double => exactly(&Number::from_f64(value.as_f64()?)?, asked),
        // The text, so that it is rounded once: it is the shortest that reads back to the same bits.
        Stored::Single => value.to_string().parse::<f32>().ok()?.partial_cmp(&match whole(asked) {
            Some(asked) => asked as f32,
            None => asked.as_f64()? as f32,
        }),
    }
}

/// Whole numbers of 64 bits as they are, all others as 64-bit floats.
fn exactly(a: &Number, b: &Number) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => Some(whole_with_float(a, b.as_f64()?)),
        (None, Some(b)) => Some(whole_with_float(b, a.as_f64()?).reverse()),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Compares the whole part, then what is left of the float; JSON has no infinities.
fn whole_with_float(whole: i128, float: f64) -> Ordering {
    whole.cmp(&(float as i128)).then(0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whether a product with `attributes` can pass `filter` in a catalog whose `a` is of this type.
    #[track_caller]
    fn check(kind: Option<&str>, filter: &Value, attributes: &Value, expected: bool) {
        let info = |kind| {
            json!({"version": "v", "dimension": 1, "model_id": null, "categories": [], "attributes":
            [{"name": "a", "type": kind, "compares_with": "number", "rows": 1, "nulls": 0, "distinct": 1, "bytes": 1}]})
        };
        let catalog: Option<CatalogInfo> = kind.map(|kind| serde_json::from_value(info(kind)).unwrap());
        let parsed = Filter::parse(filter).unwrap();
        let attributes_read = serde_json::from_value(attributes.clone()).unwrap();
        assert_eq!(can_pass(&parsed, &attributes_read, catalog.as_ref()), expected, "{filter} {attributes} {kind:?}");
    }

    #[test]
    fn each_operator_means_what_the_contract_says() {
        let (tea, none) = (json!({"a": "tea"}), json!({}));
        for (test, with, without) in [
            (json!("tea"), true, false),
            (json!({"$eq": "mug"}), false, false),
            (json!({"$ne": "tea"}), false, true),
            (json!({"$ne": "mug"}), true, true),
            (json!({"$in": ["mug", "tea"]}), true, false),
            (json!({"$nin": ["mug", "tea"]}), false, true),
            (json!({"$nin": ["mug"]}), true, true),
            (json!({"$exists": true}), true, false),
            (json!({"$exists": false}), false, true),
            (json!({"$gt": 1}), false, false),
            (json!(true), false, false),
        ] {
            check(None, &json!({"a": test}), &tea, with);
            check(None, &json!({"a": test}), &none, without);
        }
        for (operator, passing) in [
            ("$lt", [true, false, false]),
            ("$lte", [true, true, false]),
            ("$gte", [false, true, true]),
            ("$gt", [false, false, true]),
        ] {
            for (value, expected) in [4.75, 5.0, 5.25].into_iter().zip(passing) {
                check(Some("float"), &json!({"a": {operator: 5}}), &json!({"a": value}), expected);
            }
        }
        check(None, &json!({"a": true}), &json!({"a": true}), true);
        check(None, &json!({"a": false}), &json!({"a": true}), false);
    }

    #[test]
    fn filters_are_combined_and_a_list_passes_by_one_element() {
        let product = json!({"a": [1, 5], "tags": ["new", "sale"], "brand": "x", "none": []});
        for (filter, expected) in [
            (json!({"tags": "sale"}), true),
            (json!({"tags": "old"}), false),
            (json!({"tags": {"$ne": "sale"}}), false),
            (json!({"tags": {"$nin": ["old"]}}), true),
            (json!({"a": {"$gt": 2, "$lt": 2}}), true),
            (json!({"a": {"$gt": 5}}), false),
            (json!({"none": {"$exists": true}}), true),
            (json!({"none": {"$gt": 0}}), false),
            (json!({"none": {"$ne": "x"}}), true),
            (json!({"brand": "x", "tags": "old"}), false),
            (json!({"$or": [{"brand": "y"}, {"tags": "new"}]}), true),
            (json!({"$and": [{"brand": "x"}, {"$or": [{"tags": "old"}, {"a": 3}]}]}), false),
        ] {
            check(None, &filter, &product, expected);
        }
    }

    #[test]
    fn numbers_compare_exactly_unless_they_may_be_32_bit_floats() {
        let eq = |kind, value: Value, asked: Value, expected| {
            check(kind, &json!({"a": asked}), &json!({"a": value}), expected);
        };
        // 2^53 + 1 is no float.
        eq(Some("integer"), json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), false);
        eq(Some("integer"), json!(u64::MAX), json!(u64::MAX - 1), false);
        eq(Some("integer"), json!(5), json!(5.0), true);
        eq(Some("integer"), json!(-0.0), json!(0), true);
        check(Some("integer"), &json!({"a": {"$gt": 4.5}}), &json!({"a": 4}), false);
        check(Some("integer"), &json!({"a": {"$gt": -4.5}}), &json!({"a": -4}), true);
        check(Some("integer"), &json!({"a": {"$lt": 1e300}}), &json!({"a": i64::MAX}), true);
        check(Some("integer"), &json!({"a": {"$lt": -1e300}}), &json!({"a": i64::MIN}), false);
        // The float nearest to 12345678901234567168 is written 12345678901234567000.
        eq(Some("float"), json!(12_345_678_901_234_567_000_u64), json!(12_345_678_901_234_567_168_u64), true);
        // What a 32-bit float prints as 0.1 is not 0.1, but is found by it.
        eq(Some("float"), json!(0.1), json!(0.1), true);
        eq(Some("float"), json!(0.1), json!(0.100_000_001), true);
        eq(Some("float"), json!(0.1), json!(0.100_001), false);
        eq(Some("integer"), json!(16_777_216), json!(16_777_217), false);
        eq(None, json!(16_777_216), json!(16_777_217), true);
    }
}
