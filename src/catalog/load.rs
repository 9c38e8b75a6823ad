//! From where a catalog lies to one that can be searched: read once, into the memory in which it stays.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;
use nearline_search::{Available, Index, StoredIndex};

use super::artifact::{self, Content, Known, Source, read_once};
use super::artifacts::Artifacts;
use super::download::{Download, Pieces};
use super::error::CatalogError;
use super::indexed::Catalog;
use super::indexes;
use super::indexing::Indexing;
use super::ipc::{Blob, missing};
use super::kind::HEAD_BYTES;
use super::location::ObjectName;
use super::pointer::Pointer;
use crate::compute::{Compute, LongError, Priority};
use crate::telemetry::event;

/// The end of a file, which has its footer as a rule.
const TAIL_BYTES: u64 = 64 << 10;

/// Loads the artifact that a pointer names, from the bucket of `name`.
pub(super) async fn published<A: Artifacts>(
    artifacts: &A,
    indexing: &Indexing,
    name: ObjectName,
    pointer: Pointer,
    priority: Priority,
) -> Result<Catalog, CatalogError> {
    let download = Download::begin(artifacts, &name, pointer.bytes).await?;
    let known = download.known().await?;
    let (kernel, vectors) = (indexing.kernel, indexing.vectors.clone());
    let index = indexes::of_kernel(&pointer, kernel).cloned();
    let index_name = index.as_ref().map(|index| ObjectName { bucket: name.bucket.clone(), key: index.key.clone() });
    let (to, mut pieces) = Pieces::new();
    let (to_index, mut index_pieces) = Pieces::new();
    let feeding = async {
        download.feed(to).await;
        if let Some((name, index)) = index_name.as_ref().zip(index.as_ref()) {
            match Download::begin(artifacts, name, index.bytes).await {
                Ok(download) => download.feed(to_index).await,
                Err(error) => drop(to_index.send(Err(error)).await),
            }
        }
    };
    let (what, index_ref) = (name.to_string(), index.clone());
    let load = move |pieces: Pieces, mut index_pieces: Pieces| {
        let content = read_once(known, pieces, &what, Some(&pointer.sha256), &vectors)?;
        let stored = index_ref.and_then(|index| {
            let (rows, dimension) = (content.table.category_of.len(), content.table.dimension);
            let read = indexes::read(&mut index_pieces, &index, rows, dimension, kernel);
            read.map_err(|why| event::index_ignored(&index.key, &why)).ok().map(|stored| (index.key, stored))
        });
        Ok(catalog(content, kernel, stored)?.0)
    };
    if let Compute::Inline = indexing.compute {
        // Nobody feeds who works on the same thread.
        let collect = async {
            pieces.collect().await;
            index_pieces.collect().await;
        };
        tokio::join!(collect, feeding);
        return run_long(&indexing.compute, priority, move || load(pieces, index_pieces)).await;
    }
    let loading = run_long(&indexing.compute, priority, move || load(pieces, index_pieces));
    tokio::join!(loading, feeding).0
}

/// Loads an artifact from disk, and says its SHA-256.
pub(super) async fn file(
    path: &Path,
    indexing: &Indexing,
    priority: Priority,
) -> Result<(Catalog, String), CatalogError> {
    let (path, kernel, vectors) = (path.to_owned(), indexing.kernel, indexing.vectors.clone());
    let load = move || {
        let file = Reading { file: artifact::open(&path)?, path };
        let known = file.known()?;
        let name = file.path.display().to_string();
        catalog(read_once(known, file, &name, None, &vectors)?, kernel, None)
    };
    run_long(&indexing.compute, priority, load).await
}

/// The catalog of what was read, and its SHA-256; `stored`: what was packed before, and under which key it lies.
fn catalog(
    content: Content,
    kernel: Available,
    stored: Option<(String, StoredIndex)>,
) -> Result<(Catalog, String), CatalogError> {
    let Content { table, model_id, sha256 } = content;
    let version = artifact::version(&sha256).to_owned();
    let of = indexes::digest(&sha256);
    let catalog = Catalog::of(table, version, model_id, |numbers, dimension, categories| {
        let (key, stored) = stored.unzip();
        let stored = stored.map(|stored| (of, stored));
        let (index, unfit) = Index::build_from(numbers, dimension, categories, kernel, stored)?;
        if let Some((key, unfit)) = key.zip(unfit) {
            event::index_ignored(&key, &unfit);
        }
        Ok(index)
    })?;
    Ok((catalog, sha256))
}

/// Loads an artifact that is in memory, in the same way.
pub(super) fn memory(bytes: &Bytes, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    let pieces = vec![(0, Buffer::from(bytes.clone()))];
    let known = Known::Parts(Blob::Pieces(pieces, bytes.len() as u64));
    Ok(catalog(read_once(known, &bytes[..], "the catalog", None, &indexing.vectors)?, indexing.kernel, None)?.0)
}

impl Source for &[u8] {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CatalogError> {
        self.read_exact(bytes).map_err(|error| CatalogError::Invalid(error.to_string()))
    }
}

/// A file that is read from its start.
struct Reading {
    file: File,
    path: PathBuf,
}

impl Reading {
    /// What says where its parts lie.
    fn known(&self) -> Result<Known, CatalogError> {
        let length = self.file.metadata().map_err(|source| self.error(source))?.len();
        let mut wanted = vec![0..length.min(HEAD_BYTES as u64), length.saturating_sub(TAIL_BYTES)..length];
        let mut pieces = Vec::new();
        loop {
            for place in wanted {
                let mut bytes = MutableBuffer::from_len_zeroed((place.end - place.start) as usize);
                self.file.read_exact_at(&mut bytes, place.start).map_err(|source| self.error(source))?;
                pieces.push((place.start, Buffer::from(bytes)));
            }
            let blob = Blob::Pieces(pieces, length);
            // Whoever reads it says what is wrong with it.
            wanted = missing(&blob).unwrap_or_default();
            match blob {
                Blob::Pieces(known, _) if !wanted.is_empty() => pieces = known,
                blob => return Ok(Known::Parts(blob)),
            }
        }
    }

    fn error(&self, source: std::io::Error) -> CatalogError {
        CatalogError::File { path: self.path.clone(), source }
    }
}

impl Source for Reading {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CatalogError> {
        self.file.read_exact(bytes).map_err(|source| self.error(source))
    }
}

/// A malformed file can make its reader panic: that must not end the one who watches for new catalogs.
pub(super) async fn run_long<T: Send + 'static>(
    compute: &Compute,
    priority: Priority,
    work: impl FnOnce() -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, CatalogError> {
    match compute.run_long(priority, work).await {
        Ok(result) => result,
        Err(panic @ LongError::Panicked(_)) => Err(CatalogError::Invalid(format!("reading it failed: {panic}"))),
        Err(error @ LongError::NoThreads(_)) => Err(CatalogError::NoRoom(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::artifact::Loaded;
    use crate::catalog::{CatalogLocation, CatalogStore, MemoryArtifacts, Rows, S3Prefix, Vectors};
    use crate::telemetry::tests::Lines;

    const PRODUCTS: usize = 700;

    fn artifact() -> Bytes {
        let mut random = fastrand::Rng::with_seed(1);
        let rows = Rows {
            product_ids: (0..PRODUCTS).map(|row| format!("p{row}")).collect(),
            categories: (0..PRODUCTS).map(|row| format!("c{}", row % 3)).collect(),
            titles: (0..PRODUCTS).map(|row| (row % 2 == 0).then(|| format!("title {row}"))).collect(),
            vectors: (0..PRODUCTS * 8).map(|_| random.f32() - 0.5).collect(),
            dimension: 8,
            ..Rows::default()
        };
        artifact::write(Vec::new(), &rows, "").unwrap().into()
    }

    fn rows_of(catalog: &Catalog) -> Vec<String> {
        let row = |row: u32| {
            let vector: Vec<u32> = catalog.index().row(row).iter().map(|value| value.to_bits()).collect();
            format!("{} {:?} {vector:?}", catalog.product_id(row), catalog.title(row))
        };
        (0..catalog.rows() as u32).map(row).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_index_that_does_not_serve_costs_time_and_a_line() {
        let (artifacts, prefix) = (MemoryArtifacts::default(), "s3://bucket/shop".parse::<S3Prefix>().unwrap());
        let store = CatalogStore::new(artifacts.clone(), Indexing::default());
        let pointer = store.publish(Loaded::new(artifact()).unwrap(), &prefix, None).await.unwrap();
        let codes = Indexing::default().kernel.kernel().codes().name();
        let index = pointer.indexes.iter().find(|index| index.coding == codes).unwrap();
        let name = ObjectName { bucket: "bucket".into(), key: index.key.clone() };
        let good = artifacts.get(&name).await.unwrap().unwrap();
        let changed = |at: usize| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            Some(Bytes::from(bytes))
        };
        let lines = Lines::default();
        let _collects = lines.collect();
        let expected = rows_of(&memory(&artifact(), &Indexing::default()).unwrap());
        let cases = [
            (Some(good.clone()), ""),
            (changed(good.len() - 1), "its SHA-256 is"),
            (changed(4), "its format is"),
            (Some(good.slice(1..)), "expected"),
            (None, "does not exist"),
        ];
        for (body, why) in cases {
            artifacts.set(&name, body);
            let catalog = store.load(&CatalogLocation::S3(prefix.clone())).await.unwrap();
            assert_eq!(rows_of(&catalog), expected);
            let said: Vec<String> = lines.read().iter().map(|line| line["why"].as_str().unwrap().to_owned()).collect();
            match said.last() {
                None => assert_eq!(why, ""),
                Some(said) => assert!(said.contains(why), "{said}"),
            }
        }
        assert_eq!(lines.read().len(), 4);
    }

    #[test]
    fn mapped_vectors_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mapped = Indexing { vectors: Vectors::Mapped(folder.path().to_owned()), ..Indexing::default() };
        let (here, there) = (Indexing::default(), mapped);
        let [here, there] = [&here, &there].map(|indexing| memory(&artifact(), indexing).unwrap());
        assert_eq!(rows_of(&here), rows_of(&there));
        assert_eq!(here.memory_bytes() - there.memory_bytes(), PRODUCTS * 8 * 4);
    }
}
