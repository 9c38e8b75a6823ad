//! Lambda's Runtime API for one process of the function, and as much of the Extensions API as an internal extension
//! needs that only wants to hear SIGTERM (`lambda_runtime`'s graceful shutdown registers one).
//!
//! Any number of `/next` may wait at once: on Managed Instances each is a slot for one more concurrent invocation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, RequestPartsExt as _, Router};
use serde_json::json;
use tokio::sync::watch;

use super::dispatcher::{Dispatcher, random_id};
use super::function::{Function, FunctionError, PAYLOAD_LIMIT_BYTES};
use super::runtime_faults::{RuntimeFault, RuntimeFaults};
use crate::DevstackError;
use crate::broken_body::cut;
use crate::listener::Connection;
use crate::server::Server;

#[cfg(test)]
mod tests;

/// The header that tells one delivery of an invocation from others; a runtime may send it back with its answer.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dispatcher: Arc<Dispatcher>,
    function: Function,
    faults: Arc<RuntimeFaults>,
    /// True from the first `/next` on, which ends the init phase.
    initialised: watch::Sender<bool>,
    init_error: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) async fn start(
        dispatcher: Arc<Dispatcher>,
        function: Function,
        faults: Arc<RuntimeFaults>,
    ) -> Result<Self, DevstackError> {
        faults.resume_listener();
        let listening = faults.listening();
        let shared = Arc::new(Shared {
            dispatcher,
            function,
            faults,
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
            // What is larger is refused in Lambda's words.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start_while(listening, 0, routes).await?, shared })
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
    let claimed = tokio::select! {
        biased;
        () = shared.faults.next_fails() => return internal_error(),
        claimed = shared.dispatcher.next() => claimed,
    };
    let deadline = claimed.deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", claimed.request_id),
        (INVOCATION_ID, claimed.invocation_id),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", shared.function.arn.clone()),
        ("lambda-runtime-trace-id", trace_id()),
    ];
    if shared.faults.meet(|fault| fault == RuntimeFault::NextCut).is_some() {
        let length = [("content-length", claimed.payload.len().max(1).to_string())];
        return (headers, length, cut(&claimed.payload, claimed.payload.len() / 2)).into_response();
    }
    (headers, claimed.payload).into_response()
}

/// An answer or an error that the function has posted.
struct Post {
    shared: Arc<Shared>,
    connection: Connection,
    request_id: String,
    invocation_id: Option<HeaderValue>,
    body: Bytes,
}

impl FromRequest<Arc<Shared>> for Post {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Path(request_id) = parts.extract().await.map_err(IntoResponse::into_response)?;
        let ConnectInfo(connection) = parts.extract().await.map_err(IntoResponse::into_response)?;
        let invocation_id = parts.headers.get(INVOCATION_ID).cloned();
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, shared).await.map_err(IntoResponse::into_response)?;
        Ok(Self { shared: Arc::clone(shared), connection, request_id, invocation_id, body })
    }
}

impl Post {
    async fn take(self, outcome: Result<Bytes, FunctionError>) -> Response {
        match self.shared.faults.meet(RuntimeFault::is_of_post) {
            Some(RuntimeFault::PostReset { taken }) => {
                if taken {
                    self.finish(outcome);
                }
                self.connection.reset().await
            }
            Some(RuntimeFault::PostTooLarge) => self.finish(Err(self.too_large())),
            Some(RuntimeFault::PostInternalError) => internal_error(),
            _ => self.finish(outcome),
        }
    }

    fn finish(&self, outcome: Result<Bytes, FunctionError>) -> Response {
        let dispatcher = &self.shared.dispatcher;
        if let Some(id) = &self.invocation_id
            && !dispatcher.is_delivery(&self.request_id, id.as_bytes())
        {
            return refuse(StatusCode::BAD_REQUEST, "InvalidInvocationID", "The invocation has another invocation id.");
        }
        let too_large = matches!(outcome, Err(FunctionError::ResponseTooLarge { .. }));
        let known = dispatcher.finish(&self.request_id, outcome);
        if too_large {
            let message = format!("Exceeded maximum allowed payload size ({PAYLOAD_LIMIT_BYTES} bytes).");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message);
        }
        answer(known)
    }

    fn too_large(&self) -> FunctionError {
        FunctionError::ResponseTooLarge { bytes: self.body.len() }
    }
}

async fn response(post: Post) -> Response {
    let fits = post.body.len() <= PAYLOAD_LIMIT_BYTES;
    let outcome = if fits { Ok(post.body.clone()) } else { Err(post.too_large()) };
    post.take(outcome).await
}

async fn error(post: Post) -> Response {
    let payload = String::from_utf8_lossy(&post.body).into_owned();
    post.take(Err(FunctionError::Unhandled { payload })).await
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
    ([("lambda-extension-identifier", random_id())], Json(body)).into_response()
}

fn answer(known: bool) -> Response {
    if known {
        return (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response();
    }
    refuse(StatusCode::GONE, "InvalidRequestID", "The invocation has timed out or was answered before.")
}

fn internal_error() -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "ServiceError", "An internal error occurred.")
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
