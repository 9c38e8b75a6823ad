//! Lambda's Invoke API: what an SDK or a command line calls to invoke the function directly.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::de::IgnoredAny;
use serde_json::json;

use super::dispatcher::Dispatcher;
use super::function::{Function, FunctionError, PAYLOAD_LIMIT_BYTES};
use crate::DevstackError;
use crate::server::Server;

#[derive(Debug, Clone)]
struct Shared {
    dispatcher: Arc<Dispatcher>,
    function: Function,
}

/// Serves the API on the port; 0 takes a free one.
pub(super) async fn start(port: u16, dispatcher: Arc<Dispatcher>, function: Function) -> Result<Server, DevstackError> {
    let routes = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .layer(DefaultBodyLimit::max(PAYLOAD_LIMIT_BYTES))
        .with_state(Shared { dispatcher, function });
    Server::start(port, routes).await
}

async fn invoke(
    State(Shared { dispatcher, function }): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    payload: Bytes,
) -> Response {
    if !function.is_named(&name) {
        let message = format!("Function not found: {name}; this stand-in serves {}", function.name);
        return refuse(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    }
    let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
        let message = format!("Could not parse request body into json: {error}");
        return refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
    }
    match headers.get("x-amz-invocation-type").map(HeaderValue::as_bytes) {
        None | Some(b"RequestResponse") => {
            let version = ("x-amz-executed-version", function.version);
            match dispatcher.invoke(payload).await {
                Ok(answer) => ([version], answer).into_response(),
                Err(error @ FunctionError::Throttled { .. }) => {
                    refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &error.to_string())
                }
                Err(error) => ([version, ("x-amz-function-error", "Unhandled")], error.payload()).into_response(),
            }
        }
        Some(b"Event") => {
            tokio::spawn(async move {
                if let Err(error) = dispatcher.invoke(payload).await {
                    tracing::warn!(%error, "asynchronous invocation failed; it is not repeated here");
                }
            });
            StatusCode::ACCEPTED.into_response()
        }
        Some(b"DryRun") => StatusCode::NO_CONTENT.into_response(),
        Some(_) => {
            let message = "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun";
            refuse(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message)
        }
    }
}

fn refuse(status: StatusCode, error_type: &'static str, message: &str) -> Response {
    let body = json!({"Type": "User", "Message": message});
    (status, [("x-amzn-errortype", error_type)], Json(body)).into_response()
}
