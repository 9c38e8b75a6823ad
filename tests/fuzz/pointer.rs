//! `current.json`, as whoever may write the catalog's bucket wrote it.

use std::sync::LazyLock;

use bytes::Bytes;
use nearline::catalog::{CatalogError, CatalogStore, Indexing, MemoryArtifacts, S3Prefix};
use tokio::runtime::{Builder, Runtime};

use crate::trial::measured;

thread_local! {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());
}

pub(crate) fn try_bytes(bytes: &[u8]) {
    let prefix = S3Prefix { bucket: "b".into(), prefix: "shop".into() };
    let artifacts = MemoryArtifacts::default();
    artifacts.set(&prefix.object("current.json"), Some(Bytes::copy_from_slice(bytes)));
    let store = CatalogStore::new(artifacts, Indexing::default());
    let (read, memory) = measured(|| RUNTIME.with(|runtime| runtime.block_on(store.pointer(&prefix))));
    assert!(memory.bytes_total < 64 * bytes.len() as u64 + 32_768, "{} bytes", memory.bytes_total);
    match read {
        Ok(pointer) => {
            assert!(pointer.sha256.len() == 64 && pointer.version.len() == 16, "{pointer:?}");
            assert!(!pointer.updates.is_empty() || pointer.sha256.starts_with(&pointer.version), "{pointer:?}");
            let again = serde_json::from_slice::<serde_json::Value>(&serde_json::to_vec(&pointer).unwrap()).unwrap();
            assert_eq!(again["version"], pointer.version);
        }
        Err(CatalogError::Corrupt { why, .. }) => assert!(why.len() < 1_000, "{why}"),
        Err(other) => panic!("{other}"),
    }
}
