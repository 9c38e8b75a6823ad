//! What both intakes start with: the services outside, the settings, the catalog, the worker that serves it.
//!
//! A wrong name stops the start, with a message that leads to the setting; a fault that may pass does not.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join3;
use futures_util::{FutureExt, TryFutureExt};
use nearline_search::Available;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::policy::Policy;
use super::queue::Queue;
use super::settle::Settler;
use crate::catalog::refresh::{self, Looks};
use crate::catalog::{
    Artifacts, Catalog, CatalogError, CatalogGuard, CatalogLocation, CatalogStore, Indexing, Serves, Share, Vectors,
};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::embed::{Embedders, Leases, Limits, Models};
use crate::fault::{Cause, Fault};
use crate::results::{self, Records, Results};
use crate::worker::{Engines, Worker};

/// Longest wait for a check: Lambda gives a start 10 seconds.
const CHECK_TIME: Duration = Duration::from_secs(5);

/// All that a worker uses of the world.
#[derive(Debug)]
pub struct Services<Q, R, M, A> {
    /// The queue of the jobs.
    pub queue: Q,
    /// The queue for what cannot be answered.
    pub dead_letters: Option<Q>,
    /// Where records are kept.
    pub records: R,
    /// Who embeds.
    pub models: M,
    /// What the processes of a fleet share of the models' limits.
    pub leases: Arc<dyn Leases>,
    /// Where catalogs are kept.
    pub artifacts: A,
    /// The processors.
    pub compute: Compute,
    /// The time of day.
    pub clock: Clock,
}

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Catalog that is searched.
    pub catalog: CatalogLocation,
    /// How often to look for a new one; `None` = never.
    pub catalog_refresh: Option<Duration>,
    /// What the catalog must be.
    pub guard: CatalogGuard,
    /// How records are kept.
    pub results: results::Settings,
    /// How fast a model may be called.
    pub embedding: Limits,
    /// Attempts after which a message is dead-lettered.
    pub max_attempts: u32,
    /// What scans.
    pub kernel: Available,
    /// Memory that Lambda gives the function, in bytes.
    pub function_memory: Option<u64>,
    /// Where vectors lie.
    pub vectors: Vectors,
}

/// Why an intake did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A service.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A worker, what settles its messages, and the queue that they come from.
pub(super) type Started<Q, R> = (Arc<Worker<R>>, Settler<Q, R>, Arc<Q>);

/// Whether something outside is there, so that a wrong name is found now and not with the first job. What may pass does
/// not prevent a start: it will be met again, with a job to retry.
///
/// # Errors
/// What an operator has to fix.
async fn check(what: &str, check: impl Future<Output = Result<(), Fault>>) -> Result<(), IntakeError> {
    let fault = match timeout(CHECK_TIME, check).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(fault)) if fault.is_permanent() => return Err(fault.context(&format!("checking {what}")).into()),
        Ok(Err(fault)) => fault,
        Err(_) => Fault::new(Cause::TimedOut, format!("no answer within {CHECK_TIME:?}")),
    };
    let cause = fault.cause.as_str();
    tracing::warn!(event = "not_checked", cause, error = %fault, "{what} could not be checked at the start");
    Ok(())
}

/// Whether a queue exists. Lambda receives from it for us: a role that may not ask for its attributes can still serve
/// direct invocations.
async fn is_there<Q: Queue>(queue: &Q) -> Result<(), Fault> {
    match queue.visibility_timeout().await {
        Err(fault) if fault.cause != Cause::AccessDenied => Err(fault),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Loads the catalog and makes the worker that serves it, watching for newer ones until `stop`.
///
/// # Errors
/// [`IntakeError`]; the process must not take messages then.
pub(super) async fn start<Q: Queue, R: Records, M: Models, A: Artifacts>(
    services: Services<Q, R, M, A>,
    settings: Settings,
    stop: &CancellationToken,
) -> Result<Started<Q, R>, IntakeError> {
    let Services { queue, dead_letters, records, models, leases, artifacts, compute, clock } = services;
    let Settings {
        catalog: location,
        catalog_refresh,
        guard,
        results,
        embedding,
        max_attempts,
        kernel,
        function_memory,
        vectors,
    } = settings;
    let store = CatalogStore::new(artifacts, Indexing { kernel, compute: compute.clone(), function_memory, vectors });
    let began = clock.now();
    let ((), (), catalog) = try_join3(
        check("NEARLINE_QUEUE_URL", is_there(&queue)),
        check("NEARLINE_RESULTS_TABLE", records.check()),
        store.load(&location).map_err(IntakeError::from),
    )
    .await?;
    tracing::info!(
        event = "catalog_loaded",
        version = catalog.version(),
        rows = catalog.rows(),
        dimension = catalog.dimension(),
        model = catalog.model_id(),
        memory_bytes = catalog.memory_bytes(),
        kernel = catalog.index().kernel(),
        threads = compute.thread_count(),
        "the catalog is loaded"
    );
    let embedders = Embedders::new(models, embedding).sharing(leases);
    let engines = Engines::new(embedders, compute, guard, clock.clone());
    let engine = engines.start(catalog)?;
    let results = Results::new(records, results, clock.clone());
    let looks = catalog_refresh.map(|period| Arc::new(Looks::new(period, began)));
    let worker = Arc::new(Worker::new(engine, results.clone(), looks.clone(), clock.clone()));
    if let Some(looks) = looks {
        let (served, stop) = (Served { worker: Arc::clone(&worker), engines }, stop.clone());
        tokio::spawn(async move {
            loop {
                let serving = served.worker.serving().current().catalog().version().to_owned();
                let watch = refresh::watch(&store, &location, serving, &looks, &clock, &stop, &served);
                if AssertUnwindSafe(watch).catch_unwind().await.is_ok() {
                    return;
                }
                // Without it this process would serve the old catalog forever.
                tracing::error!(
                    event = "catalog_watch_panicked",
                    "a bug: the check for newer catalogs failed and starts again"
                );
            }
        });
    }
    let queue = Arc::new(queue);
    let settler = Settler::new(Arc::clone(&queue), dead_letters, results, Policy { max_attempts });
    Ok((worker, settler, queue))
}

/// The worker, as the watch for newer catalogs has it.
struct Served<R, M> {
    worker: Arc<Worker<R>>,
    engines: Engines<M>,
}

impl<R: Records, M: Models> Serves for Served<R, M> {
    fn replace(&self, catalog: Catalog) -> Result<(), CatalogError> {
        let engine = self.engines.start(catalog)?;
        self.worker.serve(|serving| serving.replace(engine));
        Ok(())
    }

    fn tries_candidates(&self) -> bool {
        true
    }

    fn tried(&self) -> Option<(String, Share)> {
        let serving = self.worker.serving();
        serving.candidate().map(|(engine, share)| (engine.catalog().version().to_owned(), share))
    }

    fn try_out(&self, catalog: Catalog, share: Share) -> Result<(), CatalogError> {
        let engine = self.engines.start(catalog)?;
        self.worker.serve(|serving| serving.set_candidate(Some((engine, share))));
        Ok(())
    }

    fn set_share(&self, share: Share) {
        self.worker.serve(|serving| serving.set_share(share));
    }

    fn promote(&self, version: &str) -> bool {
        self.worker.serve(|serving| serving.promote(version))
    }

    fn end_trial(&self) {
        self.worker.serve(|serving| serving.set_candidate(None));
    }
}
