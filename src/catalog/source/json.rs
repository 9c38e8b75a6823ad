//! Products from JSON: an object on each line, objects one after the other, or one array of objects.
//!
//! An export of DynamoDB is JSON Lines, with its types around the values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use nearline_contract::clip;
use serde_json::value::RawValue;

use super::attributes::{self, Kind, Value as AttributeValue};
use super::columns::Mapping;
use super::found::{Found, Sink};
use super::layout::{Layout, Slot};
use super::objects::{Object, why};
use super::product::{Cells, RowFault, product};
use super::shard::Shard;
use super::values::{Form, VALUE_MAX_BYTES, Value, Values};
use super::{dynamodb, numbers};
use crate::catalog::CatalogError;
use crate::catalog::kind::MARK;

/// Layouts that are kept: rows mostly have the keys of one before.
const LAYOUTS_MAX: usize = 256;

/// What to do with columns one after the other.
const RECORDS: &str = "write one object for each product (in pandas: orient='records', lines=True)";

/// Reads the products of a file, handing each to `sink` with the line in which it begins.
pub(super) fn read(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let head = shard.head(VALUE_MAX_BYTES)?;
    let start = if head.starts_with(MARK) { MARK.len() } else { 0 };
    let mut values = Values::new(shard.reader(start as u64), Form::of(&head));
    drop(head);
    let mut rows = Rows { mapping, layouts: HashMap::new(), current: None, is_first: true, sink };
    while let Some(value) = values.next()? {
        rows.take(&value)?;
    }
    Ok(())
}

/// The layout of objects with the same keys, or why there is none.
type Laid = Result<Rc<Layout>, RowFault>;

/// Hands objects on as products.
struct Rows<'a, 'b> {
    mapping: &'a Mapping,
    /// By keys.
    layouts: HashMap<Vec<String>, Laid>,
    /// Of the object before, whose keys the next one mostly has too.
    current: Option<(Vec<String>, Laid)>,
    is_first: bool,
    sink: &'a mut Sink<'b>,
}

impl Rows<'_, '_> {
    fn take(&mut self, value: &Value<'_>) -> Result<(), CatalogError> {
        let bytes = value.bytes.strip_prefix(MARK).unwrap_or(value.bytes);
        let refuse = |what: &str| Err(vec![RowFault::of_row(what)]);
        let product = if value.is_cut {
            refuse(&format!("is a line of more than {VALUE_MAX_BYTES} bytes"))
        } else if let Ok(text) = std::str::from_utf8(bytes) {
            match Object::parse(text) {
                Ok(object) => match dynamodb::item(&object) {
                    Some(Ok(item)) => self.layout(&item)?.and_then(|layout| product(&layout, &Item(item))),
                    Some(Err(what)) => refuse(&what),
                    None => self.layout(&object)?.and_then(|layout| product(&layout, &Plain(object))),
                },
                Err(what) => refuse(&what),
            }
        } else {
            refuse("is not UTF-8: save the file as UTF-8")
        };
        let shown = if value.is_cut { &bytes[..bytes.len().min(1 << 16)] } else { bytes };
        self.sink.take(value.line, Found { product, what: &|| String::from_utf8_lossy(shown).into_owned() })
    }

    /// The layout of an object, or what is wrong with its keys.
    ///
    /// # Errors
    /// The first object shows that the file holds no products.
    fn layout(&mut self, object: &Object<'_>) -> Result<Result<Rc<Layout>, Vec<RowFault>>, CatalogError> {
        let is_same = |(keys, _): &(Vec<String>, Laid)| object.keys().eq(keys.iter().map(String::as_str));
        let laid = match &self.current {
            Some(current) if is_same(current) => current.1.clone(),
            _ => {
                let keys: Vec<String> = object.keys().map(str::to_owned).collect();
                let laid = match self.layouts.get(&keys) {
                    Some(laid) => laid.clone(),
                    None => self.lay_out(object)?,
                };
                if self.layouts.len() == LAYOUTS_MAX {
                    self.layouts.clear();
                }
                self.layouts.insert(keys.clone(), laid.clone());
                self.current = Some((keys, laid.clone()));
                laid
            }
        };
        Ok(laid.map_err(|fault| vec![fault]))
    }

    fn lay_out(&mut self, object: &Object<'_>) -> Result<Laid, CatalogError> {
        let mut layout = match self.mapping.layout_of_object(object.keys()) {
            Ok(layout) => layout,
            Err(CatalogError::Invalid(what)) => return Ok(Err(RowFault::of_row(what))),
            Err(error) => return Err(error),
        };
        if std::mem::take(&mut self.is_first) && layout.require().is_err() {
            check_shape(object, &layout)?;
        }
        self.sink.attributes.register(&mut layout, None, &|_| None)?;
        self.sink.saw(object.keys());
        for note in &layout.notes {
            self.sink.note(note);
        }
        Ok(Ok(Rc::new(layout)))
    }
}

/// What the first object holds that is no product, if that is clear.
fn check_shape(object: &Object<'_>, layout: &Layout) -> Result<(), CatalogError> {
    let may_be_product = layout.product_id.is_some() || layout.category.is_some();
    let has = |name: &str| object.keys().any(|key| key == name);
    let list = object.0.iter().find(|(_, value)| value.get()[1..].trim_start().starts_with('{'));
    let is_column = |value: &RawValue| value.get().starts_with('{');
    let what = if has("Keys") && (has("NewImage") || has("OldImage")) {
        "this is an incremental export of DynamoDB: a full export has the whole items".to_owned()
    } else if !object.0.is_empty() && object.0.iter().all(|(_, value)| is_column(value)) {
        let columns: Vec<String> = object.keys().take(8).map(clip).collect();
        let columns = columns.join(", ");
        format!("the object holds a column under each key ({columns}), not a product: {RECORDS}")
    } else if let Some((key, _)) = list.filter(|(_, value)| value.get().starts_with('[') && !may_be_product) {
        let key = clip(key);
        format!("the products are under the key `{key}`: write them alone, one per line (jq -c '.\"{key}\"[]')")
    } else {
        return Ok(());
    };
    Err(CatalogError::Invalid(what))
}

/// An object of plain values.
struct Plain<'a>(Object<'a>);

impl Cells for Plain<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, String> {
        let text = self.0.0[column].1.get();
        match text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(text) => Ok(Some(text.into())),
                Err(error) => Err(format!("is no string: {}", why(&error, text))),
            },
            Some(b'n') => Ok(None),
            Some(b'-' | b'0'..=b'9') => Ok(Some(text.into())),
            Some(b'{') => Err(format!("is an object, {}: {RECORDS}", clip(text))),
            _ => Err(format!("is {}: a string or number was expected", clip(text))),
        }
    }

    fn vector(&self, column: usize) -> Result<Option<Vec<f32>>, String> {
        let text = self.0.0[column].1.get();
        match text.as_bytes().first() {
            Some(b'[') => numbers::from_json(text).map(Some),
            Some(b'"') => numbers::from_text(&serde_json::from_str::<String>(text).map_err(|error| why(&error, text))?),
            Some(b'n') => Ok(None),
            _ => Err(format!("is {}: an array of numbers was expected", clip(text))),
        }
    }

    fn value(&self, slot: &Slot) -> Result<Option<AttributeValue>, String> {
        let text = self.0.0[slot.column].1.get();
        let value = match text.as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b'"') => AttributeValue::Text(serde_json::from_str(text).map_err(|error| why(&error, text))?),
            Some(b't' | b'f') => AttributeValue::Flag(text == "true"),
            Some(b'[') => attributes::list(text)
                .unwrap_or_else(|| Err(format!("is {}: no array", clip(text))))
                .unwrap_or_else(AttributeValue::Other),
            Some(b'{') => AttributeValue::Other(format!("is an object, {}", clip(text))),
            _ if slot.kind == Some(Kind::String) => AttributeValue::Text(text.to_owned()),
            _ => match attributes::number(text) {
                Some(number) => AttributeValue::Number(number?),
                None => return Err(format!("is {}: no number", clip(text))),
            },
        };
        slot.kind.map_or(Ok(Some(value.clone())), |kind| kind.take(value))
    }
}

/// An object whose values are typed as in DynamoDB.
struct Item<'a>(Object<'a>);

impl Cells for Item<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, String> {
        dynamodb::text(self.0.0[column].1)
    }

    fn vector(&self, column: usize) -> Result<Option<Vec<f32>>, String> {
        dynamodb::vector(self.0.0[column].1)
    }

    fn value(&self, slot: &Slot) -> Result<Option<AttributeValue>, String> {
        dynamodb::value(self.0.0[slot.column].1, slot.kind)
    }
}
