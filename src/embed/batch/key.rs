//! What tells texts apart, here and in the records of a job.

use nearline_contract::hash::hex;

/// What a text is known by, as its SHA-256: different for different texts.
pub type Key = [u8; 32];

/// Lower-case hex digits of keys, one after another: a record's id may be alphanumeric only.
pub(super) fn to_hex(keys: &[Key]) -> String {
    hex(keys.as_flattened())
}

/// The keys of hex digits; `None` if they are not hex.
pub(super) fn from_hex(digits: &str) -> Option<Vec<Key>> {
    let (keys, rest) = digits.as_bytes().as_chunks::<64>();
    if !rest.is_empty() {
        return None;
    }
    keys.iter().map(key).collect()
}

fn key(digits: &[u8; 64]) -> Option<Key> {
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_hex_digits() {
        let keys = [[0xa5; 32], std::array::from_fn(|at| at as u8)];
        let digits = to_hex(&keys);
        assert!(digits.starts_with("a5a5") && digits.ends_with("1e1f"), "{digits}");
        assert_eq!(from_hex(&digits).unwrap(), keys);
        assert!(from_hex(&digits[1..]).is_none() && from_hex(&"xy".repeat(32)).is_none());
    }
}
