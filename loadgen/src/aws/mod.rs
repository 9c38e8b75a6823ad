//! SQS, `DynamoDB` and S3 behind [`Queue`](crate::sender::Queue) and [`Records`](crate::verify::Records), and what
//! their errors mean.
//!
//! The SDK's own retries are off: every attempt is one that the sender or the verifier has decided on and counted.

mod queue;
mod table;

use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::{Builder, tls};

pub(crate) use self::queue::{DepthProbe, SqsQueue, is_fifo};
pub(crate) use self::table::DynamoTable;
use crate::sender::SendError;

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

/// Whether sending the same again can help.
fn classify<E>(error: &SdkError<E, HttpResponse>) -> SendError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let reason = explain(error);
    match error {
        SdkError::ConstructionFailure(_) => SendError::Permanent(reason),
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default();
            // SQS and KMS answer throttling with 400 or 403, and a code in one of these words.
            let throttled = status == 429 || code.contains("Throttl") || code == "OverLimit";
            if status < 500 && !throttled { SendError::Permanent(reason) } else { SendError::Retry(reason) }
        }
        _ => SendError::Retry(reason), // no answer came: time-outs and the network
    }
}

/// One line: the service's code and message, or the chain of causes.
fn explain<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let text = if let Some(service) = error.as_service_error() {
        let code = service.code().unwrap_or("unknown error");
        service.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"))
    } else {
        let mut causes = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        causes.dedup();
        causes.join(": ")
    };
    text.trim_end_matches('.').split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;

    use super::*;

    fn service_error(status: u16, code: &str) -> SdkError<SendMessageBatchError, HttpResponse> {
        let error = SendMessageBatchError::generic(ErrorMetadata::builder().code(code).message("as\nsaid").build());
        SdkError::service_error(error, HttpResponse::new(status.try_into().unwrap(), "".into()))
    }

    #[test]
    fn throttling_faults_and_silence_are_retried_and_refusals_are_not() {
        for (status, code) in
            [(503, "ServiceUnavailable"), (400, "RequestThrottled"), (400, "ThrottlingException"), (429, "")]
        {
            assert!(matches!(classify(&service_error(status, code)), SendError::Retry(_)), "{status} {code}");
        }
        for (status, code) in [(400, "AWS.SimpleQueueService.NonExistentQueue"), (403, "AccessDeniedException")] {
            assert_eq!(classify(&service_error(status, code)), SendError::Permanent(format!("{code}: as said")));
        }
        let timeout: SdkError<SendMessageBatchError, HttpResponse> = SdkError::timeout_error("too slow");
        assert_eq!(classify(&timeout), SendError::Retry("request has timed out: too slow".to_owned()));
    }
}
