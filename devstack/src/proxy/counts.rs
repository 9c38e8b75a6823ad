//! What passed and what was made to fail, by operation and kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::call::{Call, Service};
use super::fault::FaultKind;

/// What happened since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProxyReport {
    /// What the faults followed from.
    pub seed: u64,
    /// The share of calls that were to meet one.
    pub rate: f64,
    /// Calls of all services.
    pub requests: u64,
    /// Faults that were played.
    pub faults: u64,
    /// Faults by kind.
    pub kinds: BTreeMap<FaultKind, u64>,
    /// Calls that failed without a plan: the service could not be reached, or broke off.
    pub upstream_failures: u64,
    /// Calls that met a fault that stood.
    pub stood: u64,
    /// The same by operation.
    pub operations: Vec<OperationCounts>,
}

/// What happened to the calls of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationCounts {
    /// Whose it is.
    pub service: Service,
    /// Its name, as AWS writes it.
    pub operation: String,
    /// Its calls.
    pub requests: u64,
    /// Faults that were played, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Its calls that met a fault that stood.
    pub stood: u64,
}

#[derive(Debug, Default)]
struct Counted {
    requests: u64,
    faults: BTreeMap<FaultKind, u64>,
    stood: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    operations: Mutex<BTreeMap<Call, Counted>>,
    upstream_failures: std::sync::atomic::AtomicU64,
}

impl Counts {
    pub(super) fn request(&self, call: &Call) {
        self.change(call, |counted| counted.requests += 1);
    }

    /// Only what was played counts, not what turned out not to fit.
    pub(super) fn fault(&self, call: &Call, kind: FaultKind) {
        self.change(call, |counted| *counted.faults.entry(kind).or_default() += 1);
    }

    pub(super) fn stood(&self, call: &Call) {
        self.change(call, |counted| counted.stood += 1);
    }

    pub(super) fn upstream_failure(&self) {
        self.upstream_failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn change(&self, call: &Call, change: impl FnOnce(&mut Counted)) {
        change(self.operations.lock().unwrap_or_else(PoisonError::into_inner).entry(call.clone()).or_default());
    }

    pub(super) fn report(&self, seed: u64, rate: f64) -> ProxyReport {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kinds = BTreeMap::new();
        for (kind, count) in operations.values().flat_map(|counted| &counted.faults) {
            *kinds.entry(*kind).or_default() += count;
        }
        let of = |(call, counted): (&Call, &Counted)| OperationCounts {
            service: call.service,
            operation: call.operation.clone(),
            requests: counted.requests,
            faults: counted.faults.clone(),
            stood: counted.stood,
        };
        ProxyReport {
            seed,
            rate,
            requests: operations.values().map(|counted| counted.requests).sum(),
            faults: kinds.values().sum(),
            kinds,
            upstream_failures: self.upstream_failures.load(std::sync::atomic::Ordering::Relaxed),
            stood: operations.values().map(|counted| counted.stood).sum(),
            operations: operations.iter().map(of).collect(),
        }
    }
}
