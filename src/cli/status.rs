//! `nearline status`: how full the queues are, and which catalog is current.
//!
//! It looks without touching: nothing is received, so no receive count goes up. What SQS does not tell without CloudWatch,
//! the age of the oldest message and how many come and go, is not made up.

mod catalog;
mod part;
mod trend;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::Instant;

use self::catalog::CatalogSeen;
use self::part::{Part, Seen};
use self::trend::Trend;
use super::colour::{self, Style, WARNING, paint};
use super::interrupt;
use super::output::{CliError, json, print};
use crate::aws::Sdk;
use crate::clock::iso8601;
use crate::config::Reader;
use crate::intake::{Inspect, QueueState};

/// Time between two looks, and how many of them the catalog is taken from one for.
const PERIOD: Duration = Duration::from_secs(3);
const LOOKS_FOR_A_CATALOG: u32 = 10;
/// To the corner of the terminal, and everything below it away: lines may be wrapped, so they are not counted.
const REDRAW: &str = "\x1b[H\x1b[J";

#[derive(Args)]
pub(super) struct StatusArgs {
    /// Keep looking until Ctrl-C, and say whether the queue grows or shrinks
    #[arg(long)]
    watch: bool,
    /// As JSON: one object, with --watch one per line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Depth {
    waiting: u64,
    in_flight: u64,
    delayed: u64,
}

#[derive(Debug, Serialize)]
struct Status {
    /// When it was read.
    time: String,
    queue: Part<Depth>,
    /// How fast the queue grows, negative if it shrinks; only with --watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    change_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drained_in_seconds: Option<u64>,
    dead_letters: Option<Part<Depth>>,
    catalog: Option<Part<CatalogSeen>>,
    #[serde(skip)]
    trend: Option<String>,
}

pub(super) async fn run(args: StatusArgs) -> Result<(), CliError> {
    let settings = Reader::from_process().status()?;
    let sdk = Sdk::load_usable().await?;
    let (queue, dead) =
        (sdk.queue(&settings.queue_url), settings.dead_letter_queue_url.as_ref().map(|url| sdk.queue(url)));
    if !args.watch {
        let catalog = catalog::look(&sdk, &settings).await;
        let status = look(&queue, dead.as_ref(), catalog, &mut Trend::default()).await;
        if args.json { print(&json(&status)?) } else { colour::print(&status.to_text()) }?;
        return status.faults();
    }
    let stop = interrupt::token(|| {})?;
    let (mut trend, mut known, mut looks) = (Trend::default(), None, 0);
    loop {
        if looks % LOOKS_FOR_A_CATALOG == 0 {
            known = catalog::look(&sdk, &settings).await;
        }
        looks += 1;
        let status = look(&queue, dead.as_ref(), known.clone(), &mut trend).await;
        if args.json {
            print(&json(&status)?)?;
        } else if std::io::stdout().is_terminal() {
            redraw()?;
            colour::print(&status.to_text())?;
        } else {
            colour::print(&status.to_line())?;
        }
        if stop.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_none() {
            return status.faults();
        }
    }
}

/// A terminal without colour still has a cursor.
fn redraw() -> Result<(), CliError> {
    std::io::stdout().write_all(REDRAW.as_bytes()).map_err(CliError::io("standard output"))
}

async fn look<Q: Inspect>(
    queue: &Q,
    dead: Option<&Q>,
    catalog: Option<Part<CatalogSeen>>,
    trend: &mut Trend,
) -> Status {
    let dead_letters = async {
        match dead {
            Some(dead) => Some(depth(dead).await),
            None => None,
        }
    };
    let (queue, dead_letters) = tokio::join!(depth(queue), dead_letters);
    if let Seen::Known(depth) = &queue.seen {
        trend.note(Instant::now(), depth.waiting + depth.in_flight + depth.delayed);
    }
    Status {
        time: iso8601(OffsetDateTime::now_utc()),
        queue,
        change_per_second: trend.per_second(),
        drained_in_seconds: trend.drained_in().map(|time| time.as_secs()),
        dead_letters,
        catalog,
        trend: trend.sentence(),
    }
}

async fn depth(queue: &impl Inspect) -> Part<Depth> {
    let seen = match queue.state().await {
        Ok(QueueState { waiting, in_flight, delayed, .. }) => Seen::Known(Depth { waiting, in_flight, delayed }),
        Err(fault) => Seen::Fault { error: fault.to_string() },
    };
    Part { at: queue.url().to_owned(), seen }
}

fn counts(Depth { waiting, in_flight, delayed }: &Depth) -> String {
    format!("{waiting} waiting, {in_flight} in flight, {delayed} delayed")
}

/// Dead letters ask for somebody.
fn dead_counts(depth: &Depth) -> String {
    let Depth { waiting, in_flight, delayed } = depth;
    paint(if waiting + in_flight + delayed > 0 { WARNING } else { Style::new() }, &counts(depth))
}

impl Status {
    fn to_text(&self) -> String {
        let mut lines = vec![("queue", format!("{}  {}", self.queue.words(counts), self.queue.at))];
        lines.extend(self.trend.clone().map(|trend| ("", trend)));
        lines.push((
            "dead letters",
            match &self.dead_letters {
                Some(part) => format!("{}  {}", part.words(dead_counts), part.at),
                None => "NEARLINE_DEAD_LETTER_QUEUE_URL is not set".to_owned(),
            },
        ));
        lines.push((
            "catalog",
            match &self.catalog {
                Some(part) => format!("{}  {}", part.words(CatalogSeen::words), part.at),
                None => "NEARLINE_CATALOG is not set".to_owned(),
            },
        ));
        let lines = lines.iter().map(|(name, text)| format!("{name:<12}  {text}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn to_line(&self) -> String {
        let mut parts = vec![format!("queue: {}", self.queue.words(counts))];
        parts.extend(self.trend.clone());
        parts.extend(self.dead_letters.as_ref().map(|part| format!("dead letters: {}", part.words(dead_counts))));
        parts.extend(self.catalog.as_ref().map(|part| format!("catalog: {}", part.words(CatalogSeen::words))));
        format!("{} {}", self.time, parts.join("; "))
    }

    /// Fails if a part could not be read; the output names it in its place.
    fn faults(&self) -> Result<(), CliError> {
        let parts = [
            ("the queue", self.queue.fault()),
            ("the dead-letter queue", self.dead_letters.as_ref().and_then(Part::fault)),
            ("the catalog", self.catalog.as_ref().and_then(Part::fault)),
        ];
        let faults: Vec<String> =
            parts.iter().filter_map(|(name, fault)| Some(format!("{name} cannot be read: {}", (*fault)?))).collect();
        if faults.is_empty() { Ok(()) } else { Err(CliError::Other(faults.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::fault::Cause;
    use crate::fault_plan::{FaultPlan, Moment};
    use crate::intake::{MemoryQueue, Outgoing};

    #[tokio::test(start_paused = true)]
    async fn a_part_that_cannot_be_read_is_named_and_hides_nothing() {
        let plan = FaultPlan::default();
        let queue = |name: &str, plan| MemoryQueue::new(name, Duration::from_secs(30), plan, Clock::system());
        let (jobs, dead) = (queue("jobs", plan.clone()), queue("dead", FaultPlan::default()));
        dead.push(Outgoing::default());
        let catalog = Part { at: "s3://b/p".into(), seen: Seen::Known(CatalogSeen::default()) };
        let mut trend = Trend::default();
        let status = look(&jobs, Some(&dead), Some(catalog.clone()), &mut trend).await;
        assert!(status.faults().is_ok());

        plan.fail_next("GetQueueAttributes", Moment::Before, Cause::AccessDenied);
        let status = look(&jobs, Some(&dead), Some(catalog), &mut trend).await;
        let fault = status.faults().unwrap_err().to_string();
        assert!(fault.starts_with("the queue cannot be read: Memory GetQueueAttributes jobs"), "{fault}");
        for text in [status.to_text(), status.to_line()] {
            assert!(text.contains("1 waiting, 0 in flight") && text.contains("cannot be read: Memory"), "{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&json(&status).unwrap()).unwrap();
        assert_eq!((json["dead_letters"]["waiting"].as_u64(), json["queue"]["waiting"].as_u64()), (Some(1), None));
        assert!(json["queue"]["error"].is_string());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_is_watched_grows_or_shrinks() {
        let plan = FaultPlan::default();
        let jobs = MemoryQueue::new("jobs", Duration::from_secs(30), plan, Clock::system());
        let mut trend = Trend::default();
        let status = look(&jobs, None, None, &mut trend).await;
        assert_eq!((status.change_per_second, status.drained_in_seconds), (None, None));
        for _ in 0..30 {
            jobs.push(Outgoing::default());
        }
        tokio::time::advance(Duration::from_secs(3)).await;
        let status = look(&jobs, None, None, &mut trend).await;
        assert_eq!(status.change_per_second, Some(10.0));
        assert!(status.to_line().contains("grows by 10.0 a second"), "{}", status.to_line());
    }
}
