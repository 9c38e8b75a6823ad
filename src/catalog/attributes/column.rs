//! One attribute of all products.

use arrow_schema::DataType;
use nearline_contract::Attribute;
use serde_json::Number as JsonNumber;

use super::bits::Bits;
use super::instants::Unit;
use super::numbers::{Number, Numbers};
use super::texts::Texts;

/// What numbers DynamoDB stores, but for zero: at least the one, and less than the other.
const STORED: [f64; 2] = [1e-130, 1e126];

/// One attribute of all products.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) values: Values,
    /// The rows that have it; `None`: all.
    pub(super) present: Option<Bits>,
    /// The type that an artifact keeps it as.
    pub(super) kept_as: DataType,
}

/// Values, one for each row: of rows that do not have it, too.
#[derive(Debug)]
pub(super) enum Values {
    Booleans(Bits),
    Numbers(Numbers),
    Texts(Texts),
    Instants { values: Numbers, unit: Unit },
    TextLists { ends: Vec<u32>, items: Texts },
    NumberLists { ends: Vec<u32>, items: Numbers },
}

/// What an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AttributeKind {
    String,
    Boolean,
    Integer,
    Float,
    Date,
    Timestamp,
    Strings,
    Numbers,
}

impl AttributeKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Strings => "strings",
            Self::Numbers => "numbers",
        }
    }

    /// What JSON value it is compared with.
    pub fn compares_with(self) -> &'static str {
        match self {
            Self::String | Self::Date | Self::Timestamp | Self::Strings => "string",
            Self::Boolean => "boolean",
            Self::Integer | Self::Float | Self::Numbers => "number",
        }
    }
}

impl Column {
    pub(super) fn kind(&self) -> AttributeKind {
        match &self.values {
            Values::Booleans(_) => AttributeKind::Boolean,
            Values::Numbers(Numbers::F32(_) | Numbers::F64(_)) => AttributeKind::Float,
            Values::Numbers(_) => AttributeKind::Integer,
            Values::Texts(_) => AttributeKind::String,
            Values::Instants { unit: Unit::Days, .. } => AttributeKind::Date,
            Values::Instants { unit: Unit::Time { .. }, .. } => AttributeKind::Timestamp,
            Values::TextLists { .. } => AttributeKind::Strings,
            Values::NumberLists { .. } => AttributeKind::Numbers,
        }
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|present| present.has(row))
    }

    /// The value of a row as records have it; `None`: there is none, or DynamoDB could not store it.
    pub(super) fn get(&self, row: usize) -> Option<Attribute> {
        if !self.has(row) {
            return None;
        }
        Some(match &self.values {
            Values::Booleans(values) => Attribute::Boolean(values.has(row)),
            Values::Numbers(numbers) => Attribute::Number(json(numbers.get(row))?),
            Values::Texts(texts) => Attribute::Text(texts.get(row).to_owned()),
            Values::Instants { values, unit } => Attribute::Text(instant(values.get(row), *unit)?),
            Values::TextLists { ends, items } => {
                match list(ends, row) {
                    // As JSON and DynamoDB have it, an empty list is of no type.
                    none if none.is_empty() => Attribute::Numbers(Vec::new()),
                    some => Attribute::Texts(some.map(|item| items.get(item).to_owned()).collect()),
                }
            }
            Values::NumberLists { ends, items } => {
                Attribute::Numbers(list(ends, row).filter_map(|item| json(items.get(item))).collect())
            }
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists = |ends: &Vec<u32>| ends.capacity() * size_of::<u32>();
        self.present.as_ref().map_or(0, Bits::memory_bytes)
            + match &self.values {
                Values::Booleans(values) => values.memory_bytes(),
                Values::Numbers(values) | Values::Instants { values, .. } => values.memory_bytes(),
                Values::Texts(texts) => texts.memory_bytes(),
                Values::TextLists { ends, items } => lists(ends) + items.memory_bytes(),
                Values::NumberLists { ends, items } => lists(ends) + items.memory_bytes(),
            }
    }
}

/// Where the items of a row are.
pub(super) fn list(ends: &[u32], row: usize) -> std::ops::Range<usize> {
    let start = if row == 0 { 0 } else { ends[row - 1] as usize };
    start..ends[row] as usize
}

fn instant(value: Number, unit: Unit) -> Option<String> {
    match value {
        Number::Integer(value) => unit.text(i64::try_from(value).ok()?),
        Number::Float32(_) | Number::Float(_) => None,
    }
}

/// A number as JSON; `None` if it is beyond what DynamoDB stores.
fn json(number: Number) -> Option<JsonNumber> {
    match number {
        Number::Integer(value) => match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => Some(value.into()),
            (_, Ok(value)) => Some(value.into()),
            _ => None,
        },
        // The shortest decimal of the 32 bits, not of the 64 that they would be widened to.
        Number::Float32(value) => float(value.to_string().parse().ok()?),
        Number::Float(value) => float(value),
    }
}

fn float(value: f64) -> Option<JsonNumber> {
    /// So far each whole number is a float.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let [least, most] = STORED;
    if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        return Some((value as i64).into());
    }
    (least..most).contains(&value.abs()).then(|| JsonNumber::from_f64(value)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: Numbers) -> Vec<Option<String>> {
        let rows = values.len();
        let column = Column { values: Values::Numbers(values), present: None, kept_as: DataType::Int64 };
        let text = |row| column.get(row).map(|value| serde_json::to_string(&value).unwrap());
        (0..rows).map(text).collect()
    }

    #[test]
    fn numbers_are_short_decimals_and_what_dynamodb_does_not_store_is_left_out() {
        let some = |texts: &[&str]| texts.iter().map(|text| Some((*text).to_owned())).collect::<Vec<_>>();
        assert_eq!(shown(Numbers::floats32(vec![0.1, 16_777_216.0, -2.5])), some(&["0.1", "16777216", "-2.5"]));
        assert_eq!(shown(Numbers::floats(vec![0.1, -0.0, 1e-7])), some(&["0.1", "0", "1e-7"]));
        assert_eq!(shown(Numbers::unsigned(vec![u64::MAX])), some(&["18446744073709551615"]));
        assert_eq!(shown(Numbers::signed(vec![i64::MIN])), some(&["-9223372036854775808"]));
        assert_eq!(shown(Numbers::floats(vec![f64::INFINITY, 1e126, -1e200, 1e-131])), vec![None; 4]);
    }
}
