//! Vectors in text: a JSON array, or little-endian 32-bit floats in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The numbers of a cell, each rounded once to 32 bits; an empty cell has none.
///
/// # Errors
/// What is wrong with it.
pub(super) fn from_text(text: &str) -> Result<Option<Vec<f32>>, String> {
    let text = text.trim();
    match text.as_bytes().first() {
        None => Ok(None),
        Some(b'[') => from_json(text).map(Some),
        Some(_) => match from_base64(text) {
            Some(bytes) => from_bytes(&bytes).map(Some),
            None => Err("is neither a JSON array of numbers nor base64 of 32-bit floats".to_owned()),
        },
    }
}

/// A JSON array. A number that 32 bits cannot hold is an error of its own, `null` and `NaN` too.
pub(super) fn from_json(text: &str) -> Result<Vec<f32>, String> {
    serde_json::from_str(text).map_err(|error| {
        let is_display = !text.contains(',') || text.contains("...") || text.contains("np.float");
        let hint = if text.contains("NaN") || text.contains("nan") {
            " (JSON has no NaN)"
        } else if is_display && text.contains([' ', '\n']) {
            " (this is how NumPy shows an array: write json.dumps(vector.tolist()))"
        } else {
            ""
        };
        format!("is no JSON array of numbers: {error}{hint}")
    })
}

/// Little-endian 32-bit floats.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Vec<f32>, String> {
    match bytes.as_chunks::<4>() {
        (numbers, []) => Ok(numbers.iter().map(|&number| f32::from_le_bytes(number)).collect()),
        _ => Err(format!("has {} bytes, which are no 32-bit floats", bytes.len())),
    }
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    engines.into_iter().find_map(|engine| engine.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_once() {
        // Between two floats: by way of 64 bits it would round to the lower one.
        let text = "[1.00000005960464488, 0.1, -0]";
        let expected = [f32::from_bits(0x3f80_0001), 0.1, -0.0];
        assert_eq!(from_text(text).unwrap().unwrap(), expected);
        let base64 = STANDARD.encode(expected.map(f32::to_le_bytes).concat());
        assert_eq!(from_text(&base64).unwrap().unwrap(), expected);
        assert_eq!(from_text(base64.trim_end_matches('=')).unwrap().unwrap(), expected);
        assert_eq!(from_text("  "), Ok(None));
    }

    #[test]
    fn what_is_no_vector_says_why() {
        for (text, why) in [
            ("[1, null]", "is no JSON array of numbers: invalid type: null"),
            ("[NaN]", "is no JSON array of numbers: expected value at line 1 column 2 (JSON has no NaN)"),
            ("[0.1 0.2 ... 0.9]", "this is how NumPy shows an array"),
            ("[1e39]", "number out of range"),
            ("1, 2", "is neither a JSON array"),
            ("AAAA", "has 3 bytes"),
        ] {
            let error = from_text(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
