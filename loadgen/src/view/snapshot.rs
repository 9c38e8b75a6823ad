//! The state of a run at one moment, as views need it.

use std::time::Duration;

use crate::account::{Account, Accounting, StageBooks, Totals};
use crate::latency::Percentiles;
use crate::series::QueueDepth;

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
    /// Records that are to be looked up before the run ends.
    pub looks_left: usize,
    pub schedule_lag: Percentiles,
    pub send: Percentiles,
    pub end_to_end: Percentiles,
    pub queue: Option<QueueDepth>,
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
    pub(super) fn take(account: &Account, intervals: usize) -> Self {
        let elapsed = account.now();
        let schedule = account.schedule();
        account.read(|books| {
            let StageBooks { totals, schedule_lag, send, end_to_end, .. } = books.overall();
            let interval = books.series.length();
            let over = (elapsed.as_nanos() / interval.as_nanos()) as usize;
            let all = &books.series.intervals()[..over.min(books.series.intervals().len())];
            let recent = all[all.len().saturating_sub(intervals)..].iter().map(|interval| Recent {
                sent: interval.sent,
                completed: interval.completed,
                pending: interval.pending,
                end_to_end_p99: interval.end_to_end.as_ref().map(|latency| latency.quantile(0.99)),
            });
            let trouble =
                |what: &str, reason: &Option<String>| reason.as_ref().map(|reason| format!("{what}: {reason}"));
            let troubles = [
                trouble("the sending ended", &books.sending_ended),
                trouble("last trouble with sending", &books.send_error),
                trouble("records cannot be read", &books.read_error),
                trouble("the queue's depth cannot be read", &books.queue_error),
            ];
            Self {
                elapsed,
                planned: schedule.duration(),
                stage: schedule.stage_at(elapsed) + 1,
                stages: schedule.stages().len(),
                asked_rps: schedule.rate_at(elapsed),
                totals,
                accounting: books.accounting,
                pending: books.pending(),
                looks_left: books.looks_left,
                schedule_lag: schedule_lag.percentiles(),
                send: send.percentiles(),
                end_to_end: end_to_end.percentiles(),
                queue: books.queue_now,
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
