//! What a text is, which kinds go, and the types that follow from values.

use arrow_schema::DataType;
use proptest::prelude::*;

use super::super::columns::Mapping;
use super::super::found::Place;
use super::tally::Decided;
use super::*;

fn names(flags: &[&str]) -> Result<Wanted, String> {
    Wanted::new(&flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>())
}

/// The type that a column of these values gets, and whether all fit.
fn decide(values: &[Value]) -> (Option<DataType>, bool) {
    let mut registry = Registry::new(&names(&["x"]).unwrap());
    let mapping = Mapping::new(&[], None, true).unwrap().with_attributes(names(&["x"]).unwrap());
    let mut layout = mapping.layout(["x"].into_iter()).unwrap();
    registry.register(&mut layout, None, &|_| None).unwrap();
    let mut tally = Tally::default();
    for (number, value) in values.iter().enumerate() {
        tally.see(Place { shard: 0, number: number as u64 }, value);
    }
    let Decided { data_type, has_misfits, .. } = tally.decide(&registry.entries[0]);
    if let Some(kind) = &data_type {
        assert_eq!(values.iter().any(|value| fit(value, kind).is_err()), has_misfits, "{values:?} as {kind}");
    }
    (data_type, has_misfits)
}

fn cells(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::Cell((*text).to_owned())).collect()
}

fn shown(kind: (Option<DataType>, bool)) -> String {
    kind.0.unwrap().to_string()
}

#[test]
fn a_column_of_cells_is_of_the_kind_that_all_of_them_say() {
    for (texts, kind) in [
        (&["1", "-2", "0"][..], "Int64"),
        (&["1", "2.50", "1e3"], "Float64"),
        (&["18446744073709551615", "1"], "UInt64"),
        // No 64 bits hold both, no float all digits: as it stands.
        (&["18446744073709551615", "-1"], "Utf8"),
        (&["9007199254740993", "0.5"], "Utf8"),
        (&["18446744073709551616"], "Utf8"),
        (&["1e400"], "Utf8"),
        (&["007", "1"], "Utf8"),
        (&["+1", "2"], "Utf8"),
        (&[".5"], "Utf8"),
        (&["1", "n/a"], "Utf8"),
        (&["true", "FALSE", "True"], "Boolean"),
        (&["true", "1"], "Utf8"),
        (&["[\"a\"]", "[]"], "List(non-null Utf8)"),
        (&["[]"], "List(non-null Utf8)"),
        (&["[1, 2]", "[0.5]", "[null]"], "List(non-null Float64)"),
        (&["[1]", "[\"a\"]"], "Utf8"),
        (&["[1", "[2]"], "Utf8"),
        (&[], "Utf8"),
    ] {
        let decided = decide(&cells(texts));
        assert!(!decided.1, "a cell is a fault of nobody: {texts:?}");
        assert_eq!(shown(decided).replace(", field: 'item'", ""), kind, "{texts:?}");
    }
}

#[test]
fn values_of_another_kind_than_most_do_not_fit_and_of_as_many_the_first_counts() {
    let integer = |number| Value::Number(Number::Integer(number));
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(decide(&[integer(1), text("a"), integer(2)]), (Some(DataType::Int64), true));
    assert_eq!(decide(&[text("a"), integer(1)]), (Some(DataType::Utf8), true));
    assert_eq!(decide(&[integer(1), Value::Number(Number::Float(0.5))]), (Some(DataType::Float64), false));
    let inexact = integer((1 << 53) + 1);
    assert_eq!(decide(&[inexact, Value::Number(Number::Float(0.5))]), (Some(DataType::Float64), true));
    assert_eq!(decide(&[integer(u64::MAX.into()), integer(-1)]), (Some(DataType::Int64), true));
    let lists = decide(&[Value::Empty, text("a"), Value::Empty]);
    assert!(matches!(lists, (Some(DataType::List(_)), true)), "{lists:?}");
}

#[test]
fn a_kind_that_was_said_reads_texts_for_what_they_say() {
    let cell = |text: &str| Value::Cell(text.to_owned());
    let taken = |kind: &str, value| kind.parse::<Kind>().unwrap().take(value);
    assert_eq!(taken("string", cell("007")), Ok(Some(Value::Text("007".to_owned()))));
    assert_eq!(taken("number", cell("7.5")), Ok(Some(Value::Number(Number::Float(7.5)))));
    assert_eq!(taken("number", Value::Text(" 7 ".to_owned())), Ok(Some(Value::Number(Number::Integer(7)))));
    assert_eq!(taken("number", Value::Text("  ".to_owned())), Ok(None));
    assert_eq!(taken("boolean", cell("True")), Ok(Some(Value::Flag(true))));
    assert_eq!(taken("strings", cell("[\"a\", null]")), Ok(Some(Value::Texts(vec!["a".to_owned()]))));
    assert_eq!(taken("numbers", cell("[]")), Ok(Some(Value::Empty)));
    for (kind, value, why) in [
        ("number", cell("n/a"), "is `n/a`, not a number"),
        ("number", cell("007"), "is `007`, not a number"),
        ("boolean", cell("yes"), "is `yes`, not a boolean"),
        ("strings", cell("a,b"), "is `a,b`, not a list of strings"),
        ("strings", cell("[1]"), "is a list of numbers, not a list of strings"),
        ("numbers", cell("[1,\"a\"]"), "is [1,\"a\"]: a list must be of strings or of numbers"),
        ("string", Value::Flag(true), "is true, not a string"),
    ] {
        assert_eq!(taken(kind, value), Err(why.to_owned()));
    }
}

#[test]
fn names_that_no_filter_could_ask_for_are_refused() {
    assert!(names(&["all", "Brand", "price:number", "a:b"]).is_ok());
    for (flags, why) in [
        (&["Title"][..], "a catalog has its own column title"),
        (&["text_sha256"], "a catalog has its own column text_sha256"),
        (&["$price"], "must not begin with $"),
        (&[" "], "an attribute needs a name"),
        (&["brand", "BRAND:string"], "--attributes names BRAND twice"),
    ] {
        let error = names(flags).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

proptest! {
    /// As serde_json reads numbers, but that whole ones beyond 64 bits are refused.
    #[test]
    fn a_number_is_what_json_says(text in "-?[0-9]{0,21}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?") {
        let json = serde_json::from_str::<serde_json::Number>(&text);
        match number(&text) {
            None => prop_assert!(json.is_err() || text.is_empty(), "{text}"),
            Some(Ok(Number::Integer(integer))) => prop_assert_eq!(integer.to_string(), if text == "-0" { "0".to_owned() } else { text }),
            Some(Ok(Number::Float(float))) => prop_assert_eq!(float.to_bits(), json.unwrap().as_f64().unwrap().to_bits()),
            Some(Err(_)) => {
                let is_whole = !text.contains(['.', 'e', 'E']);
                let is_right = if is_whole { text.len() >= 19 } else { json.is_err() };
                prop_assert!(is_right);
            }
        }
    }
}
