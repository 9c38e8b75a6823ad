//! The identity of a job: SHA-256 of its RFC 8785 canonical form.
//!
//! The hash is taken of the object as received (nulls kept, no defaults filled in), so that it tells a replay from
//! a conflict even for jobs that are rejected. A key named twice has no canonical form and is an error here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::error::clip;
use crate::surrogate;

/// Parses JSON as [`Value`], refusing objects (at any depth) that name a key twice.
///
/// # Errors
/// What is wrong and where, for text that is not JSON or repeats a key.
pub fn parse_unique(text: &str) -> Result<Value, serde_json::Error> {
    let parsed = serde_json::from_str::<Unique>(text).map(|unique| unique.0);
    parsed.map_err(|error| match surrogate::lone(text) {
        Some(half) if error.is_syntax() => serde_json::Error::custom(half),
        _ => error,
    })
}

/// Hex SHA-256 of the RFC 8785 canonical form of `value`.
///
/// # Errors
/// None for a value that came from [`parse_unique`]: its numbers are finite.
pub fn job_sha256(value: &Value) -> Result<String, serde_json::Error> {
    Ok(hex(&Sha256::digest(serde_json_canonicalizer::to_vec(value)?)))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unique(value))) = access.next_entry::<String, Unique>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key `{}` appears twice", clip(&key))));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sha256(text: &str) -> String {
        job_sha256(&parse_unique(text).unwrap()).unwrap()
    }

    #[test]
    fn hash_is_sha256_of_the_canonical_text() {
        // Each right side is the canonical text, written out by the rules of RFC 8785.
        for (received, canonical) in [
            (r#"{ "request_id" : "a", "query":"x" }"#, r#"{"query":"x","request_id":"a"}"#),
            (r#"{"top_k":5.0,"a":1e2,"b":-0.0,"c":1E-7}"#, r#"{"a":100,"b":0,"c":1e-7,"top_k":5}"#),
            (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
            (r#"{"n":333333333.33333329, "m":1E30, "z":4.50}"#, r#"{"m":1e+30,"n":333333333.3333333,"z":4.5}"#),
            (r#"{"s":"\u20ac\u000f\/\u0041"}"#, "{\"s\":\"€\\u000f/A\"}"),
            (r#"{"b":null,"a":[null,true]}"#, r#"{"a":[null,true],"b":null}"#),
            // Keys sort by UTF-16 code units: the emoji's surrogates come before U+FB33.
            ("{\"\u{fb33}\":1,\"\u{1f600}\":2}", "{\"\u{1f600}\":2,\"\u{fb33}\":1}"),
        ] {
            assert_eq!(sha256(received), hex(&Sha256::digest(canonical)), "{received}");
        }
    }

    #[test]
    fn hash_test_vectors_for_producers_in_other_languages() {
        // Those of docs/contract.md; made with `printf '%s' CANONICAL | sha256sum`.
        for (received, expected) in [
            (
                r#"{"request_id":"storefront-7f3a91","query":"wireless headphones","top_k":5}"#,
                "621e0be0cd01c3c082d5212a812608668d6fac608923825516f5ff4bfde17a8a",
            ),
            (
                r#"{ "version": 1.0, "request_id": "r-2", "query": "caf\u00e9 \u2615", "min_score": 0.20, "top_k": 1e1, "categories": null }"#,
                "0dc36b3366cd240739be995a18cdafe3fd5418401de3ea118dbac36b6370b7fd",
            ),
            (
                r#"{"request_id":"r-3","vector":[0.1,-2.50E-8,1e21,-0.0,333333333.33333329],"metadata":{"ﬃ":"1","tenant":"a\/b\n","😀":"\u002f"}}"#,
                "efdb98858d08dc9b4990b3ca6525c44f653c10bcf287b3cb011aed07053613c6",
            ),
        ] {
            assert_eq!(sha256(received), expected, "{received}");
        }
    }

    #[test]
    fn null_and_absent_are_different_jobs() {
        assert_ne!(sha256(r#"{"a":1,"b":null}"#), sha256(r#"{"a":1}"#));
    }

    #[test]
    fn a_repeated_key_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":1,"b":2}]}"#, r#"{"a":{"\u0062":1,"b":2}}"#] {
            assert!(parse_unique(text).unwrap_err().to_string().contains("appears twice"), "{text}");
        }
        assert!(parse_unique(r#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
    }

    proptest! {
        #[test]
        fn hash_ignores_key_order_and_white_space(entries in proptest::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..6)) {
            let forward: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            let backward: Vec<String> = entries.iter().rev().map(|(key, value)| format!(" \"{key}\" : {value}\n")).collect();
            prop_assert_eq!(sha256(&format!("{{{}}}", forward.join(","))), sha256(&format!("{{{}}}", backward.join(","))));
        }
    }
}
