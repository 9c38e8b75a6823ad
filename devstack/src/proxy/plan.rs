//! Which call meets which fault: a function of the seed, the operation, and how many calls of it came before.
//!
//! The order of calls across operations plays no part, so two runs with a seed differ only where a client's calls of
//! one operation do; their order on several connections is the client's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::fault::FaultKind;

#[derive(Debug)]
pub(super) struct Plan {
    seed: u64,
    rate: f64,
    kinds: Vec<FaultKind>,
    calls: Mutex<HashMap<Call, u64>>,
}

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Planned {
    pub(super) kind: FaultKind,
    /// How long, how much or which, as a share of what there is, 0 to 1.
    pub(super) share: f64,
    /// Which of two ways, where a kind has two.
    pub(super) coin: bool,
}

impl Planned {
    /// One position of so many.
    pub(super) fn pick(self, count: usize) -> usize {
        ((self.share * count as f64) as usize).min(count.saturating_sub(1))
    }
}

impl Plan {
    pub(super) fn new(seed: u64, rate: f64, kinds: Vec<FaultKind>) -> Self {
        Self { seed, rate, kinds, calls: Mutex::default() }
    }

    /// The fault of the next call of this operation, if it meets one.
    pub(super) fn next(&self, call: &Call) -> Option<Planned> {
        let number = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let number = calls.entry(call.clone()).or_default();
            *number += 1;
            *number
        };
        let fitting: Vec<FaultKind> = self.kinds.iter().copied().filter(|kind| kind.fits(call)).collect();
        let mut random = self.random(call, number);
        if random.random::<f64>() >= self.rate || fitting.is_empty() {
            return None;
        }
        let kind = fitting[random.random_range(0..fitting.len())];
        Some(Planned { kind, share: random.random(), coin: random.random() })
    }

    fn random(&self, call: &Call, number: u64) -> StdRng {
        let text = format!("{} {} {} {number}", self.seed, call.service, call.operation);
        StdRng::from_seed(Sha256::digest(text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Service;

    fn call(operation: &str) -> Call {
        Call { service: Service::Sqs, operation: operation.into() }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_whatever_other_operations_do() {
        let plan = |seed| Plan::new(seed, 0.3, FaultKind::all().to_vec());
        let (alone, mixed) = (plan(7), plan(7));
        let receive = call("ReceiveMessage");
        let first: Vec<_> = (0..500).map(|_| alone.next(&receive)).collect();
        let second: Vec<_> = (0..500)
            .map(|_| {
                mixed.next(&call("DeleteMessageBatch"));
                mixed.next(&receive)
            })
            .collect();
        assert_eq!(first, second);
        let other = plan(8);
        assert_ne!(first, (0..500).map(|_| other.next(&receive)).collect::<Vec<_>>());
    }

    #[test]
    fn faults_come_at_their_rate_and_only_where_they_fit() {
        let plan = Plan::new(1, 0.2, FaultKind::all().to_vec());
        let met: Vec<_> = (0..10_000).filter_map(|_| plan.next(&call("DeleteMessageBatch"))).collect();
        assert!((1_900..2_100).contains(&met.len()), "{}", met.len());
        assert!(met.iter().any(|planned| planned.kind == FaultKind::FailedEntry));
        assert!(met.iter().all(|planned| planned.kind != FaultKind::Redelivery));
        let plan = Plan::new(1, 1.0, vec![FaultKind::Redelivery]);
        assert_eq!(plan.next(&call("DeleteMessageBatch")), None);
    }
}
