//! A value as its column keeps it.

use arrow_schema::DataType;

use super::value::{Number, Value, flag, list, number};
use crate::catalog::attributes::moment;

/// Floats hold whole numbers up to this one without gaps.
const EXACT_MAX: i128 = 1 << 53;

/// A value of the type that its column has in the artifact.
///
/// # Errors
/// It cannot be one.
pub(in crate::catalog::source) fn fit(value: &Value, kind: &DataType) -> Result<Value, String> {
    let other = || Err(format!("is {value}, but {} is expected, as in most rows", in_words(kind)));
    match (kind, value) {
        (_, Value::Other(what)) => Err(what.clone()),
        (DataType::Utf8, Value::Cell(text) | Value::Text(text)) => Ok(Value::Text(text.clone())),
        (DataType::Boolean, Value::Flag(_))
        | (DataType::Date32 | DataType::Timestamp(..), Value::Moment(_))
        | (DataType::List(_), Value::Empty) => Ok(value.clone()),
        (DataType::Date32 | DataType::Timestamp(..), Value::Cell(text) | Value::Text(text)) => {
            moment(kind, text).map_or_else(other, |moment| Ok(Value::Moment(moment)))
        }
        (DataType::Boolean, Value::Cell(text)) => flag(text).map_or_else(other, |flag| Ok(Value::Flag(flag))),
        (DataType::List(item), Value::Texts(_)) if *item.data_type() == DataType::Utf8 => Ok(value.clone()),
        (DataType::List(item), Value::Numbers(numbers)) if is_number(item.data_type()) => {
            let numbers = numbers.iter().map(|number| fit_number(*number, item.data_type()));
            numbers.collect::<Result<_, _>>().map(Value::Numbers)
        }
        (DataType::List(_), Value::Cell(text)) => match list(text) {
            Some(list) => fit(&list?, kind),
            None => other(),
        },
        (kind, Value::Number(number)) if is_number(kind) => fit_number(*number, kind).map(Value::Number),
        (kind, Value::Cell(text)) if is_number(kind) => match number(text) {
            Some(number) => fit_number(number?, kind).map(Value::Number),
            None => other(),
        },
        _ => other(),
    }
}

fn fit_number(number: Number, kind: &DataType) -> Result<Number, String> {
    match (number, range(kind)) {
        (Number::Integer(integer), Some(range)) if contains(range, integer) => Ok(number),
        (Number::Integer(integer), Some(_)) => {
            Err(format!("is {integer}, which does not fit the other numbers' {kind}"))
        }
        (Number::Float(_), None) => Ok(number),
        (Number::Integer(integer), None) if is_exact(integer) => Ok(Number::Float(integer as f64)),
        (Number::Integer(integer), None) => {
            Err(format!("is {integer}, which is not exact as a float, and other rows have fractions"))
        }
        (Number::Float(float), Some(_)) => Err(format!("is {float:?}, but a whole number is expected")),
    }
}

/// Whether a float is this whole number.
pub(super) fn is_exact(integer: i128) -> bool {
    integer.abs() <= EXACT_MAX || (integer as f64) as i128 == integer
}

pub(super) fn is_number(kind: &DataType) -> bool {
    range(kind).is_some() || matches!(kind, DataType::Float32 | DataType::Float64)
}

/// The whole numbers that a type holds; `None`: it is none of whole numbers.
pub(super) fn range(kind: &DataType) -> Option<(i128, i128)> {
    Some(match kind {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

pub(super) fn contains((least, most): (i128, i128), number: i128) -> bool {
    least <= number && number <= most
}

/// What a column holds, in the words of `catalog inspect`.
pub(super) fn name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Utf8 => "string",
        DataType::Boolean => "boolean",
        DataType::Float32 | DataType::Float64 => "float",
        DataType::Date32 => "date",
        DataType::Timestamp(..) => "timestamp",
        DataType::List(item) if *item.data_type() == DataType::Utf8 => "strings",
        DataType::List(_) => "numbers",
        _ => "integer",
    }
}

fn in_words(kind: &DataType) -> &'static str {
    match name(kind) {
        "string" => "a string",
        "boolean" => "a boolean",
        "date" => "a date such as 2026-11-28",
        "timestamp" => "a timestamp such as 2026-11-28T12:00:00Z",
        "strings" => "a list of strings",
        "numbers" => "a list of numbers",
        _ => "a number",
    }
}
