//! Random histories of a catalog, and what becomes of its products by the plainest of oracles: a list of them.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use bytes::Bytes;
use nearline_search::Kernel;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::catalog::artifact::{self, Loaded, Row, Writer};
use crate::catalog::changes::update::Update;
use crate::catalog::changes::write::{self, Form, Written, write};
use crate::catalog::source::{Number, Value};
use crate::catalog::{Catalog, version};

pub(super) const DIMENSION: usize = 3;

/// What a product is.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: String,
    category: String,
    title: Option<String>,
    values: Vec<Option<Value>>,
    vector: Vec<f32>,
    text_sha256: Option<[u8; 32]>,
}

/// What an update does with a product.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Delete,
    /// Replaces or adds it, with a vector of its own.
    Replace(Product),
    /// Replaces it, and keeps its vector.
    Keep(Product),
}

/// A catalog and its updates.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) base: Vec<Product>,
    pub(super) updates: Vec<Vec<(String, Step)>>,
}

/// The columns of the artifact; of numbers the narrowest, as builds write them.
pub(super) fn fields(price: DataType) -> Vec<Field> {
    let tag = Arc::new(Field::new("item", DataType::Utf8, false));
    vec![
        Field::new("brand", DataType::Utf8, true),
        Field::new("price", price, true),
        Field::new("weight", DataType::Float32, true),
        Field::new("sold", DataType::Boolean, true),
        Field::new("since", DataType::Date32, true),
        Field::new("tags", DataType::List(tag), true),
    ]
}

fn product(id: String, prices: std::ops::Range<i64>) -> impl Strategy<Value = Product> {
    let texts = ("[abc]", of("[ab]{0,2}"), of("[xyz]"));
    let numbers = (of(prices), of(-2_i8..3), of(any::<bool>()), of(19_000_i64..19_003), of(vec("[pq]", 0..3)));
    let vectors = (
        vec(-2_i8..3, DIMENSION).prop_filter("has a direction", |all| all.iter().any(|&one| one != 0)),
        of(any::<u8>()),
    );
    (texts, numbers, vectors).prop_map(
        move |((category, title, brand), (price, weight, sold, since, tags), (vector, hash))| {
            let values = vec![
                brand.map(Value::Text),
                price.map(|price| Value::Number(Number::Integer(price.into()))),
                weight.map(|weight| Value::Number(Number::Float((f32::from(weight) / 3.0).into()))),
                sold.map(Value::Flag),
                since.map(Value::Moment),
                tags.map(Value::Texts),
            ];
            Product {
                id: id.clone(),
                category,
                title,
                values,
                vector: vector.into_iter().map(f32::from).collect(),
                text_sha256: hash.map(|hash| [hash; 32]),
            }
        },
    )
}

/// Histories of a catalog with so many products at first.
pub(super) fn histories(rows: std::ops::Range<usize>) -> impl Strategy<Value = History> {
    let base = rows.prop_flat_map(|rows| (0..rows).map(|row| product(format!("p{row}"), 0..200)).collect::<Vec<_>>());
    base.prop_flat_map(|base| {
        // Some of the first ones, and some that are new.
        let ids = (0..base.len().min(9) + 4).prop_map(|number| format!("p{number}"));
        let step = ids.prop_flat_map(|id| {
            let named = id.clone();
            (0..5_u8, product(id, -70_000..70_000)).prop_map(move |(what, product)| {
                let step = match what {
                    0 => Step::Delete,
                    1 | 2 => Step::Keep(product),
                    _ => Step::Replace(product),
                };
                (named.clone(), step)
            })
        });
        (Just(base), vec(vec(step, 1..7), 1..6)).prop_map(|(base, mut updates)| {
            let mut list = base.clone();
            for update in &mut updates {
                let mut seen = std::collections::HashSet::new();
                update.retain(|(id, _)| seen.insert(id.clone()));
                for (id, step) in update.iter_mut() {
                    // Only what is there can keep its vector.
                    if let (Step::Keep(product), false) = (&*step, list.iter().any(|product| product.id == *id)) {
                        *step = Step::Replace(product.clone());
                    }
                    apply(&mut list, id, step);
                }
                // A catalog has at least one product.
                if list.is_empty() {
                    let (id, product) = ("p0".to_owned(), base[0].clone());
                    update.retain(|(other, _)| *other != id);
                    list.push(product.clone());
                    update.push((id, Step::Replace(product)));
                }
            }
            History { base, updates }
        })
    })
}

fn apply(list: &mut Vec<Product>, id: &str, step: &Step) {
    let at = list.iter().position(|product| product.id == id);
    match (step, at) {
        (Step::Delete, at) => drop(at.map(|at| list.remove(at))),
        (Step::Replace(product), at) => {
            at.map(|at| list.remove(at));
            list.push(product.clone());
        }
        (Step::Keep(product), Some(at)) => {
            let Product { vector, text_sha256, .. } = list[at].clone();
            list[at] = Product { vector, text_sha256, ..product.clone() };
        }
        (Step::Keep(_), None) => panic!("it has no vector"),
    }
}

impl History {
    /// The products after so many updates.
    pub(super) fn after(&self, updates: usize) -> Vec<Product> {
        let mut list = self.base.clone();
        self.updates[..updates].iter().flatten().for_each(|(id, step)| apply(&mut list, id, step));
        list
    }

    /// The artifact and its updates, as they are published.
    pub(super) fn files(&self) -> (Bytes, Vec<Bytes>) {
        (file(&self.base, DataType::UInt8), self.updates.iter().map(|steps| update_file(steps)).collect())
    }
}

/// An artifact of products.
pub(super) fn file(products: &[Product], price: DataType) -> Bytes {
    let mut writer = Writer::with_attributes(Vec::new(), DIMENSION, "", true, &fields(price)).unwrap();
    for Product { id, category, title, values, vector, text_sha256 } in products {
        let row = Row { product_id: id, category, title: title.as_deref(), vector, text_sha256: *text_sha256 };
        writer.push_with(&row, values).unwrap();
    }
    writer.finish().unwrap().into()
}

fn update_file(steps: &[(String, Step)]) -> Bytes {
    let content = |step: &Step| {
        let (Step::Replace(product) | Step::Keep(product)) = step else { return None };
        let Product { category, title, values, vector, text_sha256, .. } = product.clone();
        let (vector, text_sha256) = match step {
            Step::Replace(_) => (Some(vector), text_sha256),
            _ => (None, None),
        };
        Some(Written { category, title, vector, text_sha256, attributes: values })
    };
    let row = |(id, step): &(String, Step)| write::Row { product_id: id.clone(), content: content(step) };
    let rows: Vec<write::Row> = steps.iter().map(row).collect();
    let form = Form { dimension: DIMENSION, model_id: None, attributes: fields(DataType::Int64) };
    write(&rows, &form).unwrap()
}

/// The catalog of an artifact.
pub(super) fn catalog(file: Bytes) -> Catalog {
    let Loaded { artifact, sha256, .. } = Loaded::new(file).unwrap();
    Catalog::new(artifact.rows, artifact::version(&sha256).to_owned(), None, Kernel::fastest()).unwrap()
}

/// The catalog of an artifact and its updates.
pub(super) fn updated(base: &Catalog, updates: &[Bytes]) -> Catalog {
    let updates = updates.iter().map(|bytes| Arc::new(Update::read(bytes, &**base.base()).unwrap())).collect();
    Catalog::updated(Arc::clone(base.base()), updates, version(&"a".repeat(64), [])).unwrap()
}

/// Catalogs with updates, and the artifacts that these are together: what they answer is the same.
pub(crate) fn updated_and_compacted(rows: std::ops::Range<usize>) -> impl Strategy<Value = (Catalog, Catalog)> {
    histories(rows).prop_map(|history| {
        let (base, updates) = history.files();
        let products = history.after(history.updates.len());
        (updated(&catalog(base), &updates), catalog(file(&products, DataType::Int64)))
    })
}
