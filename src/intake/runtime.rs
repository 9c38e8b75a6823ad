//! Lambda's Runtime API: asks for invocations and answers them, in as many slots as are served at once.
//!
//! A loop of our own around the API's client, because a slot must outlive whatever the API does: a call that fails is
//! made again after a pause, an answer that cannot be delivered is given up, and the slot goes on. Handlers run in tasks
//! of their own, so a panic ends one invocation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::trace;

const BASE: &str = "/2018-06-01/runtime/invocation";
/// Pauses after calls that fail.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// Times an answer is posted.
const POSTS_MAX: u32 = 4;

/// Where the API is, and how many invocations are served at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `HOST:PORT`.
    pub runtime_api: String,
    /// At least 1.
    pub slots: usize,
}

/// One invocation of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    /// Lambda's id of it.
    pub(super) request_id: String,
    /// Lambda's id of this delivery of it, which an answer repeats.
    delivery_id: Option<String>,
    /// X-Ray's header, which calls on its behalf repeat.
    pub(super) trace: Option<String>,
    /// When Lambda counts it as timed out, in milliseconds since the epoch.
    pub(super) deadline_ms: u64,
    /// What it is to work on.
    pub(super) payload: Bytes,
}

/// Why an invocation has no answer, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionError {
    /// For programs.
    pub(super) error_type: &'static str,
    /// For people.
    pub(super) message: String,
}

type Answer = Result<Vec<u8>, FunctionError>;

/// Why a call of the API failed.
#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("{0}")]
    Connection(String),
    #[error("HTTP status {0}")]
    Status(StatusCode),
    #[error("header {0} is missing or not readable")]
    Header(&'static str),
}

/// Serves invocations in all slots until `stop`; what runs then is finished.
///
/// # Errors
/// The address of the API is none.
pub(super) async fn serve<H, F>(settings: &Settings, stop: &CancellationToken, handler: H) -> Result<(), String>
where
    H: Fn(Invocation) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let endpoint = format!("http://{}", settings.runtime_api).parse();
    let endpoint = endpoint.map_err(|error| format!("the Runtime API at `{}`: {error}", settings.runtime_api))?;
    let api = Api(PooledClient::builder().with_endpoint(endpoint).with_pool_size(settings.slots).build());
    let api = Arc::new(api);
    join_all((0..settings.slots).map(|_| slot(Arc::clone(&api), stop, handler.clone()))).await;
    Ok(())
}

async fn slot<H, F>(api: Arc<Api>, stop: &CancellationToken, handler: H)
where
    H: Fn(Invocation) -> F,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut failures: u32 = 0;
    while let Some(next) = stop.run_until_cancelled(api.next()).await {
        match next {
            Ok(invocation) => {
                failures = 0;
                let work = trace::within(invocation.trace.clone(), handler(invocation.clone()));
                let answer = tokio::spawn(work).await.unwrap_or_else(|panic| {
                    tracing::error!(event = "invocation_panicked", request_id = invocation.request_id, %panic, "a bug");
                    Err(FunctionError { error_type: "panic", message: panic.to_string() })
                });
                api.answer(&invocation, answer).await;
            }
            Err(error) => {
                failures += 1;
                // Every slot says so by itself: only the first time and then ever more seldom.
                if failures.is_power_of_two() {
                    tracing::warn!(event = "runtime_api_failed", failures, %error, "no invocation can be asked for");
                }
                stop.run_until_cancelled(PAUSES.sleep(failures)).await;
            }
        }
    }
}

struct Api(PooledClient);

impl Api {
    /// Waits for an invocation, however long it takes.
    async fn next(&self) -> Result<Invocation, ApiError> {
        let (headers, payload) =
            self.call(build_request().method(Method::GET).uri(format!("{BASE}/next")), Body::empty()).await?;
        let header = |name: &'static str| text(&headers, name).ok_or(ApiError::Header(name));
        let deadline = "lambda-runtime-deadline-ms";
        Ok(Invocation {
            request_id: header("lambda-runtime-aws-request-id")?,
            delivery_id: text(&headers, "lambda-runtime-invocation-id"),
            trace: text(&headers, "lambda-runtime-trace-id"),
            deadline_ms: header(deadline)?.parse().map_err(|_| ApiError::Header(deadline))?,
            payload,
        })
    }

    /// Posts an answer. One that was taken although its confirmation was lost is refused the second time.
    async fn answer(&self, invocation: &Invocation, mut answer: Answer) {
        let request_id = &invocation.request_id;
        let mut posts = 0;
        loop {
            posts += 1;
            let error = match self.post(invocation, &answer).await {
                Ok(()) => return,
                Err(error) => error,
            };
            match error {
                ApiError::Status(StatusCode::PAYLOAD_TOO_LARGE) if answer.is_ok() => {
                    let message = "the answer is larger than an invocation may return: read the record".to_owned();
                    answer = Err(FunctionError { error_type: "answer_too_large", message });
                }
                // It has timed out, or was answered by a post whose confirmation was lost.
                ApiError::Status(status) if status.is_client_error() => {
                    tracing::warn!(event = "answer_refused", request_id, posts, %error, "Lambda does not take an answer");
                    return;
                }
                _ if posts == POSTS_MAX => {
                    tracing::error!(event = "answer_lost", request_id, %error, "an answer could not be delivered");
                    return;
                }
                _ => PAUSES.sleep(posts).await,
            }
        }
    }

    async fn post(&self, invocation: &Invocation, answer: &Answer) -> Result<(), ApiError> {
        let path = if answer.is_ok() { "response" } else { "error" };
        let uri = format!("{BASE}/{}/{path}", invocation.request_id);
        let mut request = build_request().method(Method::POST).uri(uri);
        if let Some(id) = &invocation.delivery_id {
            request = request.header("lambda-runtime-invocation-id", id);
        }
        let body = match answer {
            Ok(body) => body.clone(),
            Err(FunctionError { error_type, message }) => {
                request = request.header("lambda-runtime-function-error-type", *error_type);
                json!({"errorType": error_type, "errorMessage": message}).to_string().into_bytes()
            }
        };
        self.call(request.header("content-type", "application/json"), Body::from(body)).await?;
        Ok(())
    }

    async fn call(&self, request: http::request::Builder, body: Body) -> Result<(HeaderMap, Bytes), ApiError> {
        let connection = |error: &dyn std::fmt::Display| ApiError::Connection(error.to_string());
        let request = request.body(body).map_err(|error| connection(&error))?;
        let answer = self.0.call(request).await.map_err(|error| connection(&error))?;
        let (parts, body) = answer.into_parts();
        if !parts.status.is_success() {
            return Err(ApiError::Status(parts.status));
        }
        let body = body.collect().await.map_err(|error| connection(&error))?;
        Ok((parts.headers, body.to_bytes()))
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
