//! What everybody asks for vectors: batches what waits, within the limits, and asks for a text once.
//!
//! There is one embedder in a process for each model, dimension and purpose. It outlives the catalogs that need it, so
//! that a swap neither forgets what was embedded nor doubles the calls in flight.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cache::Cache;
use super::call::{Caller, EmbedError, Request};
use super::embedding::{Embedding, Purpose};
use super::limits::Limits;
use super::model::Model;
use super::models::Models;
use super::rate::{self, Leases, Pace, Place};
use crate::coalesce::Coalescer;
use crate::fault::{Cause, Fault};
use crate::telemetry::stages::{Stages, Timer};
use crate::trace;
use crate::under_way::UnderWay;

/// Embeds texts with one model, for one purpose, at one dimension.
#[derive(Debug)]
pub struct Embedder {
    calls: Coalescer<Request, Result<Embedding, EmbedError>>,
    cache: Cache,
    in_flight: Arc<AtomicUsize>,
    pace: Arc<Pace>,
    texts_max: usize,
}

impl Embedder {
    /// Starts the tasks that call the model: as many as calls may be in flight. They end when the embedder is dropped.
    /// Must be called on a Tokio runtime. It has no part in the limit of a fleet.
    pub fn start(models: impl Models, limits: Limits, model: Model, purpose: Purpose) -> Self {
        let pace = Arc::new(Pace::own(model.called(), limits));
        Self::at(pace, models, limits, model, purpose)
    }

    /// As [`start`](Self::start), at a pace that others may share.
    pub(super) fn at(pace: Arc<Pace>, models: impl Models, limits: Limits, model: Model, purpose: Purpose) -> Self {
        let texts_max = model.family.texts_max();
        let in_flight = Arc::new(AtomicUsize::new(0));
        let models = Counted { models, in_flight: Arc::clone(&in_flight) };
        let caller = Arc::new(Caller::new(models, model, purpose, Arc::clone(&pace)));
        let calls = Coalescer::start(limits.max_concurrency, texts_max, move |requests| {
            let caller = Arc::clone(&caller);
            async move { caller.embed(requests).await }
        });
        Self { calls, cache: Cache::new(), in_flight, pace, texts_max }
    }

    /// The vector of `text`; one call serves everyone who asks for the same text at the same time.
    ///
    /// # Errors
    /// [`EmbedError`]; a fault of a call, or an invalid answer. A turn that comes after the deadline of the work
    /// is a fault at once.
    pub async fn embed(&self, text: &str, under_way: &UnderWay) -> Result<Arc<Embedding>, EmbedError> {
        self.embed_noting(text, under_way, &mut Stages::default()).await
    }

    /// As [`embed`](Self::embed), and notes how: how long the limits held it, and whether it took a call.
    ///
    /// # Errors
    /// See [`embed`](Self::embed).
    pub async fn embed_noting(
        &self,
        text: &str,
        under_way: &UnderWay,
        stages: &mut Stages,
    ) -> Result<Arc<Embedding>, EmbedError> {
        let Stages { embed, embed_wait, texts, cache_hits, .. } = stages;
        let mut timer = Timer::start(embed);
        let (mut called, mut waited, paced) = (false, Duration::ZERO, Arc::new(AtomicU64::new(0)));
        let ask = async {
            called = true;
            let place = Arc::new(self.pace.join(self.texts_max, under_way.deadline())?);
            let _leaves = Leaves(Arc::clone(&place));
            let (text, under_way, paced) = (text.to_owned(), under_way.clone(), Arc::clone(&paced));
            let request = Request { text, under_way, trace: trace::current(), place, paced };
            let answered =
                self.calls.call(request).await.map_err(|dropped| {
                    EmbedError::from(Fault::new(Cause::Internal, format!("embedding: {dropped}")))
                })?;
            waited = answered.waited;
            if answered.answer.is_ok() {
                texts.note(answered.together);
            }
            answered.answer
        };
        let embedded = self.cache.get_or_embed(text, ask).await;
        timer.waited(waited + Duration::from_micros(paced.load(Ordering::Relaxed)), embed_wait);
        drop(timer);
        *cache_hits += usize::from(!called && embedded.is_ok());
        embedded
    }

    /// Calls of the model that are in flight now.
    pub fn calls_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Models whose calls in flight are counted.
struct Counted<M> {
    models: M,
    in_flight: Arc<AtomicUsize>,
}

impl<M: Models> Models for Counted<M> {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        /// Counts down when the call ends, or is dropped.
        struct InFlight<'a>(&'a AtomicUsize);
        impl Drop for InFlight<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let _in_flight = InFlight(&self.in_flight);
        self.models.invoke(model_id, body).await
    }
}

/// Leaves the line when the caller has gone.
struct Leaves(Arc<Place>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The embedders of a process.
#[derive(Debug)]
pub struct Embedders<M> {
    models: Arc<M>,
    limits: Limits,
    leases: Option<Arc<dyn Leases>>,
    started: Mutex<Vec<(Model, Arc<Embedder>)>>,
}

impl<M: Models> Embedders<M> {
    /// Embedders that call `models`, each within `limits`.
    pub fn new(models: M, limits: Limits) -> Self {
        Self { models: Arc::new(models), limits, leases: None, started: Mutex::default() }
    }

    /// That share the fleet's limit with other processes, by what is kept in `leases`.
    #[must_use]
    pub fn sharing(self, leases: Arc<dyn Leases>) -> Self {
        Self { leases: Some(leases), ..self }
    }

    /// The embedder of queries for a model, started unless it is there. Unused ones end. Must be
    /// called on a Tokio runtime.
    pub fn of_queries(&self, model: &Model) -> Arc<Embedder> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|(known, embedder)| known == model || Arc::strong_count(embedder) > 1);
        if let Some((_, embedder)) = started.iter().find(|(known, _)| known == model) {
            return Arc::clone(embedder);
        }
        // Of one model there is one limit, whatever the dimension.
        let same = started.iter().find(|(known, _)| known.called() == model.called());
        let pace = same.map(|(_, embedder)| Arc::clone(&embedder.pace));
        let pace = pace.unwrap_or_else(|| rate::start(model.called(), self.limits, self.leases.as_ref()));
        let models = Arc::clone(&self.models);
        let embedder = Arc::new(Embedder::at(pace, models, self.limits, model.clone(), Purpose::Query));
        started.push((model.clone(), Arc::clone(&embedder)));
        embedder
    }
}
