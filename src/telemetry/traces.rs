//! Spans of batches, exported by OTLP over HTTP.
//!
//! A span is made when its batch is done, from times that were taken anyway: nothing is carried through the work. The SDK
//! queues spans and sends them from a thread of its own; what does not fit into the queue is dropped. Endpoint, headers,
//! sampler and the rest are OpenTelemetry's own variables, which its libraries read.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_aws::trace::xray_propagator::span_context_from_str;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::observers::{Done, Observer, Stage};

/// Longest time for an export; the SDK tries again what may pass.
const EXPORT_TIME: Duration = Duration::from_secs(10);
/// Longest time for the last exports when the process ends.
const FLUSH_TIME: Duration = Duration::from_secs(5);
/// Longest answer of a collector.
const ANSWER_MAX_BYTES: usize = 1 << 20;
/// What the SDK calls a service that nobody named.
const UNNAMED: &str = "unknown_service";

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported, look at OTEL_EXPORTER_OTLP_ENDPOINT and the like: {0}")]
pub struct TracesError(String);

/// Exports a span for each batch.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// As OpenTelemetry's variables say. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// They cannot be read, or the system has no certificates.
    pub fn start() -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder().with_http().with_http_client(Transport::new()?);
        let exporter = exporter.build().map_err(|error| TracesError(error.to_string()))?;
        let provider = SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build();
        Ok(Self { tracer: provider.tracer("nearline"), provider })
    }
}

impl Observer for Traces {
    fn batch(&self, done: &Done<'_>) {
        let sent_in: Vec<SpanContext> =
            done.traces.iter().filter_map(|trace| span_context_from_str(trace)).filter(SpanContext::is_valid).collect();
        let number = |field| done.number(field).unwrap_or_default();
        // A batch of one goes on with the trace of its message, and is sampled as that is. More have no common parent.
        let (parent, links) = match &sent_in[..] {
            [only] if number("messages") == 1.0 => (Context::new().with_remote_span_context(only.clone()), Vec::new()),
            _ => (Context::new(), sent_in.into_iter().map(Link::with_context).collect()),
        };
        let numbers = done.numbers.iter().map(|&(field, number)| KeyValue::new(format!("nearline.{field}"), number));
        let messaging = [
            KeyValue::new("messaging.system", "aws_sqs"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.batch.message_count", number("messages") as i64),
        ];
        let span = self.tracer.span_builder("process batch").with_kind(SpanKind::Consumer).with_start_time(done.began);
        let span = span.with_attributes(messaging.into_iter().chain(numbers)).with_links(links);
        let mut span = span.start_with_context(&self.tracer, &parent);
        if !span.is_recording() {
            return;
        }
        let failed = number("retried") + number("blocked");
        if failed > 0.0 {
            span.set_status(Status::error(format!("{failed} messages stay on the queue")));
        }
        let inside = Context::new().with_remote_span_context(span.span_context().clone());
        for &Stage { name, began, ended } in done.stages {
            let stage = self.tracer.span_builder(name).with_start_time(began);
            stage.start_with_context(&self.tracer, &inside).end_with_timestamp(ended);
        }
        span.end_with_timestamp(done.ended);
    }

    fn line(&self, _: usize) {}

    fn flush(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIME) {
            tracing::warn!(event = "traces_not_exported", %error, "the last spans are lost");
        }
    }
}

/// What the spans are of: as OpenTelemetry's variables say, or else nearline.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&Key::from_static_str("service.name")).map(|name| name.to_string()).unwrap_or_default();
    if name.starts_with(UNNAMED) || name.is_empty() {
        return Resource::builder().with_service_name("nearline").build();
    }
    found
}

/// Sends spans. The SDK's thread has no runtime, so calls are made on that of the process.
struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    /// The last export failed, and that was said.
    failing: AtomicBool,
}

impl Transport {
    fn new() -> Result<Self, TracesError> {
        let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| TracesError(error.to_string()))?;
        let client = Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
        Ok(Self { client, runtime: Handle::current(), failing: AtomicBool::new(false) })
    }

    /// Says that spans get lost, once until they do not.
    fn report(&self, answer: &Result<Response<Bytes>, HttpError>) {
        let fault = match answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("HTTP status {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        match (fault, self.failing.load(Ordering::Relaxed)) {
            (Some(error), false) => {
                tracing::warn!(event = "traces_not_exported", error, "the collector takes no spans: some may be lost");
                self.failing.store(true, Ordering::Relaxed);
            }
            (None, true) => {
                tracing::info!(event = "traces_exported", "the collector takes spans again");
                self.failing.store(false, Ordering::Relaxed);
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let call = self.client.request(request.map(Full::from));
        let call = async move {
            let (head, body) = call.await?.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let answer = match self.runtime.spawn(timeout(EXPORT_TIME, call)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        self.report(&answer);
        answer
    }
}
