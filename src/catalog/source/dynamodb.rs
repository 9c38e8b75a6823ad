//! Values as DynamoDB writes them in JSON: `{"S": "mug"}`, `{"N": "0.5"}`, `{"L": [...]}`, `{"B": "..."}`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::numbers;
use super::objects::Object;

/// The item of a line, if the line is one of an export: an object whose only key is `Item`.
pub(super) fn item<'a>(object: &Object<'a>) -> Option<Result<Object<'a>, String>> {
    match &object.0[..] {
        [(key, value)] if key == "Item" && value.get().starts_with('{') => Some(Object::parse(value.get())),
        _ => None,
    }
}

/// The text of a value; `None` for null.
pub(super) fn text(value: &RawValue) -> Result<Option<Cow<'_, str>>, String> {
    let (kind, value) = typed(value)?;
    match kind.as_ref() {
        "S" | "N" => {
            serde_json::from_str::<String>(value.get()).map(|text| Some(text.into())).map_err(|e| e.to_string())
        }
        "NULL" => Ok(None),
        other => Err(format!("is a value of DynamoDB's type {other}: a string or number was expected")),
    }
}

/// The numbers of a value: a list of numbers, or binary with little-endian 32-bit floats; `None` for null.
pub(super) fn vector(value: &RawValue) -> Result<Option<Vec<f32>>, String> {
    let (kind, value) = typed(value)?;
    match kind.as_ref() {
        "L" => {
            let numbers: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|error| error.to_string())?;
            numbers
                .into_iter()
                .enumerate()
                .map(|(position, number)| self::number(position, number))
                .collect::<Result<_, _>>()
                .map(Some)
        }
        "B" => {
            let text: String = serde_json::from_str(value.get()).map_err(|error| error.to_string())?;
            let bytes = numbers::from_base64(&text).ok_or("is binary, but no base64")?;
            numbers::from_bytes(&bytes).map(Some)
        }
        "S" => {
            let text: String = serde_json::from_str(value.get()).map_err(|error| error.to_string())?;
            numbers::from_text(&text)
        }
        "NULL" => Ok(None),
        "NS" => Err("is a set of numbers, which has no order: keep vectors as a list or as binary".to_owned()),
        other => Err(format!("is a value of DynamoDB's type {other}: a list of numbers or binary was expected")),
    }
}

fn number(position: usize, value: &RawValue) -> Result<f32, String> {
    let fault = |what: &str| format!("number {position} {what}");
    let (kind, value) = typed(value)?;
    if kind != "N" {
        return Err(fault(&format!("is of DynamoDB's type {kind}")));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|error| error.to_string())?;
    let number: f32 = text.parse().map_err(|_| fault(&format!("is `{}`", nearline_contract::clip(&text))))?;
    if number.is_finite() { Ok(number) } else { Err(fault("is beyond 32-bit floats")) }
}

fn typed(value: &RawValue) -> Result<(Cow<'_, str>, &RawValue), String> {
    let mut entries = Object::parse(value.get()).map_err(|_| "is no value as DynamoDB writes it".to_owned())?.0;
    match (entries.pop(), entries.is_empty()) {
        (Some(entry), true) => Ok(entry),
        _ => Err("is no value as DynamoDB writes it".to_owned()),
    }
}
