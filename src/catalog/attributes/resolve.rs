//! A filter in terms of one catalog: names become columns, and values what is looked for in them.
//!
//! Whatever a filter can be refused for is found here, before a row is looked at. Every comparison of numbers becomes
//! ranges, exact for integers of any size.

use std::ops::RangeInclusive;
use std::sync::Arc;

use nearline_contract::filter::{Comparison, Condition, Filter, Scalar, Test as Asked, invalid_filter};
use nearline_contract::{JobError, clip};
use serde_json::Number;

use super::column::{AttributeKind, Column, Values};
use super::numbers::{Numbers, Ranges};
use super::table::Attributes;
use super::texts::Wanted;

/// A filter in terms of the attributes of one catalog.
#[derive(Debug, Clone)]
pub struct RowFilter(pub(super) Arc<Node>);

/// A filter in terms of one catalog.
#[derive(Debug, Clone)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Leaf(Leaf),
}

/// A test of one column.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) column: usize,
    pub(super) test: Test,
    /// Whether those pass that do not pass the test: so do rows that do not have the attribute.
    pub(super) negated: bool,
}

/// What is looked for in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Exists,
    Booleans { yes: bool, no: bool },
    Numbers(Ranges),
    Texts(Wanted),
}

/// No integer of a column is beyond this.
const INTEGER_MAX: i128 = 1 << 100;

impl Attributes {
    /// A filter in terms of these attributes.
    ///
    /// # Errors
    /// [`UnknownAttribute`](nearline_contract::ErrorCode::UnknownAttribute), or
    /// [`InvalidFilter`](nearline_contract::ErrorCode::InvalidFilter) for a value that its attribute cannot have.
    pub fn resolve(&self, filter: &Filter) -> Result<RowFilter, JobError> {
        Ok(RowFilter(Arc::new(self.node(filter)?)))
    }

    fn node(&self, filter: &Filter) -> Result<Node, JobError> {
        let nodes = |filters: &[Filter]| filters.iter().map(|filter| self.node(filter)).collect::<Result<_, _>>();
        Ok(match filter {
            Filter::All(filters) => Node::All(nodes(filters)?),
            Filter::Any(filters) => Node::Any(nodes(filters)?),
            Filter::Condition(condition) => Node::Leaf(self.leaf(condition)?),
        })
    }

    fn leaf(&self, condition: &Condition) -> Result<Leaf, JobError> {
        let number = self.find(&condition.attribute, &condition.path)?;
        let column = &self.columns[number];
        let (test, negated) = match &condition.test {
            Asked::Exists(exists) => (Test::Exists, !exists),
            Asked::OneOf(values) => (one_of(column, values, condition)?, false),
            Asked::NoneOf(values) => (one_of(column, values, condition)?, true),
            Asked::Compare(comparison, number) => (compare(column, *comparison, number, condition)?, false),
        };
        Ok(Leaf { column: number, test, negated })
    }
}

fn one_of(column: &Column, values: &[Scalar], condition: &Condition) -> Result<Test, JobError> {
    let wanted = column.kind().compares_with();
    for (number, value) in values.iter().enumerate() {
        let (is, shown) = match value {
            Scalar::Text(text) => ("string", format!("\"{}\"", clip(text))),
            Scalar::Number(number) => ("number", number.to_string()),
            Scalar::Boolean(value) => ("boolean", value.to_string()),
        };
        if is != wanted {
            let path = &condition.path;
            let is_list = path.ends_with(".$in") || path.ends_with(".$nin");
            let path = if is_list { format!("{path}[{number}]") } else { path.clone() };
            return Err(invalid_filter(&path, format_args!("must be a {wanted}, {}, was {shown}", because(column))));
        }
    }
    let texts =
        || values.iter().filter_map(|value| if let Scalar::Text(text) = value { Some(&text[..]) } else { None });
    let numbers =
        || values.iter().filter_map(|value| if let Scalar::Number(number) = value { Some(number) } else { None });
    Ok(match &column.values {
        Values::Booleans(_) => Test::Booleans {
            yes: values.contains(&Scalar::Boolean(true)),
            no: values.contains(&Scalar::Boolean(false)),
        },
        Values::Texts(items) | Values::TextLists { items, .. } => Test::Texts(items.wanted(texts())),
        Values::Instants { unit, .. } => {
            let found = texts().filter_map(|text| unit.value(text)).map(|value| (value.into(), value.into()));
            Test::Numbers(Ranges::Integers(ascending(found.collect())))
        }
        Values::Numbers(items) | Values::NumberLists { items, .. } => Test::Numbers(match items {
            Numbers::F32(_) | Numbers::F64(_) => {
                let is_narrow = matches!(items, Numbers::F32(_));
                let found = numbers().filter_map(|number| Bound::new(number, is_narrow).equal());
                Ranges::Floats(ascending(found.map(|value| (value, value)).collect()))
            }
            _ => Ranges::Integers(ascending(numbers().filter_map(whole).map(|value| (value, value)).collect())),
        }),
    })
}

fn compare(column: &Column, comparison: Comparison, number: &Number, condition: &Condition) -> Result<Test, JobError> {
    let (Values::Numbers(items) | Values::NumberLists { items, .. }) = &column.values else {
        let operator = condition.path.rsplit('.').next().unwrap_or_default();
        let hint = match column.kind() {
            AttributeKind::Date | AttributeKind::Timestamp => "; keep it as a number, too, to ask for ranges",
            _ => "",
        };
        let what = format_args!("{operator} compares numbers, {}{hint}", because(column));
        return Err(invalid_filter(&condition.path, what));
    };
    Ok(Test::Numbers(match items {
        Numbers::F32(_) | Numbers::F64(_) => {
            let bound = Bound::new(number, matches!(items, Numbers::F32(_)));
            let range = match comparison {
                Comparison::Less => (f64::NEG_INFINITY, bound.below),
                Comparison::AtMost => (f64::NEG_INFINITY, bound.at_most),
                Comparison::AtLeast => (bound.at_least, f64::INFINITY),
                Comparison::Greater => (bound.above, f64::INFINITY),
            };
            Ranges::Floats(ascending(vec![range]))
        }
        _ => {
            let (floor, ceiling) = around(number);
            let range = match comparison {
                Comparison::Less => (-INTEGER_MAX, ceiling - 1),
                Comparison::AtMost => (-INTEGER_MAX, floor),
                Comparison::AtLeast => (ceiling, INTEGER_MAX),
                Comparison::Greater => (floor + 1, INTEGER_MAX),
            };
            Ranges::Integers(ascending(vec![range]))
        }
    }))
}

/// Why a value of another type does not fit.
fn because(column: &Column) -> &'static str {
    match column.kind() {
        AttributeKind::String => "the attribute is a string",
        AttributeKind::Boolean => "the attribute is a boolean",
        AttributeKind::Integer | AttributeKind::Float => "the attribute is a number",
        AttributeKind::Date => "the attribute is a date, text such as 2026-11-28",
        AttributeKind::Timestamp => "the attribute is a timestamp, text such as 2026-11-28T12:00:00Z",
        AttributeKind::Strings => "the attribute is a list of strings",
        AttributeKind::Numbers => "the attribute is a list of numbers",
    }
}

/// Ranges in order, each once; empty ones are left out.
fn ascending<T: PartialOrd>(mut bounds: Vec<(T, T)>) -> Vec<RangeInclusive<T>> {
    bounds.retain(|(start, end)| start <= end);
    bounds.sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    bounds.dedup_by(|(a, _), (b, _)| a == b);
    bounds.into_iter().map(|(start, end)| start..=end).collect()
}

/// The whole number that it is.
fn whole(number: &Number) -> Option<i128> {
    let (floor, ceiling) = around(number);
    (floor == ceiling && floor.abs() < INTEGER_MAX).then_some(floor)
}

/// The next whole numbers: not above it, and not below.
fn around(number: &Number) -> (i128, i128) {
    if let Some(integer) = integer(number) {
        return (integer, integer);
    }
    let value = number.as_f64().unwrap_or(f64::NAN);
    // The conversion ends at the bounds of the type, far beyond those of columns.
    let bounded = |value: f64| (value as i128).clamp(-INTEGER_MAX, INTEGER_MAX);
    (bounded(value.floor()), bounded(value.ceil()))
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// A number among floats: the floats next to it, which are equal if it is one itself.
struct Bound {
    below: f64,
    at_most: f64,
    at_least: f64,
    above: f64,
}

impl Bound {
    /// `is_narrow`: among floats of 32 bits, to which the number is rounded as their own decimals were.
    fn new(number: &Number, is_narrow: bool) -> Self {
        let nearest = number.as_f64().unwrap_or(f64::NAN);
        let narrow = nearest as f32;
        if is_narrow && narrow.is_finite() {
            return Self::at(narrow.into());
        }
        // Only whole numbers of more than 53 bits are not.
        match integer(number).map(|integer| (nearest as i128).cmp(&integer)) {
            Some(std::cmp::Ordering::Greater) => {
                let before = nearest.next_down();
                Self { below: before, at_most: before, at_least: nearest, above: nearest }
            }
            Some(std::cmp::Ordering::Less) => {
                let after = nearest.next_up();
                Self { below: nearest, at_most: nearest, at_least: after, above: after }
            }
            _ => Self::at(nearest),
        }
    }

    fn at(value: f64) -> Self {
        Self { below: value.next_down(), at_most: value, at_least: value, above: value.next_up() }
    }

    fn equal(&self) -> Option<f64> {
        (self.at_most >= self.at_least).then_some(self.at_most)
    }
}
