//! Artifacts in memory, for tests and simulations.

mod publishing;
mod uploads;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use time::OffsetDateTime;

use self::uploads::Uploads;
use super::artifact;
use super::artifacts::{Artifacts, Piece};
use super::location::ObjectName;
use crate::clock::Clock;
use crate::fault::{Call, Fault};
use crate::fault_plan::FaultPlan;

/// Keeps objects; clones share them. Its operations are those of S3: `GetObject`, `HeadObject`, `PutObject`.
#[derive(Debug, Clone, Default)]
pub struct MemoryArtifacts {
    plan: FaultPlan,
    objects: Arc<Mutex<BTreeMap<ObjectName, Bytes>>>,
    modified: Arc<Mutex<BTreeMap<ObjectName, OffsetDateTime>>>,
    uploads: Uploads,
    clock: Clock,
}

impl MemoryArtifacts {
    /// Artifacts that misbehave by `plan`.
    pub fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// The same artifacts, as a process sees them that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// The same artifacts, written at the times of a clock.
    #[must_use]
    pub fn at_times_of(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Sets or removes an object, as somebody else would.
    pub fn set(&self, name: &ObjectName, body: Option<Bytes>) {
        match body {
            Some(body) => self.objects().insert(name.clone(), body),
            None => self.objects().remove(name),
        };
        self.modified().insert(name.clone(), self.clock.now());
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn modified(&self) -> MutexGuard<'_, BTreeMap<ObjectName, OffsetDateTime>> {
        self.modified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Artifacts for MemoryArtifacts {
    async fn get(&self, name: &ObjectName) -> Result<Option<Bytes>, Fault> {
        let call = Call::new("Memory", "GetObject", name.to_string());
        let (artifacts, name) = (self.clone(), name.clone());
        self.plan.call(call, move || Ok(artifacts.objects().get(&name).cloned())).await
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>, tag: Option<&str>) -> Result<Option<Piece>, Fault> {
        let call = Call::new("Memory", "GetObject", name.to_string());
        let (artifacts, name, tag) = (self.clone(), name.clone(), tag.map(str::to_owned));
        let get = move || {
            let Some(body) = artifacts.objects().get(&name).cloned() else { return Ok(None) };
            let length = body.len() as u64;
            let found = artifact::sha256(&body[..]).unwrap_or_default();
            if tag.is_some_and(|tag| tag != found) {
                return Ok(None);
            }
            let end = range.end.min(length);
            let bytes = body.slice(range.start.min(end) as usize..end as usize);
            Ok(Some(Piece { bytes: vec![bytes], length, tag: found }))
        };
        self.plan.call(call, get).await
    }

    async fn length(&self, name: &ObjectName) -> Result<Option<u64>, Fault> {
        let call = Call::new("Memory", "HeadObject", name.to_string());
        let (artifacts, name) = (self.clone(), name.clone());
        self.plan.call(call, move || Ok(artifacts.objects().get(&name).map(|body| body.len() as u64))).await
    }

    async fn put(&self, name: &ObjectName, body: Bytes) -> Result<(), Fault> {
        let call = Call::new("Memory", "PutObject", name.to_string());
        let (artifacts, name) = (self.clone(), name.clone());
        let put = move || {
            artifacts.set(&name, Some(body));
            Ok(())
        };
        self.plan.call(call, put).await
    }
}
