//! The events of a worker: a stable id in the field `event`, fields for programs, a sentence for people.
//!
//! What metrics, alarms or searches count on is logged here and nowhere else.

use std::fmt::Display;
use std::time::Duration;

pub use super::done::{Batch, Done};
use super::stages::Stages;
use crate::fault::{Fault, Kind};

/// A batch is done.
pub const BATCH: &str = "batch";
/// Jobs stay on the queue for another attempt.
pub const JOBS_RETRIED: &str = "jobs_retried";
/// Jobs stay on the queue until an operator has acted.
pub const JOBS_BLOCKED: &str = "jobs_blocked";
/// A job was answered by a record that says what is wrong with it.
pub const JOB_REJECTED: &str = "job_rejected";
/// A new catalog serves.
pub const CATALOG_REPLACED: &str = "catalog_replaced";
/// A new catalog is broken, or not what the guard wants.
pub const CATALOG_REFUSED: &str = "catalog_refused";
/// The pointer to the current catalog cannot be read.
pub const CATALOG_UNKNOWN: &str = "catalog_unknown";
/// A packed index is not used.
pub const INDEX_IGNORED: &str = "index_ignored";

/// A candidate answers a share of the jobs.
pub const CANDIDATE_SERVES: &str = "candidate_serves";
/// A candidate answers no jobs any more.
pub const CANDIDATE_ENDED: &str = "candidate_ended";
/// A candidate is broken, or not what the guard wants.
pub const CANDIDATE_REFUSED: &str = "candidate_refused";
/// The pointer to the candidate cannot be read.
pub const CANDIDATE_UNKNOWN: &str = "candidate_unknown";

/// The line of a batch, or of so many.
pub(super) fn batch(done: &Done, batches: usize) {
    let Done { invocation, trace, batch, stages, calls_in_flight, duration, .. } = done;
    let Batch { messages, succeeded, rejected, replayed, dead_lettered, retried, blocked } = *batch;
    let Stages { wait, cache_hits, texts, queries, .. } = *stages;
    // Tenths and hundredths: a digit is a byte of each line.
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    let hundredths = |number: f64| (number * 100.0).round() / 100.0;
    let millionths = |share: f64| (share * 1e6).round() / 1e6;
    tracing::info!(
        event = BATCH,
        batches,
        invocation,
        trace,
        messages,
        succeeded,
        rejected,
        replayed,
        dead_lettered,
        retried,
        blocked,
        duration_ms = ms(*duration),
        wait_ms = ms(wait),
        look_up_ms = ms(stages.look_up.took),
        embed_wait_ms = ms(stages.embed_wait.took),
        embed_ms = ms(stages.embed.took),
        scan_wait_ms = ms(stages.scan_wait.took),
        scan_ms = ms(stages.scan_and_filter()),
        write_ms = ms(stages.write.took),
        settle_ms = ms(stages.settle.took),
        cache_hits,
        texts_embedded = texts.count,
        texts_per_call = hundredths(texts.mean()),
        queries_per_scan = hundredths(queries.mean()),
        rescored_share = millionths(stages.rescored_share()),
        filtered_share = millionths(stages.filtered_share()),
        calls_in_flight,
        "a batch is done"
    );
}

/// A message, as the lines about it name it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// SQS's id of the message.
    pub message_id: &'a str,
    /// Its job, if it names one.
    pub request_id: Option<&'a str>,
    /// How often it was received.
    pub receive_count: u32,
}

fn cause_of(fault: &Fault) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    let call = fault.call.as_ref();
    (fault.cause.as_str(), call.map(|call| call.service), call.map(|call| call.operation))
}

/// Jobs stay on the queue; one line for each fault, however many messages of a batch met it.
pub fn jobs_failed(fault: &Fault, messages: usize, one: Subject<'_>) {
    let Subject { message_id, request_id, receive_count } = one;
    let (cause, service, operation) = cause_of(fault);
    // The level of a line is a constant of the place where it is logged.
    macro_rules! log {
        ($level:ident, $event:ident, $sentence:literal) => {
            tracing::$level!(
                event = $event,
                messages,
                message_id,
                request_id,
                receive_count,
                cause,
                service,
                operation,
                error = %fault,
                $sentence
            )
        };
    }
    match fault.kind {
        Kind::Retry | Kind::JobRefused => log!(warn, JOBS_RETRIED, "jobs will be retried"),
        Kind::Permanent => {
            log!(error, JOBS_BLOCKED, "permanent fault: jobs are held until an operator fixes it");
        }
    }
}

/// A job was answered by a record that says what is wrong with it. What is wrong may quote the job: only the code is
/// logged.
pub fn job_rejected(one: Subject<'_>, code: &str) {
    let Subject { message_id, request_id, .. } = one;
    tracing::info!(event = JOB_REJECTED, message_id, request_id, code, "a job was rejected");
}

/// A message is never tried again; its dead letter comes once no earlier attempt can be at work.
pub fn given_up(one: Subject<'_>, reason: &str) {
    let Subject { message_id, request_id, receive_count } = one;
    tracing::warn!(event = "given_up", message_id, request_id, receive_count, reason, "a job is given up");
}

/// A message was moved to the dead-letter queue.
pub fn dead_lettered(one: Subject<'_>, code: &str, reason: &str) {
    let Subject { message_id, request_id, .. } = one;
    tracing::warn!(event = "dead_lettered", message_id, request_id, code, reason, "a message was dead-lettered");
}

/// A message could not be moved to the dead-letter queue.
pub fn not_dead_lettered(one: Subject<'_>, fault: &Fault) {
    let message_id = one.message_id;
    let (cause, service, operation) = cause_of(fault);
    tracing::error!(
        event = "not_dead_lettered",
        message_id,
        cause,
        service,
        operation,
        error = %fault,
        "a message could not be dead-lettered and will be retried"
    );
}

/// What a new catalog took.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Products that it has.
    pub rows: usize,
    /// Updates beside its artifact.
    pub updates: usize,
    /// Rows that are not its artifact's.
    pub changed_rows: usize,
    /// Bytes that were read: not those of what was in memory already.
    pub bytes_read: u64,
    /// From the look that found it until it served.
    pub took: Duration,
}

/// A new catalog serves; `None`: it was in memory already.
pub fn catalog_replaced(from: &str, to: &str, loaded: Option<Loaded>) {
    let loaded = loaded.as_ref();
    tracing::info!(
        event = CATALOG_REPLACED,
        from,
        to,
        rows = loaded.map(|loaded| loaded.rows),
        updates = loaded.map(|loaded| loaded.updates),
        changed_rows = loaded.map(|loaded| loaded.changed_rows),
        bytes_read = loaded.map(|loaded| loaded.bytes_read),
        took_ms = loaded.map(|loaded| loaded.took.as_millis() as u64),
        "the catalog was replaced"
    );
}

/// A new catalog is not used.
pub fn catalog_refused(error: &impl Display, newer: &str, serving: &str) {
    tracing::error!(
        event = CATALOG_REFUSED,
        %error,
        newer,
        serving,
        "the new catalog was refused, the old one keeps serving"
    );
}

/// A packed index does not serve: the rows are packed here, which takes longer.
pub fn index_ignored(key: &str, why: &impl Display) {
    tracing::warn!(event = INDEX_IGNORED, key, %why, "a packed index is not used, the catalog is packed here");
}

/// It is not known whether there is a new catalog.
pub fn catalog_unknown(error: &impl Display, serving: &str) {
    tracing::error!(event = CATALOG_UNKNOWN, %error, serving, "cannot check whether there is a new catalog");
}

/// A candidate answers a share of the jobs.
pub fn candidate_serves(candidate: &str, share: impl Display, serving: &str) {
    tracing::info!(event = CANDIDATE_SERVES, candidate, %share, serving, "the candidate answers a share of the jobs");
}

/// A candidate answers no jobs any more: it was dropped, replaced or promoted.
pub fn candidate_ended(candidate: &str, serving: &str) {
    tracing::info!(event = CANDIDATE_ENDED, candidate, serving, "the current catalog answers all jobs");
}

/// A candidate answers no jobs.
pub fn candidate_refused(error: &impl Display, candidate: &str, serving: &str) {
    tracing::error!(
        event = CANDIDATE_REFUSED,
        %error,
        candidate,
        serving,
        "the candidate is not used, the current catalog answers all jobs"
    );
}

/// It is not known whether there is a candidate.
pub fn candidate_unknown(error: &impl Display, serving: &str) {
    tracing::warn!(event = CANDIDATE_UNKNOWN, %error, serving, "cannot check whether there is a candidate");
}
