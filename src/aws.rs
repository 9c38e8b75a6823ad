//! AWS clients, made in one way: one TLS stack, explicit time limits, errors classified once.
//!
//! Region, credentials and endpoints come from the SDK's own sources, so that local development is nothing but
//! other endpoints. [`classify`] is the only place that knows error codes and status codes.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::fault::Fault;

/// Longest wait for a TCP connection and TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for the first byte of an answer. Above an SQS long poll (20 s), below a Lambda timeout (60 s).
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Codes that AWS answers with 4xx although another attempt may succeed.
const TRANSIENT_CODES: [&str; 17] = [
    "BandwidthLimitExceeded",
    "ExpiredToken",
    "ExpiredTokenException",
    "KmsThrottled",
    "LimitExceededException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Configuration for all clients of this process.
pub async fn sdk_config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).timeout_config(timeouts).load().await
}

/// What an SDK error means for the one who made the call.
pub fn classify<E, R>(error: &SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: HasStatus + std::fmt::Debug,
{
    let cause = describe(error);
    match error {
        SdkError::ConstructionFailure(_) => Fault::Permanent(cause),
        SdkError::DispatchFailure(failure) if failure.is_user() => Fault::Permanent(cause),
        SdkError::ServiceError(service) => {
            let transient = service.err().code().is_some_and(|code| TRANSIENT_CODES.contains(&code));
            match service.raw().status() {
                408 | 424 | 429 | 500.. => Fault::Retry(cause),
                _ if transient => Fault::Retry(cause),
                _ => Fault::Permanent(cause),
            }
        }
        // Timeouts, broken connections and answers that are not AWS's (a proxy's page). The enum is not exhaustive.
        _ => Fault::Retry(cause),
    }
}

/// Status of a raw answer.
pub trait HasStatus {
    /// HTTP status code.
    fn status(&self) -> u16;
}

impl HasStatus for aws_sdk_sqs::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

/// Code and message of a service error, or the chain of causes of any other.
fn describe<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    if let Some(service) = error.as_service_error()
        && let Some(code) = service.code()
    {
        return match service.message() {
            Some(message) => format!("{code}: {message}"),
            None => code.to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
