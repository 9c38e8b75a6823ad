//! Vectors in text: a JSON array, or little-endian 32-bit floats in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::objects::why;

/// No number of a vector is larger: bytes that say so are something else.
const LARGEST: f32 = 1e15;
/// Nor smaller, but for zero; some of a vector may be.
const SMALLEST: f32 = 1e-15;
/// What programs write for a cell without a value.
const NONE: [&str; 5] = ["null", "NULL", "None", "nan", "NaN"];

/// The numbers of a cell, each rounded once to 32 bits; an empty cell has none.
///
/// # Errors
/// What is wrong with it.
pub(super) fn from_text(text: &str) -> Result<Option<Vec<f32>>, String> {
    let text = text.trim();
    match text.as_bytes().first() {
        None => Ok(None),
        Some(_) if NONE.contains(&text) => Ok(None),
        Some(b'[') => from_json(text).map(Some),
        Some(_) => match from_base64(text).filter(|_| !is_word(text)) {
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
        format!("is not a JSON array of numbers: {}{hint}", why(&error, text))
    })
}

/// Little-endian 32-bit floats.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Vec<f32>, String> {
    let (numbers, []) = bytes.as_chunks::<4>() else {
        return Err(format!("has {} bytes, which is not a whole number of 32-bit floats", bytes.len()));
    };
    let numbers: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
    if are_halves(&numbers) {
        return Err("holds 64-bit floats: write 32-bit ones, little-endian (in NumPy: astype('<f4'))".to_owned());
    }
    match numbers.iter().position(|number| number.is_finite() && number.abs() > LARGEST) {
        Some(position) => Err(format!(
            "does not hold little-endian 32-bit floats: number {position} would be {:e}",
            numbers[position]
        )),
        None => Ok(numbers),
    }
}

/// Whether numbers are the halves of 64-bit ones: the lower half of each is any number at all, or zero if it was made of
/// a rounder one; the upper half is never very large or small.
fn are_halves(numbers: &[f32]) -> bool {
    let (pairs, []) = numbers.as_chunks::<2>() else { return false };
    let is_odd = |number: f32| number != 0.0 && !(SMALLEST..=LARGEST).contains(&number.abs());
    let odd = pairs.iter().filter(|[lower, _]| is_odd(*lower)).count();
    let are_plain = pairs.iter().all(|[_, upper]| !is_odd(*upper));
    let are_hollow = pairs.len() >= 8 && pairs.iter().all(|[lower, upper]| *lower == 0.0 && *upper != 0.0);
    are_hollow || are_plain && odd > 0 && odd * 4 >= pairs.len()
}

/// Whether a text that may be base64 is rather a word, or several.
fn is_word(text: &str) -> bool {
    text.bytes().skip(1).all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_'))
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    engines.into_iter().find_map(|engine| engine.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ("[1, null]", "is not a JSON array of numbers: invalid type: null"),
            ("[NaN]", "is not a JSON array of numbers: expected value at column 2 (JSON has no NaN)"),
            ("[0.1 0.2 ... 0.9]", "this is how NumPy shows an array"),
            ("[1e39]", "number out of range"),
            ("1, 2", "is neither a JSON array"),
            ("AAAA", "has 3 bytes"),
            ("kitchen-and-home", "is neither a JSON array"),
            ("Nopenopenopenope", "is neither a JSON array"),
            (
                &STANDARD.encode(3e20_f32.to_le_bytes()),
                "does not hold little-endian 32-bit floats: number 0 would be 3e20",
            ),
        ] {
            let error = from_text(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_cell_that_says_it_is_none_has_no_vector() {
        for text in NONE {
            assert_eq!(from_text(text), Ok(None));
        }
    }

    #[test]
    fn no_message_is_long() {
        let text = format!("[\"{}\"]", "x".repeat(100_000));
        assert!(from_text(&text).unwrap_err().len() < 400);
    }

    /// A float that embeddings have.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![9 => -1.0..1.0_f64, 1 => Just(0.0), 1 => -300.0..300.0_f64]
    }

    proptest! {
        #[test]
        fn floats_of_64_bits_are_refused_whatever_they_were_made_of_and_those_of_32_are_not(
            numbers in proptest::collection::vec(number(), 64..100),
            made_of_32 in any::<bool>(),
        ) {
            let single: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
            let bytes = single.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
            prop_assert_eq!(from_bytes(&bytes), Ok(single));
            let double = |number: &f64| if made_of_32 { f64::from(*number as f32) } else { *number };
            let bytes = numbers.iter().flat_map(|number| double(number).to_le_bytes()).collect::<Vec<u8>>();
            prop_assert!(from_bytes(&bytes).unwrap_err().starts_with("holds 64-bit floats"));
            let whole: Vec<u8> = (1..9).flat_map(|number| f64::from(number).to_le_bytes()).collect();
            prop_assert!(from_bytes(&whole).unwrap_err().starts_with("holds 64-bit floats"));
        }
    }
}
