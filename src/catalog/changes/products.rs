//! The products of an artifact where it is published, without its vectors, which are nearly all of it; and the vectors of
//! rows that a source brings some for.
//!
//! The hash of the whole is not checked, as the whole is not read: all ranges are of one content, that has its length.

use std::collections::BTreeSet;
use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::digests::Digests;
use super::fetch::artifact_to;
use super::known::{Artifact, Draft};
use super::stored::Described;
use crate::catalog::artifact::Known;
use crate::catalog::artifacts::Artifacts;
use crate::catalog::download::{Download, RANGE_BYTES};
use crate::catalog::error::CatalogError;
use crate::catalog::ipc::Once;
use crate::catalog::location::S3Prefix;
use crate::catalog::pointer::Pointer;

/// Ranges that are under way.
const RANGES: usize = 16;
/// What lies between two rows that are read together, at most.
const GAP_BYTES: u64 = 64 << 10;

/// Where vectors that were not read lie: the rows of a batch, and the place of the first of them.
#[derive(Debug, Clone, Default)]
pub(super) struct VectorPlaces(Vec<(Range<u32>, u64)>);

/// The products of an artifact; the digests of vectors that had to be read, and where the others are.
pub(super) async fn products<A: Artifacts>(
    artifacts: &A,
    prefix: &S3Prefix,
    pointer: &Pointer,
) -> Result<(Artifact, Digests, VectorPlaces), CatalogError> {
    let name = prefix.object_at(&pointer.key);
    let download = Download::begin(artifacts, &name, pointer.bytes).await?;
    let Some((mut described, mut once)) = apart(download.known().await?)? else {
        return whole(artifacts, prefix, pointer).await;
    };
    let around = once.batches.iter().map(|batch| {
        let vectors = batch.vectors.clone().unwrap_or(batch.body.end..batch.body.end);
        [batch.body.start..vectors.start, vectors.end..batch.body.end]
    });
    let around: Vec<_> = around.collect();
    let mut around = stream::iter(around)
        .map(|[before, behind]| async { tokio::try_join!(download.read(before), download.read(behind)) })
        .buffered(RANGES);
    let (mut draft, mut digests, mut places) = (Draft::new(&described)?, Digests::default(), VectorPlaces::default());
    let mut number = 0;
    while let Some((before, behind)) = around.try_next().await? {
        let decoded = spawn_blocking(move || {
            let first = draft.rows();
            if let Some(batch) = described.decode(&mut once, number, [&before, &behind])? {
                match &once.batches[number].vectors {
                    Some(vectors) => places.0.push((first as u32..(first + batch.rows()) as u32, vectors.start)),
                    None => digests.take(first, batch.vectors()?, described.dimension),
                }
                draft.append(&batch, &mut described)?;
            }
            Ok((described, once, draft, digests, places))
        });
        (described, once, draft, digests, places) = decoded.await.unwrap_or_else(|error| panicked(&error))?;
        number += 1;
    }
    Ok((draft.finish(), digests, places))
}

/// How an artifact is read apart from its vectors, if that can be.
fn apart(known: Known) -> Result<Option<(Described, Once)>, CatalogError> {
    let Known::Parts(blob) = known else { return Ok(None) };
    let (mut described, reader) = Described::read(blob)?;
    Ok(described.apart(reader)?.map(|once| (described, once)))
}

/// An artifact whose parts do not lie in order is read as a whole, from the disk.
async fn whole<A: Artifacts>(
    artifacts: &A,
    prefix: &S3Prefix,
    pointer: &Pointer,
) -> Result<(Artifact, Digests, VectorPlaces), CatalogError> {
    let folder = TempDir::new().map_err(|source| CatalogError::File { path: std::env::temp_dir(), source })?;
    let path = folder.path().join("catalog.arrow");
    artifact_to(artifacts, prefix, pointer, &path).await?;
    let read = spawn_blocking(move || {
        let mut digests = Digests::default();
        let artifact =
            Artifact::with_vectors(&path, |first, dimension, vectors| digests.take(first, vectors, dimension))?;
        Ok((artifact, digests, VectorPlaces::default()))
    });
    read.await.unwrap_or_else(|error| panicked(&error))
}

/// A malformed file can make its reader panic.
fn panicked<T>(error: &tokio::task::JoinError) -> Result<T, CatalogError> {
    Err(CatalogError::Invalid(error.to_string()))
}

impl VectorPlaces {
    /// Reads the vectors of rows, and of rows between them.
    ///
    /// # Errors
    /// They are not there any more.
    pub(super) async fn read<A: Artifacts>(
        &self,
        artifacts: &A,
        prefix: &S3Prefix,
        pointer: &Pointer,
        dimension: usize,
        rows: &BTreeSet<u32>,
        to: &mut Digests,
    ) -> Result<(), CatalogError> {
        let name = prefix.object_at(&pointer.key);
        let download = Download::begin(artifacts, &name, pointer.bytes).await?;
        let download = &download;
        let vector_bytes = dimension as u64 * size_of::<f32>() as u64;
        let mut pieces = stream::iter(self.runs(rows, vector_bytes))
            .map(|(first, place)| async move { Ok::<_, CatalogError>((first, download.read(place).await?)) })
            .buffered(RANGES);
        while let Some((first, bytes)) = pieces.try_next().await? {
            let numbers = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            to.take(first as usize, &numbers.collect::<Vec<f32>>(), dimension);
        }
        Ok(())
    }

    /// Places that have the vectors of all these rows, each with its first row.
    fn runs(&self, rows: &BTreeSet<u32>, vector_bytes: u64) -> Vec<(u32, Range<u64>)> {
        let mut runs: Vec<(u32, Range<u64>)> = Vec::new();
        for (batch, start) in &self.0 {
            let begins = runs.len();
            for row in rows.range(batch.clone()) {
                let at = start + u64::from(row - batch.start) * vector_bytes;
                match runs[begins..].last_mut() {
                    Some((_, run)) if at - run.end <= GAP_BYTES && at + vector_bytes - run.start <= RANGE_BYTES => {
                        run.end = at + vector_bytes;
                    }
                    _ => runs.push((*row, at..at + vector_bytes)),
                }
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lie_near_each_other_are_read_together() {
        let places = VectorPlaces(vec![(0..1_000, 64), (1_000..3_000, 10_000_000)]);
        let runs = |rows: &[u32], vector_bytes| places.runs(&rows.iter().copied().collect(), vector_bytes);
        assert_eq!(runs(&[], 4), []);
        assert_eq!(runs(&[1, 3, 999, 1_000], 4), [(1, 68..4_064), (1_000, 10_000_000..10_000_004)]);
        let gap = (GAP_BYTES / 1_024) as u32;
        let far = [5, 5 + gap + 1, 5 + 2 * gap + 3];
        let at = |row: u32| 64 + u64::from(row) * 1_024;
        assert_eq!(runs(&far, 1_024), [(5, at(5)..at(far[1] + 1)), (far[2], at(far[2])..at(far[2] + 1))]);
        // No range is longer than what is asked for at once, and none leaves a row out.
        let all: Vec<u32> = (0..3_000).collect();
        let runs = runs(&all, 100_000);
        assert!(runs.iter().all(|(_, place)| place.end - place.start <= RANGE_BYTES));
        assert_eq!(runs.iter().map(|(_, place)| place.end - place.start).sum::<u64>(), 300_000_000);
    }
}
