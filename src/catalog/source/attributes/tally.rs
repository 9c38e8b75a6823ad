//! What all values of a column are, and the type that follows. Memory does not grow with the rows.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use nearline_contract::clip;

use super::super::found::Place;
use super::class::{Class, class_of};
use super::fit::{contains, is_exact, is_number, name, range};
use super::registry::Entry;
use super::value::{Number, Value};

/// From how many cells of text, and from how many numbers in a hundred, they cannot be chance.
const NEARLY_PERCENT: u64 = 99;
const NEARLY_MIN: u64 = 20;
/// Types of whole numbers, the narrowest first.
const INTEGERS: [DataType; 8] = [
    DataType::Int8,
    DataType::UInt8,
    DataType::Int16,
    DataType::UInt16,
    DataType::Int32,
    DataType::UInt32,
    DataType::Int64,
    DataType::UInt64,
];

/// An attribute of a source that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// As the source writes it.
    pub name: String,
    /// The type of its column in the artifact; `None`: it cannot be kept, and was not named.
    pub data_type: Option<DataType>,
    /// Products that have it.
    pub rows: u64,
}

impl Attribute {
    /// `string`, `boolean`, `integer`, `float`, `date`, `timestamp`, `strings` or `numbers`.
    pub fn kind(&self) -> Option<&'static str> {
        self.data_type.as_ref().map(name)
    }
}

/// Of one column.
#[derive(Debug, Default)]
pub(in crate::catalog::source) struct Tally {
    values: Counts,
    cells: Counts,
    /// The first cell that is no number.
    odd: Option<(Place, String)>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    /// In the order of first appearance.
    classes: Vec<(Class, u64)>,
    empty: u64,
    numbers: Numbers,
    elements: Numbers,
    /// The first that no attribute can hold.
    other: Option<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    /// The least and the largest whole number.
    integers: Option<(i128, i128)>,
    has_floats: bool,
    /// Whether a whole number is none of the floats.
    has_inexact: bool,
}

/// What became of a column.
pub(in crate::catalog::source) struct Decided {
    /// `None`: it is left out.
    pub(in crate::catalog::source) data_type: Option<DataType>,
    /// Whether some rows have something else.
    pub(in crate::catalog::source) has_misfits: bool,
    pub(in crate::catalog::source) note: Option<Note>,
}

/// What somebody should know of a column: that it is left out, or is text because of few cells.
pub(in crate::catalog::source) struct Note {
    pub(in crate::catalog::source) what: String,
    /// Of the first of those cells.
    pub(in crate::catalog::source) place: Option<Place>,
    pub(in crate::catalog::source) cure: String,
}

impl Tally {
    pub(in crate::catalog::source) fn see(&mut self, place: Place, value: &Value) {
        let Value::Cell(text) = value else { return self.values.see(value) };
        let guess = Value::guess(text);
        if !matches!(guess, Value::Number(_)) {
            self.odd.get_or_insert_with(|| (place, clip(text)));
        }
        self.cells.see(&guess);
    }

    /// The type of the column.
    pub(in crate::catalog::source) fn decide(&self, entry: &Entry) -> Decided {
        let (mut counts, mut note) = (self.values.clone(), None);
        let cells = self.cells.total();
        if self.cells.is_uniform() {
            counts.add(&self.cells);
        } else if cells > 0 {
            counts.count(Class::Text, cells);
            let numbers = self.cells.of(Class::Number);
            if let Some((place, odd)) = self.odd.as_ref().filter(|_| is_nearly_all(numbers, cells)) {
                let (name, odd_cells) = (clip(&entry.name), cells - numbers);
                let are = if odd_cells == 1 { "is not a number" } else { "are not numbers" };
                note = Some(Note {
                    what: format!(
                        "attribute {name} is kept as text: {odd_cells} of {cells} cells {are}, the first is `{odd}`"
                    ),
                    place: Some(*place),
                    cure: format!(" (--attributes {name}:number treats such rows as faults)"),
                });
            }
        }
        let data_type = counts.data_type(entry);
        if data_type.is_none() {
            let what = counts.other.as_deref().unwrap_or_default();
            let what = format!("{} is left out of the attributes: a value {what}", clip(&entry.name));
            note = Some(Note { what, place: None, cure: String::new() });
        }
        let has_misfits = data_type.as_ref().is_some_and(|kind| !counts.all_fit(kind));
        Decided { data_type, has_misfits, note }
    }
}

fn is_nearly_all(numbers: u64, cells: u64) -> bool {
    cells >= NEARLY_MIN && numbers < cells && numbers.saturating_mul(100) >= cells.saturating_mul(NEARLY_PERCENT)
}

impl Counts {
    fn see(&mut self, value: &Value) {
        let class = match value {
            Value::Empty => {
                self.empty += 1;
                return;
            }
            Value::Number(number) => {
                self.numbers.see(*number);
                Class::Number
            }
            Value::Numbers(numbers) => {
                for number in numbers {
                    self.elements.see(*number);
                }
                Class::Numbers
            }
            Value::Other(what) => {
                self.other.get_or_insert_with(|| what.clone());
                Class::Other
            }
            Value::Text(_) | Value::Cell(_) => Class::Text,
            Value::Flag(_) => Class::Flag,
            Value::Moment(_) => Class::Moment,
            Value::Texts(_) => Class::Texts,
        };
        self.count(class, 1);
    }

    fn count(&mut self, class: Class, rows: u64) {
        match self.classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += rows,
            None => self.classes.push((class, rows)),
        }
    }

    fn of(&self, class: Class) -> u64 {
        self.classes.iter().find(|(known, _)| *known == class).map_or(0, |(_, count)| *count)
    }

    fn total(&self) -> u64 {
        self.empty + self.classes.iter().map(|(_, count)| count).sum::<u64>()
    }

    fn add(&mut self, other: &Self) {
        other.classes.iter().for_each(|(class, count)| self.count(*class, *count));
        self.empty += other.empty;
        self.numbers.add(&other.numbers);
        self.elements.add(&other.elements);
    }

    /// Whether all cells say the same kind, and a column can hold them.
    fn is_uniform(&self) -> bool {
        match &self.classes[..] {
            [] | [(Class::Texts, _)] => true,
            [(Class::Number, _)] => self.empty == 0 && self.numbers.are_one_type(),
            [(Class::Numbers, _)] => self.elements.are_one_type(),
            [_] => self.empty == 0,
            _ => false,
        }
    }

    /// What most are; of as many the first.
    fn class(&self) -> Option<Class> {
        let lists = |class: Class| if matches!(class, Class::Texts | Class::Numbers) { self.empty } else { 0 };
        let counted = self.classes.iter().rev().map(|(class, count)| (*class, count + lists(*class)));
        let most = counted.max_by_key(|(_, count)| *count);
        match most {
            Some((_, count)) if count >= self.empty => most.map(|(class, _)| class),
            _ => (self.empty > 0).then_some(Class::Texts),
        }
    }

    fn data_type(&self, entry: &Entry) -> Option<DataType> {
        let class = match self.class() {
            Some(Class::Other) if entry.is_named => {
                let rest = Self {
                    classes: self.classes.iter().copied().filter(|(class, _)| *class != Class::Other).collect(),
                    ..self.clone()
                };
                rest.class()
            }
            class => class,
        };
        let class = class.or_else(|| entry.declared.first().map(class_of)).unwrap_or(Class::Text);
        let of = |class: Class| entry.declared.iter().filter(move |kind| class_of(kind) == class);
        let items = of(Class::Numbers).filter_map(|kind| match kind {
            DataType::List(item) => Some(item.data_type()),
            _ => None,
        });
        let list = |item| DataType::List(Arc::new(Field::new("item", item, false)));
        Some(match class {
            Class::Text => DataType::Utf8,
            Class::Flag => DataType::Boolean,
            Class::Number => self.numbers.data_type(of(Class::Number), entry.is_untyped),
            Class::Moment => of(Class::Moment).next().cloned().unwrap_or(DataType::Utf8),
            Class::Texts => list(DataType::Utf8),
            Class::Numbers => list(self.elements.data_type(items, entry.is_untyped)),
            Class::Other => return None,
        })
    }

    /// Whether each value can be of this type.
    fn all_fit(&self, kind: &DataType) -> bool {
        let class = class_of(kind);
        let numbers = match kind {
            DataType::List(item) if is_number(item.data_type()) => self.elements.fit(item.data_type()),
            kind if is_number(kind) => self.numbers.fit(kind),
            _ => true,
        };
        let is_list = matches!(kind, DataType::List(_));
        self.classes.iter().all(|(known, _)| *known == class) && (is_list || self.empty == 0) && numbers
    }
}

impl Numbers {
    fn see(&mut self, number: Number) {
        match number {
            Number::Integer(integer) => {
                let (least, most) = self.integers.unwrap_or((integer, integer));
                self.integers = Some((least.min(integer), most.max(integer)));
                self.has_inexact |= !is_exact(integer);
            }
            Number::Float(_) => self.has_floats = true,
        }
    }

    fn add(&mut self, other: &Self) {
        let bounds = [self.integers, other.integers].into_iter().flatten();
        self.integers = bounds.reduce(|(least, most), (least2, most2)| (least.min(least2), most.max(most2)));
        self.has_floats |= other.has_floats;
        self.has_inexact |= other.has_inexact;
    }

    fn are_one_type(&self) -> bool {
        self.fit(&self.data_type(std::iter::empty(), true))
    }

    fn fit(&self, kind: &DataType) -> bool {
        match (range(kind), self.integers) {
            (Some(range), Some((least, most))) => !self.has_floats && contains(range, least) && contains(range, most),
            (Some(_), None) => !self.has_floats,
            (None, _) => !self.has_inexact,
        }
    }

    /// The narrowest type that holds what was declared; what has no declared type counts as 64 bits.
    fn data_type<'a>(&self, declared: impl Iterator<Item = &'a DataType>, is_untyped: bool) -> DataType {
        let mut declared: Vec<&DataType> = declared.collect();
        if self.has_floats || declared.iter().any(|kind| range(kind).is_none()) {
            let are_single = !is_untyped && declared.iter().all(|kind| **kind == DataType::Float32);
            return if are_single { DataType::Float32 } else { DataType::Float64 };
        }
        if is_untyped || declared.is_empty() {
            declared.push(&DataType::Int64);
        }
        let holds = |kind: &&DataType, least, most| {
            range(kind).is_some_and(|range| contains(range, least) && contains(range, most))
        };
        let ranges = declared.into_iter().filter_map(range);
        let needed = ranges.reduce(|(least, most), (least2, most2)| (least.min(least2), most.max(most2)));
        let found = needed.and_then(|(least, most)| INTEGERS.iter().find(|kind| holds(kind, least, most)));
        match (found, self.integers) {
            (Some(found), Some((least, most))) if holds(&found, least, most) => found.clone(),
            (Some(found), None) => found.clone(),
            (_, Some((0.., most))) if most > i64::MAX.into() => DataType::UInt64,
            _ => DataType::Int64,
        }
    }
}
