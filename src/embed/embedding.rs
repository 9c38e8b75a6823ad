//! What an embedding is, what it is for, and how models write its numbers.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

/// What a text is embedded for: models place documents and queries differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A product of the catalog.
    Document,
    /// A search for products.
    Query,
}

/// A text's vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// As many finite numbers as the embedder's dimension, not all zero.
    pub vector: Vec<f32>,
    /// Whether the text was longer than the model takes, and its end cut off.
    pub truncated: bool,
}

/// What a number takes in an answer, more or less.
const NUMBER_BYTES: usize = 10;

/// The numbers of a JSON array, each rounded once from its decimal text. A worker reads hundreds for each job, and the
/// standard library's parser takes half the time of serde_json's.
#[derive(Debug)]
pub(super) struct Numbers(pub(super) Vec<f32>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let array = <&RawValue>::deserialize(deserializer)?.get();
        let no_numbers = || D::Error::custom("not an array of numbers");
        let pieces = array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(no_numbers)?;
        let mut numbers = Vec::with_capacity(pieces.len() / NUMBER_BYTES);
        let mut start = 0;
        for end in memchr::memchr_iter(b',', pieces.as_bytes()).chain([pieces.len()]) {
            let piece = pieces[start..end].trim_ascii();
            start = end + 1;
            // This is JSON: a piece that is not a number, such as part of a string, has a character that no number has.
            match piece.parse::<f32>() {
                Ok(number) if number.is_finite() => numbers.push(number),
                Ok(_) => return Err(D::Error::custom("number out of range")),
                // An empty array has one piece, of nothing.
                Err(_) if piece.is_empty() && end == pieces.len() => {}
                Err(_) => return Err(no_numbers()),
            }
        }
        Ok(Self(numbers))
    }
}

/// At most `chars_max` characters of a text, and whether that cut it.
pub(super) fn cut(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(array: &str) -> Option<Vec<f32>> {
        serde_json::from_str::<Numbers>(array).ok().map(|numbers| numbers.0)
    }

    #[test]
    fn numbers_round_once_and_nothing_else_is_one() {
        // Through f64 this decimal would land on a tie and round one step too low.
        assert_eq!(read("[ 1.00000005960464477540,\n-2 ,3e-1]"), Some(vec![f32::from_bits(0x3f80_0001), -2.0, 0.3]));
        assert_eq!((read("[]"), read("[ ]")), (Some(vec![]), Some(vec![])));
        let others =
            ["[1,]", "[1 2]", "[\"1\"]", "[\"1,2\"]", "[null]", "[[1],[2]]", "[1e39]", "[NaN]", "{}", "1", "\"[1]\""];
        for other in others {
            assert_eq!(read(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_serde_json(bits in proptest::collection::vec(any::<u32>(), 0..20), places in 1..30_usize) {
            let numbers: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|number| number.is_finite()).collect();
            let texts: Vec<String> = numbers.iter().map(|number| format!("{number:.places$e}")).collect();
            let array = format!("[{}]", texts.join(", "));
            prop_assert_eq!(read(&array), serde_json::from_str::<Vec<f32>>(&array).ok());
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), ("äö", true));
        assert_eq!(cut("äöü", 3), ("äöü", false));
    }
}
