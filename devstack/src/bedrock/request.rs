//! What the models' requests have in common: read strictly, dimensions from a list, texts that may be cut.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::embedding::Refusal;

/// Reads a request strictly: a field of another model is a mistake that the real service refuses, too.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::validation(format!("Malformed input request: {error}, please reformat your input and try again."))
    })
}

pub(super) fn check_dimension(field: &str, dimension: usize, allowed: &[usize]) -> Result<usize, Refusal> {
    if allowed.contains(&dimension) {
        return Ok(dimension);
    }
    Err(Refusal::validation(format!("Malformed input request: {field} must be one of {allowed:?}, was {dimension}.")))
}

/// Which end of a text that is too long goes.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Truncate {
    /// None does: too long is an error.
    None,
    /// The beginning.
    Start,
    /// The end.
    End,
}

/// Cuts `text` to at most `limit` UTF-8 bytes between characters; `None` if it has to be cut and must not be.
pub(super) fn cut(text: &str, limit: usize, truncate: Truncate) -> Option<&str> {
    if text.len() <= limit {
        return Some(text);
    }
    match truncate {
        Truncate::None => None,
        Truncate::End => Some(&text[..text.floor_char_boundary(limit)]),
        Truncate::Start => Some(&text[text.ceil_char_boundary(text.len() - limit)..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_at_the_end_asked_for() {
        assert_eq!(cut("aéb", 2, Truncate::End), Some("a"));
        assert_eq!(cut("aéb", 2, Truncate::Start), Some("b"));
        assert_eq!(cut("aéb", 3, Truncate::End), Some("aé"));
        assert_eq!(cut("aéb", 4, Truncate::None), Some("aéb"));
        assert_eq!(cut("aéb", 3, Truncate::None), None);
    }
}
