//! A value of an attribute as a source has it, and what a text may be.

use std::fmt;
use std::hash::{Hash, Hasher};

use nearline_contract::clip;
use serde_json::value::RawValue;

/// A value that is there.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Value {
    /// A cell of text, trimmed: only the whole column shows its kind.
    Cell(String),
    /// A string, as it stands.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// A number.
    Number(Number),
    /// A date in days, or a timestamp in the unit of its column, since 1970.
    Moment(i64),
    /// A list of strings.
    Texts(Vec<String>),
    /// A list of numbers.
    Numbers(Vec<Number>),
    /// A list of whatever kind, without elements.
    Empty,
    /// What no attribute can hold, in words.
    Other(String),
}

/// A number without loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Of 64 bits, signed or not.
    Integer(i128),
    /// Not NaN.
    Float(f64),
}

/// Whole numbers of 64 bits, signed or not.
pub(super) const INTEGERS: (i128, i128) = (i64::MIN as i128, u64::MAX as i128);

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Integer(number) => number.hash(state),
            Self::Float(number) => number.to_bits().hash(state),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(text) => write!(f, "`{}`", clip(text)),
            Self::Text(text) => write!(f, "the string `{}`", clip(text)),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(Number::Integer(number)) => write!(f, "{number}"),
            Self::Number(Number::Float(number)) => write!(f, "{number:?}"),
            Self::Moment(_) => f.write_str("a date or time"),
            Self::Texts(_) => f.write_str("a list of strings"),
            Self::Numbers(_) => f.write_str("a list of numbers"),
            Self::Empty => f.write_str("an empty list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Value {
    /// What the text of a cell says by itself: a number, a boolean, a list, or nothing but text.
    pub(super) fn guess(text: &str) -> Self {
        if let Some(number) = number(text) {
            // What a number cannot keep is text.
            return number.map_or_else(|_| Self::Text(text.to_owned()), Self::Number);
        }
        if let Some(flag) = flag(text) {
            return Self::Flag(flag);
        }
        match list(text) {
            Some(Ok(list)) => list,
            _ => Self::Text(text.to_owned()),
        }
    }
}

/// A number as JSON writes it; `None`: the text is none.
///
/// # Errors
/// No 64 bits hold it.
pub(in crate::catalog::source) fn number(text: &str) -> Option<Result<Number, String>> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(start);
    let mut at = start + whole;
    if whole == 0 || whole > 1 && bytes[start] == b'0' {
        return None;
    }
    let is_whole = at == bytes.len();
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at.min(bytes.len()));
        at += exponent;
        if exponent == 0 {
            return None;
        }
    }
    if at != bytes.len() {
        return None;
    }
    if is_whole {
        let number = text.parse().ok().filter(|number| (INTEGERS.0..=INTEGERS.1).contains(number));
        let what = || format!("is {}: whole numbers have at most 64 bits", clip(text));
        return Some(number.map(Number::Integer).ok_or_else(what));
    }
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    Some(number.map(Number::Float).ok_or_else(|| format!("is {}, which is beyond 64-bit floats", clip(text))))
}

/// `true` or `false`, in any case.
pub(super) fn flag(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

/// A JSON array of strings or of numbers; `None`: the text is no array. Nulls are left out.
///
/// # Errors
/// What it holds instead.
pub(in crate::catalog::source) fn list(text: &str) -> Option<Result<Value, String>> {
    if !text.starts_with('[') {
        return None;
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let elements = elements.iter().map(|element| match element.get().as_bytes() {
        [b'n', ..] => Ok(None),
        [b'"', ..] => serde_json::from_str(element.get()).map(|text| Some(Value::Text(text))).map_err(|_| mixed(text)),
        _ => number(element.get()).unwrap_or_else(|| Err(mixed(text))).map(|number| Some(Value::Number(number))),
    });
    Some(of_elements(elements, || mixed(text)))
}

fn mixed(text: &str) -> String {
    format!("is {}: a list must be of strings or of numbers", clip(text))
}

/// A list of strings or of numbers; `mixed` says what it is otherwise.
pub(in crate::catalog::source) fn of_elements(
    elements: impl Iterator<Item = Result<Option<Value>, String>>,
    mixed: impl Fn() -> String,
) -> Result<Value, String> {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    for element in elements {
        match element? {
            None => {}
            Some(Value::Text(text)) if numbers.is_empty() => texts.push(text),
            Some(Value::Number(number)) if texts.is_empty() => numbers.push(number),
            Some(_) => return Err(mixed()),
        }
    }
    Ok(match (texts.is_empty(), numbers.is_empty()) {
        (true, true) => Value::Empty,
        (false, _) => Value::Texts(texts),
        (true, false) => Value::Numbers(numbers),
    })
}
