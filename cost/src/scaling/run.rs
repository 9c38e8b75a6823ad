//! The load and the fleet, second by second.

use std::collections::VecDeque;

use serde::Serialize;

use crate::scenario::{MAPPING_CONCURRENCY_MIN, Scenario};
use crate::stages::Stage;

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

/// The state of one second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Second {
    pub(super) rate: f64,
    pub(super) answered: f64,
    pub(super) backlog: f64,
    pub(super) environments: u64,
    pub(super) starting: u64,
    pub(super) cpu: f64,
    pub(super) slots: f64,
    pub(super) throttled: bool,
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

pub(super) fn run(scenario: &Scenario, stages: &[Stage], scaling: Scaling, start: u64) -> Vec<Second> {
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
