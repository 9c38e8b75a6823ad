//! Tables with types.

use super::*;

/// As a file, a stream and Parquet, with ids, categories and vectors.
fn tables(columns: Vec<(&str, ArrayRef)>) -> Vec<(&'static str, Vec<u8>)> {
    let rows = columns[0].1.len();
    let mut all: Vec<(&str, ArrayRef, bool)> = vec![
        ("product_id", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("p{row}")))), false),
        ("category", Arc::new(StringArray::from(vec!["c"; rows])), false),
    ];
    let vectors = (0..rows).map(|row| Some([Some(1.0), Some(row as f32)]));
    all.push((
        "embedding",
        Arc::new(FixedSizeListArray::from_iter_primitive::<types::Float32Type, _, _>(vectors, 2)),
        true,
    ));
    all.extend(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = RecordBatch::try_from_iter_with_nullable(all).unwrap();
    let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    file.write(&batch).unwrap();
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    let mut made = vec![("file", file.into_inner().unwrap()), ("stream", stream.into_inner().unwrap())];
    let parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), None).and_then(|mut parquet| {
        parquet.write(&batch)?;
        parquet.into_inner()
    });
    // It has no runs.
    made.extend(parquet.ok().map(|bytes| ("parquet", bytes)));
    made
}

fn table(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    tables(columns).remove(0).1
}

#[test]
fn types_of_tables_stay_and_every_value_with_them() {
    let integers: [ArrayRef; 8] = [
        Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)])),
        Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
        Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        Arc::new(UInt8Array::from(vec![Some(0), None, Some(u8::MAX)])),
        Arc::new(UInt16Array::from(vec![Some(0), None, Some(u16::MAX)])),
        Arc::new(UInt32Array::from(vec![Some(0), None, Some(u32::MAX)])),
        Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)])),
    ];
    let others: [ArrayRef; 9] = [
        Arc::new(StringArray::from(vec![Some(" as it stands "), None, Some("")])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::INFINITY)])),
        Arc::new(Float64Array::from(vec![Some(0.1), None, Some(-0.0)])),
        Arc::new(Date32Array::from(vec![Some(-719_528), None, Some(2_932_896)])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(1_700_000_000_123)])),
        Arc::new(
            TimestampNanosecondArray::from(vec![Some(i64::MIN), None, Some(i64::MAX)]).with_timezone("Europe/Berlin"),
        ),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(1)]).with_timezone("UTC")),
        // Seconds are none of Parquet's units.
        Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(1_000)]).with_timezone("+01:00")),
    ];
    for array in integers.iter().chain(&others) {
        for (form, bytes) in tables(vec![("x", Arc::clone(array))]) {
            let made = build_files(&[("products", bytes)], &["all"], false).unwrap();
            assert_eq!(made.batch.column_by_name("x").unwrap(), array, "{form}");
            assert_eq!(made.metadata.as_deref(), Some("[\"x\"]"));
        }
    }
}

#[test]
fn layouts_of_strings_and_lists_dates_and_decimals_become_what_a_catalog_has() {
    let mut runs = StringRunBuilder::<Int32Type>::new();
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    for text in [Some("a"), None, Some("a")] {
        runs.append_option(text);
        dictionary.append_option(text);
    }
    let lists = |lists: [Option<&[Option<&str>]>; 3]| {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for list in lists {
            list.iter().flat_map(|list| list.iter()).for_each(|text| builder.values().append_option(*text));
            builder.append(list.is_some());
        }
        builder.finish()
    };
    let numbers = [Some(vec![Some(1), None, Some(-2)]), None, Some(vec![])];
    let columns: Vec<(&str, ArrayRef, &str, Json)> = vec![
        (
            "view",
            Arc::new(StringViewArray::from(vec![Some("a"), None, Some("long enough for a buffer")])),
            "Utf8",
            json!(["a", null, "long enough for a buffer"]),
        ),
        ("large", Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("")])), "Utf8", json!(["a", null, ""])),
        ("runs", Arc::new(runs.finish()), "Utf8", json!(["a", null, "a"])),
        ("dictionary", Arc::new(dictionary.finish()), "Utf8", json!(["a", null, "a"])),
        (
            "half",
            Arc::new(Float16Array::from_iter([Some(half::f16::from_f32(0.5)), None, Some(half::f16::NAN)])),
            "Float32",
            json!([0.5, null, null]),
        ),
        (
            "strings",
            Arc::new(lists([Some(&[Some("x"), None, Some("y")]), None, Some(&[])])),
            "[Utf8]",
            json!([["x", "y"], null, []]),
        ),
        (
            "numbers",
            Arc::new(LargeListArray::from_iter_primitive::<types::Int64Type, _, _>(numbers)),
            "[Int64]",
            json!([[1, -2], null, []]),
        ),
        (
            "fixed",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(
                [Some([Some(half::f16::from_f32(0.5))]), None, None],
                1,
            )),
            "[Float32]",
            json!([[0.5], null, null]),
        ),
        (
            "money",
            Arc::new(
                Decimal128Array::from(vec![Some(1999), None, Some(-999_999_999_999_999)])
                    .with_precision_and_scale(20, 2)
                    .unwrap(),
            ),
            "Float64",
            json!([19.99, null, -9_999_999_999_999.99]),
        ),
        (
            "count",
            Arc::new(
                Decimal128Array::from(vec![Some(0), None, Some(u64::MAX.into())])
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
            ),
            "UInt64",
            json!([0, null, u64::MAX]),
        ),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN, 1.0, 2.0])), "Float64", json!([null, 1.0, 2.0])),
        ("nothing", Arc::new(NullArray::new(3)), "Utf8", json!([null, null, null])),
    ];
    for (name, array, kind, values) in columns {
        for (form, bytes) in tables(vec![(name, array)]) {
            let made = build_files(&[("products", bytes)], &[name], false).unwrap();
            assert_eq!(made.types(), format!("{name} {kind}"), "{form}");
            assert_eq!(made.column(name), values, "{name} in {form}");
        }
    }
    let days: ArrayRef = Arc::new(Date64Array::from(vec![-86_400_000, 0, 86_400_000]));
    let made = build_files(&[("products", table(vec![("day", days)]))], &["day"], false).unwrap();
    assert_eq!(made.batch.column_by_name("day").unwrap(), &(Arc::new(Date32Array::from(vec![-1, 0, 1])) as ArrayRef));
}

#[test]
fn what_a_type_cannot_keep_is_a_fault_of_its_row_and_named() {
    let decimals = Decimal128Array::from(vec![1, 1_234_567_890_123_456, 1_000_000_000_000_000_000]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("money", Arc::new(decimals.with_precision_and_scale(38, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![2_932_897, 0, 1]))),
    ];
    let made = build_files(&[("products", table(columns))], &["all"], true).unwrap();
    assert_eq!(made.batch.num_rows(), 1);
    assert_eq!(made.column("money"), json!([1e16]));
    let rejects: Vec<&str> = made.rejects.lines().collect();
    assert!(rejects[1].starts_with("row 0,wrong_type,day,is 2932897 days from 1970"), "{rejects:?}");
    assert!(rejects[2].starts_with("row 1,wrong_type,money,\"is 12345678901234.56: decimals"), "{rejects:?}");
}

#[test]
fn a_type_that_cannot_be_an_attribute_is_an_error_if_it_was_named_and_else_a_note() {
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![b"x".as_slice(); 3]));
    let price: ArrayRef = Arc::new(Int8Array::from(vec![1, 2, 3]));
    let bytes = table(vec![("blob", binary), ("price", price)]);
    let build = |attributes: &[&str]| build_files(&[("products", bytes.clone())], attributes, false);
    let error = build(&["blob"]).unwrap_err();
    assert!(error.contains("--attributes blob: it is Binary, which cannot be an attribute"), "{error}");
    let made = build(&["all"]).unwrap();
    assert_eq!(
        (made.types().as_str(), &made.notes[..]),
        ("price Int8", &["column blob: it is Binary, which cannot be an attribute, and is left out".to_owned()][..])
    );
    let error = build(&["price:boolean"]).unwrap_err();
    assert!(error.contains("--attributes price: it is Int8, no boolean"), "{error}");
    let error = build(&["nope"]).unwrap_err();
    assert!(error.contains("--attributes nope: no such column; it has `product_id`, `category`"), "{error}");
    assert_eq!(build(&["PRICE:string"]).unwrap().column("price"), json!(["1", "2", "3"]));
}

#[test]
fn files_of_one_source_have_the_same_attributes_and_whole_numbers_widen() {
    let part = |name: &'static str, column: &str, array: ArrayRef| {
        let id: ArrayRef = Arc::new(StringArray::from(vec![name; array.len()]));
        let category: ArrayRef = Arc::new(StringArray::from(vec!["c"; array.len()]));
        let vectors: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<types::Float32Type, _, _>(
            vec![Some([Some(1.0)]); array.len()],
            1,
        ));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("product_id", id, true),
            ("category", category, true),
            ("embedding", vectors, true),
            (column, array, true),
        ])
        .unwrap();
        let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        file.write(&batch).unwrap();
        (name, file.into_inner().unwrap())
    };
    let int8 = || -> ArrayRef { Arc::new(Int8Array::from(vec![-1])) };
    let uint8 = || -> ArrayRef { Arc::new(UInt8Array::from(vec![255])) };
    let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["x"])) };
    let made = build_files(&[part("a", "n", int8()), part("b", "n", uint8())], &["n"], false).unwrap();
    assert_eq!(made.types(), "n Int16");
    let nulls: ArrayRef = Arc::new(NullArray::new(1));
    let made = build_files(&[part("a", "n", nulls), part("b", "N", uint8())], &["all"], false).unwrap();
    assert_eq!(made.types(), "n UInt8");
    let float: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5)]));
    let made = build_files(&[part("a", "n", int8()), part("b", "n", float)], &["all"], false).unwrap();
    assert_eq!((made.types().as_str(), made.column("n")), ("n Float64", json!([-1.0, 0.5])));
    for (files, attributes, why) in [
        ([part("a", "n", int8()), part("b", "n", text())], "n", "b: column n is Utf8 here and Int8 in a file before"),
        ([part("a", "n", int8()), part("b", "m", int8())], "n", "b: --attributes n: no such column"),
        ([part("a", "n", int8()), part("b", "m", int8())], "all", "has no column n that can be an attribute"),
    ] {
        let error = build_files(&files, &[attributes], false).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let json = b"{\"product_id\":\"j\",\"category\":\"c\",\"embedding\":[1],\"n\":300}\n".to_vec();
    let made = build_files(&[part("a", "n", int8()), ("j", json)], &["all"], false).unwrap();
    assert_eq!((made.types().as_str(), made.column("n")), ("n Int64", json!([-1, 300])));
}
