//! The vector of a row: its own, one that was paid for, or a new one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::journal::{Journal, TextHash};
use crate::backoff::Backoff;
use crate::catalog::CatalogError;
use crate::catalog::source::Product;
use crate::embed::{EmbedError, Embedder, Embedding};
use crate::fault::Fault;
use crate::under_way::UnderWay;

/// Times that the embedder is asked for one text, which itself retries for seconds: about two minutes of throttling.
const ATTEMPTS: u32 = 6;
/// Pauses between them.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(64));

/// What the vectors of a build come from.
pub(super) struct Origin<'a> {
    embedder: Patient<'a>,
    pub(super) journal: Mutex<Journal>,
}

impl<'a> Origin<'a> {
    pub(super) fn new(embedder: &'a Embedder, journal: Journal) -> Self {
        Self { embedder: Patient::new(embedder), journal: Mutex::new(journal) }
    }
}

/// An embedder that is asked again while its model does not answer.
pub(in crate::catalog) struct Patient<'a> {
    embedder: &'a Embedder,
    /// Whether somebody was told that the model does not answer: many texts meet one outage.
    was_told: AtomicBool,
}

impl<'a> Patient<'a> {
    pub(in crate::catalog) fn new(embedder: &'a Embedder) -> Self {
        Self { embedder, was_told: AtomicBool::new(false) }
    }

    fn tell(&self, fault: &Fault) {
        if !self.was_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(event = "embedding_delayed", %fault, "the model does not answer: retrying for two minutes");
        }
    }

    /// The embedding of a text, also if it takes two minutes until the model answers.
    ///
    /// # Errors
    /// The model refuses the text, or a fault outlasted every attempt.
    pub(in crate::catalog) async fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        let mut failures = 0;
        loop {
            match self.embedder.embed(text, &UnderWay::default()).await {
                Ok(embedding) => {
                    self.was_told.store(false, Ordering::Relaxed);
                    return Ok(embedding.as_ref().clone());
                }
                Err(EmbedError::Fault(fault)) if fault.may_pass() && failures + 1 < ATTEMPTS => {
                    failures += 1;
                    self.tell(&fault);
                    BACKOFF.sleep(failures).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Why a row has no vector.
pub(super) enum Failed {
    Embed(EmbedError),
    Catalog(CatalogError),
}

impl From<CatalogError> for Failed {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

/// The vector of a product; the hash of its text, if it was made of that; whether it was made now.
pub(super) async fn vector(
    product: &Product,
    origin: &Origin<'_>,
) -> Result<(Embedding, Option<TextHash>, bool), Failed> {
    if let Some(vector) = &product.embedding {
        return Ok((Embedding { vector: vector.clone(), truncated: false }, None, false));
    }
    let lock = || origin.journal.lock().unwrap_or_else(PoisonError::into_inner);
    let key = Journal::key(&product.text);
    if let Some(embedding) = lock().get(&key)? {
        return Ok((embedding, Some(key), false));
    }
    let embedding = origin.embedder.embed(&product.text).await.map_err(Failed::Embed)?;
    let mut journal = lock();
    // Rows with the same text share one call, and one entry.
    if !journal.has(&key) {
        journal.put(&key, &embedding)?;
    }
    Ok((embedding, Some(key), true))
}
