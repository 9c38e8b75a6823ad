//! Calls of one model for one purpose: paced, tried again, and told apart when they are refused.
//!
//! A refusal may be about the text or about how the model is called, and the service does not say which. So a model
//! that has not answered lately is asked for a text that no model refuses: only if it answers that, the text is at
//! fault, and only after a second refusal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::embedding::{Embedding, Purpose, cut};
use super::model::Model;
use super::models::Models;
use super::rate::{Pace, Place};
use crate::backoff::Backoff;
use crate::fault::{Cause, Fault, Kind};
use crate::trace;
use crate::under_way::UnderWay;

/// Calls for the same texts when the service fails, the first one included.
const ATTEMPTS: u32 = 3;
/// Pauses between them.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(20));
/// So long after an answer a refusal needs no proof that the model answers others.
const ANSWERS_FOR: Duration = Duration::from_mins(1);
/// A text that no model refuses.
const HARMLESS: &str = "nearline";
/// Refusals after which a text is given up.
const REFUSALS: u32 = 2;
/// Longest description of an invalid answer, in characters: it may quote the answer.
const ACCOUNT_MAX_CHARS: usize = 200;

/// Why a text has no vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model could not be asked, or did not answer with a vector.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The model answers others, but refuses this text; the message is its own.
    #[error("the embedding model refuses the text: {0}")]
    Refused(String),
}

/// A text that waits for its vector.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) text: String,
    pub(super) under_way: UnderWay,
    pub(super) trace: Option<String>,
    /// In the line of those who wait for a call.
    pub(super) place: Arc<Place>,
    /// Microseconds that its calls have waited for their turns.
    pub(super) paced: Arc<AtomicU64>,
}

/// Calls a model.
#[derive(Debug)]
pub(super) struct Caller<M> {
    models: M,
    model: Model,
    purpose: Purpose,
    pace: Arc<Pace>,
    answered: Mutex<Option<Instant>>,
}

impl<M: Models> Caller<M> {
    pub(super) fn new(models: M, model: Model, purpose: Purpose, pace: Arc<Pace>) -> Self {
        Self { models, model, purpose, pace, answered: Mutex::new(None) }
    }

    /// The vectors of some texts, at most as many as the model takes in a call.
    pub(super) async fn embed(&self, requests: Vec<Request>) -> Vec<Result<Embedding, EmbedError>> {
        let trace = trace::of_shared(requests.iter().map(|request| request.trace.as_deref())).map(str::to_owned);
        trace::within(trace, self.embed_all(requests)).await
    }

    async fn embed_all(&self, requests: Vec<Request>) -> Vec<Result<Embedding, EmbedError>> {
        if let [request] = &requests[..] {
            return vec![self.embed_alone(request).await];
        }
        let texts: Vec<&str> = requests.iter().map(|request| request.text.as_str()).collect();
        let fault = match self.ask(&texts, &requests.iter().collect::<Vec<_>>()).await {
            Ok(embeddings) => {
                return embeddings.into_iter().map(|embedding| Ok(self.check(embedding)?)).collect();
            }
            Err(fault) => fault,
        };
        // A text that the model refuses must not fail those that share its call.
        if let Err(fault) = self.is_about_text(fault).await {
            return requests.iter().map(|_| Err(fault.clone().into())).collect();
        }
        let mut embeddings = Vec::with_capacity(requests.len());
        for request in &requests {
            embeddings.push(self.embed_alone(request).await);
        }
        embeddings
    }

    /// One text, cut shorter while a model that does not cut by itself refuses it.
    async fn embed_alone(&self, request: &Request) -> Result<Embedding, EmbedError> {
        let (mut text, mut shortened, mut refusals) = (request.text.as_str(), false, 0);
        loop {
            let fault = match self.ask(&[text], &[request]).await {
                Ok(mut embeddings) => {
                    let mut embedding = embeddings.pop().expect("`ask` answers as many vectors as texts");
                    embedding.truncated |= shortened;
                    return Ok(self.check(embedding)?);
                }
                Err(fault) => fault,
            };
            let refusal = self.is_about_text(fault).await?;
            if let Some(shorter) = self.model.family.shorter(text) {
                (text, shortened) = (shorter, true);
                continue;
            }
            refusals += 1;
            if refusals == REFUSALS {
                return Err(EmbedError::Refused(refusal.text));
            }
        }
    }

    /// Gives a refusal back if the model answers others.
    async fn is_about_text(&self, fault: Fault) -> Result<Fault, Fault> {
        if fault.kind != Kind::JobRefused {
            return Err(fault);
        }
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.is_some_and(|last| last.elapsed() <= ANSWERS_FOR) {
            return Ok(fault);
        }
        match self.ask(&[HARMLESS], &[]).await {
            Ok(_) => Ok(fault),
            Err(other) if other.kind == Kind::JobRefused => Err(Fault { kind: Kind::Permanent, ..other }),
            Err(other) => Err(other),
        }
    }

    /// As many embeddings as texts, not checked yet; tried again when the service fails.
    async fn ask(&self, texts: &[&str], waiting: &[&Request]) -> Result<Vec<Embedding>, Fault> {
        let mut failures = 0;
        loop {
            match self.ask_once(texts, waiting).await {
                Err(fault) if is_tried_again(&fault) && failures + 1 < ATTEMPTS => {
                    failures += 1;
                    tracing::debug!(%fault, failures, "an embedding is asked for again");
                    // Who was refused for too many calls goes to the end of the line, if there is one.
                    if fault.cause != Cause::Throttled || !self.pace.has_turns() {
                        BACKOFF.sleep(failures).await;
                    }
                }
                answer => return answer,
            }
        }
    }

    async fn ask_once(&self, texts: &[&str], waiting: &[&Request]) -> Result<Vec<Embedding>, Fault> {
        let family = self.model.family;
        let (inputs, was_cut): (Vec<&str>, Vec<bool>) = texts.iter().map(|text| cut(text, family.chars_max())).unzip();
        let request = family.request(&inputs, self.purpose, self.model.dimension()).to_string().into_bytes();
        let since = Instant::now();
        self.pace.turn(latest(waiting)).await?;
        let paced = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        for waiting in waiting {
            waiting.place.leave();
            waiting.paced.fetch_add(paced, Ordering::Relaxed);
        }
        let under_way: Vec<&UnderWay> = waiting.iter().map(|waiting| &waiting.under_way).collect();
        let answer = UnderWay::during_for_all(&under_way, self.models.invoke(self.model.called(), request)).await;
        self.pace.note(&answer);
        let answer = answer?;
        let mut embeddings = family.response(&answer).map_err(|error| self.no_vector(&error.to_string()))?;
        if embeddings.len() != texts.len() {
            return Err(self.no_vector(&format!("{} vectors for {} texts", embeddings.len(), texts.len())));
        }
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        for (embedding, was_cut) in embeddings.iter_mut().zip(was_cut) {
            embedding.truncated |= was_cut;
        }
        Ok(embeddings)
    }

    /// Tried again: a model that fails on one text must not stop the others; attempts are counted.
    fn no_vector(&self, what: &str) -> Fault {
        let (model, what) = (self.model.called(), cut(what, ACCOUNT_MAX_CHARS).0);
        Fault::new(Cause::InvalidAnswer, format!("model {model} did not answer with vectors: {what}"))
    }

    fn check(&self, embedding: Embedding) -> Result<Embedding, Fault> {
        let (length, expected, model) = (embedding.vector.len(), self.model.dimension(), self.model.called());
        if length != expected {
            let message = format!("model {model} returned a vector of length {length}, expected {expected}");
            return Err(Fault::new(Cause::Misconfigured, message));
        }
        if embedding.vector.iter().any(|number| !number.is_finite()) {
            return Err(self.no_vector("a number is beyond 32-bit floats"));
        }
        if embedding.vector.iter().all(|&number| number == 0.0) {
            return Err(self.no_vector("the vector is all zero"));
        }
        Ok(embedding)
    }
}

/// What service failed may be asked again; what waits beyond its deadline may not.
fn is_tried_again(fault: &Fault) -> bool {
    fault.is_transient() && fault.cause != Cause::NotStarted
}

/// When the last of those who share a call gives up; `None`: one never does.
fn latest(waiting: &[&Request]) -> Option<Instant> {
    let deadlines: Option<Vec<Instant>> = waiting.iter().map(|waiting| waiting.under_way.deadline()).collect();
    deadlines?.into_iter().max()
}
