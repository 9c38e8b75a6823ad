//! How Managed Instances follow a load, second by second: a model, calibrated on one published burst ([`burst`]).
//!
//! Lambda scales asynchronously, by CPU and by slots taken, and "if your traffic more than doubles within 5 minutes, you
//! may see throttles". So here the fleet at most doubles in five minutes, and new environments come after a while. What
//! cannot be answered waits on the queue, first in, first out. A job's time is its wait and the time of an invocation; what
//! the model does not know is how that time varies, and that messages of throttled invocations come back only after the
//! queue's visibility timeout. So its times are a lower bound once there are throttles.

mod burst;
mod run;
mod waits;

use serde::Serialize;

use crate::compute::fleet;
use crate::prices::Prices;
use crate::scenario::Scenario;
use crate::stages::Stage;
pub use burst::{BURST, Burst, burst};
pub use run::Scaling;
use run::{Second, run};
use waits::{Times, Waits};

/// A part of the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interval {
    /// When it begins, seconds from the start.
    pub from_seconds: f64,
    /// When it ends.
    pub to_seconds: f64,
    /// Jobs that come, a second.
    pub rate: f64,
    /// Jobs that are answered, a second.
    pub answered: f64,
    /// Jobs on the queue at its end.
    pub backlog: f64,
    /// How long the oldest of them has waited, seconds.
    pub oldest_seconds: f64,
    /// Environments that answer at its end.
    pub environments: u64,
    /// Environments that are starting then.
    pub starting: u64,
    /// Instances that hold both.
    pub instances: u64,
    /// vCPUs in use, as a part of all.
    pub cpu: f64,
    /// Slots taken, as a part of all.
    pub slots: f64,
    /// Seconds in which invocations were throttled.
    pub throttled_seconds: f64,
    /// Times of the jobs that came in it, seconds, end to end.
    pub p50_seconds: Option<f64>,
    /// Of a hundred the longest.
    pub p99_seconds: Option<f64>,
}

/// How a load went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulation {
    /// Its parts in order.
    pub intervals: Vec<Interval>,
    /// Jobs in all.
    pub jobs: f64,
    /// Jobs without an answer at the end.
    pub unanswered: f64,
    /// Most jobs on the queue.
    pub backlog_max: f64,
    /// Most environments.
    pub environments_max: u64,
    /// Seconds in which invocations were throttled.
    pub throttled_seconds: f64,
    /// Times of all jobs, seconds, end to end.
    pub p50_seconds: Option<f64>,
    /// Of a hundred the longest.
    pub p99_seconds: Option<f64>,
    /// Of all the longest.
    pub max_seconds: Option<f64>,
}

/// Runs the stages, and then on until nothing is left on the queue. The result has `intervals` parts at most.
pub fn simulate(
    scenario: &Scenario,
    stages: &[Stage],
    scaling: Scaling,
    intervals: usize,
    prices: &Prices,
) -> Simulation {
    let first = stages.first().map_or(0.0, |stage| stage.from);
    let start = fleet(scenario, first, prices).environments.min(scenario.deployment.environments_max);
    let seconds = run(scenario, stages, scaling, start);
    let each = fleet(scenario, first, prices).packed.map_or(1, |packed| packed.environments_each);
    summary(&seconds, scenario.workload.invocation_seconds, each, intervals)
}

fn summary(seconds: &[Second], service: f64, each: u64, intervals: usize) -> Simulation {
    let waits = Waits::new(seconds.iter().map(|second| (second.rate, second.answered)), service);
    let length = seconds.len().div_ceil(intervals.max(1)).max(1);
    let length = nice(length);
    let mean = |part: &[Second], of: fn(&Second) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let throttled = |part: &[Second]| part.iter().filter(|second| second.throttled).count() as f64;
    let mut all = Vec::new();
    for (index, part) in seconds.chunks(length).enumerate() {
        let Some(last) = part.last() else { continue };
        let (from, to) = (index * length, index * length + part.len());
        let Times { p50, p99, .. } = waits.of(from..to);
        all.push(Interval {
            from_seconds: from as f64,
            to_seconds: to as f64,
            rate: mean(part, |second| second.rate),
            answered: mean(part, |second| second.answered),
            backlog: last.backlog,
            oldest_seconds: waits.oldest(to),
            environments: last.environments,
            starting: last.starting,
            instances: (last.environments + last.starting).div_ceil(each),
            cpu: mean(part, |second| second.cpu),
            slots: mean(part, |second| second.slots),
            throttled_seconds: throttled(part),
            p50_seconds: p50,
            p99_seconds: p99,
        });
    }
    let Times { p50, p99, max } = waits.of(0..seconds.len());
    Simulation {
        intervals: all,
        jobs: seconds.iter().map(|second| second.rate).sum(),
        unanswered: seconds.last().map_or(0.0, |second| second.backlog),
        backlog_max: seconds.iter().map(|second| second.backlog).fold(0.0, f64::max),
        environments_max: seconds.iter().map(|second| second.environments).max().unwrap_or(0),
        throttled_seconds: throttled(seconds),
        p50_seconds: p50,
        p99_seconds: p99,
        max_seconds: max,
    }
}

/// A length that people count in.
fn nice(seconds: usize) -> usize {
    const LENGTHS: [usize; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];
    LENGTHS.into_iter().find(|length| *length >= seconds).unwrap_or(seconds.div_ceil(3_600) * 3_600)
}

#[cfg(test)]
mod tests;
