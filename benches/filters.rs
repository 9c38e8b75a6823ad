//! What a filter costs the first time, when nothing of it is known: `make bench`.
//!
//! A million products of few dimensions; each case evaluates a filter to the set of rows that the search takes, on one
//! thread. Elements are rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use criterion::{Criterion, Throughput};
use fastrand::Rng;
use nearline::catalog::{Catalog, artifact};
use nearline_contract::Filter;
use nearline_search::Kernel;
use serde_json::{Value, json};

fn main() {
    // Without --bench each case runs once, to see that it works: that needs few rows.
    let rows = if std::env::args().any(|argument| argument == "--bench") { 1_000_000 } else { 1_000 };
    let mut criterion = Criterion::default().sample_size(20).without_plots().configure_from_args();
    let catalog = catalog(rows);
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(rows as u64));
    let brands: Vec<String> = (0..100).map(|number| format!("brand {number}")).collect();
    let cases: [(&str, Value); 6] = [
        ("brand", json!({"brand": "brand 7"})),
        ("price", json!({"price": {"$lt": 50}})),
        (
            "brand, price and stock",
            json!({"brand": {"$in": ["brand 7", "brand 8"]}, "price": {"$lt": 50}, "in_stock": true}),
        ),
        ("three that most pass", json!({"brand": {"$ne": "brand 7"}, "price": {"$lt": 90}, "stock": {"$gte": 10}})),
        ("one of 100 brands, or a tag", json!({"$or": [{"brand": {"$in": brands}}, {"tags": "sale"}]})),
        ("sku", json!({"sku": "sku 77"})),
    ];
    for (name, filter) in cases {
        let filter = Filter::parse(&filter).expect("the filter is valid");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let resolved = catalog.attributes().resolve(&filter).expect("the attributes are there");
                catalog.row_set(&resolved, &AtomicBool::new(false))
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

fn catalog(rows: usize) -> Catalog {
    let mut random = Rng::with_seed(1);
    let brands: Vec<String> = (0..200).map(|number| format!("brand {number}")).collect();
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 8);
    let mut tags = ListBuilder::new(StringBuilder::new());
    for _ in 0..rows {
        (0..8).for_each(|_| vectors.values().append_value(random.f32() + 0.1));
        vectors.append(true);
        tags.append_value((0..random.usize(..4)).map(|_| Some(["new", "sale", "organic"][random.usize(..3)])));
    }
    let numbered = |name: &str| (0..rows).map(|row| format!("{name} {row}")).collect::<Vec<_>>();
    let columns: [(&str, ArrayRef); 9] = [
        ("product_id", Arc::new(StringArray::from_iter_values(numbered("p")))),
        ("category", Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("c{}", row % 20))))),
        ("embedding", Arc::new(vectors.finish())),
        ("brand", Arc::new(StringArray::from_iter_values((0..rows).map(|_| &brands[random.usize(..200)])))),
        (
            "price",
            Arc::new((0..rows).map(|row| (row % 20 > 0).then(|| random.f64() * 100.0)).collect::<Float64Array>()),
        ),
        ("stock", Arc::new(Int32Array::from_iter_values((0..rows).map(|_| random.i32(..500).rem_euclid(1_000))))),
        ("in_stock", Arc::new(BooleanArray::from((0..rows).map(|_| random.bool()).collect::<Vec<_>>()))),
        ("tags", Arc::new(tags.finish())),
        ("sku", Arc::new(StringArray::from_iter_values(numbered("sku")))),
    ];
    let attributes: Vec<&str> = columns[3..].iter().map(|(name, _)| *name).collect();
    let batch = RecordBatch::try_from_iter(columns.iter().cloned()).expect("columns are as long as each other");
    let metadata: HashMap<_, _> = [(artifact::ATTRIBUTES.to_owned(), json!(attributes).to_string())].into();
    let schema = Arc::new(batch.schema().as_ref().clone().with_metadata(metadata));
    let batch = batch.with_schema(Arc::clone(&schema)).expect("the schema differs in its metadata alone");
    let mut writer = FileWriter::try_new(Vec::new(), &schema).expect("a Vec takes all");
    writer.write(&batch).expect("a Vec takes all");
    let bytes = writer.into_inner().expect("a Vec takes all");
    let artifact = artifact::read(&bytes[..]).expect("the artifact is valid");
    Catalog::new(artifact.rows, String::new(), None, Kernel::fastest()).expect("the rows are valid")
}
