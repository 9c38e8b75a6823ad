//! An object that is read in ranges, several at a time, and comes out in order.
//!
//! All ranges are of one content: after the first, each is asked for by its tag. What is under way is bounded in bytes.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use arrow_buffer::Buffer;
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::artifact::{Known, Source};
use super::artifacts::{Artifacts, Piece};
use super::error::CatalogError;
use super::ipc::{Blob, missing};
use super::kind::HEAD_BYTES;
use super::location::ObjectName;
use crate::fault::{Fault, Kind};

/// Bytes that are asked for at once, and how many such ranges are under way.
pub(super) const RANGE_BYTES: u64 = 4 << 20;
const RANGES: usize = 8;
/// Ranges that have come and wait for their turn.
const WAITING: usize = 2;
/// The end of a file, which has its footer as a rule.
const TAIL_BYTES: u64 = 64 << 10;
/// Small ranges that are under way, and the most of them that are asked for before a file is read.
const PLACES: usize = 16;
const PLACES_MAX: usize = 4_096;
/// Times that a range is asked for, and the first pause between two.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// An object of which everything is about to be read.
#[derive(Debug)]
pub(super) struct Download<'a, A> {
    artifacts: &'a A,
    name: &'a ObjectName,
    length: u64,
    tag: String,
    /// All of it, if it is small.
    whole: Option<Bytes>,
}

impl<'a, A: Artifacts> Download<'a, A> {
    /// Begins to read an object of so many bytes.
    ///
    /// # Errors
    /// [`CatalogError::Missing`], [`CatalogError::Corrupt`] if it has another length, [`CatalogError::Service`].
    pub(super) async fn begin(artifacts: &'a A, name: &'a ObjectName, length: u64) -> Result<Self, CatalogError> {
        let is_small = length <= RANGE_BYTES;
        let end = if is_small { length.max(1) } else { HEAD_BYTES as u64 };
        let head = range(artifacts, name, 0..end, None).await?;
        if head.length != length {
            let why = format!("it has {} bytes, expected {length}", head.length);
            return Err(CatalogError::Corrupt { what: name.to_string(), why });
        }
        let download = Self { artifacts, name, length, tag: head.tag, whole: None };
        if !is_small {
            return Ok(download);
        }
        let whole = download.all(0..length, head.bytes)?.concat();
        Ok(Self { whole: Some(whole.into()), ..download })
    }

    /// What says where the parts of an artifact lie.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) async fn known(&self) -> Result<Known, CatalogError> {
        let tail = self.length.saturating_sub(TAIL_BYTES);
        let first = [0..self.length.min(HEAD_BYTES as u64), tail..self.length];
        let mut wanted: Vec<Range<u64>> =
            if self.whole.is_some() { std::iter::once(0..self.length).collect() } else { first.to_vec() };
        let mut pieces = Vec::new();
        loop {
            if wanted.len() > PLACES_MAX {
                return Ok(Known::Length(self.length));
            }
            pieces.extend(self.places(wanted).await?);
            let blob = Blob::Pieces(pieces, self.length);
            // Whoever reads it says what is wrong with it.
            wanted = missing(&blob).unwrap_or_default();
            match blob {
                Blob::Pieces(known, _) if !wanted.is_empty() => pieces = known,
                blob => return Ok(Known::Parts(blob)),
            }
        }
    }

    /// Reads a part of it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) async fn read(&self, place: Range<u64>) -> Result<Bytes, CatalogError> {
        match &self.whole {
            _ if place.is_empty() => Ok(Bytes::new()),
            Some(bytes) => Ok(bytes.slice(place.start as usize..place.end as usize)),
            None => Ok(self.range(place).await?.concat().into()),
        }
    }

    async fn places(&self, places: Vec<Range<u64>>) -> Result<Vec<(u64, Buffer)>, CatalogError> {
        let mut pieces = stream::iter(places)
            .map(|place| async move {
                let bytes = self.read(place.clone()).await?;
                Ok::<_, CatalogError>((place.start, Buffer::from(bytes)))
            })
            .buffered(PLACES);
        let mut known = Vec::new();
        while let Some(piece) = pieces.next().await {
            known.push(piece?);
        }
        Ok(known)
    }

    /// Hands over everything in order, as long as somebody takes it.
    pub(super) async fn feed(self, to: mpsc::Sender<Result<Vec<Bytes>, CatalogError>>) {
        if let Some(bytes) = self.whole {
            drop(to.send(Ok(vec![bytes])).await);
            return;
        }
        let starts = (0..self.length).step_by(RANGE_BYTES as usize);
        let ranges = starts.map(|start| self.range(start..self.length.min(start + RANGE_BYTES)));
        let mut ranges = stream::iter(ranges).buffered(RANGES);
        while let Some(bytes) = ranges.next().await {
            let failed = bytes.is_err();
            if to.send(bytes).await.is_err() || failed {
                return;
            }
        }
    }

    async fn range(&self, wanted: Range<u64>) -> Result<Vec<Bytes>, CatalogError> {
        let piece = range(self.artifacts, self.name, wanted.clone(), Some(&self.tag)).await?;
        self.all(wanted, piece.bytes)
    }

    /// Checks that everything that was wanted came.
    fn all(&self, wanted: Range<u64>, bytes: Vec<Bytes>) -> Result<Vec<Bytes>, CatalogError> {
        let came: u64 = bytes.iter().map(|bytes| bytes.len() as u64).sum();
        if wanted.end - wanted.start == came {
            return Ok(bytes);
        }
        let why = format!("of its bytes {} to {} only {came} came", wanted.start, wanted.end);
        Err(CatalogError::Corrupt { what: self.name.to_string(), why })
    }
}

/// Reads a range; one that breaks off is asked for again.
async fn range<A: Artifacts>(
    artifacts: &A,
    name: &ObjectName,
    range: Range<u64>,
    tag: Option<&str>,
) -> Result<Piece, CatalogError> {
    let may_pass = |fault: &Fault| fault.kind == Kind::Retry;
    let mut attempt = 1;
    loop {
        match artifacts.get_range(name, range.clone(), tag).await {
            Ok(Some(piece)) => return Ok(piece),
            Ok(None) => return Err(CatalogError::Missing(name.clone())),
            Err(fault) if attempt < ATTEMPTS && may_pass(&fault) => sleep(PAUSE * attempt).await,
            Err(fault) => return Err(fault.into()),
        }
        attempt += 1;
    }
}

/// The pieces of a download, for whoever reads them elsewhere.
#[derive(Debug)]
pub(super) struct Pieces {
    from: mpsc::Receiver<Result<Vec<Bytes>, CatalogError>>,
    here: VecDeque<Bytes>,
    failed: Option<CatalogError>,
}

impl Pieces {
    /// A way for pieces.
    pub(super) fn new() -> (mpsc::Sender<Result<Vec<Bytes>, CatalogError>>, Self) {
        let (to, from) = mpsc::channel(WAITING);
        (to, Self { from, here: VecDeque::new(), failed: None })
    }

    /// Waits for all of them, for those who cannot be fed while they read.
    pub(super) async fn collect(&mut self) {
        while let Some(bytes) = self.from.recv().await {
            match bytes {
                Ok(bytes) => self.here.extend(bytes),
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Waits for the next ones.
    fn next(&mut self) -> Result<Vec<Bytes>, CatalogError> {
        let came = match self.from.try_recv() {
            Err(mpsc::error::TryRecvError::Empty) => self.from.blocking_recv(),
            came => came.ok(),
        };
        let ended = || CatalogError::NoRoom("its download was given up".to_owned());
        came.unwrap_or_else(|| Err(self.failed.take().unwrap_or_else(ended)))
    }
}

impl Source for Pieces {
    fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), CatalogError> {
        while !bytes.is_empty() {
            let Some(piece) = self.here.front_mut() else {
                let came = self.next()?;
                self.here.extend(came);
                continue;
            };
            let length = piece.len().min(bytes.len());
            let (now, rest) = bytes.split_at_mut(length);
            piece.copy_to_slice(now);
            bytes = rest;
            if piece.is_empty() {
                self.here.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::MemoryArtifacts;
    use crate::fault::Cause;
    use crate::fault_plan::{FaultPlan, Moment};

    fn name() -> ObjectName {
        ObjectName { bucket: "b".into(), key: "catalogs/v.arrow".into() }
    }

    fn body(length: u64, seed: u64) -> Bytes {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..length).map(|_| random.u8(..)).collect::<Vec<_>>().into()
    }

    /// What comes of a download whose object may be replaced after it began.
    async fn read(artifacts: &MemoryArtifacts, length: u64, then: Option<Bytes>) -> Result<Vec<u8>, CatalogError> {
        let name = name();
        let download = Download::begin(artifacts, &name, length).await?;
        if then.is_some() {
            artifacts.set(&name, then);
        }
        let (to, mut pieces) = Pieces::new();
        tokio::join!(download.feed(to), pieces.collect());
        let mut bytes = vec![0; length as usize];
        pieces.fill(&mut bytes).map(|()| bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn ranges_come_in_order_however_long_the_object_is() {
        let artifacts = MemoryArtifacts::default();
        for length in [1, 5_000, RANGE_BYTES, RANGE_BYTES + 1, 3 * RANGE_BYTES + 7] {
            let body = body(length, length);
            artifacts.set(&name(), Some(body.clone()));
            assert!(read(&artifacts, length, None).await.unwrap() == body, "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ranges_are_of_one_content_or_of_none() {
        let length = 2 * RANGE_BYTES;
        let artifacts = MemoryArtifacts::default();
        let missing = read(&artifacts, length, None).await.unwrap_err();
        assert!(matches!(missing, CatalogError::Missing(_)), "{missing}");
        artifacts.set(&name(), Some(body(length, 1)));
        let replaced = read(&artifacts, length, Some(body(length, 2))).await.unwrap_err();
        assert!(matches!(replaced, CatalogError::Missing(_)), "{replaced}");
        let shorter = read(&artifacts, length + 1, None).await.unwrap_err().to_string();
        assert!(shorter.ends_with(&format!("it has {length} bytes, expected {}", length + 1)), "{shorter}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_range_that_breaks_off_is_asked_for_again_and_one_that_is_forbidden_is_not() {
        let length = 2 * RANGE_BYTES;
        let plan = FaultPlan::default();
        let artifacts = MemoryArtifacts::new(plan.clone());
        artifacts.set(&name(), Some(body(length, 1)));
        for _ in 1..ATTEMPTS {
            plan.fail_next("GetObject", Moment::Before, Cause::Unreachable);
        }
        read(&artifacts, length, None).await.unwrap();
        plan.fail_next("GetObject", Moment::Before, Cause::AccessDenied);
        assert!(read(&artifacts, length, None).await.is_err());
    }
}
