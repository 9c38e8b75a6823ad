//! The published burst that the model is calibrated on, and how far it is from it.

use std::time::Duration;

use serde::Serialize;

use super::run::{Scaling, run};
use crate::packing::Environment;
use crate::scenario::{Deployment, Scenario, Workload};
use crate::stages::Stage;

/// AWS's Monte Carlo sample ("Load Testing and LMI Scaling Behavior"): minutes after 2,350 messages came at once, and
/// environments of 2 vCPUs and 10 slots then. (It says 15 minutes from 3 to 16.)
pub const BURST: [(u32, u64); 3] = [(5, 3), (10, 10), (15, 16)];

/// What the model makes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Burst {
    /// Minutes, environments as published, environments of the model.
    pub environments: Vec<(u32, u64, u64)>,
}

/// Runs it: 2,350 messages at once and 40 more a minute, each 150 s and a third of a vCPU; 16 environments at most.
pub fn burst(scaling: Scaling) -> Burst {
    let deployment = Deployment {
        environment: Environment { memory_mib: 4_096, gib_per_vcpu: 2 },
        environments_min: 3,
        environments_max: 16,
        max_concurrency: Some(10.0),
        rows: 0.0,
        ..Deployment::default()
    };
    let workload = Workload {
        jobs_per_batch: Some(1.0),
        invocation_seconds: 150.0,
        cpu_seconds: 50.0,
        message_bytes: 1_000.0,
        ..Workload::default()
    };
    let hold = |seconds: u64, rate: f64| Stage { duration: Duration::from_secs(seconds), from: rate, to: rate };
    let seconds = run(&Scenario { workload, deployment }, &[hold(1, 2_350.0), hold(1_199, 40.0 / 60.0)], scaling, 3);
    let at = |minute: u32| seconds[minute as usize * 60].environments;
    Burst { environments: BURST.iter().map(|&(minute, published)| (minute, published, at(minute))).collect() }
}
