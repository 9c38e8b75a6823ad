//! One catalog with what it takes to search it: the embedder of its model, and the scan that all jobs share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nearline_contract::{ErrorCode, Group, JobError, SearchJob, Target};
use nearline_search::{Query, Ranking};
use rayon::ThreadPool;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

use super::filter::{Filter, check_expiry, groups, known_vector};
use crate::catalog::Catalog;
use crate::coalesce::Coalescer;
use crate::embed::{Bedrock, Embedder, Model, ModelError, Purpose};
use crate::fault::Fault;

/// Most jobs in one scan: beyond this the queries no longer fit the cache beside the rows.
const SCAN_QUERIES_MAX: usize = 64;

/// Most matches that answers may have in memory together, from before their scan until their record is written. About
/// 110 bytes each, and 600 while an item is made of them.
const MATCHES_IN_MEMORY_MAX: u32 = 500_000;

/// Answers jobs from one catalog.
#[derive(Debug)]
pub struct Engine {
    catalog: Arc<Catalog>,
    /// `None`: the catalog names no model.
    embedder: Option<Embedder>,
    scans: Coalescer<Scan, Result<Ranking, Fault>>,
    matches: Arc<Semaphore>,
}

/// A job's results; they count against the engine's memory until they are dropped.
#[derive(Debug)]
pub struct Answer {
    /// Groups with their matches.
    pub results: Vec<Group>,
    /// Whether the embedding model saw only the start of the text.
    pub query_truncated: bool,
    /// Its share of the memory for answers.
    pub(super) room: OwnedSemaphorePermit,
}

/// Why a job has no results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The job is at fault: its record says so.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A service is at fault: the message stays on the queue.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A query that waits for a scan.
#[derive(Debug)]
struct Scan {
    vector: Vec<f32>,
    filter: Filter,
}

impl Engine {
    /// Starts the tasks that embed and scan; they end when the engine is dropped. Must be called on a Tokio runtime.
    /// The model is called by its id in the catalog, or by `model_id`, which may name another region's profile of it.
    ///
    /// # Errors
    /// The catalog's model is not supported, or not in its dimension.
    pub fn start(
        catalog: Catalog,
        model_id: Option<&str>,
        bedrock: &Bedrock,
        pool: Arc<ThreadPool>,
    ) -> Result<Self, ModelError> {
        let catalog = Arc::new(catalog);
        let model = catalog.model_id().map(|id| Model::new(model_id.unwrap_or(id), catalog.dimension())).transpose()?;
        if model.is_none() {
            tracing::warn!("the catalog names no embedding model: only vector and product_id jobs are answered");
        }
        let start = |model| Embedder::start(bedrock.clone(), model, catalog.dimension(), Purpose::Query);
        let embedder = model.map(start);
        let scanned = Arc::clone(&catalog);
        // One scan at a time: it has the whole pool, and those who come meanwhile share the next one.
        let scans = Coalescer::start(1, SCAN_QUERIES_MAX, move |batch| {
            let (catalog, pool) = (Arc::clone(&scanned), Arc::clone(&pool));
            async move { scan(catalog, pool, batch).await }
        });
        let matches = Arc::new(Semaphore::new(MATCHES_IN_MEMORY_MAX as usize));
        Ok(Self { catalog, embedder, scans, matches })
    }

    /// The catalog that is searched.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Answers a job. What can be refused is refused before an embedding is paid for.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn answer(&self, job: &SearchJob) -> Result<Answer, Refused> {
        check_expiry(job, OffsetDateTime::now_utc())?;
        let filter = Filter::resolve(&self.catalog, job)?;
        let (vector, query_truncated) = match (known_vector(&self.catalog, &job.target)?, &job.target) {
            (Some(vector), _) => (vector, false),
            (None, Target::Query(text)) => self.embed(text).await?,
            (None, target) => unreachable!("{target:?} has a vector"),
        };
        let most = u32::try_from(filter.most_matches(&self.catalog)).unwrap_or(u32::MAX).min(MATCHES_IN_MEMORY_MAX);
        let room = Arc::clone(&self.matches).acquire_many_owned(most).await;
        let room = room.expect("the semaphore is never closed");
        let scanned = self.scans.call(Scan { vector, filter }).await;
        let ranking = scanned.map_err(|dropped| Fault::Retry(format!("search: {dropped}")))??;
        let results = groups(&self.catalog, &ranking, job.return_title)?;
        Ok(Answer { results, query_truncated, room })
    }

    async fn embed(&self, text: &str) -> Result<(Vec<f32>, bool), Refused> {
        let embedder = self.embedder.as_ref().ok_or_else(no_model)?;
        let embedding = embedder.embed(text).await?;
        Ok((embedding.vector.clone(), embedding.truncated))
    }
}

/// A text job on a catalog that names no model.
pub fn no_model() -> JobError {
    let message = "the catalog names no embedding model (nearline.model_id): send vector or product_id";
    JobError::new(ErrorCode::MissingField, message)
}

/// Runs `work` off the async threads, and tells it by the flag when nobody waits for it any more, so that its threads
/// are free for what comes next.
async fn unless_dropped<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, JoinError> {
    struct SetOnDrop(Arc<AtomicBool>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = SetOnDrop(Arc::default());
    let cancelled = Arc::clone(&dropped.0);
    spawn_blocking(move || work(&cancelled)).await
}

async fn scan(catalog: Arc<Catalog>, pool: Arc<ThreadPool>, batch: Vec<Scan>) -> Vec<Result<Ranking, Fault>> {
    let count = batch.len();
    let scanned = unless_dropped(move |cancelled| {
        let queries: Vec<Query<'_>> = batch.iter().map(|scan| scan.filter.query(&scan.vector)).collect();
        pool.install(|| catalog.index().search_unless(cancelled, &queries))
    });
    match scanned.await {
        Ok(Ok(Some(rankings))) => rankings.into_iter().map(Ok).collect(),
        // Only if this task is dropped, which ends here.
        Ok(Ok(None)) => Vec::new(),
        // Every query was checked on its way here, so either is a bug; the jobs come back and are counted.
        Ok(Err(error)) => vec![Err(Fault::Retry(format!("search: {error}"))); count],
        Err(panic) => vec![Err(Fault::Retry(format!("search: {panic}"))); count],
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_told_so() {
        let (starts, started) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let mut waiting = Box::pin(unless_dropped(move |cancelled| {
            starts.send(cancelled.load(Ordering::Relaxed)).unwrap();
            let patience = Instant::now() + Duration::from_secs(20);
            while !cancelled.load(Ordering::Relaxed) && Instant::now() < patience {
                std::thread::yield_now();
            }
            ends.send(cancelled.load(Ordering::Relaxed)).unwrap();
        }));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(started.await, Ok(false), "somebody waits");
        drop(waiting);
        assert_eq!(ended.await, Ok(true));
    }
}
