//! What no update may be, as people and other programs write them.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray, NullArray, RecordBatch,
    StringArray, StringViewArray, UInt64Array,
};
use arrow_ipc::writer::FileWriter;
use arrow_schema::DataType;
use bytes::Bytes;

use super::histories::{DIMENSION, catalog};
use crate::catalog::Catalog;
use crate::catalog::artifact::{MODEL_ID, Row, Writer};
use crate::catalog::changes::history::Changes;
use crate::catalog::changes::update::Update;
use crate::catalog::source::{Number, Value};

/// A catalog of `a` and `b` with a price.
fn base() -> Catalog {
    let price = arrow_schema::Field::new("price", DataType::UInt8, true);
    let mut writer = Writer::with_attributes(Vec::new(), DIMENSION, "", false, &[price]).unwrap();
    for product_id in ["a", "b"] {
        let row = Row { product_id, category: "c", title: None, vector: &[1.0, 2.0, 3.0], text_sha256: None };
        writer.push_with(&row, &[Some(Value::Number(Number::Integer(7)))]).unwrap();
    }
    catalog(writer.finish().unwrap().into())
}

fn bytes(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    bytes_of(
        &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap(),
    )
}

fn bytes_of(batch: &RecordBatch) -> Bytes {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// What becomes of an update: the products afterwards, or why it is refused.
fn applied(bytes: &Bytes) -> Result<Vec<String>, String> {
    let catalog = base();
    let update = Update::read(bytes, &**catalog.base()).map_err(|error| error.to_string())?;
    let updates = vec![Arc::new(update)];
    Changes::of(&**catalog.base(), 2, &updates).map_err(|misfit| misfit.what)?;
    let updated = Catalog::updated(Arc::clone(catalog.base()), updates, String::new()).map_err(|misfit| misfit.what)?;
    Ok(super::said(&updated))
}

fn refused(columns: Vec<(&str, ArrayRef)>, part: &str) {
    let message = applied(&bytes(columns)).unwrap_err();
    assert!(message.contains(part), "{message}");
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn numbers(numbers: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

fn vectors(vectors: &[Option<[f32; DIMENSION]>]) -> ArrayRef {
    let mut lists = FixedSizeListBuilder::new(Float32Builder::new(), i32::try_from(DIMENSION).unwrap());
    for vector in vectors {
        lists.values().append_slice(&vector.unwrap_or_default());
        lists.append(vector.is_some());
    }
    Arc::new(lists.finish())
}

#[test]
fn what_other_programs_write_is_read() {
    let row = |id: &str, price: &str| format!("{id} c None [1.0, 2.0, 3.0] [{price}]");
    let expected = vec![row("a", "Some(Number(Number(300)))"), row("b", "Some(Number(Number(7)))")];
    let categories: [ArrayRef; 4] = [
        texts(&["c"]),
        Arc::new(LargeStringArray::from(vec!["c"])),
        Arc::new(StringViewArray::from(vec!["c"])),
        Arc::new(["c"].into_iter().collect::<DictionaryArray<Int32Type>>()),
    ];
    for category in categories {
        let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![300]));
        for price in [numbers(&[300]), unsigned] {
            let columns = vec![("product_id", texts(&["a"])), ("category", Arc::clone(&category)), ("price", price)];
            assert_eq!(applied(&bytes(columns)).unwrap(), expected);
        }
    }
    let null: ArrayRef = Arc::new(NullArray::new(1));
    let columns = ["title", "embedding", "deleted", "price"].map(|name| (name, Arc::clone(&null)));
    let columns = [vec![("product_id", texts(&["a"])), ("category", texts(&["c"]))], columns.to_vec()].concat();
    assert_eq!(applied(&bytes(columns)).unwrap(), [row("a", "None"), row("b", "Some(Number(Number(7)))")]);
    let gone =
        vec![("product_id", texts(&["a", "nobody"])), ("deleted", Arc::new(BooleanArray::from(vec![true, true])) as _)];
    assert_eq!(applied(&bytes(gone)).unwrap(), [row("b", "Some(Number(Number(7)))")]);
}

#[test]
fn what_is_wrong_is_said_with_row_and_column() {
    let (ids, category, price) = (texts(&["a", "b"]), texts(&["c", "c"]), numbers(&[1, 2]));
    let all =
        || vec![("product_id", Arc::clone(&ids)), ("category", Arc::clone(&category)), ("price", Arc::clone(&price))];
    let with = |name: &'static str, array: ArrayRef| {
        let mut columns = all();
        columns.retain(|(other, _)| *other != name);
        columns.push((name, array));
        columns
    };
    assert!(applied(&bytes(all())).is_ok());
    refused(with("product_id", texts(&["a", "a"])), "row 1, column product_id: `a` is already used in row 0");
    refused(with("product_id", texts(&["a", ""])), "row 1, column product_id: is empty");
    refused(with("product_id", numbers(&[1, 2])), "column product_id must be a string column, is Int64");
    refused(
        with("product_id", texts(&["a", "new"])),
        "row 1, column embedding: is null, but there is no product `new`",
    );
    refused(with("category", texts(&["c", ""])), "row 1, column category: is empty");
    refused(with("price", texts(&["1", "2"])), "column price must be Int64, as the catalog keeps it, is Utf8");
    refused(with("price", Arc::new(Float64Array::from(vec![1.0, 2.5]))), "column price must be Int64");
    let large: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
    refused(with("price", large), "row 1, column price: is 18446744073709551615, which is beyond the catalog's Int64");
    refused(with("deleted", texts(&["no", "yes"])), "column deleted must be Boolean, is Utf8");
    let nan = vectors(&[None, Some([0.0, f32::NAN, 1.0])]);
    refused(with("embedding", nan), "row 1, column embedding: a number of it is NaN");
    refused(with("embedding", vectors(&[None, Some([0.0; 3])])), "row 1, column embedding: is all zeros");
    refused(
        with("embedding", texts(&["", ""])),
        "column embedding must be FixedSizeList<Float32, 3>, as in the catalog",
    );
    let mut twice = all();
    twice.push(("price", Arc::clone(&price)));
    refused(twice, "column price appears twice");
    let short = vec![("product_id", Arc::clone(&ids)), ("category", Arc::clone(&category))];
    refused(short, "row 0: there is no column price, which the catalog keeps");
    let deleted: ArrayRef = Arc::new(BooleanArray::from(vec![true, true]));
    refused(with("deleted", deleted), "no product is left");
    let empty =
        with("product_id", Arc::clone(&ids)).into_iter().map(|(name, array)| (name, array.slice(0, 0))).collect();
    refused(empty, "it has no rows");
    let csv = applied(&Bytes::from_static(b"product_id,category\na,c\n")).unwrap_err();
    assert!(csv.contains("not an Arrow IPC file"), "{csv}");
}

#[test]
fn vectors_of_another_model_are_refused() {
    let columns = [("product_id", texts(&["a"])), ("category", texts(&["c"])), ("price", numbers(&[1]))];
    let columns = columns.into_iter().chain([("embedding", vectors(&[Some([1.0; 3])]))]);
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let metadata: std::collections::HashMap<_, _> =
        [(MODEL_ID.to_owned(), "amazon.titan-embed-text-v2:0".to_owned())].into();
    let schema = batch.schema().as_ref().clone().with_metadata(metadata);
    let named = bytes_of(&batch.with_schema(Arc::new(schema)).unwrap());
    let message = applied(&named).unwrap_err();
    assert!(
        message.contains("its vectors are of `amazon.titan-embed-text-v2:0`, the catalog's of no model"),
        "{message}"
    );
}
