//! Records in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearline_contract::ResultRecord;

use super::records::{GivenUp, LOOK_UP_MAX, LookUp, Prior, Records, Written};
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;

/// Keeps records and results; clones share them. Its operations are those of DynamoDB and S3: `BatchGetItem`,
/// `PutItem`, `GetItem`, `PutObject`, `GetObject`.
#[derive(Debug, Clone, Default)]
pub struct MemoryRecords {
    plan: FaultPlan,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<String, ResultRecord>,
    /// What eventually consistent reads may still see instead of the newest record.
    stale: BTreeMap<String, Option<ResultRecord>>,
    given_up: BTreeMap<String, GivenUp>,
    results: BTreeMap<String, Vec<u8>>,
    /// For how many ids the next look-ups answer; the last one holds from then on.
    answers: Vec<usize>,
    /// Every write that took effect: when, in seconds since the epoch by the writer's clock, and what.
    writes: Vec<(i64, ResultRecord)>,
}

impl MemoryRecords {
    /// Records that misbehave by `plan`: besides faults, look-ups that answer in parts, and reads of what was before.
    pub fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// As these, but each look-up in turn answers for at most so many ids, and all after the last one as that.
    #[must_use]
    pub fn answering_in_turn(self, ids: Vec<usize>) -> Self {
        self.state().answers = ids;
        self
    }

    /// The same records, as a process sees them that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// Every write that took effect, in order: the writer's time, in seconds since the epoch, and the record.
    pub fn writes(&self) -> Vec<(i64, ResultRecord)> {
        self.state().writes.clone()
    }

    /// All records, by id.
    pub fn all(&self) -> BTreeMap<String, ResultRecord> {
        self.state().records.clone()
    }

    /// All uploaded results, by URI.
    pub fn all_results(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().results.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up_now(&self, ids: &[String], consistent: bool) -> LookUp {
        let mut state = self.state();
        let answered = match state.answers[..] {
            [last] => last,
            [_, ..] => state.answers.remove(0),
            [] if self.plan.strikes(0.5) => self.plan.below(ids.len()),
            [] => ids.len(),
        };
        let (asked, left) = ids.split_at(answered.min(ids.len()));
        let record = |id: &str| match state.stale.get(id) {
            Some(stale) if !consistent && self.plan.strikes(1.0) => stale.as_ref(),
            _ => state.records.get(id),
        };
        LookUp {
            found: asked.iter().filter_map(|id| Some((id.clone(), Prior::of(record(id)?)))).collect(),
            unprocessed: left.to_vec(),
        }
    }

    fn put_now(&self, record: &ResultRecord, now: i64) -> Written {
        let mut state = self.state();
        let old = state.records.get(&record.request_id).cloned();
        if let Some(prior) = old.as_ref().map(Prior::of).filter(|prior| !prior.gives_way_to(record, now)) {
            return if prior.job_sha256 == record.job_sha256 { Written::Replay } else { Written::Conflict };
        }
        state.stale.insert(record.request_id.clone(), old);
        state.records.insert(record.request_id.clone(), record.clone());
        state.writes.push((now, record.clone()));
        Written::New
    }
}

impl Records for MemoryRecords {
    async fn look_up(&self, ids: &[&str], consistent: bool) -> Result<LookUp, Fault> {
        assert!(ids.len() <= LOOK_UP_MAX, "the contract of `Records::look_up`");
        let call = Call::new("Memory", "BatchGetItem", "records");
        let (records, ids): (_, Vec<String>) = (self.clone(), ids.iter().map(|&id| id.to_owned()).collect());
        self.plan.call(call, move || Ok(records.look_up_now(&ids, consistent))).await
    }

    async fn put(&self, record: &ResultRecord, now: i64) -> Result<Written, Fault> {
        let (records, record) = (self.clone(), record.clone());
        let put = move || Ok(records.put_now(&record, now));
        self.plan.call(Call::new("Memory", "PutItem", "records"), put).await.map_err(Fault::of_job)
    }

    async fn get(&self, id: &str) -> Result<Option<ResultRecord>, Fault> {
        let call = Call::new("Memory", "GetItem", "records");
        let (records, id) = (self.clone(), id.to_owned());
        self.plan.call(call, move || Ok(records.state().records.get(&id).cloned())).await
    }

    async fn note_given_up(&self, message_id: &str, note: &GivenUp) -> Result<(), Fault> {
        let (records, message_id, note) = (self.clone(), message_id.to_owned(), note.clone());
        let put = move || {
            records.state().given_up.insert(message_id, note);
            Ok(())
        };
        self.plan.call(Call::new("Memory", "PutItem", "records"), put).await.map_err(Fault::of_job)
    }

    async fn given_up(&self, message_id: &str) -> Result<Option<GivenUp>, Fault> {
        let call = Call::new("Memory", "BatchGetItem", "records");
        let (records, message_id) = (self.clone(), message_id.to_owned());
        self.plan.call(call, move || Ok(records.state().given_up.get(&message_id).cloned())).await
    }

    /// Has a name of its own, so that scripts can speak of look-ups of jobs alone.
    async fn check(&self) -> Result<(), Fault> {
        self.plan.call(Call::new("Memory", "Check", "records"), || Ok(())).await
    }

    fn has_room_for_results(&self) -> bool {
        true
    }

    async fn put_results(&self, name: &str, body: Vec<u8>) -> Result<String, Fault> {
        let uri = format!("s3://memory/results/{name}");
        let (records, kept) = (self.clone(), uri.clone());
        let effect = move || {
            records.state().results.insert(kept.clone(), body);
            Ok(kept)
        };
        self.plan.call(Call::new("Memory", "PutObject", uri), effect).await.map_err(Fault::of_job)
    }

    async fn get_results(&self, uri: &str) -> Result<Vec<u8>, Fault> {
        let call = Call::new("Memory", "GetObject", uri);
        let missing = Fault::of(call.clone(), Cause::NotFound, "the object does not exist");
        let (records, uri) = (self.clone(), uri.to_owned());
        self.plan.call(call, move || records.state().results.get(&uri).cloned().ok_or(missing)).await
    }
}
