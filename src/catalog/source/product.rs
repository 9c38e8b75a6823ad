//! A row of a source as a product, or what is wrong with it.

use std::borrow::Cow;
use std::fmt;

use nearline_contract::clip;

use super::attributes::Value;
use super::known::PRODUCT_ID;
use super::layout::{Layout, Slot, TextFrom};

/// Longest message of a fault.
const MESSAGE_MAX_CHARS: usize = 1_000;

/// One product of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Unique, trimmed, not empty.
    pub product_id: String,
    /// Its category, trimmed, not empty.
    pub category: String,
    /// What is embedded; empty only beside a vector.
    pub text: String,
    /// What people see.
    pub title: Option<String>,
    /// A vector from elsewhere, finite and not all zero: then the text is not embedded.
    pub embedding: Option<Vec<f32>>,
    /// Its attributes by their numbers, as far as there are any.
    pub attributes: Vec<Option<Value>>,
    /// How an update changes it; `None` where catalogs are built. Category, text and title may be empty then.
    pub change: Option<Change>,
}

/// How an update changes a product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// It goes, whatever else its row says.
    pub deletes: bool,
    /// Its row has no column for the title.
    pub keeps_title: bool,
    /// Numbers of the attributes that its row has columns for.
    pub attributes: Vec<usize>,
}

/// What is wrong with a row, by kind: what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The row cannot be read as one.
    Unreadable,
    /// A column that every row needs is empty, or not there.
    Missing,
    /// A cell is of another type than its column takes.
    WrongType,
    /// A vector whose numbers are not numbers, or without any.
    InvalidVector,
    /// A vector of another length than those before.
    OtherDimension,
    /// An id that is already used elsewhere, with other content.
    Repeated,
    /// There is no vector, and no model is to be called.
    NoVector,
    /// The embedding model refuses the text.
    Refused,
}

impl FaultKind {
    /// Its name, which is stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable_row",
            Self::Missing => "missing_value",
            Self::WrongType => "wrong_type",
            Self::InvalidVector => "invalid_vector",
            Self::OtherDimension => "other_dimension",
            Self::Repeated => "repeated_product_id",
            Self::NoVector => "no_vector",
            Self::Refused => "text_refused",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// For counting.
    pub kind: FaultKind,
    /// The column, if it is of one.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl RowFault {
    pub(in crate::catalog) fn new(kind: FaultKind, column: &str, message: impl Into<String>) -> Self {
        Self { kind, column: Some(clip(column)), message: bounded(message.into()) }
    }

    pub(super) fn of_row(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Unreadable, column: None, message: bounded(message.into()) }
    }
}

/// A message without the end of one that quotes too much.
pub(super) fn bounded(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX_CHARS) {
        message.truncate(end);
        message.push_str("...");
    }
    message
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The cells of one row, by the numbers of their columns.
pub(super) trait Cells {
    /// A cell as text; `None`: there is none.
    ///
    /// # Errors
    /// What is there instead.
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, String>;

    /// A cell as numbers; `None`: there are none.
    ///
    /// # Errors
    /// What is there instead.
    fn vector(&self, column: usize) -> Result<Option<Vec<f32>>, String>;

    /// A cell as the value of an attribute; `None`: there is none.
    ///
    /// # Errors
    /// What is there instead.
    fn value(&self, slot: &Slot) -> Result<Option<Value>, String>;
}

/// The product of a row, or all that is wrong with it.
pub(super) fn product(layout: &Layout, cells: &impl Cells) -> Result<Product, Vec<RowFault>> {
    let mut faults = Vec::new();
    let deletes = match layout.deleted.as_ref().map(|slot| (slot, cells.value(slot))) {
        Some((slot, Err(what))) => {
            faults.push(RowFault::new(FaultKind::WrongType, layout.name(slot.column), what));
            false
        }
        deleted => matches!(deleted, Some((_, Ok(Some(Value::Flag(true)))))),
    };
    let mut cell = |column: Option<usize>| -> Option<String> {
        let column = column?;
        match cells.text(column) {
            Ok(text) => text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            Err(what) => {
                faults.push(RowFault::new(FaultKind::WrongType, layout.name(column), what));
                None
            }
        }
    };
    let product_id = cell(layout.product_id);
    if let (true, Some(product_id)) = (deletes, &product_id) {
        return Ok(Product::deleted(product_id.clone()));
    }
    let (category, title) = (cell(layout.category), cell(layout.title));
    let text = match &layout.text {
        TextFrom::Column(column) => cell(*column),
        TextFrom::Template(template) => template.fill(|column| cell(Some(column))),
    };
    // What could not be read is not also missing.
    let is_text_unread = faults.iter().any(|fault| fault.column.as_deref() == layout.text_name());
    let named = |name: &str| faults.iter().any(|fault| fault.column.as_deref() == Some(name));
    let mut missing = Vec::new();
    for (name, column, value) in
        [("product_id", layout.product_id, &product_id), ("category", layout.category, &category)]
    {
        let may_lack = layout.is_update && column.is_none() && name != PRODUCT_ID.name;
        let name = column.map_or(name, |column| layout.name(column));
        if value.is_none() && !may_lack && !named(name) {
            let what = if column.is_some() { "is empty" } else { "is missing" };
            missing.push(RowFault::new(FaultKind::Missing, name, what));
        }
    }
    faults.extend(missing);
    let attributes = attributes(layout, cells, &mut faults);
    let embedding = match layout.embedding.map(|column| cells.vector(column).and_then(check_vector)) {
        None => None,
        Some(Ok(vector)) => vector,
        Some(Err(what)) => {
            let name = layout.embedding.map_or("embedding", |column| layout.name(column));
            faults.push(RowFault::new(FaultKind::InvalidVector, name, what));
            return Err(faults);
        }
    };
    let keeps_vector = layout.is_update && (layout.needs_vectors || matches!(layout.text, TextFrom::Column(None)));
    let lacks_vector = embedding.is_none() && !keeps_vector;
    if lacks_vector && layout.needs_vectors {
        let name = layout.embedding.map_or("embedding", |column| layout.name(column));
        let what = if layout.embedding.is_some() { "is empty" } else { "is missing" };
        faults.push(RowFault::new(FaultKind::NoVector, name, format!("{what}, and no model is called")));
    } else if lacks_vector && text.is_none() && !is_text_unread {
        let (column, what) = match (layout.embedding, layout.text_name()) {
            (None, Some(text)) => (text, "is empty"),
            (Some(_), Some(text)) => (text, "is empty, and there is no embedding"),
            (Some(column), None) => (layout.name(column), "is empty, and there is no column text"),
            (None, None) => ("text", "is missing"),
        };
        faults.push(RowFault::new(FaultKind::Missing, column, what));
    }
    let change = layout.is_update.then(|| Change {
        deletes: false,
        keeps_title: layout.title.is_none(),
        attributes: layout.attributes.iter().map(|slot| slot.number).collect(),
    });
    match product_id {
        Some(product_id) if faults.is_empty() => {
            let (category, text) = (category.unwrap_or_default(), text.unwrap_or_default());
            Ok(Product { product_id, category, text, title, embedding, attributes, change })
        }
        _ => Err(faults),
    }
}

impl Product {
    fn deleted(product_id: String) -> Self {
        let change = Change { deletes: true, ..Change::default() };
        let (category, text, attributes) = (String::new(), String::new(), Vec::new());
        Self { product_id, category, text, title: None, embedding: None, attributes, change: Some(change) }
    }
}

fn attributes(layout: &Layout, cells: &impl Cells, faults: &mut Vec<RowFault>) -> Vec<Option<Value>> {
    let mut attributes = Vec::new();
    for slot in &layout.attributes {
        match cells.value(slot) {
            Ok(None) => {}
            Ok(value) => {
                if attributes.len() <= slot.number {
                    attributes.resize(slot.number + 1, None);
                }
                attributes[slot.number] = value;
            }
            Err(what) => {
                let fault = RowFault::new(FaultKind::WrongType, layout.name(slot.column), what);
                // A column that is also a text is read twice.
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
    attributes
}

/// A vector that has a direction; an empty list has none.
fn check_vector(vector: Option<Vec<f32>>) -> Result<Option<Vec<f32>>, String> {
    let Some(vector) = vector.filter(|vector| !vector.is_empty()) else { return Ok(None) };
    if let Some(position) = vector.iter().position(|number| !number.is_finite()) {
        return Err(format!("number {position} is NaN, infinite or beyond 32-bit floats"));
    }
    if vector.iter().all(|&number| number == 0.0) {
        return Err("is all zero: it has no direction to compare".to_owned());
    }
    Ok(Some(vector))
}
