//! Arrow files and streams, and Parquet.

use arrow_array::builder::{
    FixedSizeBinaryBuilder, ListBuilder, StringDictionaryBuilder, StringRunBuilder, StringViewBuilder,
};
use arrow_array::types::{Float16Type, Float32Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeListArray, Float64Array, Int8Array, Int32Array, Int64Array,
    LargeStringArray, ListArray, ListViewArray, NullArray, RecordBatch, RunArray, StringArray, StructArray,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use std::sync::Arc;

use super::*;

/// One batch with these columns, as a file, a stream and Parquet.
fn tables(columns: &[(&str, ArrayRef)]) -> [(&'static str, Option<Vec<u8>>); 3] {
    let fields = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    let batch = RecordBatch::try_from_iter_with_nullable(fields).unwrap();
    let mut file = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    file.write(&batch).unwrap();
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    // Parquet has no views and no runs.
    let parquet = ArrowWriter::try_new(Vec::new(), batch.schema(), None).and_then(|mut parquet| {
        parquet.write(&batch)?;
        parquet.into_inner()
    });
    [
        ("file", Some(file.into_inner().unwrap())),
        ("stream", Some(stream.into_inner().unwrap())),
        ("Parquet", parquet.ok()),
    ]
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn own_vectors() -> ArrayRef {
    let rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].map(|row| Some(row.map(Some)));
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 2))
}

#[test]
fn ids_and_categories_are_read_in_any_layout() {
    let plain = strings(&[Some("a"), Some("b"), Some("c")]);
    let mut view = StringViewBuilder::new();
    for id in ["a", "b", "c"] {
        view.append_value(id);
    }
    let mut uuid = FixedSizeBinaryBuilder::new(16);
    for id in 1..4_u8 {
        uuid.append_value([id; 16]).unwrap();
    }
    let uuids = [1, 2, 3]
        .map(|id| format!("0{id}0{id}0{id}0{id}-0{id}0{id}-0{id}0{id}-0{id}0{id}-0{id}0{id}0{id}0{id}0{id}0{id}"));
    let letters = ["a", "b", "c"].map(str::to_owned);
    let numbers = ["-1", "0", "9007199254740993"].map(str::to_owned);
    let id_layouts: [(ArrayRef, [String; 3]); 5] = [
        (Arc::clone(&plain), letters.clone()),
        (Arc::new(LargeStringArray::from(vec!["a", "b", "c"])), letters.clone()),
        (Arc::new(view.finish()), letters),
        (Arc::new(Int64Array::from(vec![-1, 0, 9_007_199_254_740_993])), numbers),
        (Arc::new(uuid.finish()), uuids),
    ];
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    for category in ["x", "y", "x"] {
        dictionary.append_value(category);
    }
    let mut run = StringRunBuilder::<Int32Type>::new();
    for category in ["x", "x", "y"] {
        run.append_value(category);
    }
    let mut keyed = StringDictionaryBuilder::<Int32Type>::new();
    for category in ["x", "y"] {
        keyed.append_value(category);
    }
    let keyed_runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &keyed.finish()).unwrap();
    let category_layouts: [(ArrayRef, [&str; 3]); 3] = [
        (Arc::new(dictionary.finish()), ["x", "y", "x"]),
        (Arc::new(run.finish()), ["x", "x", "y"]),
        (Arc::new(keyed_runs), ["x", "x", "y"]),
    ];
    for (id, expected_ids) in &id_layouts {
        for (category, expected) in &category_layouts {
            let nulls: ArrayRef = Arc::new(NullArray::new(3));
            let columns = [
                ("product_id", Arc::clone(id)),
                ("category", Arc::clone(category)),
                ("title", nulls),
                ("embedding", own_vectors()),
            ];
            for (kind, table) in tables(&columns) {
                let Some(table) = table else { continue };
                let found = rows(table).unwrap();
                assert_eq!(ids(&found), *expected_ids, "{kind}");
                assert_eq!(places(&found), ["row 0", "row 1", "row 2"]);
                for (row, category) in expected.iter().enumerate() {
                    let product = found[row].1.as_ref().unwrap();
                    assert_eq!((product.category.as_str(), product.title.as_deref()), (*category, None), "{kind}");
                }
            }
        }
    }
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a"[..], b"b", b"c"]));
    for (id, what) in [(floats, "column product_id: is Float64"), (bytes, "column product_id: is Binary")] {
        let columns = [("product_id", id), ("category", Arc::clone(&plain)), ("embedding", own_vectors())];
        let [(_, table), ..] = tables(&columns);
        assert!(rows(table.unwrap()).unwrap_err().contains(what));
    }
}

#[test]
fn vectors_are_read_in_any_layout_and_rounded_once() {
    let wide = [1.000_000_06, 0.1, -2.5, 4.0];
    let expected = [[f32::from_bits(0x3f80_0001), 0.1], [-2.5, 4.0]];
    let item = |kind| Arc::new(Field::new("item", kind, true));
    let doubles = || Arc::new(Float64Array::from(wide.to_vec())) as ArrayRef;
    let halves = [[1.0, 2.0], [3.0, 4.0]].map(|row| Some(row.map(|number| Some(half::f16::from_f32(number)))));
    let halves = FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(halves, 2);
    let bytes: Vec<Vec<u8>> = expected.iter().map(|row| row.map(f32::to_le_bytes).concat()).collect();
    let base64 = "zczMPQAAAEA=";
    let small = ListArray::new(
        item(DataType::Int8),
        OffsetBuffer::from_lengths([2, 2]),
        Arc::new(Int8Array::from(vec![1, -2, 3, 127])),
        None,
    );
    let layouts: [(ArrayRef, [[f32; 2]; 2]); 7] = [
        (Arc::new(FixedSizeListArray::new(item(DataType::Float64), 2, doubles(), None)), expected),
        (
            Arc::new(ListArray::new(item(DataType::Float64), OffsetBuffer::from_lengths([2, 2]), doubles(), None)),
            expected,
        ),
        (
            Arc::new(ListViewArray::new(
                item(DataType::Float64),
                ScalarBuffer::from(vec![2, 0]),
                ScalarBuffer::from(vec![2, 2]),
                doubles(),
                None,
            )),
            [expected[1], expected[0]],
        ),
        (Arc::new(halves), [[1.0, 2.0], [3.0, 4.0]]),
        (Arc::new(small), [[1.0, -2.0], [3.0, 127.0]]),
        (Arc::new(BinaryArray::from(bytes.iter().map(Vec::as_slice).collect::<Vec<_>>())), expected),
        (strings(&[Some("[-2.5, 4]"), Some(base64)]), [[-2.5, 4.0], [0.1, 2.0]]),
    ];
    let id = strings(&[Some("a"), Some("b")]);
    for (embedding, expected) in layouts {
        let name = embedding.data_type().to_string();
        let columns = [("product_id", Arc::clone(&id)), ("category", Arc::clone(&id)), ("embedding", embedding)];
        for (kind, table) in tables(&columns) {
            let Some(table) = table else { continue };
            let found = rows(table).unwrap();
            let vectors: Vec<Vec<f32>> = found.into_iter().map(|(_, row)| row.unwrap().embedding.unwrap()).collect();
            assert_eq!(vectors, expected, "{name} in {kind}");
        }
    }
}

#[test]
fn what_is_wrong_with_vectors_is_named() {
    let id = strings(&[Some("a"), Some("b"), Some("c")]);
    let mut lists = ListBuilder::new(arrow_array::builder::Float64Builder::new());
    lists.append_value([Some(1.0), None]);
    lists.append_value([Some(1e39), Some(0.0)]);
    lists.append_null();
    let columns = [
        ("product_id", Arc::clone(&id)),
        ("category", Arc::clone(&id)),
        ("embedding", Arc::new(lists.finish()) as ArrayRef),
    ];
    for (_, table) in tables(&columns) {
        let found: Vec<String> = rows(table.unwrap()).unwrap().into_iter().map(|(_, row)| row.unwrap_err()).collect();
        let expected = [
            "column embedding: number 1 is null",
            "column embedding: number 0 is NaN, infinite or beyond 32-bit floats",
            "column embedding: is empty, and there is no column text",
        ];
        assert_eq!(found, expected);
    }
    // As apache-arrow in JavaScript makes of rows with typed arrays.
    let fields: Vec<_> =
        (0..1_536).map(|number| Arc::new(Field::new(number.to_string(), DataType::Float64, true))).collect();
    let arrays = fields.iter().map(|_| Arc::new(Float64Array::from(vec![0.5; 3])) as ArrayRef).collect();
    let columns = [
        ("product_id", Arc::clone(&id)),
        ("category", id),
        ("embedding", Arc::new(StructArray::new(fields.into(), arrays, None)) as ArrayRef),
    ];
    let [(_, table), ..] = tables(&columns);
    let error = rows(table.unwrap()).unwrap_err();
    assert!(error.starts_with("column embedding: is Struct(") && error.len() < 250, "{error}");
}

#[test]
fn a_list_of_floats_that_would_be_ignored_is_an_error_unless_it_is_said_to_be_none() {
    let id = strings(&[Some("a"), Some("b"), Some("c")]);
    let columns =
        [("product_id", Arc::clone(&id)), ("category", Arc::clone(&id)), ("text", id), ("ada", own_vectors())];
    for (kind, table) in tables(&columns) {
        let error = rows(table.as_ref().unwrap()).unwrap_err();
        assert!(error.contains("column `ada` would be ignored: did you mean embedding?"), "{kind}: {error}");
        let folder = Folder::new();
        let path = folder.put("products", table.unwrap());
        let none = Mapping::new(&["embedding=".to_owned()], None, false).unwrap();
        assert_eq!(ids(&read_with(&path, none).unwrap().0), ["a", "b", "c"]);
    }
}

#[test]
fn files_that_others_wrote_are_read_or_refused_for_what_they_are() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    for name in [
        "polars_csv_u64_hash_int128.arrow",
        "polars_stream.arrows",
        "pyarrow_stream.arrows",
        "pyarrow_ree_category.arrow",
        "polars.parquet",
        "pyarrow.parquet",
    ] {
        let found = read(&data.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.len(), 120, "{name}");
        assert!(
            found
                .iter()
                .all(|(_, row)| row.as_ref().is_ok_and(|product| product.embedding.as_ref().unwrap().len() == 8)),
            "{name}"
        );
    }
    let delta = read(&data.join("delta_dictionary_ok.arrow")).unwrap();
    let categories: Vec<&str> = delta.iter().map(|(_, row)| row.as_ref().unwrap().category.as_str()).collect();
    assert_eq!(categories, ["audio", "phones", "audio", "phones"]);
    let replaced = read(&data.join("replaced_dictionary.arrow")).unwrap_err();
    assert!(replaced.contains("replaces a dictionary, and a file has only one for each column"), "{replaced}");
    let binary = read(&data.join("pa_binary_ids.arrow")).unwrap_err();
    assert!(binary.contains("column product_id: is Binary"), "{binary}");
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    let id = strings(&[Some("a"), Some("b"), Some("c")]);
    let columns = [("product_id", Arc::clone(&id)), ("category", id), ("embedding", own_vectors())];
    for (kind, table) in tables(&columns) {
        let table = table.unwrap();
        // A stream may end without its mark, of 8 bytes, which some writers leave out.
        for cut in [9, 100, table.len() / 2] {
            assert!(rows(&table[..table.len() - cut]).is_err(), "{kind} without {cut} bytes");
        }
    }
}
