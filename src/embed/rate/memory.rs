//! Leases in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::leases::{Leases, Version};
use crate::fault::{Call, Fault};
use crate::fault_plan::FaultPlan;

/// Keeps states; clones share them. Its operations are `ReadLease` and `WriteLease`.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeases {
    plan: FaultPlan,
    kept: Arc<Mutex<BTreeMap<String, Version>>>,
}

impl MemoryLeases {
    /// The same states, as a process sees them that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }
}

impl Leases for MemoryLeases {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Version>, Fault>> {
        let (kept, name) = (Arc::clone(&self.kept), name.to_owned());
        let read = move || Ok(kept.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned());
        self.plan.call(Call::new("Memory", "ReadLease", "leases"), read).boxed()
    }

    fn write<'a>(&'a self, name: &'a str, version: &'a Version) -> BoxFuture<'a, Result<bool, Fault>> {
        let (kept, name, version) = (Arc::clone(&self.kept), name.to_owned(), version.clone());
        let write = move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let follows = kept.get(&name).map_or(0, |kept| kept.number) + 1 == version.number;
            if follows {
                kept.insert(name, version);
            }
            Ok(follows)
        };
        self.plan.call(Call::new("Memory", "WriteLease", "leases"), write).boxed()
    }
}
