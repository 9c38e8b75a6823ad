//! A catalog file from anybody: read, indexed, and given a model as `catalog publish --model` does.

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use nearline::catalog::artifact;
use nearline::catalog::store::load_bytes;
use nearline::catalog::{Catalog, CatalogError, Indexing};
use nearline_contract::Filter;
use nearline_search::Kernel;
use serde_json::json;

use crate::trial::measured;

const MIB: u64 = 1 << 20;
/// Numbers in the vectors of a file that is indexed as well: what is read is what is tried here.
const INDEXED_NUMBERS_MAX: usize = 10_000;

pub(crate) fn try_bytes(bytes: &[u8]) {
    let file = Bytes::copy_from_slice(bytes);
    let (read, memory) = measured(|| artifact::read_bytes(&file));
    assert!(memory.bytes_max < 257 * MIB + 64 * file.len() as u64, "{memory:?} for {} bytes", file.len());
    // As a worker reads it, which keeps no second copy.
    let (loaded, memory) = measured(|| load_bytes(&file, &Indexing::default()));
    assert!(memory.bytes_max < 257 * MIB + 64 * file.len() as u64, "{memory:?} for {} bytes", file.len());
    let rows = match read {
        Ok(artifact) => artifact.rows,
        Err(CatalogError::Invalid(message)) => {
            assert!(message.len() < 2_000, "{message}");
            assert!(loaded.is_err(), "{message}");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let count = rows.product_ids.len();
    assert_eq!((rows.categories.len(), rows.titles.len(), rows.vectors.len()), (count, count, count * rows.dimension));
    if rows.vectors.len() <= INDEXED_NUMBERS_MAX {
        match Catalog::new(rows, "v".into(), None, Kernel::fastest()) {
            Ok(catalog) => {
                assert_eq!(catalog.rows(), count);
                check_same(&catalog, &loaded.unwrap());
                check_attributes(&catalog);
            }
            Err(error) => {
                assert!(matches!(error, CatalogError::Invalid(_)), "{error}");
                assert!(loaded.is_err(), "{error}");
            }
        }
    }
    let [from, mut to] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
    std::fs::write(&from, &file).unwrap();
    if let Ok(true) = artifact::name_model(from.path(), "fuzz", to.reopen().unwrap()) {
        assert_eq!(artifact::read(&mut to).unwrap().model_id.as_deref(), Some("fuzz"));
    }
}

/// Whichever way it was read, it is the same.
fn check_same(read: &Catalog, loaded: &Catalog) {
    assert_eq!((read.rows(), read.dimension()), (loaded.rows(), loaded.dimension()));
    assert_eq!(read.attributes().summaries().len(), loaded.attributes().summaries().len());
    for row in 0..read.rows() as u32 {
        let of = |catalog: &Catalog| {
            let index = catalog.index();
            let vector: Vec<u32> = index.row(row).iter().map(|value| value.to_bits()).collect();
            let attributes =
                (0..catalog.attributes().summaries().len()).map(|number| catalog.attributes().get(number, row));
            let attributes = serde_json::to_string(&attributes.collect::<Vec<_>>()).unwrap();
            let category = catalog.category_name(index.category_of(row)).to_owned();
            (catalog.product_id(row).to_owned(), category, catalog.title(row).map(str::to_owned), vector, attributes)
        };
        assert_eq!(of(read), of(loaded), "row {row}");
    }
}

/// What a row has of an attribute passes a filter for it.
fn check_attributes(catalog: &Catalog) {
    let attributes = catalog.attributes();
    let passing = |filter: serde_json::Value| {
        let filter = attributes.resolve(&Filter::parse(&filter).unwrap()).unwrap();
        attributes
            .passing(&filter, &AtomicBool::new(false))
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum::<u64>()
    };
    for (number, summary) in attributes.summaries().iter().enumerate() {
        let name = summary.name;
        assert_eq!(passing(json!({name: {"$exists": true}})), summary.rows, "{name}");
        assert_eq!(passing(json!({name: {"$exists": false}})), summary.nulls, "{name}");
        let first = (0..catalog.rows() as u32).find_map(|row| attributes.get(number, row));
        let value = match first.map(|value| serde_json::to_value(value).unwrap()) {
            Some(serde_json::Value::Array(items)) => items.first().cloned(),
            value => value,
        };
        if let Some(value) = value {
            let (equal, other) = (passing(json!({name: value.clone()})), passing(json!({name: {"$ne": value}})));
            assert!(equal >= 1 && equal + other == catalog.rows() as u64, "{name}: {equal}, {other}");
        }
    }
}
