//! SQS and `DynamoDB` behind [`Queue`] and [`Records`], and what their errors mean.
//!
//! The SDK's own retries are off: every attempt is one that the sender or the verifier has decided on and counted.

use std::error::Error;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use aws_smithy_http_client::{Builder, tls};

use crate::jobs::Record;
use crate::sender::{Job, Queue, Refused, SendError};
use crate::verify::{Found, LookupError, Records};

/// Longest time for one request, connecting included. A stall shows as latency up to this, then as a retry.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The key of the results table.
const KEY: &str = "request_id";

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The queue does not answer.
    #[error(
        "cannot use the queue {url}: {cause}; check NEARLINE_QUEUE_URL, AWS_REGION, AWS_ENDPOINT_URL and the credentials"
    )]
    Queue {
        /// As it was given.
        url: String,
        /// What AWS or the network said.
        cause: String,
    },
    /// The table does not answer.
    #[error(
        "cannot use the table {name}: {cause}; check NEARLINE_RESULTS_TABLE, AWS_REGION, AWS_ENDPOINT_URL and the credentials"
    )]
    Table {
        /// As it was given.
        name: String,
        /// What AWS or the network said.
        cause: String,
    },
}

/// Region, credentials and endpoints as the SDK reads them.
pub(crate) async fn sdk_config() -> SdkConfig {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(REQUEST_TIMEOUT).build())
        .load()
        .await
}

/// A queue of jobs.
#[derive(Debug, Clone)]
pub(crate) struct SqsQueue {
    client: aws_sdk_sqs::Client,
    url: String,
    fifo: bool,
}

impl SqsQueue {
    /// The queue at `url`, if it can be reached.
    pub(crate) async fn open(config: &SdkConfig, url: &str) -> Result<Self, AccessError> {
        let client = aws_sdk_sqs::Client::new(config);
        let name = QueueAttributeName::QueueArn;
        match client.get_queue_attributes().queue_url(url).attribute_names(name).send().await {
            Ok(_) => Ok(Self { client, url: url.to_owned(), fifo: url.rsplit('.').next() == Some("fifo") }),
            Err(error) => Err(AccessError::Queue { url: url.to_owned(), cause: explain(&error) }),
        }
    }

    fn entry(&self, position: usize, job: &Job) -> SendMessageBatchRequestEntry {
        // A FIFO queue wants a group and a deduplication id: each job is alone in its group, for nothing orders jobs.
        let fifo = self.fifo.then(|| job.request_id.clone());
        SendMessageBatchRequestEntry::builder()
            .id(position.to_string())
            .message_body(&job.body)
            .set_message_group_id(fifo.clone())
            .set_message_deduplication_id(fifo)
            .build()
            .expect("id and message_body are set")
    }
}

impl Queue for SqsQueue {
    async fn send(&self, batch: &[Job]) -> Result<Vec<Refused>, SendError> {
        let entries = batch.iter().enumerate().map(|(position, job)| self.entry(position, job)).collect();
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| classify(&error))?;
        // An entry that the answer does not name at all must not pass for accepted.
        let mut refused: Vec<Option<Refused>> = (0..batch.len())
            .map(|position| Some(Refused { position, for_good: false, reason: "missing in SQS's answer".to_owned() }))
            .collect();
        let position = |id: &str| id.parse::<usize>().ok().filter(|position| *position < batch.len());
        for entry in &answer.successful {
            if let Some(position) = position(&entry.id) {
                refused[position] = None;
            }
        }
        for entry in &answer.failed {
            if let Some(position) = position(&entry.id) {
                let reason = [&entry.code, entry.message.as_deref().unwrap_or_default()].join(" ");
                refused[position] = Some(Refused { position, for_good: entry.sender_fault, reason });
            }
        }
        Ok(refused.into_iter().flatten().collect())
    }
}

/// The table of the records.
#[derive(Debug, Clone)]
pub(crate) struct DynamoTable {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl DynamoTable {
    /// The table `name`, if its records can be read.
    pub(crate) async fn open(config: &SdkConfig, name: &str) -> Result<Self, AccessError> {
        let table = Self { client: aws_sdk_dynamodb::Client::new(config), name: name.to_owned() };
        // A look-up as the run makes them asks for the same permission, and shows whether the key has the right name.
        match table.lookup(&["load".to_owned()]).await {
            Ok(_) => Ok(table),
            Err(error) => Err(AccessError::Table { name: table.name, cause: error.0 }),
        }
    }
}

impl Records for DynamoTable {
    async fn lookup(&self, ids: &[String]) -> Result<Found, LookupError> {
        let key = |id: &String| [(KEY.to_owned(), AttributeValue::S(id.clone()))].into();
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(ids.iter().map(key).collect()))
            .consistent_read(true)
            .projection_expression("#key, #status, job_sha256, #error.code")
            .expression_attribute_names("#key", KEY)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#error", "error")
            .build()
            .expect("keys are set");
        let answer = self.client.batch_get_item().request_items(&self.name, keys).send().await;
        let answer = answer.map_err(|error| LookupError(explain(&error)))?;
        let items = answer.responses.into_iter().filter_map(|mut tables| tables.remove(&self.name)).flatten();
        let records = items
            .filter_map(|item| {
                let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
                let error = item.get("error").and_then(|value| value.as_m().ok());
                let error_code = error.and_then(|error| error.get("code")?.as_s().ok()).cloned();
                Some((text(KEY)?, Record { status: text("status"), job_sha256: text("job_sha256"), error_code }))
            })
            .collect();
        let unprocessed = answer.unprocessed_keys.into_iter().filter_map(|mut tables| tables.remove(&self.name));
        let unprocessed = unprocessed.flat_map(|left| left.keys).filter_map(|mut key| match key.remove(KEY) {
            Some(AttributeValue::S(id)) => Some(id),
            _ => None,
        });
        Ok(Found { records, unprocessed: unprocessed.collect() })
    }
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
