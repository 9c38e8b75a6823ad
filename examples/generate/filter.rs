//! Whether a product passes a filter, the slow way from the contract: what the worker's answers are compared with.
//!
//! Numbers are 64-bit floats here, as the prices are. Whether a value fits its attribute is not asked.

use std::collections::BTreeMap;

use nearline_contract::filter::{Comparison, Condition, Scalar, Test};
use nearline_contract::{Attribute, Filter};

/// What a product has beside id, category, title and vector; what is absent is not in it.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

pub(crate) fn passes(filter: &Filter, attributes: &Attributes) -> bool {
    match filter {
        Filter::All(filters) => filters.iter().all(|filter| passes(filter, attributes)),
        Filter::Any(filters) => filters.iter().any(|filter| passes(filter, attributes)),
        Filter::Condition(Condition { attribute, test, .. }) => {
            let value = attributes.get(attribute);
            let values = value.map(elements).unwrap_or_default();
            match test {
                Test::OneOf(wanted) => values.iter().any(|value| wanted.iter().any(|wanted| same(value, wanted))),
                Test::NoneOf(wanted) => !values.iter().any(|value| wanted.iter().any(|wanted| same(value, wanted))),
                Test::Compare(comparison, bound) => {
                    values.iter().any(|value| compares(value, *comparison, bound.as_f64()))
                }
                Test::Exists(exists) => value.is_some() == *exists,
            }
        }
    }
}

/// The elements of a list; anything else is its own only one.
fn elements(value: &Attribute) -> Vec<Scalar> {
    match value {
        Attribute::Boolean(value) => vec![Scalar::Boolean(*value)],
        Attribute::Number(number) => vec![Scalar::Number(number.clone())],
        Attribute::Text(text) => vec![Scalar::Text(text.clone())],
        Attribute::Numbers(numbers) => numbers.iter().cloned().map(Scalar::Number).collect(),
        Attribute::Texts(texts) => texts.iter().cloned().map(Scalar::Text).collect(),
    }
}

fn same(value: &Scalar, wanted: &Scalar) -> bool {
    match (value, wanted) {
        // 49 and 49.0 are the same.
        (Scalar::Number(value), Scalar::Number(wanted)) => value.as_f64() == wanted.as_f64(),
        (value, wanted) => value == wanted,
    }
}

fn compares(value: &Scalar, comparison: Comparison, bound: Option<f64>) -> bool {
    let Scalar::Number(value) = value else { return false };
    let Some((value, bound)) = value.as_f64().zip(bound) else { return false };
    match comparison {
        Comparison::Less => value < bound,
        Comparison::AtMost => value <= bound,
        Comparison::AtLeast => value >= bound,
        Comparison::Greater => value > bound,
    }
}
