//! What is seen of a run while it goes: a screen on a terminal, otherwise a line a second.

mod lines;
mod screen;

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::screen::restore as restore_terminal;
use crate::account::{Account, Accounting, StageBooks, Totals};
use crate::latency::Percentiles;
use crate::series::QueueDepth;
use crate::stop::Stop;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// A screen that is drawn four times a second; needs a terminal.
    Screen,
    /// A line a second, to standard error.
    Lines,
}

impl View {
    /// A screen if people can see and leave it, unless they asked for `plain` lines.
    pub fn choose(plain: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::io::stdin().is_terminal();
        if terminal && !plain { Self::Screen } else { Self::Lines }
    }

    /// Shows the run until `over`; the terminal is as it was when the task has ended.
    pub(crate) fn show(self, account: Account, title: String, stop: Stop, over: CancellationToken) -> JoinHandle<()> {
        match self {
            Self::Screen => tokio::task::spawn_blocking(move || screen::show(&account, &title, &stop, &over)),
            Self::Lines => tokio::spawn(lines::show(account, over)),
        }
    }
}

/// The state of a run at one moment.
#[derive(Debug, Clone)]
struct Snapshot {
    elapsed: Duration,
    planned: Duration,
    stage: usize,
    stages: usize,
    asked_rps: f64,
    totals: Totals,
    accounting: Accounting,
    pending: u64,
    /// Records that are to be looked up before the run ends.
    looks_left: usize,
    schedule_lag: Percentiles,
    send: Percentiles,
    end_to_end: Percentiles,
    queue: Option<QueueDepth>,
    /// What is wrong at the moment.
    troubles: Vec<String>,
    /// The last intervals that are over.
    recent: Vec<Recent>,
    interval: Duration,
}

/// What happened in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Recent {
    sent: u64,
    completed: u64,
    pending: u64,
    end_to_end_p99: Option<Duration>,
}

impl Snapshot {
    /// With the last `intervals` of the series.
    fn take(account: &Account, intervals: usize) -> Self {
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
    fn last(&self) -> Recent {
        self.recent.last().copied().unwrap_or_default()
    }

    /// Jobs in an interval as jobs a second.
    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.interval.as_secs_f64()
    }
}

#[cfg(test)]
mod tests;
