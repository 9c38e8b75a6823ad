//! Jobs to an SQS queue: in batches, each job on its own account.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::call::CallError;
use super::pauses::Pauses;
use crate::error::{ErrorCode, JobError};
use crate::job::JobMessage;
use crate::receive::receive;
use crate::text::{Forbidden, forbidden};

/// Most jobs of one call.
const CALL_MAX_JOBS: usize = 10;
/// Largest message of SQS, and most bytes of all messages of one call.
const CALL_MAX_BYTES: usize = 1_048_576;
/// Times a job is sent before it is given up.
const ATTEMPTS: u32 = 5;
const PAUSES: Pauses = Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// Sends jobs. It needs `sqs:SendMessage`.
#[derive(Debug, Clone)]
pub struct Producer {
    sqs: Client,
    queue_url: String,
}

/// A job that was not sent, as far as anybody knows: an answer can get lost. Sending it again is safe either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Its place among the jobs, from 0.
    pub index: usize,
    /// Why.
    pub why: SendError,
}

/// Why a job was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No record could answer it, so none would ever be found.
    #[error("it would be dead-lettered: {0}")]
    Unanswerable(JobError),
    /// It is larger than a message.
    #[error("it is {0} bytes; SQS allows at most {CALL_MAX_BYTES}")]
    TooLarge(usize),
    /// It has a character that no message has.
    #[error("it has the character {0}, which SQS refuses")]
    Character(Forbidden),
    /// SQS takes the others, but not this one.
    #[error("SQS refuses it: {0}")]
    Refused(String),
    /// The call failed.
    #[error(transparent)]
    Call(CallError),
    /// An earlier job met a fault that does not pass, and so would this one.
    #[error("it was not tried, because an earlier call failed")]
    NotTried,
}

/// A job as a message.
#[derive(Debug, Clone)]
struct Message {
    index: usize,
    body: String,
    request_id: String,
}

impl Producer {
    /// To the queue of this URL.
    pub fn new(sqs: Client, queue_url: impl Into<String>) -> Self {
        Self { sqs, queue_url: queue_url.into() }
    }

    /// Sends jobs, ten to a call, and returns those that were not sent: none, if all went well.
    ///
    /// What SQS refuses for a reason on its side is tried again after a pause, up to five times. One job that cannot be sent
    /// holds up no other. On a FIFO queue each `request_id` is a message group.
    #[must_use = "these jobs were not sent"]
    pub async fn enqueue(&self, jobs: &[JobMessage]) -> Vec<Unsent> {
        let (mut messages, mut unsent) = (Vec::new(), Vec::new());
        for (index, job) in jobs.iter().enumerate() {
            match body(job) {
                Ok(body) => messages.push(Message { index, body, request_id: job.request_id.clone() }),
                Err(why) => unsent.push(Unsent { index, why }),
            }
        }
        // Of a FIFO queue, so that only a call that is repeated is taken for a duplicate.
        let run = is_fifo(&self.queue_url).then(|| fastrand::u64(..));
        let mut stopped = false;
        for batch in batches(messages) {
            if stopped {
                unsent.extend(batch.iter().map(|message| Unsent { index: message.index, why: SendError::NotTried }));
            } else {
                stopped = self.send(batch, run, &mut unsent).await;
            }
        }
        unsent.sort_by_key(|unsent| unsent.index);
        unsent
    }

    /// Sends the jobs of one call; true if it met a fault that does not pass.
    async fn send(&self, mut batch: Vec<Message>, run: Option<u64>, unsent: &mut Vec<Unsent>) -> bool {
        for attempt in 1.. {
            let why = match self.call(&batch, run).await {
                Ok(answer) => {
                    batch.retain(|message| !is_sent(&answer, message));
                    for failed in answer.failed.iter().filter(|failed| failed.sender_fault) {
                        let refused = |message: &Message| message.index.to_string() == failed.id;
                        for message in batch.extract_if(.., |message| refused(message)) {
                            let reason = failed.message.as_deref().unwrap_or_default();
                            let why = SendError::Refused(format!("{} {reason}", failed.code).trim_end().to_owned());
                            unsent.push(Unsent { index: message.index, why });
                        }
                    }
                    let said =
                        answer.failed.iter().find(|failed| !failed.sender_fault).map(|failed| failed.code.clone());
                    let why = said.unwrap_or_else(|| "the answer says nothing about some entries".to_owned());
                    self.error(why)
                }
                Err(error) => error,
            };
            if batch.is_empty() {
                break;
            }
            if attempt == ATTEMPTS || !why.may_pass {
                let given_up = |message: &Message| Unsent { index: message.index, why: SendError::Call(why.clone()) };
                unsent.extend(batch.iter().map(given_up));
                return !why.may_pass;
            }
            tokio::time::sleep(PAUSES.number(attempt)).await;
        }
        false
    }

    async fn call(&self, batch: &[Message], run: Option<u64>) -> Result<SendMessageBatchOutput, CallError> {
        let entries = batch.iter().map(|message| {
            SendMessageBatchRequestEntry::builder()
                .id(message.index.to_string())
                .message_body(&message.body)
                .set_message_group_id(run.map(|_| message.request_id.clone()))
                .set_message_deduplication_id(run.map(|run| format!("{run:016x}-{}", message.index)))
                .build()
                .expect("id and body are set")
        });
        let call = self.sqs.send_message_batch().queue_url(&self.queue_url).set_entries(Some(entries.collect()));
        call.send().await.map_err(|error| CallError::new("SendMessageBatch", &self.queue_url, &error))
    }

    /// Of entries that SQS could not take now.
    fn error(&self, why: String) -> CallError {
        CallError { operation: "SendMessageBatch", resource: self.queue_url.clone(), why, may_pass: true }
    }
}

/// The service's own rule: the name ends so, in lower case.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}

fn is_sent(answer: &SendMessageBatchOutput, message: &Message) -> bool {
    let id = message.index.to_string();
    answer.successful.iter().any(|sent| sent.id == id)
}

/// The body of a job that SQS takes and a record can answer.
fn body(job: &JobMessage) -> Result<String, SendError> {
    let invalid = |error: serde_json::Error| JobError::new(ErrorCode::InvalidJson, error.to_string());
    let body = serde_json::to_string(job).map_err(|error| SendError::Unanswerable(invalid(error)))?;
    if body.len() > CALL_MAX_BYTES {
        return Err(SendError::TooLarge(body.len()));
    }
    if let Some(character) = forbidden(&body) {
        return Err(SendError::Character(character));
    }
    receive(&body).map_err(SendError::Unanswerable)?;
    Ok(body)
}

/// In order, as many together as one call takes.
fn batches(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.body.len();
        if let Some(batch) = batches.last_mut().filter(|batch| batch.len() < CALL_MAX_JOBS && bytes <= CALL_MAX_BYTES) {
            batch.push(message);
        } else {
            bytes = message.body.len();
            batches.push(vec![message]);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Answer, Scripted};
    use super::*;

    const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs";

    fn job(id: &str) -> JobMessage {
        JobMessage { request_id: id.into(), query: Some("mug".into()), ..JobMessage::default() }
    }

    fn jobs(count: usize) -> Vec<JobMessage> {
        (0..count).map(|index| job(&format!("r-{index}"))).collect()
    }

    fn producer(answers: Vec<Answer>) -> (Producer, Scripted) {
        let service = Scripted::new(answers);
        (Producer::new(Client::new(&service.config()), QUEUE), service)
    }

    fn sent(ids: &[usize]) -> String {
        let entry = |id: &usize| format!(r#"{{"Id":"{id}","MessageId":"m","MD5OfMessageBody":"d"}}"#);
        ids.iter().map(entry).collect::<Vec<_>>().join(",")
    }

    fn all_sent(ids: impl Iterator<Item = usize>) -> Answer {
        (200, format!(r#"{{"Successful":[{}],"Failed":[]}}"#, sent(&ids.collect::<Vec<_>>())))
    }

    /// The ids of the entries of each call.
    fn entries(service: &Scripted) -> Vec<Vec<usize>> {
        let ids = |request: &serde_json::Value| {
            let entries = request["Entries"].as_array().unwrap();
            entries.iter().map(|entry| entry["Id"].as_str().unwrap().parse().unwrap()).collect()
        };
        service.requests().iter().map(ids).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_jobs_go_to_a_call() {
        let (producer, service) = producer(vec![all_sent(0..10), all_sent(10..20), all_sent(20..25)]);
        assert_eq!(producer.enqueue(&jobs(25)).await, []);
        let sizes: Vec<usize> = entries(&service).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn a_call_has_at_most_a_mebibyte() {
        let message = |bytes: usize| Message { index: 0, body: "x".repeat(bytes), request_id: String::new() };
        let sizes = |bytes: &[usize]| {
            batches(bytes.iter().map(|&bytes| message(bytes)).collect()).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[CALL_MAX_BYTES / 2; 3]), [2, 1]);
        assert_eq!(sizes(&[CALL_MAX_BYTES, 1, CALL_MAX_BYTES - 1, 1]), [1, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_failed_are_sent_again_without_the_others() {
        let part = format!(
            r#"{{"Successful":[{}],"Failed":[
                {{"Id":"1","Code":"InternalError","SenderFault":false}},
                {{"Id":"2","Code":"InvalidParameterValue","Message":"too long","SenderFault":true}}]}}"#,
            sent(&[0])
        );
        let (producer, service) = producer(vec![(200, part), all_sent([1, 3].into_iter())]);
        let unsent = producer.enqueue(&jobs(4)).await;
        let refused = SendError::Refused("InvalidParameterValue too long".into());
        assert_eq!(unsent, [Unsent { index: 2, why: refused }]);
        assert_eq!(entries(&service), [vec![0, 1, 2, 3], vec![1, 3]], "the fourth was not mentioned");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_that_does_not_pass_ends_the_sending_and_every_job_is_accounted_for() {
        let denied = (403, r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"because"}"#.to_owned());
        let (producer, service) = producer(vec![denied]);
        let unsent = producer.enqueue(&jobs(12)).await;
        assert_eq!((unsent.len(), service.requests().len()), (12, 1));
        assert!(unsent[0].why.to_string().ends_with("failed: AccessDenied: because"), "{}", unsent[0].why);
        assert_eq!(unsent[11].why, SendError::NotTried);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_outlasted_or_given_up() {
        let down = || (503, "{}".to_owned());
        let (producer, _) = producer(vec![down(), down(), all_sent(0..1)]);
        assert_eq!(producer.enqueue(&jobs(1)).await, []);
        let (producer, service) = self::producer((0..5).map(|_| down()).collect());
        let unsent = producer.enqueue(&jobs(1)).await;
        assert!(matches!(&unsent[..], [Unsent { index: 0, why: SendError::Call(error) }] if error.may_pass));
        assert_eq!(service.requests().len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_could_answer_is_not_sent() {
        let (producer, service) = producer(vec![all_sent(3..4)]);
        let large = JobMessage { query: Some("x".repeat(CALL_MAX_BYTES)), ..job("r") };
        let odd = JobMessage { query: Some("\u{ffff}".into()), ..job("r") };
        let unsent = producer.enqueue(&[job("two words"), large, odd, job("r")]).await;
        let why: Vec<String> = unsent.iter().map(|unsent| unsent.why.to_string()).collect();
        assert!(why[0].starts_with("it would be dead-lettered: invalid_request_id"), "{}", why[0]);
        assert!(why[1].ends_with("bytes; SQS allows at most 1048576"), "{}", why[1]);
        assert_eq!(why[2], "it has the character U+FFFF, which SQS refuses");
        assert_eq!(entries(&service), [[3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_fifo_queue_a_request_id_is_a_group() {
        let service = Scripted::new(vec![all_sent(0..1)]);
        let producer = Producer::new(Client::new(&service.config()), format!("{QUEUE}.fifo"));
        assert_eq!(producer.enqueue(&jobs(1)).await, []);
        let entry = &service.requests()[0]["Entries"][0];
        assert_eq!(entry["MessageGroupId"], "r-0");
        assert!(entry["MessageDeduplicationId"].as_str().unwrap().ends_with("-0"));
    }
}
