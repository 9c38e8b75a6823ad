//! Lambda's Runtime API for one process of the function, and as much of the Extensions API as an internal extension
//! needs that only wants to hear SIGTERM (`lambda_runtime`'s graceful shutdown registers one).
//!
//! Any number of `/next` may wait at once: on Managed Instances each is a slot for one more concurrent invocation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::watch;

use super::dispatcher::{Dispatcher, request_id};
use super::{Function, FunctionError, PAYLOAD_LIMIT_BYTES};
use crate::DevstackError;
use crate::server::Server;

#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dispatcher: Arc<Dispatcher>,
    function: Function,
    /// True from the first `/next` on, which ends the init phase.
    initialised: watch::Sender<bool>,
    init_error: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) async fn start(dispatcher: Arc<Dispatcher>, function: Function) -> Result<Self, DevstackError> {
        let shared = Arc::new(Shared {
            dispatcher,
            function,
            initialised: watch::Sender::new(false),
            init_error: Mutex::default(),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{request_id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .route("/2020-01-01/extension/register", post(register))
            .route("/2020-01-01/extension/event/next", get(std::future::pending::<Response>))
            // What is larger is refused by `response`, in Lambda's words.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(0, routes).await?, shared })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(super) fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Waits until the runtime asks for work for the first time.
    pub(super) async fn initialised(&self) {
        let mut initialised = self.shared.initialised.subscribe();
        // Cannot fail: the sender lives as long as `self`.
        let _ = initialised.wait_for(|initialised| *initialised).await;
    }

    pub(super) fn is_initialised(&self) -> bool {
        *self.shared.initialised.borrow()
    }

    /// What the runtime said about a failed start.
    pub(super) fn init_error(&self) -> Option<String> {
        self.shared.init_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all waiting `/next`; none of them takes an invocation after this.
    pub(super) async fn stop(self) {
        self.server.stop().await;
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.initialised.send_if_modified(|initialised| !std::mem::replace(initialised, true));
    let claimed = shared.dispatcher.next().await;
    let deadline = claimed.deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", claimed.request_id),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", shared.function.arn.clone()),
        ("lambda-runtime-trace-id", trace_id()),
    ];
    (headers, claimed.payload).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(request_id): Path<String>, body: Bytes) -> Response {
    if body.len() <= PAYLOAD_LIMIT_BYTES {
        return answer(shared.dispatcher.finish(&request_id, Ok(body)));
    }
    let bytes = body.len();
    shared.dispatcher.finish(&request_id, Err(FunctionError::ResponseTooLarge { bytes }));
    let message = format!("Exceeded maximum allowed payload size ({PAYLOAD_LIMIT_BYTES} bytes).");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
}

async fn error(State(shared): State<Arc<Shared>>, Path(request_id): Path<String>, body: Bytes) -> Response {
    let payload = String::from_utf8_lossy(&body).into_owned();
    answer(shared.dispatcher.finish(&request_id, Err(FunctionError::Unhandled { payload })))
}

async fn init_error(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let message = String::from_utf8_lossy(&body).into_owned();
    *shared.init_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    answer(true)
}

async fn register(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !headers.contains_key("lambda-extension-name") {
        return refuse(StatusCode::BAD_REQUEST, "Extension.InvalidExtensionName", "Lambda-Extension-Name is missing");
    }
    let function = &shared.function;
    let body = json!({"functionName": function.name, "functionVersion": function.version, "handler": "bootstrap",
        "accountId": function.account});
    ([("lambda-extension-identifier", request_id())], Json(body)).into_response()
}

fn answer(known: bool) -> Response {
    if known {
        return (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response();
    }
    refuse(StatusCode::GONE, "InvalidRequestID", "The invocation has timed out or was answered before.")
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Response {
    (status, Json(json!({"errorType": error_type, "errorMessage": message}))).into_response()
}

/// An X-Ray header that asks for no sampling.
fn trace_id() -> String {
    let seconds = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let root: u128 = rand::random::<u128>() >> 32;
    format!("Root=1-{seconds:08x}-{root:024x};Parent={:016x};Sampled=0", rand::random::<u64>())
}
