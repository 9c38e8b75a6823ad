//! A line a second, for logs and pipes.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::snapshot::{Snapshot, Watched};
use crate::outputs::tell;
use crate::text::{count, span, time};

const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn show(watched: Watched, over: CancellationToken) {
    let mut ticks = interval_at(watched.account.start() + SECOND, SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = over.cancelled() => return,
            _ = ticks.tick() => tell(&line(&Snapshot::take(&watched, 1))),
        }
    }
}

/// The state of a run in one line.
pub(super) fn line(snapshot: &Snapshot) -> String {
    let (totals, last) = (&snapshot.totals, snapshot.last());
    let mut line = format!("{:>4} s", snapshot.elapsed.as_secs());
    let mut add = |text: String| line.push_str(&text);
    if snapshot.stages > 1 {
        add(format!("  stage {}/{}", snapshot.stage, snapshot.stages));
    }
    add(format!("  asked {:.0}/s", snapshot.asked_rps));
    add(format!("  sent {} ({:.0}/s)", totals.sent, snapshot.per_second(last.sent)));
    let completed = totals.succeeded + totals.rejected + totals.wrong;
    add(format!("  completed {completed} ({:.0}/s)", snapshot.per_second(last.completed)));
    add(format!("  pending {}", snapshot.pending));
    if let Some(oldest) = snapshot.oldest {
        add(format!(" (oldest {})", span(oldest)));
    }
    if let Some(queue) = snapshot.queue {
        add(format!("  queue {}+{}", queue.visible + queue.delayed, queue.in_flight));
    }
    for (name, count, bad) in totals.named() {
        if count > 0 && (bad || name == "rejected") {
            add(format!("  {name} {count}"));
        }
    }
    if snapshot.looks_left > 0 {
        add(format!("  looking up {} once more", count(snapshot.looks_left as u64, "record")));
    }
    for (name, latency) in [("lag", &snapshot.times.schedule_lag), ("e2e", &snapshot.times.end_to_end)] {
        if let Some((p50, p99)) = latency.p50.zip(latency.p99) {
            add(format!("  {name} p50 {} p99 {}", time(p50), time(p99)));
        }
    }
    for trouble in &snapshot.troubles {
        let _ = write!(line, "  {trouble}"); // writing to a String cannot fail
    }
    line
}
