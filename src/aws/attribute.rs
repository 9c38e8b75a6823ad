//! The attributes of a match in an item, and back.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use nearline_contract::{Attribute, clip};
use serde_json::Number;

/// As a map.
pub(super) fn from_attributes(attributes: &BTreeMap<String, Attribute>) -> AttributeValue {
    AttributeValue::M(attributes.iter().map(|(name, value)| (name.clone(), from_attribute(value))).collect())
}

/// Of a map; the error says which of them is none.
pub(super) fn to_attributes(map: &HashMap<String, AttributeValue>) -> Result<BTreeMap<String, Attribute>, String> {
    let attribute = |(name, value): (&String, _)| Ok((name.clone(), to_attribute(value).ok_or_else(|| odd(name))?));
    map.iter().map(attribute).collect()
}

fn from_attribute(value: &Attribute) -> AttributeValue {
    match value {
        Attribute::Boolean(value) => AttributeValue::Bool(*value),
        Attribute::Number(value) => number(value),
        Attribute::Text(value) => text(value),
        Attribute::Numbers(values) => AttributeValue::L(values.iter().map(number).collect()),
        Attribute::Texts(values) => AttributeValue::L(values.iter().map(|value| text(value)).collect()),
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: &Number) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn odd(name: &str) -> String {
    format!("the attribute {} is neither text, number nor boolean, nor a list of one of these", clip(name))
}

fn to_attribute(value: &AttributeValue) -> Option<Attribute> {
    let digits = |value: &AttributeValue| value.as_n().ok().and_then(|digits| digits.parse::<Number>().ok());
    Some(match value {
        AttributeValue::Bool(value) => Attribute::Boolean(*value),
        AttributeValue::S(text) => Attribute::Text(text.clone()),
        AttributeValue::L(items) => match items.iter().map(digits).collect() {
            Some(numbers) => Attribute::Numbers(numbers),
            None => Attribute::Texts(items.iter().map(|item| item.as_s().ok().cloned()).collect::<Option<_>>()?),
        },
        number => Attribute::Number(digits(number)?),
    })
}
