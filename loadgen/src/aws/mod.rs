//! SQS, `DynamoDB` and S3 behind [`Queue`](crate::sender::Queue) and
//! [`Records`](crate::verify::Records).
//!
//! The SDK's own retries are off: every attempt is one that the sender or the verifier has decided on and counted.

mod queue;
mod table;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};

pub(crate) use self::queue::{DepthProbe, SqsQueue, is_fifo};
pub(crate) use self::table::DynamoTable;

/// Longest time for one request, connecting included. A stall shows as latency up to this, then as a retry.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a run cannot begin: its queue or its table does not answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the {kind} {name}: {cause}; check {setting}, AWS_REGION, AWS_ENDPOINT_URL and the credentials")]
pub struct AccessError {
    kind: &'static str,
    name: String,
    cause: String,
    setting: &'static str,
}

impl AccessError {
    fn new(kind: &'static str, name: &str, setting: &'static str, cause: &str) -> Self {
        // It stands within a sentence.
        Self { kind, name: name.to_owned(), setting, cause: cause.trim_end_matches('.').to_owned() }
    }
}

/// Region, credentials and endpoints as the SDK reads them.
pub(crate) async fn sdk_config() -> SdkConfig {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// The same with every attempt left to us, each with an end.
pub(crate) fn single_attempts(config: &SdkConfig) -> SdkConfig {
    config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(REQUEST_TIMEOUT).build())
        .build()
}
