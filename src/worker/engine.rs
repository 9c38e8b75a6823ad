//! One catalog with what it takes to search it: the embedder of its model, and the scan that all jobs share.

use std::sync::Arc;

use nearline_contract::limits::RECORD_MATCHES_MAX;
use nearline_contract::{ErrorCode, Group, JobError, SearchJob};
use nearline_search::{Ranking, RowSet};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::plan::{Plan, Returned, Source, groups};
use super::row_sets::RowSets;
use crate::catalog::{Catalog, CatalogError, CatalogGuard};
use crate::clock::Clock;
use crate::coalesce::Coalescer;
use crate::compute::Compute;
use crate::embed::{EmbedError, Embedder, Embedders, Models};
use crate::fault::{Cause, Fault};
use crate::telemetry::stages::{Stages, Timer};
use crate::under_way::UnderWay;

/// Most jobs in one scan: beyond this the queries no longer fit the cache beside the rows.
const SCAN_QUERIES_MAX: usize = 64;

/// Most matches that answers may have in memory together, from before their scan until their record is written. About
/// 110 bytes each, and 600 while an item is made of them.
const MATCHES_IN_MEMORY_MAX: usize = 500_000;

/// What the engines of a process share, whichever catalog they have.
#[derive(Debug)]
pub struct Engines<M> {
    embedders: Embedders<M>,
    compute: Compute,
    guard: CatalogGuard,
    clock: Clock,
    matches: Arc<Semaphore>,
}

impl<M: Models> Engines<M> {
    /// Engines that embed with `embedders`, scan on `compute`, and take catalogs that pass `guard`.
    pub fn new(embedders: Embedders<M>, compute: Compute, guard: CatalogGuard, clock: Clock) -> Self {
        let matches = Arc::new(Semaphore::new(MATCHES_IN_MEMORY_MAX));
        Self { embedders, compute, guard, clock, matches }
    }

    /// An engine for a catalog. Its tasks end when it is dropped. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// The catalog does not pass the guard, or its model is not supported.
    pub fn start(&self, catalog: Catalog) -> Result<Engine, CatalogError> {
        let model = catalog.query_model(&self.guard)?;
        if model.is_none() {
            tracing::warn!("the catalog names no embedding model: only vector and product_id jobs are answered");
        }
        let embedder = model.map(|model| self.embedders.of_queries(&model));
        let catalog = Arc::new(catalog);
        let (scanned, compute) = (Arc::clone(&catalog), self.compute.clone());
        // One scan at a time: it has the whole pool, and those who come meanwhile share the next one.
        let row_sets = RowSets::new(Arc::clone(&catalog), self.compute.clone());
        let scans = Coalescer::start(1, SCAN_QUERIES_MAX, move |batch| {
            let (catalog, compute) = (Arc::clone(&scanned), compute.clone());
            async move { scan(catalog, &compute, batch).await }
        });
        Ok(Engine { catalog, embedder, row_sets, scans, clock: self.clock.clone(), matches: Arc::clone(&self.matches) })
    }
}

/// Answers jobs from one catalog.
#[derive(Debug)]
pub struct Engine {
    catalog: Arc<Catalog>,
    /// `None`: the catalog names no model.
    embedder: Option<Arc<Embedder>>,
    row_sets: RowSets,
    scans: Coalescer<Scan, Result<Ranking, Fault>>,
    clock: Clock,
    matches: Arc<Semaphore>,
}

/// A job's results; they count against the memory for matches until they are dropped.
#[derive(Debug)]
pub struct Answer {
    /// Groups with their matches.
    pub results: Vec<Group>,
    /// Whether the embedding model saw only the start of the text.
    pub query_truncated: bool,
    /// Its share of the memory for matches.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Why a job has no results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The job is at fault: its record says so.
    #[error(transparent)]
    Rejected(#[from] JobError),
    /// A service is at fault: the message stays on the queue.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<EmbedError> for NoAnswer {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Fault(fault) => Self::Fault(fault),
            EmbedError::Refused(_) => Self::Rejected(JobError::new(ErrorCode::TextRefused, error.to_string())),
        }
    }
}

/// A query that waits for a scan.
#[derive(Debug)]
struct Scan {
    vector: Vec<f32>,
    plan: Plan,
}

impl Engine {
    /// The catalog that is searched.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Answers a job, and notes where the time went. What can be refused is refused before an embedding is paid for.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn answer(&self, job: &SearchJob, under_way: &UnderWay, stages: &mut Stages) -> Result<Answer, NoAnswer> {
        let (mut plan, source) = Plan::new(&self.catalog, job, self.clock.now())?;
        let evaluating = Timer::start(&mut stages.filter);
        self.row_sets.narrow(job, &mut plan).await??;
        drop(evaluating);
        let (vector, query_truncated) = match source {
            Source::Vector(vector) => (vector, false),
            Source::Text(text) => {
                let embedder = self.embedder.as_ref().expect("a plan has texts only for a catalog with a model");
                let embedding = embedder.embed_noting(text, under_way, stages).await?;
                (embedding.vector.clone(), embedding.truncated)
            }
        };
        let returned = Arc::clone(plan.returned());
        let rows = self.catalog.rows();
        let passing = plan.rows().map_or(rows, RowSet::rows);
        let waiting = Timer::start(&mut stages.scan_wait);
        let permit = Arc::clone(&self.matches).acquire_many_owned(reservation(&plan, &self.catalog)).await;
        let mut permit = permit.expect("the semaphore is never closed");
        drop(waiting);
        let mut scanning = Timer::start(&mut stages.scan);
        let scanned = self.scans.call(Scan { vector, plan }).await;
        let scanned = scanned.map_err(|dropped| Fault::new(Cause::Internal, format!("search: {dropped}")))?;
        scanning.waited(scanned.waited, &mut stages.scan_wait);
        drop(scanning);
        let ranking = scanned.answer?;
        stages.queries.note(scanned.together);
        stages.rows += rows as u64;
        stages.passed += passing as u64;
        stages.rescored += ranking.rescored;
        // With a least score far fewer rows may match than could have.
        let found = ranking.groups.iter().map(|group| group.matches.len()).sum::<usize>();
        permit.split(permit.num_permits().saturating_sub(room(found, &returned) as usize));
        let results = groups(&self.catalog, &ranking, &returned)?;
        Ok(Answer { results, query_truncated, permit })
    }

    /// Calls of the embedding model that are in flight now, also for other engines.
    pub fn calls_in_flight(&self) -> usize {
        self.embedder.as_ref().map_or(0, |embedder| embedder.calls_in_flight())
    }

    /// Whether both embed with the same embedder, or not at all.
    pub(super) fn shares_embedder(&self, other: &Self) -> bool {
        self.embedder.as_ref().map(Arc::as_ptr) == other.embedder.as_ref().map(Arc::as_ptr)
    }

    /// Matches that may still be put in memory.
    #[cfg(test)]
    pub(super) fn matches_left(&self) -> usize {
        self.matches.available_permits()
    }
}

/// Matches to make room for: what may be found, but no more than a record may hold. Beyond that a job is refused before
/// its matches get names, so it must not keep others waiting.
fn reservation(plan: &Plan, catalog: &Catalog) -> u32 {
    const _: () = assert!(RECORD_MATCHES_MAX <= MATCHES_IN_MEMORY_MAX, "any record must find room");
    room(plan.most_matches(catalog).min(RECORD_MATCHES_MAX), plan.returned())
}

/// What so many matches take of the memory for them: each attribute counts as another one.
fn room(matches: usize, returned: &Returned) -> u32 {
    (matches * (1 + returned.attributes.len())).min(MATCHES_IN_MEMORY_MAX) as u32
}

async fn scan(catalog: Arc<Catalog>, compute: &Compute, batch: Vec<Scan>) -> Vec<Result<Ranking, Fault>> {
    let count = batch.len();
    let scanned = compute.scan(move |cancelled| {
        let queries: Vec<_> = batch.iter().map(|scan| scan.plan.query(&scan.vector)).collect();
        catalog.index().search_unless(cancelled, &queries)
    });
    match scanned.await {
        Ok(Ok(Some(rankings))) => rankings.into_iter().map(Ok).collect(),
        // Only if this task is dropped, which ends here.
        Ok(Ok(None)) => Vec::new(),
        // Every query was checked on its way here, so either is a bug; the jobs come back and are counted.
        Ok(Err(error)) => vec![Err(Fault::new(Cause::Internal, format!("search: {error}"))); count],
        Err(fault) => vec![Err(fault); count],
    }
}

#[cfg(test)]
mod tests {
    use nearline_contract::receive;
    use nearline_search::Kernel;
    use time::OffsetDateTime;

    use super::*;
    use crate::catalog::Rows;

    #[test]
    fn a_job_that_all_rows_match_reserves_no_more_than_a_record_holds() {
        let rows = 120_000;
        let rows = Rows {
            product_ids: (0..rows).map(|row| row.to_string()).collect(),
            categories: (0..rows).map(|row| (row % 120).to_string()).collect(),
            titles: vec![None; rows],
            vectors: vec![1.0; rows],
            dimension: 1,
            ..Rows::default()
        };
        let catalog = Catalog::new(rows, "v".into(), None, Kernel::fastest()).unwrap();
        let reserved = |fields: &str| {
            let body = format!(r#"{{"request_id":"r","vector":[1],{fields}}}"#);
            let job = receive(&body).unwrap().job.unwrap();
            reservation(&Plan::new(&catalog, &job, OffsetDateTime::UNIX_EPOCH).unwrap().0, &catalog)
        };
        assert_eq!(reserved(r#""top_k":1000,"min_score":-0.99"#), 100_000, "120,000 match");
        assert_eq!(reserved(r#""top_k":1000,"min_score":-0.99,"categories":["1","2"]"#), 2_000);
    }
}
