//! What a run would do: its stages, the requests that it makes and causes, and what they cost.
//!
//! Nothing is sent. Looks are as many as the rate allows while jobs are sent. Of the texts, those are embedded that the
//! cache of one worker does not have: it holds few of the built-in queries.

use std::fmt;
use std::time::Duration;

use nearline_contract::{GroupBy, Target, receive};
use nearline_cost::{Texts, cache_entries};

use crate::jobs::{Choice, Jobs, Kind};
use crate::prices::{self, Price};
use crate::report::StageSettings;
use crate::requests::SQS_BILLED_BYTES;
use crate::schedule::Schedule;
use crate::sender::BATCH_MAX_MESSAGES;
use crate::text::{count, duration, number};
use crate::verify::CatalogInfo;

/// How many messages are made to see what they are like.
const SAMPLE: u64 = 2_000;
/// A token is about so many characters of English.
const CHARS_PER_TOKEN: f64 = 4.0;
/// What a match and the rest of a record take in DynamoDB, in bytes.
const MATCH_BYTES: f64 = 60.0;
const RECORD_BYTES: f64 = 400.0;
/// Groups of a record when no catalog is at hand.
const GROUPS_ASSUMED: usize = 10;
/// Dimensions of the catalog when none is at hand.
const DIMENSION_ASSUMED: usize = 384;
/// Rounds of looks that a second has at most; each is one request at least.
const ROUNDS_PER_SECOND: f64 = 40.0;
/// Messages that one batch of the worker has.
const WORKER_BATCH: f64 = 10.0;

/// A planned run.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    schedule: &'a Schedule,
    jobs: &'a Jobs,
    sample: Sample,
    requests: Vec<PlannedRequest>,
    /// What the figures rest on.
    assumptions: Vec<String>,
}

/// Requests of one kind.
#[derive(Debug)]
struct PlannedRequest {
    /// `loadgen` or `worker`.
    by: &'static str,
    service: &'static str,
    operation: &'static str,
    requests: u64,
    /// What is billed: requests, units or tokens.
    billed: u64,
    cost_usd: f64,
}

/// What the plan has to know besides jobs and schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanOptions<'a> {
    pub linger: Duration,
    pub lookups_per_second: u32,
    /// Share of the request ids whose record is read.
    pub verified_share: f64,
    pub second_look: bool,
    pub fifo: bool,
    pub dead_letter_queue: bool,
    pub catalog: Option<&'a CatalogInfo>,
}

/// What sampled messages are like.
#[derive(Debug, Default)]
struct Sample {
    messages: f64,
    bytes: f64,
    repeated: f64,
    conflicts: f64,
    invalid: f64,
    filtered: f64,
    texts: f64,
    text_chars: f64,
    record_bytes: f64,
}

impl Sample {
    fn take(jobs: &Jobs, catalog: Option<&CatalogInfo>, count: u64) -> Self {
        let mut sample = Self::default();
        for index in 0..count {
            let message = jobs.planned(index);
            let body = jobs.body(&message);
            sample.messages += 1.0;
            sample.bytes += body.len() as f64;
            match message.kind {
                Kind::Original => {}
                Kind::Invalid => sample.invalid += 1.0,
                Kind::Duplicate { .. } => sample.repeated += 1.0,
                Kind::Conflict { .. } => sample.conflicts += 1.0,
            }
            if message.id_index() != index {
                continue;
            }
            sample.record_bytes += RECORD_BYTES;
            let Ok(Ok(job)) = receive(&body).map(|received| received.job) else { continue };
            sample.filtered += f64::from(u8::from(job.filter.is_some() && message.kind == Kind::Original));
            if let Target::Query(text) = &job.target {
                sample.texts += 1.0;
                sample.text_chars += text.chars().count() as f64;
            }
            let all = catalog.map_or(GROUPS_ASSUMED, |catalog| catalog.categories.len());
            let groups = match job.group_by {
                GroupBy::None => 1,
                GroupBy::Category => job.categories.as_ref().map_or(all, Vec::len),
            };
            sample.record_bytes += f64::from(job.top_k) * groups as f64 * MATCH_BYTES;
        }
        sample
    }

    /// Of all messages.
    fn share(&self, part: f64) -> f64 {
        part / self.messages.max(1.0)
    }

    fn distinct(&self) -> f64 {
        self.messages - self.repeated - self.conflicts
    }

    fn mean_record_bytes(&self) -> f64 {
        self.record_bytes / self.distinct().max(1.0)
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(schedule: &'a Schedule, jobs: &'a Jobs, options: PlanOptions<'_>) -> Self {
        let sample = Sample::take(jobs, options.catalog, SAMPLE.min(schedule.jobs()));
        let mut assumptions = vec![
            "list prices of us-east-1 without free tiers; compute, logs and data transfer are not included".to_owned(),
            "texts are embedded by one worker with its own cache; none is throttled".to_owned(),
            "look-ups after the last send, until every record was seen, are not included".to_owned(),
        ];
        if options.catalog.is_none() {
            assumptions.push(format!(
                "records are as large as those of a catalog with {GROUPS_ASSUMED} categories: --catalog-info makes it exact"
            ));
        }
        if sample.filtered > 0.0 {
            assumptions.push("as many products pass each filter as its record can hold".to_owned());
        }
        let requests = requests(schedule, jobs, &sample, options);
        Self { schedule, jobs, sample, requests, assumptions }
    }

    /// How many messages are as a part of the sample is.
    fn expected(&self, part: f64) -> u64 {
        (self.sample.share(part) * self.schedule.jobs() as f64).round() as u64
    }

    fn cost_usd(&self) -> f64 {
        self.requests.iter().map(|request| request.cost_usd).sum()
    }
}

/// A page for a terminal.
impl fmt::Display for Plan<'_> {
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedule, sample, .. } = self;
        let (messages, peak) = (count(schedule.jobs(), "message"), number(schedule.peak()));
        let length = duration(schedule.duration().as_secs_f64());
        writeln!(page, "plan: {messages} in {length}, at most {peak} a second; nothing is sent\n")?;
        for (index, stage) in schedule.stages().iter().enumerate() {
            let (number, length) = (index + 1, duration(stage.duration.as_secs_f64()));
            let (rate, messages) = (StageSettings::from(stage).rate(), count(stage.jobs().round() as u64, "message"));
            writeln!(page, "  stage {number:<3} {length:>10} at {rate:<14} /s {messages:>19}")?;
        }
        let expected = |part: f64| number(self.expected(part) as f64);
        writeln!(
            page,
            "\n  about {}, {}, {} invalid, {} with a filter; {} to choose from; messages of {:.0} bytes, records of {:.0}",
            count(self.expected(sample.repeated), "duplicate"),
            count(self.expected(sample.conflicts), "conflict"),
            expected(sample.invalid),
            expected(sample.filtered),
            count(self.jobs.source().len(), "job"),
            sample.share(sample.bytes),
            sample.mean_record_bytes()
        )?;
        let (requests, billed) = ("requests", "billed");
        let title =
            format!("  {:<8} {:<10} {:<32} {requests:>12} {billed:>14} {:>10}", "by", "service", "operation", "USD");
        writeln!(page, "\n{title}")?;
        for PlannedRequest { by, service, operation, requests, billed, cost_usd } in &self.requests {
            writeln!(page, "  {by:<8} {service:<10} {operation:<32} {requests:>12} {billed:>14} {cost_usd:>10.4}")?;
        }
        writeln!(page, "  {:<80} {:>10.4}\n", "all", self.cost_usd())?;
        self.assumptions.iter().try_for_each(|assumption| writeln!(page, "  {assumption}"))
    }
}

fn requests(schedule: &Schedule, jobs: &Jobs, sample: &Sample, options: PlanOptions<'_>) -> Vec<PlannedRequest> {
    let all = schedule.jobs() as f64;
    let distinct = sample.share(sample.distinct()) * all;
    let bytes = sample.share(sample.bytes);
    let record_bytes = sample.mean_record_bytes();
    let characters = sample.text_chars / sample.texts.max(1.0);
    let texts = embedded(jobs, sample.share(sample.texts) * all, characters, options.catalog);
    let tokens = texts * (characters / CHARS_PER_TOKEN).ceil();
    let sqs = prices::sqs(options.fifo);
    let row = |by, service, operation, requests: f64, billed: f64, price: Price| {
        let (requests, billed) = (requests.ceil(), billed.ceil());
        let cost_usd = price.of(billed);
        PlannedRequest { by, service, operation, requests: requests as u64, billed: billed as u64, cost_usd }
    };

    let (mut sends, mut billed) = (0.0, 0.0);
    for stage in schedule.stages() {
        // The first message of a batch waits for those that come while it lingers.
        let batch = (1.0 + stage.mean_rps() * options.linger.as_secs_f64()).floor().min(BATCH_MAX_MESSAGES as f64);
        let requests = stage.jobs() / batch;
        sends += requests;
        billed += requests * billed_requests(batch * bytes);
    }
    let seconds = schedule.duration().as_secs_f64();
    let probes = seconds * if options.dead_letter_queue { 2.0 } else { 1.0 };
    let mut rows = vec![
        row("loadgen", "SQS", "SendMessageBatch", sends, billed, sqs),
        row("loadgen", "SQS", "GetQueueAttributes", probes, probes, sqs),
    ];
    if options.verified_share > 0.0 {
        let keys = f64::from(options.lookups_per_second) * seconds;
        // One look finds the record and one more sees it unchanged; a look in vain costs one unit.
        let found = distinct * options.verified_share * if options.second_look { 2.0 } else { 1.0 };
        let units = (keys - found).max(0.0) + found * (record_bytes / 4_096.0).ceil();
        rows.push(row(
            "loadgen",
            "DynamoDB",
            "BatchGetItem, while sending",
            (keys / 100.0).max(ROUNDS_PER_SECOND * seconds),
            units,
            prices::DYNAMODB_READ,
        ));
    }
    let batches = all / WORKER_BATCH;
    rows.extend([
        row("worker", "SQS", "ReceiveMessage", batches, batches * billed_requests(WORKER_BATCH * bytes), sqs),
        row("worker", "SQS", "DeleteMessageBatch", batches, batches, sqs),
        row("worker", "Lambda", "Invoke", batches, batches, prices::LAMBDA_REQUEST),
        row("worker", "Bedrock", "InvokeModel (tokens)", texts, tokens, prices::BEDROCK_TOKEN),
        row("worker", "DynamoDB", "BatchGetItem", batches, all, prices::DYNAMODB_READ),
        row(
            "worker",
            "DynamoDB",
            "PutItem",
            distinct,
            distinct * (record_bytes / 1_024.0).ceil(),
            prices::DYNAMODB_WRITE,
        ),
    ]);
    rows
}

/// How many of these texts the worker's cache does not have.
fn embedded(jobs: &Jobs, texts: f64, characters: f64, catalog: Option<&CatalogInfo>) -> f64 {
    let distinct = jobs.source().len() as f64;
    let dimension = catalog.map_or(DIMENSION_ASSUMED, |catalog| catalog.dimension);
    let cache_entries = cache_entries(dimension as f64, characters);
    let zipf = match jobs.choice() {
        // Each text comes back only after all the others.
        Choice::InTurn if distinct <= cache_entries => return texts.min(distinct),
        Choice::InTurn => return texts,
        Choice::Uniform => 0.0,
        Choice::Zipf { exponent, .. } => exponent,
    };
    Texts { distinct: Some(distinct), zipf, cache_entries }.embedded(texts, 1.0)
}

fn billed_requests(bytes: f64) -> f64 {
    (bytes / SQS_BILLED_BYTES as f64).ceil().max(1.0)
}

#[cfg(test)]
mod tests;
