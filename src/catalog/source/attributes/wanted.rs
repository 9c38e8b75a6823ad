//! Which attributes a person asks for, and of which kind.

use std::fmt;
use std::str::FromStr;

use arrow_schema::{DataType, Field};
use nearline_contract::clip;

use super::super::known::fold;
use super::fit::{is_number, range};
use super::value::{Number, Value, flag, list, number};

/// Names that a catalog has for something else.
const RESERVED: [&str; 5] = ["product_id", "category", "title", "embedding", "text_sha256"];

/// Of which kind an attribute is, where it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Strings.
    String,
    /// Integers or floats.
    Number,
    /// Booleans.
    Boolean,
    /// Lists of strings.
    Strings,
    /// Lists of numbers.
    Numbers,
}

const KINDS: [(&str, Kind); 5] = [
    ("string", Kind::String),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("strings", Kind::Strings),
    ("numbers", Kind::Numbers),
];

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        KINDS.into_iter().find(|(name, _)| *name == text.trim()).map(|(_, kind)| kind).ok_or(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Kind {
    /// A value as one of this kind; texts are read for what they say, and whole numbers are strings too.
    ///
    /// # Errors
    /// It is of another kind.
    pub(in crate::catalog::source) fn take(self, value: Value) -> Result<Option<Value>, String> {
        let other = |value: &Value| Err(format!("is {value}, not a {}", self.in_words()));
        match (self, value) {
            (Self::String, Value::Cell(text)) => Ok(Some(Value::Text(text))),
            (Self::String, Value::Number(Number::Integer(number))) => Ok(Some(Value::Text(number.to_string()))),
            (Self::String, value @ Value::Text(_))
            | (Self::Number, value @ Value::Number(_))
            | (Self::Boolean, value @ Value::Flag(_))
            | (Self::Strings, value @ (Value::Texts(_) | Value::Empty))
            | (Self::Numbers, value @ (Value::Numbers(_) | Value::Empty)) => Ok(Some(value)),
            (_, Value::Other(what)) => Err(what),
            (_, Value::Cell(text) | Value::Text(text)) if text.trim().is_empty() => Ok(None),
            (Self::Number, Value::Cell(text) | Value::Text(text)) => match number(text.trim()) {
                Some(number) => number.map(|number| Some(Value::Number(number))),
                None => other(&Value::Cell(text)),
            },
            (Self::Boolean, Value::Cell(text) | Value::Text(text)) => match flag(text.trim()) {
                Some(flag) => Ok(Some(Value::Flag(flag))),
                None => other(&Value::Cell(text)),
            },
            (Self::Strings | Self::Numbers, Value::Cell(text) | Value::Text(text)) => match list(text.trim()) {
                Some(list) => self.take(list?),
                None => other(&Value::Cell(text)),
            },
            (_, value) => other(&value),
        }
    }

    /// What values are that a catalog keeps as this type; dates and times are texts that only their column reads.
    fn of(kept: &DataType) -> Option<Self> {
        match kept {
            DataType::Utf8 => Some(Self::String),
            DataType::Boolean => Some(Self::Boolean),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Some(Self::Strings),
            DataType::List(_) => Some(Self::Numbers),
            kind => is_number(kind).then_some(Self::Number),
        }
    }

    /// Whether values of a column of this type may be of this kind.
    pub(in crate::catalog::source) fn may_be(self, kind: &DataType) -> bool {
        let is_list_of_texts =
            |kind: &DataType| matches!(kind, DataType::List(item) if *item.data_type() == DataType::Utf8);
        match self {
            _ if matches!(kind, DataType::Utf8 | DataType::Null) => true,
            Self::String => range(kind).is_some(),
            Self::Number => is_number(kind),
            Self::Boolean => *kind == DataType::Boolean,
            Self::Strings => is_list_of_texts(kind),
            Self::Numbers => matches!(kind, DataType::List(_)) && !is_list_of_texts(kind),
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Strings => "list of strings",
            Self::Numbers => "list of numbers",
        }
    }
}

/// What `--attributes` says.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// All columns that are not read otherwise, too.
    pub(in crate::catalog::source) all: bool,
    /// Those that are named, in order.
    pub(in crate::catalog::source) named: Vec<(String, Option<Kind>)>,
}

impl Wanted {
    /// From names of columns, each perhaps with `:KIND`, and `all`.
    ///
    /// # Errors
    /// A name cannot be an attribute's, or is there twice.
    pub fn new(flags: &[String]) -> Result<Self, String> {
        let mut wanted = Self::default();
        for flag in flags {
            if flag.trim() == "all" {
                wanted.all = true;
                continue;
            }
            let (name, kind) = match flag.rsplit_once(':').map(|(name, kind)| (name, kind.parse::<Kind>())) {
                Some((name, Ok(kind))) => (name.trim(), Some(kind)),
                _ => (flag.trim(), None),
            };
            if let Some(why) = why_not(name) {
                return Err(format!("--attributes {}: {why}", clip(flag)));
            }
            if wanted.named.iter().any(|(known, _)| fold(known) == fold(name)) {
                return Err(format!("--attributes names {} twice", clip(name)));
            }
            wanted.named.push((name.to_owned(), kind));
        }
        Ok(wanted)
    }

    /// The attributes that a catalog has.
    pub(in crate::catalog) fn of_catalog(columns: &[Field]) -> Self {
        let named = columns.iter().map(|field| (field.name().clone(), Kind::of(field.data_type())));
        Self { all: false, named: named.collect() }
    }

    /// Whether there are any.
    pub(in crate::catalog) fn is_empty(&self) -> bool {
        !self.all && self.named.is_empty()
    }
}

/// Why no attribute can have this name; `None`: one can.
pub(in crate::catalog::source) fn why_not(name: &str) -> Option<String> {
    let folded = fold(name);
    if folded.is_empty() {
        Some("an attribute needs a name".to_owned())
    } else if name.starts_with('$') {
        Some("the name of an attribute must not begin with $, which begins operators of a filter".to_owned())
    } else {
        let reserved = RESERVED.into_iter().find(|reserved| *reserved == folded)?;
        Some(format!("a catalog has its own column {reserved}, so it cannot be an attribute"))
    }
}

/// What to say of kinds where a name is not there and looks as if it had one.
pub(in crate::catalog::source) fn kinds_hint(name: &str) -> String {
    if !name.contains(':') {
        return String::new();
    }
    let kinds = KINDS.map(|(name, _)| name).join(", ");
    format!(" (after a colon comes one of the kinds {kinds})")
}
