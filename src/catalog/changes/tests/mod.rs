//! Updates against the plainest of oracles, and what is refused.

pub(crate) mod histories;
mod refusals;

use std::sync::Arc;

use arrow_schema::DataType;
use proptest::prelude::*;

use self::histories::{catalog, file, histories, updated};
use super::compact::compact;
use super::digests::Digests;
use super::history::Changes;
use super::known::{Artifact, Known};
use super::update::Update;
use crate::catalog::Catalog;

/// What a catalog says of all its products, in their order.
fn said(catalog: &Catalog) -> Vec<String> {
    let index = catalog.index();
    let mut rows: Vec<u32> = (0..index.rows() as u32).filter(|&row| index.is_live(row)).collect();
    rows.sort_by_key(|&row| index.place(row));
    let attributes = catalog.attributes();
    let count = attributes.summaries().len();
    let said = |row: u32| {
        let values: Vec<_> = (0..count).map(|number| attributes.get(number, row)).collect();
        let category = catalog.category_name(index.category_of(row));
        format!(
            "{} {category} {:?} {:?} {values:?}",
            catalog.product_id(row),
            catalog.title(row),
            index.row(row).to_vec()
        )
    };
    rows.into_iter().map(said).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_artifact_and_its_updates_are_the_artifact_that_is_made_of_them(history in histories(1..12)) {
        let (base, updates) = history.files();
        let served = catalog(base.clone());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.arrow");
        std::fs::write(&path, &base).unwrap();
        let mut digests = Digests::default();
        let artifact =
            Artifact::with_vectors(&path, |first, dimension, vectors| digests.take(first, vectors, dimension)).unwrap();
        let read: Vec<Arc<Update>> =
            updates.iter().map(|bytes| Arc::new(Update::read(bytes, &artifact).unwrap())).collect();
        for count in 1..=updates.len() {
            let products = history.after(count);
            let whole = file(&products, DataType::Int64);
            let changes = Changes::of(&artifact, artifact.rows(), &read[..count]).unwrap();
            let compacted = compact(&path, &changes, &read[..count], Vec::new()).unwrap();
            prop_assert!(compacted == whole, "the compacted file is another than that of the products");
            let (updated, compacted) = (updated(&served, &updates[..count]), catalog(whole));
            prop_assert_eq!(said(&updated), said(&compacted));
            prop_assert_eq!(updated.rows(), products.len());
            prop_assert_eq!(updated.rows_by_category(), compacted.rows_by_category());
            let known = Known::new(&artifact, &digests, &read[..count]).unwrap();
            prop_assert_eq!(known.rows(), products.len());
            for number in 0..16 {
                let id = format!("p{number}");
                let is_there = products.iter().any(|product| product.id == id);
                prop_assert_eq!(updated.row(&id).is_some(), is_there);
                prop_assert_eq!(known.get(&id).is_some(), is_there);
            }
            let kept = |catalog: &Catalog| -> Vec<_> {
                catalog.attributes().summaries().into_iter().map(|all| (all.rows, all.nulls, all.distinct)).collect()
            };
            prop_assert_eq!(kept(&updated), kept(&compacted));
        }
    }

    /// So updates that come while others are compacted may stay.
    #[test]
    fn updates_have_the_same_effect_on_what_was_compacted(history in histories(1..9), at in any::<prop::sample::Index>()) {
        let (base, updates) = history.files();
        let folded = at.index(updates.len());
        let compacted = catalog(file(&history.after(folded), DataType::Int64));
        let (all, rest) = (updated(&catalog(base), &updates), updated(&compacted, &updates[folded..]));
        prop_assert_eq!(said(&all), said(&rest));
    }
}
