//! The server around the wire formats: latency, faults and the count of all that was asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;

use super::batch::{BatchOptions, Jobs};
use super::embedding::Refusal;
use super::fault::{self, Dice, Fault};
use super::model::Model;
use crate::server::Server;
use crate::{DevstackError, lexical};

/// As on AWS: 25 MB a request.
const BODY_LIMIT_BYTES: usize = 25_000_000;

/// How the stand-in behaves. The default answers at once and never fails.
#[derive(Debug, Clone, Default)]
pub struct BedrockOptions {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// How long each embedding takes.
    pub latency: Duration,
    /// The share of requests that are throttled, 0 to 1.
    pub throttle_rate: f64,
    /// The share of the others that fail with a transient error, 0 to 1.
    pub error_rate: f64,
    /// Seed of the random faults.
    pub seed: u64,
    /// Whether calls in a service tier are refused, as by a model that has none.
    pub refuse_service_tier: bool,
}

/// What was asked for since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct BedrockStats {
    /// Calls of `InvokeModel`, whatever came of them.
    pub requests: u64,
    /// Those of them that asked for a service tier.
    pub in_tier: u64,
    /// Texts that were embedded and answered.
    pub texts: u64,
    /// Calls answered with `ThrottlingException`.
    pub throttled: u64,
    /// Calls answered with any other error.
    pub errors: u64,
    /// The most calls that were open at one moment.
    pub max_in_flight: u64,
    /// Batch jobs that were started.
    pub batch_jobs: u64,
    /// Records that batch jobs answered with a vector.
    pub batch_records: u64,
}

/// A running stand-in; it stops when dropped.
#[derive(Debug)]
pub struct BedrockServer {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    dice: Mutex<Dice>,
    requests: AtomicU64,
    in_tier: AtomicU64,
    texts: AtomicU64,
    throttled: AtomicU64,
    errors: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    jobs: Arc<Jobs>,
}

#[derive(Debug, Clone)]
struct Settings {
    latency: Duration,
    fault: Option<Fault>,
    refuse_service_tier: bool,
}

impl BedrockServer {
    /// Starts the stand-in; it answers when this returns.
    pub async fn start(options: BedrockOptions) -> Result<Self, DevstackError> {
        for (name, rate) in [("throttle rate", options.throttle_rate), ("error rate", options.error_rate)] {
            if !(0.0..=1.0).contains(&rate) {
                return Err(DevstackError::Option(format!("{name} must be 0 to 1, was {rate}")));
            }
        }
        let shared = Arc::new(Shared {
            settings: Mutex::new(Settings {
                latency: options.latency,
                fault: None,
                refuse_service_tier: options.refuse_service_tier,
            }),
            dice: Mutex::new(Dice::new(options.throttle_rate, options.error_rate, options.seed)),
            requests: AtomicU64::new(0),
            in_tier: AtomicU64::new(0),
            texts: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            max_in_flight: AtomicU64::new(0),
            jobs: Arc::default(),
        });
        let routes = Router::new()
            .route("/model/{model_id}/invoke", post(invoke))
            .route("/model-invocation-job", post(start_job))
            .route("/model-invocation-job/{job}", get(job_status))
            .route("/_devstack/stats", get(async |State(shared): State<Arc<Shared>>| Json(shared.stats())))
            .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(options.port, routes).await?, shared })
    }

    /// The address for `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, and with files in S3 also for `AWS_ENDPOINT_URL_BEDROCK`:
    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The counts until now.
    pub fn stats(&self) -> BedrockStats {
        self.shared.stats()
    }

    /// Every request that arrives from now on meets this fault; `None` ends it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.shared.settings.lock().unwrap_or_else(PoisonError::into_inner).fault = fault;
    }

    /// Every request that arrives from now on takes this long.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.settings.lock().unwrap_or_else(PoisonError::into_inner).latency = latency;
    }

    /// From now on calls in a service tier are refused, or not.
    pub fn refuse_service_tier(&self, refuse: bool) {
        self.shared.settings.lock().unwrap_or_else(PoisonError::into_inner).refuse_service_tier = refuse;
    }

    /// Batch jobs read and write their files there from now on; before that none can be started.
    pub fn keep_batch_files_in(&self, s3: aws_sdk_s3::Client) {
        self.shared.jobs.keep_files_in(s3);
    }

    /// Batch jobs that start from now on behave so.
    pub fn set_batch_options(&self, options: BatchOptions) {
        self.shared.jobs.set_options(options);
    }

    /// Stops the stand-in; open requests end unanswered.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Shared {
    fn stats(&self) -> BedrockStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (batch_jobs, batch_records) = self.jobs.counts();
        BedrockStats {
            requests: read(&self.requests),
            in_tier: read(&self.in_tier),
            texts: read(&self.texts),
            throttled: read(&self.throttled),
            errors: read(&self.errors),
            max_in_flight: read(&self.max_in_flight),
            batch_jobs,
            batch_records,
        }
    }

    fn enter(&self) -> InFlight<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    async fn embed(&self, model_id: &str, tier: Option<&str>, body: &[u8]) -> Result<Response, Refusal> {
        let Settings { latency, fault, refuse_service_tier } =
            self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match &fault {
            Some(Fault::AccessDenied) => return Err(fault::access_denied()),
            Some(Fault::ExpiredToken) => return Err(fault::expired_token()),
            Some(Fault::Throttle) => return Err(fault::throttling()),
            Some(Fault::InternalError) => return Err(fault::internal_error()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::RefuseAll) => return Err(fault::no_on_demand_throughput(model_id)),
            Some(Fault::Html) => return Ok(fault::html().into_response()),
            Some(Fault::NoVector | Fault::WrongLength | Fault::RefuseTexts(_)) | None => {}
        }
        if let Some(tier) = tier {
            self.in_tier.fetch_add(1, Ordering::Relaxed);
            if refuse_service_tier {
                return Err(fault::no_such_tier(model_id, tier));
            }
        }
        let model = Model::from_id(model_id).or_else(|| Model::behind(model_id, body)).ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                format!("Could not resolve the foundation model from the provided model identifier: {model_id}."),
            )
        })?;
        let embedding = model.parse(body)?;
        if let Some(Fault::RefuseTexts(needle)) = &fault
            && embedding.texts.iter().any(|text| text.contains(needle))
        {
            return Err(fault::malformed_text());
        }
        let rolled = self.dice.lock().unwrap_or_else(PoisonError::into_inner).roll();
        // Throttling is decided at the door, errors happen at work.
        if let Some(refusal) = &rolled
            && refusal.status == StatusCode::TOO_MANY_REQUESTS
        {
            return Err(fault::throttling());
        }
        tokio::time::sleep(latency).await;
        if let Some(refusal) = rolled {
            return Err(refusal);
        }
        let mut vectors: Vec<_> =
            embedding.texts.iter().map(|text| lexical::embed(text, embedding.dimension)).collect();
        match fault {
            Some(Fault::NoVector) => vectors.clear(),
            Some(Fault::WrongLength) => vectors.iter_mut().for_each(|vector| vector.truncate(embedding.dimension - 1)),
            _ => {}
        }
        self.texts.fetch_add(vectors.len() as u64, Ordering::Relaxed);
        Ok(Json(embedding.answer(&vectors)).into_response())
    }
}

/// Counts a call out again, also if the client goes away in the middle of it.
struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn invoke(
    State(shared): State<Arc<Shared>>,
    Path(model_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _in_flight = shared.enter();
    let tier = headers.get("x-amzn-bedrock-service-tier").and_then(|tier| tier.to_str().ok());
    match shared.embed(&model_id, tier, &body).await {
        Ok(response) => response,
        Err(refusal) => {
            let throttled = refusal.status == StatusCode::TOO_MANY_REQUESTS;
            let counter = if throttled { &shared.throttled } else { &shared.errors };
            counter.fetch_add(1, Ordering::Relaxed);
            refuse(&refusal)
        }
    }
}

async fn start_job(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.jobs.start(&body).map_or_else(|refusal| refuse(&refusal), |answer| Json(answer).into_response())
}

async fn job_status(State(shared): State<Arc<Shared>>, Path(job): Path<String>) -> Response {
    shared.jobs.status(&job).map_or_else(|refusal| refuse(&refusal), |answer| Json(answer).into_response())
}

fn refuse(refusal: &Refusal) -> Response {
    let headers = [("x-amzn-errortype", refusal.error_type)];
    (refusal.status, headers, Json(json!({"message": refusal.message}))).into_response()
}
