//! A JSON object as it is written: its keys in order, each value as its text.

use std::borrow::Cow;
use std::fmt;

use nearline_contract::surrogate;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Characters of what a parser says that are kept: it quotes what it found.
const WHY_MAX_CHARS: usize = 160;

/// Keys and the texts of their values.
#[derive(Debug)]
pub(super) struct Object<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| {
            let has = |word: &str| text.contains(word);
            let hint =
                if has("NaN") || has("Infinity") { " (JSON has no NaN and no Infinity: write null)" } else { "" };
            format!("is not a JSON object: {}{hint}", why(&error, text))
        })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_ref())
    }
}

/// What is wrong with a JSON text, in few words, and where in it: it stands in some line of a file, so a text of one
/// line has no lines of its own.
pub(super) fn why(error: &serde_json::Error, text: &str) -> String {
    let message = surrogate::lone(text).map_or_else(|| error.to_string(), |half| format!("it has {half}"));
    let message = if text.contains('\n') {
        message.replacen(" at line ", " at its line ", 1)
    } else {
        message.replacen(" at line 1 column ", " at column ", 1)
    };
    let chars = message.chars().count();
    if chars <= WHY_MAX_CHARS {
        return message;
    }
    // What it quotes is long; where that is stands at the end.
    let part = |skip: usize| message.chars().skip(skip).take(WHY_MAX_CHARS / 2).collect::<String>();
    format!("{}...{}", part(0), part(chars - WHY_MAX_CHARS / 2))
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the columns of a product")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(entry) = map.next_entry::<Key<'de>, &RawValue>()? {
                    entries.push((entry.0.0, entry.1));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A key that is borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
