//! Values of attributes as an artifact is written of them.

use super::column::{Column, Values, list};
use super::numbers::Number;
use super::table::Attributes;
use crate::catalog::source::{Number as Written, Value};

impl Attributes {
    /// The values of a row, one for each column.
    pub(in crate::catalog) fn values(&self, row: u32) -> Vec<Option<Value>> {
        self.columns.iter().map(|column| column.value(row as usize)).collect()
    }
}

impl Column {
    /// The value of a row; unlike [`get`](Self::get) also what no record can have.
    pub(super) fn value(&self, row: usize) -> Option<Value> {
        if !self.has(row) {
            return None;
        }
        Some(match &self.values {
            Values::Booleans(values) => Value::Flag(values.has(row)),
            Values::Numbers(numbers) => Value::Number(written(numbers.get(row))),
            Values::Texts(texts) => Value::Text(texts.get(row).to_owned()),
            Values::Instants { values, .. } => match values.get(row) {
                Number::Integer(moment) => Value::Moment(moment as i64),
                Number::Float32(_) | Number::Float(_) => return None,
            },
            Values::TextLists { ends, items } => {
                Value::Texts(list(ends, row).map(|item| items.get(item).to_owned()).collect())
            }
            Values::NumberLists { ends, items } => {
                Value::Numbers(list(ends, row).map(|item| written(items.get(item))).collect())
            }
        })
    }
}

fn written(number: Number) -> Written {
    match number {
        Number::Integer(value) => Written::Integer(value),
        Number::Float32(value) => Written::Float(value.into()),
        Number::Float(value) => Written::Float(value),
    }
}
