//! Rows of several tables as one: of an artifact and of its updates, whose columns are of the same kinds.

use std::sync::Arc;

use arrow_schema::{DataType, Field};

use super::bits::Bits;
use super::cells::Cell;
use super::column::{Column, Values, list};
use super::numbers::Number;
use super::read::Data;
use super::table::Attributes;
use crate::catalog::names::Names;

/// Why a type of the base has data: only types that can be attributes are kept.
const KNOWN: &str = "the type of a column that was read as an attribute can be one";

/// The type of an attribute's column in an artifact that is written anew: one for all whole numbers, so that an update may
/// hold larger ones than the artifact does.
pub(super) fn kept_as(kind: &DataType) -> DataType {
    match kind {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => kept_as(values),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            DataType::Int64
        }
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            if *scale > 0 {
                DataType::Float64
            } else {
                DataType::Int64
            }
        }
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("item", kept_as(item.data_type()), false)))
        }
        kind => kind.clone(),
    }
}

/// Whether a column of an update may be of this type, where the artifact keeps another as `kept`: whole numbers are
/// compared one by one.
fn goes_with(kept: &DataType, other: &DataType) -> bool {
    let is_whole = |kind: &DataType| matches!(kind, DataType::Int64 | DataType::UInt64);
    match (kept, kept_as(other)) {
        (DataType::List(kept), DataType::List(other)) => goes_with(kept.data_type(), other.data_type()),
        (kept, other) => *kept == other || is_whole(kept) && is_whole(&other),
    }
}

impl Attributes {
    /// The columns of these attributes in an artifact that is written anew.
    pub(in crate::catalog) fn fields(&self) -> Vec<Field> {
        let field = |(number, column): (u32, &Column)| Field::new(self.names.get(number), column.kept_as.clone(), true);
        (0..).zip(&self.columns).map(field).collect()
    }

    /// Whether a column of an update may be the attribute `number`.
    pub(in crate::catalog) fn takes(&self, number: usize, kind: &DataType) -> bool {
        goes_with(&self.columns[number].kept_as, kind)
    }

    /// The first row and column of an update with a whole number that these attributes cannot keep, and the number.
    pub(in crate::catalog) fn too_large_in(&self, update: &Self) -> Option<(usize, usize, i128)> {
        let beyond = |(number, (kept, column)): (usize, (&Column, &Column))| {
            let item = match &kept.kept_as {
                DataType::List(item) => item.data_type(),
                kind => kind,
            };
            let holds = |value: i128| match item {
                DataType::Int64 => i64::try_from(value).is_ok(),
                DataType::UInt64 => u64::try_from(value).is_ok(),
                _ => true,
            };
            let found =
                (0..update.rows).find_map(|row| Some((row, column.integers(row).find(|&value| !holds(value))?)));
            found.map(|(row, value)| (row, number, value))
        };
        self.columns.iter().zip(&update.columns).enumerate().find_map(beyond)
    }

    /// The rows that are picked, each of a table by its number, as a table of their own with the columns of this one.
    pub(in crate::catalog) fn gather(&self, tables: &[&Self], picks: &[(usize, u32)]) -> Self {
        let column = |(number, column): (usize, &Column)| {
            let mut data = Data::new(&column.kept_as).expect(KNOWN);
            let mut present = Vec::with_capacity(picks.len());
            for &(table, row) in picks {
                present.push(tables[table].columns[number].push_to(&mut data, row as usize));
            }
            let is_whole = present.iter().all(|present| *present);
            let present = (!is_whole).then(|| Bits::of(present));
            Column { values: data.finish(), present, kept_as: column.kept_as.clone() }
        };
        let mut names = Names::default();
        for number in 0..self.columns.len() as u32 {
            names.insert(self.names.get(number));
        }
        Self { names, columns: self.columns.iter().enumerate().map(column).collect(), rows: picks.len() }
    }
}

impl Column {
    /// Adds the value of a row; whether there is one.
    fn push_to(&self, data: &mut Data, row: usize) -> bool {
        let has = self.has(row);
        if let Data::Lists { ends, items } = data {
            match &self.values {
                Values::TextLists { ends, items: texts } if has => {
                    list(ends, row).for_each(|item| push(items, Cell::Text(texts.get(item))));
                }
                Values::NumberLists { ends, items: numbers } if has => {
                    list(ends, row).for_each(|item| push(items, cell(numbers.get(item), items)));
                }
                _ => {}
            }
            ends.push(items.len() as u32);
            return has;
        }
        match &self.values {
            _ if !has => data.push_nothing(),
            Values::Booleans(values) => push(data, Cell::Boolean(values.has(row))),
            Values::Texts(texts) => push(data, Cell::Text(texts.get(row))),
            Values::Numbers(values) | Values::Instants { values, .. } => push(data, cell(values.get(row), data)),
            Values::TextLists { .. } | Values::NumberLists { .. } => data.push_nothing(),
        }
        has
    }

    /// The whole numbers of a row: one, or those of a list.
    fn integers(&self, row: usize) -> impl Iterator<Item = i128> {
        let (numbers, items) = match &self.values {
            _ if !self.has(row) => (None, 0..0),
            Values::Numbers(numbers) => (Some(numbers), row..row + 1),
            Values::NumberLists { ends, items } => (Some(items), list(ends, row)),
            _ => (None, 0..0),
        };
        items.filter_map(move |item| match numbers?.get(item) {
            Number::Integer(value) => Some(value),
            Number::Float32(_) | Number::Float(_) => None,
        })
    }
}

/// A number as the column has it that it goes to.
fn cell<'a>(number: Number, data: &Data) -> Cell<'a> {
    match (number, data) {
        (Number::Integer(value), Data::Unsigned(_)) => Cell::Unsigned(value as u64),
        (Number::Integer(value), _) => Cell::Signed(value as i64),
        (Number::Float32(value), _) => Cell::Float32(value),
        (Number::Float(value), _) => Cell::Float(value),
    }
}

/// What was read once can be kept again.
fn push(data: &mut Data, cell: Cell<'_>) {
    if data.push(cell).is_err() {
        data.push_nothing();
    }
}
