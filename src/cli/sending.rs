//! Jobs to a queue: in batches, each job on its own account. One that SQS refuses holds up no other, and at the end it
//! is known of each whether it was sent.
//!
//! What the service as a whole refuses, or an outage that several attempts do not outlast, ends the sending.

use std::cell::Cell;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use nearline_contract::text::forbidden;

use super::output::CliError;
use crate::aws::{Sdk, describe};
use crate::backoff::Backoff;
use crate::fault::{Cause, Fault};
use crate::intake::{BATCH_MAX, MESSAGE_MAX_BYTES, Outgoing, Queue};

/// Calls in flight at once.
const CALLS_IN_FLIGHT: usize = 8;
/// Times a message is sent that SQS refused for a reason on its side.
const ATTEMPTS: u32 = 5;
/// Pauses between them.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A job to be sent.
#[derive(Clone, Copy)]
pub(super) struct Sendable<'a> {
    /// What the caller knows it by.
    pub(super) index: usize,
    pub(super) body: &'a str,
    /// What keeps its order on a FIFO queue: order matters only among messages of one request id.
    pub(super) group: &'a str,
}

/// A job that was not sent, as far as anybody knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsent {
    pub(super) index: usize,
    pub(super) why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// SQS does not take this job.
    Refused(String),
    /// The service failed, or refused everything: so would the jobs after it.
    Stopped(String),
    /// Not tried, after such a failure.
    NotTried,
}

/// The largest message that a queue takes, and what is to be said if that is not known.
///
/// # Errors
/// The queue does not exist, or nothing can be asked.
pub(super) async fn message_limit(sdk: &Sdk, queue_url: &str) -> Result<(usize, Option<String>), Fault> {
    let unknown = |fault: Fault| {
        let note = format!("the queue's size limit is unknown, assuming {MESSAGE_MAX_BYTES} bytes: {fault}");
        (MESSAGE_MAX_BYTES, Some(note))
    };
    match describe::queue(sdk, queue_url).await {
        Ok(facts) => {
            let most = facts.message_max_bytes.and_then(|bytes| usize::try_from(bytes).ok());
            Ok((most.unwrap_or(MESSAGE_MAX_BYTES).min(MESSAGE_MAX_BYTES), None))
        }
        Err(fault) if fault.is_permanent() && fault.cause != Cause::AccessDenied => Err(fault),
        Err(fault) => Ok(unknown(fault)),
    }
}

/// Why SQS is sure to refuse a body, and with it all others of its call.
pub(super) fn unsendable(body: &str, most: usize) -> Option<String> {
    if body.len() > most {
        return Some(format!("it is {} bytes; the queue allows at most {most}", body.len()));
    }
    let character = forbidden(body)?;
    Some(format!("it has the character {character}, which SQS refuses: write it as an escape, or leave it out"))
}

/// Sends jobs, and reports those that were sent, as they are sent. What it returns comes in the order of `jobs`.
///
/// # Errors
/// Only those of `on_sent`.
pub(super) async fn send(
    queue: &impl Queue,
    jobs: Vec<Sendable<'_>>,
    mut on_sent: impl FnMut(&[usize]) -> Result<(), CliError>,
) -> Result<Vec<Unsent>, CliError> {
    // A FIFO queue keeps the order in which it is sent to, so one call at a time.
    let calls_in_flight = if queue.is_fifo() { 1 } else { CALLS_IN_FLIGHT };
    // Of a FIFO queue, so that only a call that is repeated is taken for a duplicate.
    let run = queue.is_fifo().then(|| fastrand::u64(..));
    let (stopped, mut unsent) = (&Cell::new(false), Vec::new());
    let mut calls = stream::iter(batches(jobs))
        .map(|batch| {
            let messages = batch.iter().map(|job| (job.index, message(job, run))).collect();
            send_batch(queue, messages, stopped)
        })
        .buffer_unordered(calls_in_flight);
    while let Some((sent, failed)) = calls.next().await {
        on_sent(&sent)?;
        unsent.extend(failed);
    }
    unsent.sort_by_key(|unsent| unsent.index);
    Ok(unsent)
}

/// Jobs in order, as many together as one call takes.
fn batches(jobs: Vec<Sendable<'_>>) -> Vec<Vec<Sendable<'_>>> {
    let mut batches: Vec<Vec<Sendable<'_>>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MAX && bytes + job.body.len() <= MESSAGE_MAX_BYTES => {
                bytes += job.body.len();
                batch.push(job);
            }
            _ => {
                bytes = job.body.len();
                batches.push(vec![job]);
            }
        }
    }
    batches
}

/// Sends messages that one call takes together, each with what the caller knows it by; what was sent of them, and what
/// was not. Once `stopped` is set nothing is sent any more.
pub(super) async fn send_batch(
    queue: &impl Queue,
    batch: Vec<(usize, Outgoing)>,
    stopped: &Cell<bool>,
) -> (Vec<usize>, Vec<Unsent>) {
    let (mut sent, mut unsent) = (Vec::new(), Vec::new());
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        let (mut indices, mut messages): (Vec<usize>, Vec<Outgoing>) = part.into_iter().unzip();
        if stopped.get() {
            unsent.extend(indices.into_iter().map(|index| Unsent { index, why: Why::NotTried }));
            continue;
        }
        for attempt in 1.. {
            let (failures, whole) = match queue.send(&messages).await {
                Ok(failures) => (failures, false),
                // One of them may have made SQS refuse the call.
                Err(fault) if fault.cause == Cause::Refused && messages.len() > 1 => {
                    parts.extend(indices.into_iter().zip(messages).map(|one| vec![one]).rev());
                    break;
                }
                Err(fault) => ((0..messages.len()).map(|position| (position, fault.clone())).collect(), true),
            };
            let is_last = attempt == ATTEMPTS;
            let failed = |position: &usize| failures.iter().any(|(other, _)| other == position);
            sent.extend((0..messages.len()).filter(|position| !failed(position)).map(|position| indices[position]));
            let (again, given_up): (Vec<_>, Vec<_>) =
                failures.iter().partition(|(_, fault)| fault.is_transient() && !is_last);
            for (position, fault) in given_up {
                let stops = whole && fault.cause != Cause::Refused;
                stopped.set(stopped.get() || stops);
                let why = if stops { Why::Stopped(fault.to_string()) } else { Why::Refused(fault.to_string()) };
                unsent.push(Unsent { index: indices[*position], why });
            }
            (messages, indices) =
                again.iter().map(|(position, _)| (messages[*position].clone(), indices[*position])).unzip();
            if messages.is_empty() {
                break;
            }
            PAUSES.sleep(attempt).await;
        }
    }
    (sent, unsent)
}

fn message(job: &Sendable<'_>, run: Option<u64>) -> Outgoing {
    let fifo = run.map(|run| (job.group.to_owned(), format!("{run:016x}-{}", job.index)));
    let (group, deduplication_id) = fifo.unzip();
    Outgoing { body: job.body.to_owned(), attributes: Vec::new(), group, deduplication_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::fault_plan::{FaultPlan, Moment};
    use crate::intake::MemoryQueue;

    const SEND: &str = "SendMessageBatch";

    const BODIES: [&str; 4] = ["body 0", "body 1", "body 2", "body 3"];

    fn job(index: usize) -> Sendable<'static> {
        Sendable { index, body: BODIES[index % 4], group: "g" }
    }

    fn queue(name: &str) -> (MemoryQueue, FaultPlan) {
        let plan = FaultPlan::default();
        (MemoryQueue::new(name, Duration::from_secs(30), plan.clone(), Clock::system()), plan)
    }

    async fn send_all(queue: &MemoryQueue, count: usize) -> (Vec<usize>, Vec<Unsent>) {
        let mut told = Vec::new();
        let on_sent = |sent: &[usize]| {
            told.extend_from_slice(sent);
            Ok(())
        };
        let unsent = send(queue, (0..count).map(job).collect(), on_sent).await.unwrap();
        told.sort_unstable();
        (told, unsent)
    }

    #[test]
    fn batches_hold_ten_jobs_or_one_mebibyte() {
        let text = "x".repeat(MESSAGE_MAX_BYTES);
        let job = |bytes: usize| Sendable { body: &text[..bytes], ..job(0) };
        let sizes = |jobs: Vec<Sendable<'_>>| batches(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..25).map(|_| job(10)).collect()), [10, 10, 5]);
        assert_eq!(sizes((0..3).map(|_| job(MESSAGE_MAX_BYTES / 2)).collect()), [2, 1]);
        assert_eq!(sizes(vec![job(MESSAGE_MAX_BYTES), job(1)]), [1, 1]);
    }

    #[test]
    fn what_sqs_is_sure_to_refuse_is_known_before() {
        assert_eq!(unsendable("12345", 5), None);
        assert_eq!(unsendable("123456", 5).unwrap(), "it is 6 bytes; the queue allows at most 5");
        assert!(unsendable("a\u{fffe}", 5).unwrap().contains("U+FFFE"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_fault_is_outlasted() {
        let (queue, plan) = queue("jobs");
        plan.fail_next(SEND, Moment::Before, Cause::Unreachable);
        plan.fail_next(SEND, Moment::Before, Cause::Throttled);
        let (sent, unsent) = send_all(&queue, 25).await;
        assert_eq!((sent.len(), unsent), (25, vec![]));
        assert_eq!(queue.all().len(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_refused_is_tried_job_by_job() {
        let (queue, plan) = queue("jobs.fifo");
        // The batch, then the third of its jobs alone.
        plan.fail_next(SEND, Moment::Before, Cause::Refused);
        let (sent, unsent) = send_all(&queue, 4).await;
        assert_eq!((sent, unsent), (vec![0, 1, 2, 3], vec![]));
        let bodies: Vec<String> = queue.all().into_iter().map(|message| message.body).collect();
        assert_eq!(bodies, BODIES, "in their order");
        for _ in 0..2 {
            plan.fail_next(SEND, Moment::Before, Cause::Refused);
        }
        let (sent, unsent) = send_all(&queue, 4).await;
        assert_eq!(sent, [1, 2, 3]);
        assert!(matches!(&unsent[..], [Unsent { index: 0, why: Why::Refused(_) }]), "{unsent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_ends_the_sending_and_of_each_job_it_is_known_whether_it_was_sent() {
        let (queue, plan) = queue("jobs.fifo");
        for _ in 0..ATTEMPTS {
            plan.fail_next(SEND, Moment::Before, Cause::Unreachable);
        }
        let (sent, unsent) = send_all(&queue, 25).await;
        assert_eq!((sent.len(), unsent.len(), queue.all().len()), (0, 25, 0));
        assert!(unsent[..10].iter().all(|unsent| matches!(unsent.why, Why::Stopped(_))), "{unsent:?}");
        assert!(unsent[10..].iter().all(|unsent| unsent.why == Why::NotTried), "{unsent:?}");
        plan.fail_next(SEND, Moment::Before, Cause::AccessDenied);
        let (sent, unsent) = send_all(&queue, 12).await;
        assert_eq!((sent.len(), unsent.len()), (0, 12), "no use in trying the others");
    }
}
