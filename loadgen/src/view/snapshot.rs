//! The state of a run at one moment, as views need it.

use std::time::Duration;

use crate::account::{Account, Accounting, Totals};
use crate::latency::{Percentiles, Times};
use crate::series::QueueDepth;
use crate::slo::{Measured, Objectives, Outcome};
use crate::text::NOTHING_ANSWERED;

/// A worker that starts may take so long before anything is said about it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is shown.
#[derive(Debug)]
pub(crate) struct Watched {
    pub account: Account,
    pub title: String,
    pub objectives: Objectives,
    /// The share of all request ids whose record is looked for.
    pub verified_share: f64,
}

/// The state of a run at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub elapsed: Duration,
    pub planned: Duration,
    pub stage: usize,
    pub stages: usize,
    pub asked_rps: f64,
    pub totals: Totals,
    pub accounting: Accounting,
    pub pending: u64,
    /// Age of the oldest job without a record.
    pub oldest: Option<Duration>,
    /// Objectives, as the run stands.
    pub outcomes: Vec<Outcome>,
    /// Records that are to be looked up before the run ends.
    pub looks_left: usize,
    pub times: Times<Percentiles>,
    pub queue: Option<QueueDepth>,
    /// Those that came during the run.
    pub dead_letters: u64,
    /// What is wrong at the moment.
    pub troubles: Vec<String>,
    /// The last intervals that are over.
    pub recent: Vec<Recent>,
    pub interval: Duration,
}

/// What happened in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Recent {
    pub sent: u64,
    pub completed: u64,
    pub pending: u64,
    pub end_to_end_p99: Option<Duration>,
}

impl Snapshot {
    /// With the last `intervals` of the series.
    pub(super) fn take(watched: &Watched, intervals: usize) -> Self {
        let Watched { account, objectives, verified_share, .. } = watched;
        let elapsed = account.now();
        let schedule = account.schedule();
        account.read(|books| {
            let overall = books.overall();
            let (accounting, pending) = (books.accounting, books.pending());
            let measured = Measured {
                books: &overall,
                verified: accounting.verified,
                verified_share: *verified_share,
                series: None,
            };
            let oldest = books.oldest_pending.filter(|_| pending > 0).map(|intended| elapsed.saturating_sub(intended));
            let silent = books.unanswered() && oldest.is_some_and(|age| age >= PATIENCE);
            let dead = |depth: Option<QueueDepth>| depth.and_then(|depth| depth.dead_letters).unwrap_or_default();
            let interval = books.series.length();
            let over = (elapsed.as_nanos() / interval.as_nanos()) as usize;
            let all = &books.series.points()[..over.min(books.series.points().len())];
            let recent = all[all.len().saturating_sub(intervals)..].iter().map(|interval| Recent {
                sent: interval.sent,
                completed: interval.completed,
                pending: interval.pending,
                end_to_end_p99: interval.latency.as_ref().map(|latency| latency.quantile(0.99)),
            });
            let trouble =
                |what: &str, reason: &Option<String>| reason.as_ref().map(|reason| format!("{what}: {reason}"));
            let troubles = [
                silent.then(|| NOTHING_ANSWERED.to_owned()),
                trouble("sending stopped", &books.sending_ended),
                trouble("last error while sending", &books.send_error),
                trouble("records cannot be read", &books.read_error),
                trouble("the queue's depth cannot be read", &books.queue_error),
            ];
            Self {
                elapsed,
                planned: schedule.duration(),
                stage: schedule.stage_at(elapsed) + 1,
                stages: schedule.stages().len(),
                asked_rps: schedule.rate_at(elapsed),
                totals: overall.totals,
                accounting,
                pending,
                oldest,
                outcomes: objectives.outcomes(&measured),
                looks_left: books.looks_left,
                times: overall.times.percentiles(),
                queue: books.queue_now,
                dead_letters: dead(books.queue_now).saturating_sub(dead(books.queue_before)),
                troubles: troubles.into_iter().flatten().collect(),
                recent: recent.collect(),
                interval,
            }
        })
    }

    /// The last interval that is over.
    pub(super) fn last(&self) -> Recent {
        self.recent.last().copied().unwrap_or_default()
    }

    /// Jobs in an interval as jobs a second.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.interval.as_secs_f64()
    }
}
