//! What answers jobs: the engine of the current catalog, and perhaps that of a candidate.

use std::sync::Arc;

use super::engine::Engine;
use crate::catalog::Share;

/// The engines that answer; clones share them.
#[derive(Debug, Clone)]
pub struct Serving {
    current: Arc<Engine>,
    candidate: Option<(Arc<Engine>, Share)>,
}

impl Serving {
    /// One engine that answers all jobs.
    pub fn new(engine: Engine) -> Self {
        Self { current: Arc::new(engine), candidate: None }
    }

    /// The engine of the current catalog.
    pub fn current(&self) -> &Engine {
        &self.current
    }

    /// The engine of the candidate, and which share of the jobs it answers.
    pub fn candidate(&self) -> Option<(&Engine, Share)> {
        self.candidate.as_ref().map(|(engine, share)| (&**engine, *share))
    }

    /// The engine that answers a job.
    pub fn engine_of(&self, request_id: &str) -> &Engine {
        match &self.candidate {
            Some((engine, share)) if share.takes(request_id) => engine,
            _ => &self.current,
        }
    }

    /// Another catalog is current.
    pub fn replace(&mut self, engine: Engine) {
        self.current = Arc::new(engine);
    }

    /// A candidate answers a share of the jobs, or none does.
    pub fn set_candidate(&mut self, candidate: Option<(Engine, Share)>) {
        self.candidate = candidate.map(|(engine, share)| (Arc::new(engine), share));
    }

    /// The candidate answers another share.
    pub fn set_share(&mut self, share: Share) {
        if let Some((_, answers)) = &mut self.candidate {
            *answers = share;
        }
    }

    /// The candidate becomes current, if it is of this version; whether it is.
    pub fn promote(&mut self, version: &str) -> bool {
        let candidate = self.candidate.take_if(|(engine, _)| engine.catalog().version() == version);
        let is_promoted = candidate.is_some();
        if let Some((engine, _)) = candidate {
            self.current = engine;
        }
        is_promoted
    }

    /// Calls of embedding models that are in flight now.
    pub fn calls_in_flight(&self) -> usize {
        let others = self.candidate.as_ref().filter(|(engine, _)| !engine.shares_embedder(&self.current));
        self.current.calls_in_flight() + others.map_or(0, |(engine, _)| engine.calls_in_flight())
    }

    /// Bytes of all catalogs in memory.
    pub fn memory_bytes(&self) -> usize {
        let candidate = self.candidate.as_ref().map_or(0, |(engine, _)| engine.catalog().memory_bytes());
        self.current.catalog().memory_bytes() + candidate
    }
}
