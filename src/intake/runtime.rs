//! Lambda's Runtime API, over HTTP.
//!
//! A thin layer around the API's own client: one call is one request, and what the API refuses is told apart from what
//! never reached it. Who calls again, and when, is decided in `super::slots`.

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde_json::json;

use super::invocations::{Answer, ApiError, FunctionError, Invocation, Invocations};

const BASE: &str = "/2018-06-01/runtime/invocation";

/// Where the API is, and how many invocations are served at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `HOST:PORT`.
    pub runtime_api: String,
    /// At least 1.
    pub slots: usize,
}

/// A client of the API.
#[derive(Debug)]
pub struct RuntimeApi(PooledClient);

impl RuntimeApi {
    /// A client that keeps a connection for each slot.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let endpoint = format!("http://{}", settings.runtime_api).parse();
        let endpoint = endpoint.map_err(|error| format!("the Runtime API at `{}`: {error}", settings.runtime_api))?;
        Ok(Self(PooledClient::builder().with_endpoint(endpoint).with_pool_size(settings.slots).build()))
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

impl Invocations for RuntimeApi {
    async fn next(&self) -> Result<Invocation, ApiError> {
        let request = build_request().method(Method::GET).uri(format!("{BASE}/next"));
        let (headers, payload) = self.call(request, Body::empty()).await?;
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

    async fn answer(&self, invocation: &Invocation, answer: &Answer) -> Result<(), ApiError> {
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
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
