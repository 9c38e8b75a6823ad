//! Spans of batches, exported by OTLP over HTTP.
//!
//! A span is made when its batch is done, from times that were taken anyway: nothing is carried through the work. The SDK
//! queues spans and sends them from a thread of its own; what does not fit into the queue is dropped. Endpoint, headers,
//! sampler and the rest are OpenTelemetry's own variables, which its libraries read.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

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
use tokio::time::{Instant, timeout};

use super::done::Done;
use super::event::Batch;
use super::observers::Observer;

/// Longest time for an export; the SDK tries again what may pass.
const EXPORT_TIME: Duration = Duration::from_secs(10);
/// Longest time for the last exports when the process ends.
const FLUSH_TIME: Duration = Duration::from_secs(5);
/// Longest answer of a collector.
const ANSWER_MAX_BYTES: usize = 1 << 20;
/// What the SDK calls an unnamed service.
const UNNAMED: &str = "unknown_service";

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be exported, check OTEL_EXPORTER_OTLP_ENDPOINT and the other OTEL_... variables: {0}")]
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
        Ok(Self::of(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build()))
    }

    fn of(provider: SdkTracerProvider) -> Self {
        Self { tracer: provider.tracer("nearline"), provider }
    }
}

impl Observer for Traces {
    fn batch(&self, done: &Done) {
        let Batch { messages, retried, blocked, .. } = done.batch;
        let (now, ended) = (Instant::now(), SystemTime::now());
        let at = |moment: Instant| ended - now.saturating_duration_since(moment);
        let sent_in: Vec<SpanContext> = done
            .sent_in
            .iter()
            .filter_map(|header| span_context_from_str(header))
            .filter(SpanContext::is_valid)
            .collect();
        // A batch of one continues the trace of its message, and its sampling. More have no common parent.
        let (parent, links) = match &sent_in[..] {
            [only] if messages == 1 => (Context::new().with_remote_span_context(only.clone()), Vec::new()),
            _ => (Context::new(), sent_in.into_iter().map(Link::with_context).collect()),
        };
        let span = self.tracer.span_builder("process batch").with_kind(SpanKind::Consumer).with_links(links);
        let span = span.with_start_time(ended - done.duration);
        let mut span = span.start_with_context(&self.tracer, &parent);
        if !span.is_recording() {
            return;
        }
        span.set_attribute(KeyValue::new("messaging.system", "aws_sqs"));
        span.set_attribute(KeyValue::new("messaging.operation.type", "process"));
        span.set_attribute(KeyValue::new("messaging.batch.message_count", i64::try_from(messages).unwrap_or(i64::MAX)));
        for (field, number) in done.numbers() {
            span.set_attribute(KeyValue::new(format!("nearline.{field}"), number));
        }
        if retried + blocked > 0 {
            span.set_status(Status::error(format!("{} of {messages} messages left on the queue", retried + blocked)));
        }
        let inside = Context::new().with_remote_span_context(span.span_context().clone());
        for (name, stretch) in done.stages.stretches() {
            if let Some((began, last)) = stretch.within {
                let stage = self.tracer.span_builder(name).with_start_time(at(began));
                stage.start_with_context(&self.tracer, &inside).end_with_timestamp(at(last));
            }
        }
        span.end_with_timestamp(ended);
    }

    fn line(&self, _: usize, _: u64) {}

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
                tracing::warn!(
                    event = "traces_not_exported",
                    error,
                    "the collector is not accepting spans: some may be lost"
                );
                self.failing.store(true, Ordering::Relaxed);
            }
            (None, true) => {
                tracing::info!(event = "traces_exported", "the collector accepts spans again");
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
        let answer = match self.runtime.spawn(async { timeout(EXPORT_TIME, call).await }).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        self.report(&answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::Value;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{Sampler, SpanData, SpanExporter as Export};

    use super::*;
    use crate::telemetry::stages::{Stages, Stretch};

    const TRACE: &str = "5759e988bd862e3fe1be46a994272793";
    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    /// Keeps what is exported.
    #[derive(Debug, Clone, Default)]
    struct Keep(Arc<Mutex<Vec<SpanData>>>);

    impl Export for Keep {
        async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(spans);
            Ok(())
        }
    }

    /// The spans of a batch, the batch's last.
    fn spans(done: &Done) -> Vec<SpanData> {
        let kept = Keep::default();
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).with_sampler(sampler).build();
        Traces::of(provider).batch(done);
        kept.0.lock().unwrap().clone()
    }

    fn done(messages: usize, sent_in: &[&str]) -> Done {
        let sent_in = sent_in.iter().map(|&header| header.to_owned()).collect();
        let batch = Batch { messages, succeeded: messages, ..Batch::default() };
        Done { batch, sent_in, duration: Duration::from_secs(1), ..Done::default() }
    }

    #[test]
    fn a_batch_of_one_goes_on_with_the_trace_of_its_message() {
        let spans = spans(&done(1, &[HEADER]));
        let [batch] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(batch.span_context.trace_id().to_string(), TRACE);
        assert_eq!((batch.parent_span_id.to_string().as_str(), batch.links.len()), ("53995c3f42cd8ad8", 0));
        let dropped = HEADER.replace("Sampled=1", "Sampled=0");
        assert!(self::spans(&done(1, &[&dropped])).is_empty(), "it is sampled as its parent");
    }

    #[test]
    fn a_batch_of_several_has_a_trace_of_its_own_with_links_to_theirs() {
        let other = "Root=1-5759e988-000000000000000000000001;Parent=0000000000000002;Sampled=0";
        let spans = spans(&done(3, &[HEADER, other, "nonsense"]));
        let [batch] = &spans[..] else { panic!("{spans:?}") };
        assert_ne!(batch.span_context.trace_id().to_string(), TRACE);
        let linked: Vec<String> = batch.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
        assert_eq!(linked, [TRACE, "5759e988000000000000000000000001"]);
    }

    #[test]
    fn stages_are_inside_the_batch_and_when_they_were() {
        let now = Instant::now();
        let ago = |ms| now - Duration::from_millis(ms);
        let embed = Stretch { took: Duration::from_millis(200), within: Some((ago(700), ago(300))) };
        let batch = Batch { messages: 2, succeeded: 1, retried: 1, ..Batch::default() };
        let spans = spans(&Done { batch, stages: Stages { embed, ..Stages::default() }, ..done(2, &[]) });
        let [stage, batch] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((stage.name.as_ref(), stage.parent_span_id), ("embed", batch.span_context.span_id()));
        let took = stage.end_time.duration_since(stage.start_time).unwrap();
        assert_eq!(took, Duration::from_millis(400));
        let before = stage.start_time.duration_since(batch.start_time).unwrap();
        assert!((Duration::from_millis(250)..Duration::from_millis(350)).contains(&before), "{before:?}");
        assert!(matches!(batch.status, Status::Error { .. }), "a message stays");
        let attribute = |key| batch.attributes.iter().find(|kept| kept.key.as_str() == key).map(|kept| &kept.value);
        assert_eq!(attribute("messaging.batch.message_count"), Some(&Value::I64(2)));
        assert_eq!(attribute("nearline.embed_ms"), Some(&Value::F64(200.0)));
    }
}
