//! The state of a polling worker, for probes and gauges: computed when asked, stored nowhere.

use std::sync::{Arc, OnceLock};

/// The catalog that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its version.
    pub version: String,
    /// The model of its vectors, if it names one.
    pub model: Option<String>,
    /// How many products it has.
    pub rows: usize,
    /// Length of its vectors.
    pub dimension: usize,
    /// What it takes of memory.
    pub memory_bytes: usize,
    /// What scans it.
    pub kernel: &'static str,
}

/// Who can tell.
pub trait Watched: Send + Sync {
    /// Why it takes no messages, if so.
    fn not_receiving(&self) -> Option<&'static str>;

    /// The catalog that serves.
    fn serving(&self) -> Serving;

    /// Calls to the embedding model in flight.
    fn model_calls_in_flight(&self) -> usize;

    /// Batches being processed.
    fn batches_in_flight(&self) -> usize;
}

/// A worker's health; clones share it.
#[derive(Clone, Default)]
pub struct Health(Arc<OnceLock<Arc<dyn Watched>>>);

impl Health {
    /// From now on `watched` can tell. Before, the worker is starting.
    pub fn watch(&self, watched: Arc<dyn Watched>) {
        let _ = self.0.set(watched); // a worker starts once
    }

    /// Who can tell, once the first catalog serves.
    pub fn watched(&self) -> Option<&dyn Watched> {
        self.0.get().map(AsRef::as_ref)
    }

    /// Why it takes no messages, if so.
    pub fn not_ready(&self) -> Option<&'static str> {
        self.watched().map_or(Some("starting: no catalog is loaded yet"), Watched::not_receiving)
    }
}
