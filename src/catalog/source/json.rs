//! Products from JSON: an object on each line, objects one after the other, or one array of objects.
//!
//! An export of DynamoDB is JSON Lines, with its types around the values.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::rc::Rc;

use memchr::memchr_iter;
use nearline_contract::{clip, surrogate};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::columns::{Layout, Mapping};
use super::found::{Found, Sink};
use super::objects::Object;
use super::product::{Cells, RowFault, product};
use super::shard::Shard;
use super::{dynamodb, numbers};
use crate::catalog::CatalogError;
use crate::catalog::kind::MARK;

/// Bytes in which the first line must end for the file to be JSON Lines.
const LINE_MAX_BYTES: usize = 16 << 20;

/// What to do with columns one after the other.
const RECORDS: &str = "write one object for each product (in pandas: orient='records', lines=True)";

/// Reads the products of a file, handing each to `sink` with the line in which it begins.
pub(super) fn read(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let head = shard.head(LINE_MAX_BYTES)?;
    let start = if head.starts_with(MARK) { MARK.len() } else { 0 };
    let mut rows = Rows { mapping, layout: None, sink };
    let text = head[start..].trim_ascii_start();
    let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if text.starts_with(b"{") && serde_json::from_slice::<&RawValue>(first_line).is_ok() {
        return read_lines(shard, start, &mut rows);
    }
    let lines = Rc::new(Cell::new(1));
    let reader = CountLines { reader: BufReader::new(shard.reader(start as u64)), lines: Rc::clone(&lines) };
    let mut json = Deserializer::from_reader(reader);
    let unreadable = |error: serde_json::Error| CatalogError::Invalid(format!("not readable as JSON: {error}"));
    if text.starts_with(b"[") {
        let mut failed = None;
        let array = Array { rows: &mut rows, lines: &lines, failed: &mut failed };
        let read = (&mut json).deserialize_seq(array);
        return match failed {
            Some(error) => Err(error),
            None => read.and_then(|()| json.end()).map_err(unreadable),
        };
    }
    for value in json.into_iter::<Box<RawValue>>() {
        let value = value.map_err(unreadable)?;
        rows.take(begins(&lines, value.get()), value.get())?;
    }
    Ok(())
}

fn read_lines(shard: &Shard, start: usize, rows: &mut Rows<'_, '_>) -> Result<(), CatalogError> {
    let mut reader = BufReader::with_capacity(1 << 16, shard.reader(start as u64));
    let (mut line, mut bytes) = (0, Vec::new());
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes);
        if read.map_err(|error| CatalogError::Invalid(format!("it cannot be read: {error}")))? == 0 {
            return Ok(());
        }
        line += 1;
        let text = bytes.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if let Ok(text) = std::str::from_utf8(text) {
            rows.take(line, text)?;
        } else {
            let product = Err(vec![RowFault::of_row("is not UTF-8: save the file as UTF-8")]);
            rows.sink.take(line, Found { product, what: &|| String::from_utf8_lossy(text).into_owned() })?;
        }
    }
}

/// The line in which a value began that has just been read.
fn begins(lines: &Cell<u64>, text: &str) -> u64 {
    lines.get() - memchr_iter(b'\n', text.as_bytes()).count() as u64
}

/// Hands objects on as products.
struct Rows<'a, 'b> {
    mapping: &'a Mapping,
    /// Of the object before, whose keys the next one mostly has too.
    layout: Option<(Vec<String>, Layout)>,
    sink: &'a mut Sink<'b>,
}

impl Rows<'_, '_> {
    fn take(&mut self, line: u64, text: &str) -> Result<(), CatalogError> {
        let product = match Object::parse(text) {
            Ok(object) => match dynamodb::item(&object) {
                Some(Ok(item)) => product(self.layout(&item)?, &Item(item)),
                Some(Err(what)) => Err(vec![RowFault::of_row(what)]),
                None => product(self.layout(&object)?, &Plain(object)),
            },
            Err(what) => Err(vec![RowFault::of_row(what)]),
        };
        self.sink.take(line, Found { product, what: &|| text.to_owned() })
    }

    fn layout(&mut self, object: &Object<'_>) -> Result<&Layout, CatalogError> {
        let is_same = self.layout.as_ref().is_some_and(|(keys, _)| object.keys().eq(keys.iter().map(String::as_str)));
        if !is_same {
            let layout = self.mapping.layout(object.keys())?;
            if layout.require().is_err() {
                check_shape(object)?;
            }
            for note in &layout.notes {
                self.sink.note(note);
            }
            self.layout = Some((object.keys().map(str::to_owned).collect(), layout));
        }
        let (_, layout) = self.layout.as_ref().expect("set above if it was not");
        Ok(layout)
    }
}

/// What an object holds that is no product, if that is clear.
fn check_shape(object: &Object<'_>) -> Result<(), CatalogError> {
    let has = |name: &str| object.keys().any(|key| key == name);
    let list = object.0.iter().find(|(_, value)| value.get()[1..].trim_start().starts_with('{'));
    let is_column = |value: &RawValue| value.get().starts_with('{');
    let what = if has("Keys") && (has("NewImage") || has("OldImage")) {
        "this is an incremental export of DynamoDB: a full export has the whole items".to_owned()
    } else if !object.0.is_empty() && object.0.iter().all(|(_, value)| is_column(value)) {
        let columns: Vec<String> = object.keys().take(8).map(clip).collect();
        let columns = columns.join(", ");
        format!("the object holds a column under each key ({columns}), not a product: {RECORDS}")
    } else if let Some((key, _)) = list.filter(|(_, value)| value.get().starts_with('[')) {
        format!("the products stand below the key `{}`: write their array alone", clip(key))
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
                Err(error) => {
                    Err(surrogate::lone(text).map_or_else(|| error.to_string(), |half| format!("has {half}")))
                }
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
            Some(b'"') => numbers::from_text(&serde_json::from_str::<String>(text).map_err(|error| error.to_string())?),
            Some(b'n') => Ok(None),
            _ => Err(format!("is {}: an array of numbers was expected", clip(text))),
        }
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
}

/// Reads the elements of an array one by one.
struct Array<'a, 'b, 'c> {
    rows: &'a mut Rows<'b, 'c>,
    lines: &'a Cell<u64>,
    failed: &'a mut Option<CatalogError>,
}

impl<'de> Visitor<'de> for Array<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of products")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<Box<RawValue>>()? {
            if let Err(error) = self.rows.take(begins(self.lines, element.get()), element.get()) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("a row was not taken"));
            }
        }
        Ok(())
    }
}

/// Counts the lines that were read.
struct CountLines<R> {
    reader: R,
    lines: Rc<Cell<u64>>,
}

impl<R: Read> Read for CountLines<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(bytes)?;
        let lines = memchr_iter(b'\n', &bytes[..read]).count();
        self.lines.set(self.lines.get() + lines as u64);
        Ok(read)
    }
}
