//! How messages come and go: through Lambda's event source mapping, or by polling the queue itself.
//!
//! Both hand batches to the same [`Worker`] and carry its outcomes out in the same way ([`settle`]). [`start`] makes
//! everything that they share, the catalog first.

pub mod lambda;
pub mod poller;
pub mod settle;

use std::sync::Arc;

use aws_config::SdkConfig;
use rayon::ThreadPoolBuilder;
use tokio_util::sync::CancellationToken;

use crate::catalog::store::CatalogStore;
use crate::catalog::{Catalog, CatalogError, Indexing, refresh};
use crate::config::{ConfigError, WorkerSettings};
use crate::embed::Bedrock;
use crate::fault::Fault;
use crate::results::ResultStore;
use crate::worker::{Engine, Worker};

/// Why an intake did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A service.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The threads that scan could not be started.
    #[error("search threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Lambda's runtime ended.
    #[error("Lambda runtime: {0}")]
    Runtime(String),
}

/// Loads the catalog and makes the worker that serves it, watching for newer ones until `stop`.
///
/// # Errors
/// [`IntakeError`]; the process must not take messages then.
pub async fn start(
    config: &SdkConfig,
    settings: &WorkerSettings,
    stop: &CancellationToken,
) -> Result<Arc<Worker>, IntakeError> {
    let mut threads = ThreadPoolBuilder::new().thread_name(|number| format!("search-{number}"));
    if let Some(count) = settings.search_threads {
        threads = threads.num_threads(count);
    }
    let pool = Arc::new(threads.build()?);
    let bedrock = Bedrock::new(config, settings.embedding);
    let indexing = Indexing { kernel: settings.kernel, pool: Some(Arc::clone(&pool)) };
    let store = CatalogStore::new(aws_sdk_s3::Client::new(config), indexing);
    let catalog = store.load(&settings.catalog).await?;
    catalog.check(&settings.guard)?;
    tracing::info!(
        version = catalog.version(),
        rows = catalog.rows(),
        dimension = catalog.dimension(),
        model = catalog.model_id(),
        memory_bytes = catalog.memory_bytes(),
        kernel = catalog.index().kernel(),
        threads = pool.current_num_threads(),
        "the catalog is loaded"
    );
    let version = catalog.version().to_owned();
    let start_engine = {
        let model_id = settings.guard.model_id.clone();
        move |catalog: Catalog| Engine::start(catalog, model_id.as_deref(), &bedrock, Arc::clone(&pool))
    };
    let engine = start_engine(catalog).map_err(CatalogError::from)?;
    let worker = Arc::new(Worker::new(engine, ResultStore::new(config, settings.results.clone())));
    if let Some(period) = settings.catalog_refresh {
        let (serving, guard) = (Arc::clone(&worker), settings.guard.clone());
        let replace = move |catalog: Catalog| {
            catalog.check(&guard)?;
            serving.replace_engine(start_engine(catalog)?);
            Ok(())
        };
        tokio::spawn(refresh::watch(store, settings.catalog.clone(), version, period, stop.clone(), replace));
    }
    Ok(worker)
}
