//! What is done to an input: changes of bytes, of numbers and of text, and pieces of other inputs.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Longest input that is made, so that repetitions of repetitions end.
const BYTES_MAX: usize = 256 << 10;

/// Pieces of text that readers of JSON and of numbers stumble over.
const AWKWARD: [&str; 24] = [
    "null",
    "true",
    "{}",
    "[]",
    "[[",
    "{\"a\":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\0",
    "\u{feff}",
    "é",
    "😀",
    "-0",
    "-1",
    "1e39",
    "1e400",
    "1e-400",
    "0.1e1",
    "9007199254740993",
    "18446744073709551616",
    "NaN",
    ",",
];

/// One change.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// A byte is changed.
    Byte(Index, u8),
    /// Eight bytes become a number.
    Number(Index, i64),
    /// The end is cut off.
    Cut(Index),
    /// Bytes are left out.
    Remove(Index, usize),
    /// A piece is repeated.
    Repeat(Index, usize, usize),
    /// A text is put in.
    Insert(Index, &'static str),
    /// A text takes the place of as many bytes.
    Replace(Index, &'static str),
    /// A piece of any of the inputs is put in.
    Splice(Index, Index, Index, usize),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    let power = (0_u32..64, -1_i64..=1).prop_map(|(power, more)| (1_i64 << power).wrapping_add(more));
    let number = prop_oneof![3 => power, 2 => -2_i64..300, 1 => any::<i64>()];
    prop_oneof![
        3 => (index(), 1_u8..).prop_map(|(at, change)| Damage::Byte(at, change)),
        3 => (index(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        1 => index().prop_map(Damage::Cut),
        1 => (index(), 1_usize..64).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (index(), 1_usize..32, 1_usize..512).prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        2 => (index(), select(&AWKWARD[..])).prop_map(|(at, text)| Damage::Insert(at, text)),
        1 => (index(), select(&AWKWARD[..])).prop_map(|(at, text)| Damage::Replace(at, text)),
        2 => (index(), index(), index(), 1_usize..128).prop_map(|(at, seed, from, length)| Damage::Splice(at, seed, from, length)),
    ]
}

/// A copy of `input` with all of `several` done to it in turn.
pub(crate) fn damaged(input: &[u8], several: &[Damage], seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for one in several {
        apply(&mut bytes, one, seeds);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage, seeds: &[Vec<u8>]) {
    // One more than there are bytes: the end is a place, too.
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    let piece = |bytes: &[u8], from: usize, length: usize| bytes[from..bytes.len().min(from + length)].to_vec();
    match damage {
        Damage::Byte(at, change) => {
            let at = place(at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= change;
            }
        }
        Damage::Number(at, number) => {
            let at = place(at, bytes);
            overwrite(bytes, at, &number.to_le_bytes());
        }
        Damage::Cut(at) => bytes.truncate(place(at, bytes)),
        Damage::Remove(at, length) => {
            let at = place(at, bytes);
            bytes.drain(at..bytes.len().min(at + length));
        }
        Damage::Repeat(at, length, times) => {
            let at = place(at, bytes);
            let repeated = piece(bytes, at, *length).repeat(*times);
            bytes.splice(at..at, repeated);
        }
        Damage::Insert(at, text) => {
            let at = place(at, bytes);
            bytes.splice(at..at, text.bytes());
        }
        Damage::Replace(at, text) => {
            let at = place(at, bytes);
            overwrite(bytes, at, text.as_bytes());
        }
        Damage::Splice(at, seed, from, length) => {
            let (at, seed) = (place(at, bytes), seed.get::<Vec<u8>>(seeds));
            bytes.splice(at..at, piece(seed, place(from, seed), *length));
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    let end = bytes.len().min(at + with.len());
    bytes[at..end].copy_from_slice(&with[..end - at]);
}
