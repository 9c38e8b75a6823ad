//! The job queue, and the queue for what cannot be answered.

use std::time::Duration;

use futures_util::future::{OptionFuture, join};

use super::check::{Check, LIMIT, within};
use crate::aws::describe::{self, QueueFacts};
use crate::aws::{Resources, Sdk};
use crate::fault::{Cause, Fault};
use crate::intake::{LETTER_EXTRA_BYTES, MESSAGE_MAX_BYTES};

pub(super) const JOBS: &str = "job_queue";
pub(super) const DEAD_LETTERS: &str = "dead_letter_queue";
const REDRIVE: &str = "job_queue.redrive";
const VISIBILITY: &str = "job_queue.visibility";
const JOB_SIZE: &str = "job_queue.message_size";
const JOB_RETENTION: &str = "job_queue.retention";
const FIFO: &str = "dead_letter_queue.fifo";
const DEAD_SIZE: &str = "dead_letter_queue.message_size";
const DEAD_RETENTION: &str = "dead_letter_queue.retention";
const DEAD_MESSAGES: &str = "dead_letter_queue.messages";
/// Every check of this file, in its order.
pub(super) const IDS: [&str; 10] =
    [JOBS, REDRIVE, VISIBILITY, JOB_SIZE, JOB_RETENTION, DEAD_LETTERS, FIFO, DEAD_SIZE, DEAD_RETENTION, DEAD_MESSAGES];

/// Room for a vector of 3,072 numbers (77 KB), or for the longest query, with filter and metadata.
const JOB_BYTES: u64 = 128 << 10;
/// Retries last up to five hours, and an operator may be asleep.
const RETENTION_LEAST: Duration = Duration::from_hours(24);
/// Visibility that a worker can prolong at ease.
const VISIBILITY_LEAST: Duration = Duration::from_secs(30);
/// How many function timeouts AWS recommends as visibility timeout.
const TIMEOUTS: u32 = 6;

/// What the settings say of the queues.
pub(super) struct Expected<'a> {
    pub(super) resources: &'a Resources,
    pub(super) region: Option<&'a str>,
    pub(super) max_attempts: u32,
    pub(super) function_timeout: Option<Duration>,
}

/// What the queues say of themselves.
pub(super) struct Found {
    pub(super) jobs: Result<QueueFacts, Fault>,
    pub(super) dead: Option<Result<QueueFacts, Fault>>,
}

pub(super) async fn look(sdk: &Sdk, resources: &Resources) -> Found {
    let ask = |url| within(LIMIT, describe::queue(sdk, url));
    let dead: OptionFuture<_> = resources.dead_letter_queue_url.as_deref().map(ask).into();
    let (jobs, dead) = join(ask(&resources.queue_url), dead).await;
    Found { jobs, dead }
}

/// `sends`: what became of trying to send to the dead-letter queue, which shows that a queue exists even if its
/// attributes may not be read.
pub(super) fn judge(expected: &Expected<'_>, found: &Found, sends: Option<&Result<(), Fault>>) -> Vec<Check> {
    let mut checks = vec![job_queue(expected, &found.jobs)];
    let jobs = found.jobs.as_ref().ok();
    match jobs {
        Some(facts) => checks.extend([
            redrive(expected, facts, found.dead.as_ref().and_then(|dead| dead.as_ref().ok())),
            visibility(expected, facts),
            job_size(facts),
            job_retention(facts),
        ]),
        None => checks.extend(skipped(&IDS[1..5], JOBS)),
    }
    let (Some(url), Some(dead)) = (&expected.resources.dead_letter_queue_url, &found.dead) else {
        let found = "not set: a message that no record can answer is redelivered until its retention ends";
        let fix = "set NEARLINE_DEAD_LETTER_QUEUE_URL";
        checks.push(Check::warning(DEAD_LETTERS, found, fix));
        checks.extend(IDS[6..].iter().map(|id| Check::skipped(id, "no dead-letter queue is set")));
        return checks;
    };
    checks.push(dead_letter_queue(expected, url, dead, jobs, sends));
    checks.push(fifo(&expected.resources.queue_url, url));
    match dead {
        Ok(facts) => checks.extend([dead_size(facts, jobs), dead_retention(facts, jobs), dead_messages(facts)]),
        Err(_) => checks.extend(skipped(&IDS[7..], DEAD_LETTERS)),
    }
    checks
}

fn skipped(ids: &[&'static str], cause: &str) -> impl Iterator<Item = Check> {
    ids.iter().map(move |id| Check::skipped(id, format!("its attributes are not known, see `{cause}`")))
}

fn job_queue(expected: &Expected<'_>, jobs: &Result<QueueFacts, Fault>) -> Check {
    let url = &expected.resources.queue_url;
    match jobs {
        Ok(QueueFacts { waiting, hidden, .. }) => {
            Check::ok(JOBS, format!("{url}: waiting {waiting}, in flight or delayed {hidden}"))
        }
        Err(fault) if fault.cause == Cause::AccessDenied => {
            Check::skipped(JOBS, "access to its attributes is denied, see `sqs:GetQueueAttributes`")
        }
        Err(fault) => Check::failed_by(JOBS, url, fault, how_to_find("NEARLINE_QUEUE_URL", url, expected.region)),
    }
}

fn how_to_find(setting: &str, url: &str, region: Option<&str>) -> String {
    // https://sqs.eu-west-1.amazonaws.com/123456789012/jobs
    let named = url.split_once("://sqs.").and_then(|(_, rest)| rest.split('.').next());
    match (named, region) {
        (Some(named), Some(region)) if named != region => {
            format!("{setting} names a queue in {named}, calls go to {region}: correct the setting or AWS_REGION")
        }
        _ => format!("create the queue, or correct {setting}, the region or the account"),
    }
}

fn redrive(expected: &Expected<'_>, jobs: &QueueFacts, dead: Option<&QueueFacts>) -> Check {
    let fix = "set the job queue's redrive policy: the dead-letter queue, maxReceiveCount 100";
    let Some(policy) = &jobs.redrive else {
        let found = "no redrive policy: a message that crashes a worker is redelivered until its retention ends";
        return Check::warning(REDRIVE, found, fix);
    };
    let (target, count, most) = (&policy.target, policy.max_receive_count, expected.max_attempts);
    let mut faults = Vec::new();
    if let Some(url) = &expected.resources.dead_letter_queue_url {
        let is_same = match dead.and_then(|dead| dead.arn.as_ref()) {
            Some(arn) => arn == target,
            None => names(target, ':') == names(url, '/'),
        };
        if !is_same {
            faults.push(format!("it moves messages to {target}, NEARLINE_DEAD_LETTER_QUEUE_URL is {url}"));
        }
    }
    if count <= most {
        faults.push(format!(
            "it moves a message after {count} receives, which is not above NEARLINE_MAX_ATTEMPTS ({most}): the reason \
             is lost"
        ));
    }
    if faults.is_empty() {
        Check::ok(REDRIVE, format!("to {target} after {count} receives"))
    } else {
        Check::warning(REDRIVE, faults.join("; "), fix)
    }
}

/// Account and name at the end of an ARN or a URL.
fn names(place: &str, separator: char) -> Vec<&str> {
    place.trim_end_matches('/').rsplit(separator).take(2).collect()
}

fn visibility(expected: &Expected<'_>, jobs: &QueueFacts) -> Check {
    let Some(seconds) = jobs.visibility_seconds else {
        return Check::not_shown(VISIBILITY, "SQS did not return it", "look at the queue");
    };
    let visibility = Duration::from_secs(seconds);
    match expected.function_timeout {
        Some(function) if visibility < function => Check::failed(
            VISIBILITY,
            format!(
                "{seconds} s, less than the function timeout of {} s: jobs are delivered twice",
                function.as_secs()
            ),
            format!("raise VisibilityTimeout to {} s, six times the function timeout", (function * TIMEOUTS).as_secs()),
        ),
        Some(function) if visibility < function * TIMEOUTS => Check::warning(
            VISIBILITY,
            format!("{seconds} s, less than six function timeouts of {} s", function.as_secs()),
            format!("raise VisibilityTimeout to {} s, which AWS recommends", (function * TIMEOUTS).as_secs()),
        ),
        Some(function) => Check::ok(VISIBILITY, format!("{seconds} s, function timeout {} s", function.as_secs())),
        None if visibility < VISIBILITY_LEAST => Check::warning(
            VISIBILITY,
            format!("{seconds} s: if a worker pauses briefly, messages are delivered twice"),
            "raise VisibilityTimeout to 30 s or more; on Lambda to six function timeouts",
        ),
        None => Check::ok(VISIBILITY, format!("{seconds} s (--function-timeout compares it with a function's)")),
    }
}

fn job_size(jobs: &QueueFacts) -> Check {
    match jobs.message_max_bytes {
        None => Check::not_shown(JOB_SIZE, "SQS did not return it", "look at the queue"),
        Some(bytes) if bytes < JOB_BYTES => Check::warning(
            JOB_SIZE,
            format!("{bytes} bytes: SQS refuses larger jobs; one with a long vector takes up to 77 KB"),
            format!("raise MaximumMessageSize, at most {MESSAGE_MAX_BYTES}"),
        ),
        Some(bytes) => Check::ok(JOB_SIZE, format!("{bytes} bytes")),
    }
}

fn job_retention(jobs: &QueueFacts) -> Check {
    match jobs.retention_seconds.map(Duration::from_secs) {
        None => Check::not_shown(JOB_RETENTION, "SQS did not return it", "look at the queue"),
        Some(kept) if kept < RETENTION_LEAST => Check::warning(
            JOB_RETENTION,
            format!(
                "{}: messages that wait longer, for an operator or a quota, are deleted without a record",
                days(kept)
            ),
            "raise MessageRetentionPeriod to a day or more; 4 days are SQS's default",
        ),
        Some(kept) => Check::ok(JOB_RETENTION, days(kept)),
    }
}

fn dead_letter_queue(
    expected: &Expected<'_>,
    url: &str,
    dead: &Result<QueueFacts, Fault>,
    jobs: Option<&QueueFacts>,
    sends: Option<&Result<(), Fault>>,
) -> Check {
    let fix = || how_to_find("NEARLINE_DEAD_LETTER_QUEUE_URL", url, expected.region);
    match (dead, sends) {
        (Ok(dead), _) if dead.arn.is_some() && dead.arn == jobs.and_then(|jobs| jobs.arn.clone()) => Check::failed(
            DEAD_LETTERS,
            format!("{url} is the job queue"),
            "create a separate queue: messages that cannot be answered would come back for ever",
        ),
        (Ok(_), _) => Check::ok(DEAD_LETTERS, url),
        (Err(denied), Some(Err(missing)))
            if denied.cause == Cause::AccessDenied && missing.cause == Cause::NotFound =>
        {
            Check::failed_by(DEAD_LETTERS, url, missing, fix())
        }
        (Err(fault), _) if fault.cause == Cause::AccessDenied => Check::not_shown(
            DEAD_LETTERS,
            format!("{url}: access to its attributes is denied; no worker needs it"),
            "grant sqs:GetQueueAttributes on it to those who run doctor",
        ),
        (Err(fault), _) => Check::failed_by(DEAD_LETTERS, url, fault, fix()),
    }
}

/// The service's own rule: the name ends so, in lower case.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
fn fifo(jobs: &str, dead: &str) -> Check {
    match (jobs.ends_with(".fifo"), dead.ends_with(".fifo")) {
        (true, true) => Check::ok(FIFO, "both queues are FIFO"),
        (false, false) => Check::ok(FIFO, "both queues are standard"),
        (is_fifo, _) => {
            let [jobs, dead] = if is_fifo { ["FIFO", "standard"] } else { ["standard", "FIFO"] };
            let found = format!("the job queue is {jobs}, the dead-letter queue {dead}");
            Check::failed(
                FIFO,
                found,
                format!("create a {jobs} dead-letter queue: AWS requires both to be of the same kind"),
            )
        }
    }
}

fn dead_size(dead: &QueueFacts, jobs: Option<&QueueFacts>) -> Check {
    let (Some(dead), Some(jobs)) = (dead.message_max_bytes, jobs.and_then(|jobs| jobs.message_max_bytes)) else {
        return Check::not_shown(DEAD_SIZE, "SQS did not return the sizes of both", "look at the queues");
    };
    let with_reason = (jobs + LETTER_EXTRA_BYTES as u64).min(MESSAGE_MAX_BYTES as u64);
    let fix = format!("raise its MaximumMessageSize to {MESSAGE_MAX_BYTES}");
    if dead < jobs {
        Check::failed(
            DEAD_SIZE,
            format!("{dead} bytes, the job queue takes {jobs}: larger jobs could not be moved"),
            fix,
        )
    } else if dead < with_reason {
        let found = format!(
            "{dead} bytes, the job queue takes {jobs}: the largest jobs and their reasons, {with_reason} bytes together, \
             could not be moved"
        );
        Check::warning(DEAD_SIZE, found, fix)
    } else {
        Check::ok(DEAD_SIZE, format!("{dead} bytes"))
    }
}

fn dead_retention(dead: &QueueFacts, jobs: Option<&QueueFacts>) -> Check {
    let Some(kept) = dead.retention_seconds.map(Duration::from_secs) else {
        return Check::not_shown(DEAD_RETENTION, "SQS did not return it", "look at the queue");
    };
    match jobs.and_then(|jobs| jobs.retention_seconds).map(Duration::from_secs) {
        Some(jobs) if kept <= jobs => Check::warning(
            DEAD_RETENTION,
            format!(
                "{}, the job queue {}: what a redrive policy moves keeps its age, and may be deleted at once",
                days(kept),
                days(jobs)
            ),
            "raise its MessageRetentionPeriod to 14 days, SQS's longest",
        ),
        _ => Check::ok(DEAD_RETENTION, days(kept)),
    }
}

fn dead_messages(dead: &QueueFacts) -> Check {
    match dead.waiting + dead.hidden {
        0 => Check::ok(DEAD_MESSAGES, "none"),
        count => Check::warning(
            DEAD_MESSAGES,
            format!("about {count}: jobs that no record answers"),
            "read why in their attributes `nearline_error_code` and `nearline_error`; fix it, and send them again",
        ),
    }
}

fn days(time: Duration) -> String {
    let hours = time.as_secs() / 3_600;
    match time.as_secs() {
        seconds if !seconds.is_multiple_of(3_600) => format!("{seconds} s"),
        _ if hours >= 48 && hours.is_multiple_of(24) => format!("{} days", hours / 24),
        _ => format!("{hours} h"),
    }
}
