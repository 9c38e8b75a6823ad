//! Values as DynamoDB writes them in JSON: `{"S": "mug"}`, `{"N": "0.5"}`, `{"L": [...]}`, `{"B": "..."}`.

use std::borrow::Cow;

use nearline_contract::clip;
use serde_json::value::RawValue;

use super::attributes::{Kind, Value, number as number_of, of_elements};
use super::numbers;
use super::objects::{Object, why};

/// The types of values.
const TYPES: [&str; 10] = ["B", "BOOL", "BS", "L", "M", "N", "NS", "NULL", "S", "SS"];

/// The item of an object: as exports have it, alone under the key `Item`, or as a Scan prints it, whose values all are
/// typed.
pub(super) fn item<'a>(object: &Object<'a>) -> Option<Result<Object<'a>, String>> {
    match &object.0[..] {
        [(key, value)] if key == "Item" && value.get().starts_with('{') => Some(Object::parse(value.get())),
        [_, ..] if object.0.iter().all(|(_, value)| is_typed(value)) => Some(Ok(Object(object.0.clone()))),
        _ => None,
    }
}

fn is_typed(value: &RawValue) -> bool {
    value.get().starts_with('{') && typed(value).is_ok_and(|(kind, _)| TYPES.contains(&kind.as_ref()))
}

/// The text of a value; `None` for null.
pub(super) fn text(value: &RawValue) -> Result<Option<Cow<'_, str>>, String> {
    let (kind, value) = typed(value)?;
    match kind.as_ref() {
        "S" | "N" => serde_json::from_str::<String>(value.get())
            .map(|text| Some(text.into()))
            .map_err(|error| why(&error, value.get())),
        "NULL" => Ok(None),
        other => Err(format!("is a value of DynamoDB's type {}: a string or number was expected", clip(other))),
    }
}

/// The numbers of a value: a list of numbers, or binary with little-endian 32-bit floats; `None` for null.
pub(super) fn vector(value: &RawValue) -> Result<Option<Vec<f32>>, String> {
    let (kind, value) = typed(value)?;
    match kind.as_ref() {
        "L" => {
            let numbers: Vec<&RawValue> =
                serde_json::from_str(value.get()).map_err(|error| why(&error, value.get()))?;
            numbers
                .into_iter()
                .enumerate()
                .map(|(position, number)| self::number(position, number))
                .collect::<Result<_, _>>()
                .map(Some)
        }
        "B" => {
            let text: String = serde_json::from_str(value.get()).map_err(|error| why(&error, value.get()))?;
            let bytes = numbers::from_base64(&text).ok_or("is binary, but not base64")?;
            numbers::from_bytes(&bytes).map(Some)
        }
        "S" => {
            let text: String = serde_json::from_str(value.get()).map_err(|error| why(&error, value.get()))?;
            numbers::from_text(&text)
        }
        "NULL" => Ok(None),
        "NS" => Err("is a set of numbers, which has no order: keep vectors as a list or as binary".to_owned()),
        other => {
            Err(format!("is a value of DynamoDB's type {}: a list of numbers or binary was expected", clip(other)))
        }
    }
}

/// The value of an attribute: S, N, BOOL, SS, NS, or L of S or of N; `None` for null.
pub(super) fn value(value: &RawValue, kind: Option<Kind>) -> Result<Option<Value>, String> {
    let value = match scalar(value)? {
        Some(Value::Cell(number)) if kind == Some(Kind::String) => Some(Value::Text(number)),
        Some(Value::Cell(number)) => Some(of_number(&number)?),
        value => value,
    };
    match (value, kind) {
        (Some(value), Some(kind)) => kind.take(value),
        (value, _) => Ok(value),
    }
}

/// The same, of a number its text as a cell.
fn scalar(value: &RawValue) -> Result<Option<Value>, String> {
    let (kind, value) = typed(value)?;
    let fault = |error: serde_json::Error| why(&error, value.get());
    let several = || "is a list of several kinds: it must be of strings or of numbers".to_owned();
    Ok(Some(match kind.as_ref() {
        "NULL" => return Ok(None),
        "S" => Value::Text(serde_json::from_str(value.get()).map_err(fault)?),
        "N" => Value::Cell(serde_json::from_str(value.get()).map_err(fault)?),
        "BOOL" => Value::Flag(serde_json::from_str(value.get()).map_err(fault)?),
        "SS" => {
            let texts: Vec<String> = serde_json::from_str(value.get()).map_err(fault)?;
            of_elements(texts.into_iter().map(|text| Ok(Some(Value::Text(text)))), several)?
        }
        "NS" => {
            let numbers: Vec<String> = serde_json::from_str(value.get()).map_err(fault)?;
            of_elements(numbers.iter().map(|number| of_number(number).map(Some)), several)?
        }
        "L" => {
            let elements: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(fault)?;
            let elements = elements.into_iter().map(|element| match scalar(element)? {
                Some(Value::Cell(number)) => of_number(&number).map(Some),
                element => Ok(element),
            });
            of_elements(elements, several).unwrap_or_else(Value::Other)
        }
        other => Value::Other(format!("is of DynamoDB's type {}", clip(other))),
    }))
}

fn of_number(text: &str) -> Result<Value, String> {
    let number = number_of(text).unwrap_or_else(|| Err(format!("is `{}`, not a number", clip(text))));
    number.map(Value::Number)
}

fn number(position: usize, value: &RawValue) -> Result<f32, String> {
    let fault = |what: &str| format!("number {position} {what}");
    let (kind, value) = typed(value)?;
    if kind != "N" {
        return Err(fault(&format!("is of DynamoDB's type {}", clip(&kind))));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|error| why(&error, value.get()))?;
    let number: f32 = text.parse().map_err(|_| fault(&format!("is `{}`", clip(&text))))?;
    if number.is_finite() { Ok(number) } else { Err(fault("is beyond 32-bit floats")) }
}

fn typed(value: &RawValue) -> Result<(Cow<'_, str>, &RawValue), String> {
    let mut entries = Object::parse(value.get()).map_err(|_| "is not a value as DynamoDB writes it".to_owned())?.0;
    match (entries.pop(), entries.is_empty()) {
        (Some(entry), true) => Ok(entry),
        _ => Err("is not a value as DynamoDB writes it".to_owned()),
    }
}
