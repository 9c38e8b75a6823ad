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
pub fn classify<E>(error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let cause = describe(error);
    match error {
        SdkError::ConstructionFailure(_) => Fault::Permanent(cause),
        SdkError::DispatchFailure(failure) if failure.is_user() => Fault::Permanent(cause),
        SdkError::ServiceError(service) => {
            let transient = service.err().code().is_some_and(|code| TRANSIENT_CODES.contains(&code));
            match service.raw().status().as_u16() {
                408 | 424 | 429 | 500.. => Fault::Retry(cause),
                _ if transient => Fault::Retry(cause),
                _ => Fault::Permanent(cause),
            }
        }
        // Timeouts, broken connections and answers that are not AWS's (a proxy's page). The enum is not exhaustive.
        _ => Fault::Retry(cause),
    }
}

/// Code and message of a service error, or the chain of causes of any other.
fn describe<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let SdkError::ServiceError(service) = error {
        return match (service.err().code(), service.err().message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            // The answer to a HEAD has no body to say more.
            (None, _) => match service.raw().status().as_u16() {
                403 => "HTTP status 403: access denied".to_owned(),
                301 => "HTTP status 301: it is in another region".to_owned(),
                status => format!("HTTP status {status}"),
            },
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

/// Whether a queue is FIFO. The service's own rule: its name ends so, in lower case.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
pub fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}
