//! The call to Bedrock: `InvokeModel`, as often as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::primitives::Blob;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws;
use crate::config::EmbeddingLimits;
use crate::fault::Fault;

/// Longest wait for one attempt: an embedding takes tens of milliseconds, a cold model seconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InvokeError {
    /// The service failed.
    Fault(Fault),
    /// The model does not take this input, or is not called as it should be.
    Refused(String),
}

/// A client of Bedrock's runtime, with its limits; clones share them.
#[derive(Debug, Clone)]
pub struct Bedrock {
    client: Client,
    max_concurrency: usize,
    pacer: Option<Arc<Pacer>>,
}

impl Bedrock {
    /// A client that keeps `limits`. Concurrency is kept by those who call; see [`super::Embedder`].
    pub fn new(config: &SdkConfig, limits: EmbeddingLimits) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
        let config = aws_sdk_bedrockruntime::config::Builder::from(config).timeout_config(timeouts).build();
        let pacer = limits.requests_per_minute.map(|requests| Arc::new(Pacer::new(Duration::from_mins(1) / requests)));
        Self { client: Client::from_conf(config), max_concurrency: limits.max_concurrency, pacer }
    }

    /// Most calls in flight at once.
    pub fn max_concurrency(&self) -> usize {
        self.max_concurrency
    }

    /// One call of a model with a JSON body.
    pub(super) async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, InvokeError> {
        if let Some(pacer) = &self.pacer {
            pacer.wait().await;
        }
        let call = self.client.invoke_model().model_id(model_id).body(Blob::new(body));
        let call = call.content_type("application/json").accept("application/json");
        match call.send().await {
            Ok(answer) => Ok(answer.body.into_inner()),
            Err(error) => {
                let fault = aws::classify(&error).context(&format!("Bedrock InvokeModel {model_id}"));
                match error.as_service_error() {
                    Some(refusal) if refusal.is_validation_exception() => Err(InvokeError::Refused(fault.to_string())),
                    _ => Err(InvokeError::Fault(fault)),
                }
            }
        }
    }
}

/// Spaces calls evenly, so that a minute's allowance is never spent at once.
#[derive(Debug)]
struct Pacer {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pacer {
    fn new(interval: Duration) -> Self {
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this caller's turn. A caller that gives up while waiting leaves its turn unused.
    async fn wait(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + self.interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_evenly() {
        let pacer = Pacer::new(Duration::from_millis(100));
        let start = Instant::now();
        for _ in 0..5 {
            pacer.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::from_millis(400));
        tokio::time::advance(Duration::from_secs(10)).await;
        let start = Instant::now();
        pacer.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO, "unused turns are not saved up, and not owed");
    }
}
