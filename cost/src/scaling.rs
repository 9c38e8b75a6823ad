//! How Managed Instances follow a load, second by second: a model, calibrated on one published burst ([`burst`]).
//!
//! Lambda scales asynchronously, by CPU and by slots taken, and "if your traffic more than doubles within 5 minutes, you
//! may see throttles". So here the fleet at most doubles in five minutes, and new environments come after a while. What
//! cannot be answered waits on the queue, first in, first out. A job's time is its wait and the time of an invocation; what
//! the model does not know is how that time varies, and that messages of throttled invocations come back only after the
//! queue's visibility timeout. So its times are a lower bound once there are throttles.

mod burst;
mod waits;

use std::collections::VecDeque;

use serde::Serialize;

use crate::compute::fleet;
use crate::prices::Prices;
use crate::scenario::{MAPPING_CONCURRENCY_MIN, Scenario};
use crate::stages::Stage;
pub use burst::{BURST, Burst, burst};
use waits::{Times, Waits};

/// Invocations at once that a standard mapping adds each second, up to its limit; and a provisioned one.
const MAPPING_GROWTH: f64 = 300.0 / 60.0;
const MAPPING_MAX: f64 = 1_250.0;
const POLLERS_GROWTH: f64 = 1_000.0 / 60.0;
const MAPPING_BYTES: f64 = 5e6;
const POLLER_BYTES: f64 = 1e6;
const POLLER_INVOCATIONS: f64 = 10.0;
/// Loading and indexing a catalog, seconds for each row (docs/benchmarks.md: 100,000 rows in 2 s).
const LOAD_SECONDS_PER_ROW: f64 = 2e-5;
/// Longest time after the last stage until the backlog is gone, seconds.
const DRAIN_SECONDS_MAX: usize = 6 * 3_600;

/// What is assumed of Lambda's scaling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scaling {
    /// From the first sign of saturation to a decision, seconds.
    pub reaction_seconds: f64,
    /// From a decision to an environment that loads its catalog, seconds: instances start in one to two minutes.
    pub start_seconds: f64,
    /// Between decisions, each of which doubles the fleet at most.
    pub doubling_seconds: f64,
    /// Of an environment's vCPUs, how many its jobs get before Lambda sends no more.
    pub cpu_max: f64,
    /// How long fewer would do before an environment goes, seconds; then one a minute goes.
    pub idle_seconds: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            reaction_seconds: 180.0,
            start_seconds: 90.0,
            doubling_seconds: 300.0,
            cpu_max: 0.85,
            idle_seconds: 900.0,
        }
    }
}

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

/// The state of one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    rate: f64,
    answered: f64,
    backlog: f64,
    environments: u64,
    starting: u64,
    cpu: f64,
    slots: f64,
    throttled: bool,
}

/// Environments that are there or coming.
struct Scaler {
    ready: u64,
    /// When each lot is ready.
    starting: VecDeque<(f64, u64)>,
    saturated_since: Option<f64>,
    idle_since: Option<f64>,
    decided: f64,
}

impl Scaler {
    fn coming(&self) -> u64 {
        self.starting.iter().map(|(_, count)| count).sum()
    }

    fn arrive(&mut self, now: f64) {
        while let Some(&(at, count)) = self.starting.front()
            && at <= now
        {
            self.ready += count;
            self.starting.pop_front();
        }
    }

    /// Decides by how much is in use. `wanted` environments would have the target utilisation.
    fn decide(&mut self, now: f64, wanted: u64, scenario: &Scenario, scaling: Scaling) {
        let deployment = &scenario.deployment;
        let wanted = wanted.clamp(deployment.environments_min.max(1), deployment.environments_max);
        let there = self.ready + self.coming();
        if wanted <= there {
            self.saturated_since = None;
        }
        if wanted >= there {
            self.idle_since = None;
        }
        if wanted > there {
            let since = *self.saturated_since.get_or_insert(now);
            if now - since >= scaling.reaction_seconds && now - self.decided >= scaling.doubling_seconds {
                let more = wanted.min(2 * self.ready).saturating_sub(there);
                let at = now + scaling.start_seconds + deployment.rows * LOAD_SECONDS_PER_ROW;
                if more > 0 {
                    self.starting.push_back((at, more));
                    self.decided = now;
                }
            }
        } else if wanted < there {
            let since = *self.idle_since.get_or_insert(now);
            if now - since >= scaling.idle_seconds {
                self.ready = self.ready.saturating_sub(1).max(deployment.environments_min).max(1);
                self.idle_since = Some(now - scaling.idle_seconds + 60.0);
            }
        }
    }
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

fn run(scenario: &Scenario, stages: &[Stage], scaling: Scaling, start: u64) -> Vec<Second> {
    let (workload, deployment) = (&scenario.workload, &scenario.deployment);
    let (vcpu, slots) = (deployment.environment.vcpu(), deployment.slots());
    let mut scaler = Scaler {
        ready: start.max(1),
        starting: VecDeque::new(),
        saturated_since: None,
        idle_since: None,
        decided: f64::NEG_INFINITY,
    };
    let (mut mapping, growth, mapping_max, bytes) = match deployment.pollers {
        Some((fewest, most)) => {
            (fewest * POLLER_INVOCATIONS, POLLERS_GROWTH, most * POLLER_INVOCATIONS, most * POLLER_BYTES)
        }
        None => (MAPPING_CONCURRENCY_MIN, MAPPING_GROWTH, MAPPING_MAX, MAPPING_BYTES),
    };
    let full_batch = workload.jobs_per_batch.unwrap_or(deployment.batch_size);
    let by_bytes = bytes / scenario.traffic(1.0).payload_bytes;
    let rates: Vec<f64> = rates(stages);
    let mut backlog = 0.0;
    let mut seconds = Vec::with_capacity(rates.len());
    for second in 0..rates.len() + DRAIN_SECONDS_MAX {
        let now = second as f64;
        let rate = rates.get(second).copied().unwrap_or(0.0);
        if second >= rates.len() && backlog <= 1e-6 {
            break;
        }
        scaler.arrive(now);
        let environments = scaler.ready as f64;
        let all_slots = environments * slots;
        let by_slots = all_slots.min(mapping) / workload.invocation_seconds * full_batch;
        let by_cpu = environments * vcpu * scaling.cpu_max / workload.cpu_seconds.max(1e-9);
        let answered = (backlog + rate).min(by_slots).min(by_cpu).min(by_bytes);
        backlog = (backlog + rate - answered).max(0.0);
        let waiting = backlog > 1e-6;
        // Whoever waits for a processor holds a slot.
        let in_flight = if waiting { all_slots.min(mapping) } else { scenario.traffic(answered).in_flight };
        mapping = if waiting { (mapping + growth).min(mapping_max) } else { mapping.min(mapping_max) };
        let cpu = answered * workload.cpu_seconds / (environments * vcpu);
        let taken = (in_flight / all_slots).min(1.0);
        let wanted = environments * cpu.max(taken) / deployment.target_utilisation;
        scaler.decide(now, (wanted - 1e-9).ceil() as u64, scenario, scaling);
        seconds.push(Second {
            rate,
            answered,
            backlog,
            environments: scaler.ready,
            starting: scaler.coming(),
            cpu,
            slots: taken,
            throttled: waiting && mapping > all_slots,
        });
    }
    seconds
}

/// The rate of each second, in its middle.
fn rates(stages: &[Stage]) -> Vec<f64> {
    let mut rates = Vec::new();
    let mut begun = 0.0;
    for stage in stages {
        let length = stage.duration.as_secs_f64();
        let end = begun + length;
        while (rates.len() as f64) + 0.5 < end {
            let share = (rates.len() as f64 + 0.5 - begun) / length;
            rates.push(stage.from + (stage.to - stage.from) * share);
        }
        begun = end;
    }
    rates
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
