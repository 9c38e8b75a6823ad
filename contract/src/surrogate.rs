//! Half a character in JSON: one escape of a pair, such as `\ud83d` of an emoji that was cut in two.
//!
//! JSON parsers report it in words that nobody would connect with an emoji, if they report it at all.

use std::fmt;

use serde::de::IgnoredAny;

/// The escape of half a character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    escape: String,
    line: usize,
    column: usize,
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { escape, line, column } = self;
        write!(f, "half a character ({escape}) at line {line} column {column}: an emoji or the like was cut in two")
    }
}

/// The first half without its other half in a text that is JSON but for these.
pub fn lone(text: &str) -> Option<Half> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let found = loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'\\')?;
        match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => break at,
            Some(_) => at += 6,
            None => at += 2, // another escape, of a backslash perhaps
        }
    };
    // Elsewhere a parser that ignores what strings say has found the real fault.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let line_start = bytes[..found].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    Some(Half {
        escape: text[found..found + 6].to_owned(),
        line: bytes[..found].split(|&byte| byte == b'\n').count(),
        column: found - line_start + 1,
    })
}

/// The UTF-16 unit that is escaped at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    // `from_str_radix` takes a sign, JSON does not.
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{ErrorCode, hash, receive};

    #[test]
    fn half_a_character_is_called_that_wherever_it_stands() {
        for (body, half) in [
            (r#"{"request_id":"r","query":"party \ud83d"}"#, r"half a character (\ud83d) at line 1 column 34: "),
            (r#"{"request_id":"r","metadata":{"note":"\uD83D\ud83d\ude00"}}"#, r"half a character (\uD83D)"),
            (r#"{"request_id":"r","query":"\ude00x"}"#, r"half a character (\ude00)"),
            (r#"{"request_id":"r","query":"\ud83d\u0041"}"#, r"half a character (\ud83d)"),
            (r#"{"request_id":"r","query":"\ud83d\n"}"#, r"half a character (\ud83d)"),
            ("{\"request_id\":\"r\",\n\"\\udbff\":1}", r"half a character (\udbff) at line 2 column 2"),
            (r#"{"request_id":"\ud83d"}"#, r"half a character (\ud83d)"),
        ] {
            let error = receive(body).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidJson);
            assert!(error.message.contains(half), "{error}");
        }
    }

    #[test]
    fn another_fault_keeps_its_words() {
        for (body, words) in [
            (r#"{"request_id":"r","query":"\ud83d""#, "unexpected end of hex escape"),
            (r#"{"a":"\\ud83d","b":}"#, "expected value"),
            (r#"{"a":"\ud83d\ude00","a":1}"#, "appears twice"),
        ] {
            let message = receive(body).unwrap_err().message;
            assert!(message.contains(words), "{message}");
        }
        assert!(receive(r#"{"request_id":"r","query":"a \\ud83d b \ud83d\ude00"}"#).is_ok());
    }

    proptest! {
        #[test]
        fn a_text_of_escapes_is_refused_for_its_halves_alone(units in proptest::collection::vec(prop_oneof![0xd800..=0xdfff_u16, 0x20..=0x7f_u16], 0..12)) {
            let escapes: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let escapes = escapes.concat();
            let parsed = hash::parse_unique(&format!("\"{escapes}\""));
            match String::from_utf16(&units) {
                Ok(text) => prop_assert_eq!(parsed.unwrap(), text),
                Err(_) => prop_assert!(parsed.unwrap_err().to_string().starts_with("half a character (")),
            }
        }
    }
}
