//! The queue: sending to it, and how deep it is.

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use nearline_contract::client::CallError;

use super::AccessError;
use crate::requests::Meter;
use crate::sender::{Job, Queue, Refused, SendError};
use crate::series::QueueDepth;

/// A queue of jobs.
#[derive(Debug, Clone)]
pub(crate) struct SqsQueue {
    client: Client,
    url: String,
    fifo: bool,
    meter: Arc<Meter>,
}

/// Whether a queue is a FIFO queue: SQS wants its name to say so.
pub(crate) fn is_fifo(url: &str) -> bool {
    url.rsplit('.').next() == Some("fifo")
}

impl SqsQueue {
    /// The queue at `url`, if it can be reached.
    pub(crate) async fn open(config: &SdkConfig, url: &str, meter: Arc<Meter>) -> Result<Self, AccessError> {
        let client = Client::new(config);
        let name = QueueAttributeName::QueueArn;
        match client.get_queue_attributes().queue_url(url).attribute_names(name).send().await {
            Ok(_) => Ok(Self { client, url: url.to_owned(), fifo: is_fifo(url), meter }),
            Err(error) => {
                let cause = CallError::new("GetQueueAttributes", url, &error).why;
                Err(AccessError::new("queue", url, "NEARLINE_QUEUE_URL", &cause))
            }
        }
    }

    fn entry(&self, position: usize, job: &Job) -> SendMessageBatchRequestEntry {
        // A FIFO queue wants a group and a deduplication id. Without tenants each request id is a group of its own, for
        // nothing orders jobs. On a standard queue the group names the tenant, for fair queues.
        let group = job.tenant.clone().or_else(|| self.fifo.then(|| job.request_id.clone()));
        SendMessageBatchRequestEntry::builder()
            .id(position.to_string())
            .message_body(&job.body)
            .set_message_group_id(group)
            .set_message_deduplication_id(self.fifo.then(|| job.deduplication_id.clone()))
            .build()
            .expect("id and message_body are set")
    }
}

impl Queue for SqsQueue {
    async fn send(&self, batch: &[Job]) -> Result<Vec<Refused>, SendError> {
        let entries = batch.iter().enumerate().map(|(position, job)| self.entry(position, job)).collect();
        let bytes: usize = batch.iter().map(|job| job.body.len()).sum();
        self.meter.count(|requests| requests.sent(bytes));
        let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| {
            let CallError { why, may_pass, .. } = CallError::new("SendMessageBatch", &self.url, &error);
            if may_pass { SendError::Retry(why) } else { SendError::Permanent(why) }
        })?;
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

/// Reads how deep the queue and its dead-letter queue are.
#[derive(Debug, Clone)]
pub(crate) struct DepthProbe {
    queue: SqsQueue,
    dead_letter_queue_url: Option<String>,
}

impl DepthProbe {
    pub(crate) fn new(queue: SqsQueue, dead_letter_queue_url: Option<String>) -> Self {
        Self { queue, dead_letter_queue_url }
    }

    /// The depths now, as far as they can be read, and what AWS or the network said of the others.
    pub(crate) async fn depth(&self) -> (Option<QueueDepth>, Option<String>) {
        let [visible, in_flight, delayed] = match self.counts(&self.queue.url).await {
            Ok(counts) => counts,
            Err(reason) => return (None, Some(reason)),
        };
        let (dead_letters, trouble) = match &self.dead_letter_queue_url {
            None => (None, None),
            Some(url) => match self.counts(url).await {
                Ok(counts) => (Some(counts.iter().sum()), None),
                Err(reason) => (None, Some(format!("dead-letter queue: {reason}"))),
            },
        };
        (Some(QueueDepth { visible, in_flight, delayed, dead_letters }), trouble)
    }

    async fn counts(&self, url: &str) -> Result<[u64; 3], String> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        self.queue.meter.count(|requests| requests.get_queue_attributes += 1);
        let request = self.queue.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| CallError::new("GetQueueAttributes", url, &error).why)?;
        let attributes = answer.attributes.unwrap_or_default();
        Ok(names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default()))
    }
}
