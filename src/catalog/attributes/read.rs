//! Columns of an artifact as attributes: which types can be one, and their values.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};
use nearline_contract::clip;

use super::bits::Bits;
use super::cells::{Cell, Lists, cells};
use super::column::{Column, Values};
use super::instants::Unit;
use super::kept::kept_as;
use super::numbers::Numbers;
use super::table::Attributes;
use super::texts::Texts;
use crate::catalog::CatalogError;
use crate::catalog::ipc::{Budget, invalid, is_string, type_name};
use crate::catalog::names::Names;

/// What a value takes while its batch is read.
const VALUE_BYTES: u64 = 32;
/// Strings from this length on are looked up by their place first.
const LONG_BYTES: usize = 64;
/// What can be an attribute, for messages.
const POSSIBLE: &str = "strings, booleans, numbers, dates, timestamps, and lists of strings or numbers can be";

/// The attributes of an artifact, while it is read.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Builders {
    names: Names,
    columns: Vec<Builder>,
    rows: usize,
}

/// One attribute, while it is read.
#[derive(Debug)]
struct Builder {
    /// Its number in the schema.
    column: usize,
    /// The type of its values, as [`kept_as`] has it.
    kept_as: DataType,
    present: Vec<bool>,
    data: Data,
}

/// The values of one attribute, one for each row.
#[derive(Debug)]
pub(super) enum Data {
    Booleans(Vec<bool>),
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
    Floats32(Vec<f32>),
    Floats(Vec<f64>),
    Texts(Strings),
    Instants { values: Vec<i64>, unit: Unit },
    Lists { ends: Vec<u32>, items: Box<Data> },
}

impl Builders {
    /// For these columns of an artifact.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for a column that is not there, is there twice, or cannot be an attribute.
    pub(in crate::catalog) fn new(schema: &Schema, attributes: &[String]) -> Result<Self, CatalogError> {
        let mut builders = Self::default();
        for name in attributes {
            let mut found = (0..schema.fields().len()).filter(|&column| schema.field(column).name() == name);
            let column = match (found.next(), found.next()) {
                (Some(column), None) => column,
                (Some(_), Some(_)) => return Err(invalid(format!("column {} appears twice", clip(name)))),
                (None, _) => {
                    return Err(invalid(format!("it has no column for the attribute {}", clip(name))));
                }
            };
            let kind = schema.field(column).data_type();
            let data = Data::new(kind).ok_or_else(|| {
                invalid(format!("column {} cannot be an attribute, is {}; {POSSIBLE}", clip(name), type_name(kind)))
            })?;
            if builders.names.insert(name) as usize == builders.columns.len() {
                builders.columns.push(Builder { column, kept_as: kept_as(kind), present: Vec::new(), data });
            }
        }
        Ok(builders)
    }

    /// The columns that are read.
    pub(in crate::catalog) fn columns(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|builder| builder.column)
    }

    /// Takes the values of a batch.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming row and column.
    pub(in crate::catalog) fn append(&mut self, batch: &RecordBatch, budget: &mut Budget) -> Result<(), CatalogError> {
        for (number, builder) in (0..).zip(&mut self.columns) {
            let name = self.names.get(number);
            let column = batch.column_by_name(name).ok_or_else(|| invalid(format!("column {name} is missing")))?;
            let place = |row: usize| format!("row {}, column {}", self.rows + row, clip(name));
            builder.append(column, &place, budget)?;
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    pub(in crate::catalog) fn finish(self) -> Attributes {
        let columns = self.columns.into_iter().map(|builder| {
            let is_whole = builder.present.iter().all(|present| *present);
            let present = (!is_whole).then(|| Bits::of(builder.present));
            Column { values: builder.data.finish(), present, kept_as: builder.kept_as }
        });
        Attributes { columns: columns.collect(), names: self.names, rows: self.rows }
    }
}

impl Builder {
    fn append(
        &mut self,
        column: &ArrayRef,
        place: &dyn Fn(usize) -> String,
        budget: &mut Budget,
    ) -> Result<(), CatalogError> {
        self.data.forget_places();
        let lists = Lists::of(column);
        let values = lists.as_ref().map_or(column, |lists| lists.items);
        // A few bytes of a file can stand for any number of equal values.
        budget.take(values.len() as u64 * VALUE_BYTES, || place(0))?;
        let cells = cells(values).map_err(|what| invalid(format!("{}: {what}", place(0))))?;
        for row in 0..column.len() {
            let mut take = |data: &mut Data, cell: Cell<'_>| {
                let kept = data.push(cell).map_err(|what| invalid(format!("{}: {what}", place(row))))?;
                budget.take(kept as u64, || place(row))
            };
            match (&lists, &mut self.data) {
                (Some(lists), Data::Lists { ends, items }) => {
                    self.present.push(column.is_valid(row));
                    let (start, end) = if column.is_valid(row) { lists.bounds(row) } else { (0, 0) };
                    for cell in cells.get(start..end).unwrap_or_default().iter().flatten() {
                        if !cell.is_nan() {
                            take(&mut *items, *cell)?;
                        }
                    }
                    let too_many = |_| invalid(format!("{}: has too many items, with those before", place(row)));
                    ends.push(u32::try_from(items.len()).map_err(too_many)?);
                }
                (_, data) => {
                    let cell = cells[row].filter(|cell| !cell.is_nan());
                    self.present.push(cell.is_some());
                    match cell {
                        Some(cell) => take(data, cell)?,
                        None => data.push_nothing(),
                    }
                }
            }
        }
        Ok(())
    }
}

/// Strings by number.
#[derive(Debug, Default)]
pub(super) struct Strings {
    names: Names,
    numbers: Vec<u32>,
    /// Long strings of the batch by where they are: a dictionary or a column of views may have one of a megabyte in every
    /// row, which would be hashed for each.
    places: HashMap<(usize, usize), u32>,
}

impl Strings {
    /// Returns how many bytes it keeps of it.
    fn push(&mut self, text: &str) -> usize {
        let known = self.names.len();
        let number = if text.len() < LONG_BYTES {
            self.names.insert(text)
        } else {
            let place = (text.as_ptr().addr(), text.len());
            *self.places.entry(place).or_insert_with(|| self.names.insert(text))
        };
        self.numbers.push(number);
        if self.names.len() > known { text.len() } else { 0 }
    }
}

impl Data {
    /// Before another batch is read, which may lie where the last one did.
    fn forget_places(&mut self) {
        match self {
            Self::Texts(strings) => strings.places.clear(),
            Self::Lists { items, .. } => items.forget_places(),
            _ => {}
        }
    }

    pub(super) fn new(kind: &DataType) -> Option<Self> {
        Some(match kind {
            kind if is_string(kind) => Self::Texts(Strings::default()),
            DataType::Boolean => Self::Booleans(Vec::new()),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Signed(Vec::new()),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Self::Unsigned(Vec::new()),
            DataType::Float16 | DataType::Float32 => Self::Floats32(Vec::new()),
            DataType::Float64 => Self::Floats(Vec::new()),
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => {
                if *scale > 0 {
                    Self::Floats(Vec::new())
                } else {
                    Self::Signed(Vec::new())
                }
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let items = Self::new(item.data_type())?;
                if matches!(items, Self::Booleans(_) | Self::Instants { .. } | Self::Lists { .. }) {
                    return None;
                }
                Self::Lists { ends: Vec::new(), items: Box::new(items) }
            }
            kind => Self::Instants { values: Vec::new(), unit: Unit::of(kind)? },
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Booleans(values) => values.len(),
            Self::Signed(values) | Self::Instants { values, .. } => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Floats32(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Texts(strings) => strings.numbers.len(),
            Self::Lists { ends, .. } => ends.len(),
        }
    }

    /// Takes a value, and returns how many bytes of a string it keeps. One of another type, which there is none of in a
    /// column, counts as nothing. The error says what is wrong with it.
    pub(super) fn push(&mut self, cell: Cell<'_>) -> Result<usize, &'static str> {
        match (self, cell) {
            (_, Cell::TooLong) => {
                return Err("is a decimal with more digits than can be kept: 15, or 64 bits of a whole number");
            }
            (Self::Instants { unit, .. }, Cell::Signed(value)) if unit.text(value).is_none() => {
                return Err("is outside the years 0 to 9999");
            }
            (Self::Texts(strings), Cell::Text(text)) => return Ok(strings.push(text)),
            (Self::Booleans(values), Cell::Boolean(value)) => values.push(value),
            (Self::Signed(values) | Self::Instants { values, .. }, Cell::Signed(value)) => values.push(value),
            (Self::Unsigned(values), Cell::Unsigned(value)) => values.push(value),
            (Self::Floats32(values), Cell::Float32(value)) => values.push(value),
            (Self::Floats(values), Cell::Float(value)) => values.push(value),
            (data, _) => data.push_nothing(),
        }
        Ok(0)
    }

    pub(super) fn push_nothing(&mut self) {
        match self {
            Self::Booleans(values) => values.push(false),
            Self::Signed(values) | Self::Instants { values, .. } => values.push(0),
            Self::Unsigned(values) => values.push(0),
            Self::Floats32(values) => values.push(0.0),
            Self::Floats(values) => values.push(0.0),
            Self::Texts(Strings { names, numbers, .. }) => {
                numbers.push(if names.len() == 0 { names.insert("") } else { 0 });
            }
            Self::Lists { ends, .. } => ends.push(ends.last().copied().unwrap_or(0)),
        }
    }

    pub(super) fn finish(self) -> Values {
        match self {
            Self::Booleans(values) => Values::Booleans(Bits::of(values)),
            Self::Texts(Strings { names, numbers, .. }) => Values::Texts(Texts::new(&names, numbers)),
            Self::Instants { values, unit } => Values::Instants { values: Numbers::signed(values), unit },
            Self::Lists { mut ends, items } => {
                ends.shrink_to_fit();
                match items.finish() {
                    Values::Texts(items) => Values::TextLists { ends, items },
                    Values::Numbers(items) => Values::NumberLists { ends, items },
                    other => other,
                }
            }
            Self::Signed(values) => Values::Numbers(Numbers::signed(values)),
            Self::Unsigned(values) => Values::Numbers(Numbers::unsigned(values)),
            Self::Floats32(values) => Values::Numbers(Numbers::floats32(values)),
            Self::Floats(values) => Values::Numbers(Numbers::floats(values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_string_is_hashed_once_wherever_a_batch_names_it() {
        let mut data = Data::Texts(Strings::default());
        let (long, same, short) = ("x".repeat(100), "x".repeat(100), "y".to_owned());
        for text in [&long, &short, &long, &same, &short] {
            data.push(Cell::Text(text)).unwrap();
        }
        let Data::Texts(strings) = &data else { panic!("it holds strings") };
        assert_eq!((&strings.numbers[..], strings.places.len()), (&[0, 1, 0, 0, 1][..], 2));
        data.forget_places();
        assert_eq!(data.push(Cell::Text(&long)), Ok(0));
        let Data::Texts(strings) = &data else { panic!("it holds strings") };
        assert_eq!((strings.numbers[5], strings.names.len(), strings.places.len()), (0, 2, 1));
    }
}
