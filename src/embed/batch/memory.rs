//! Batch jobs in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::service::{Batches, JobState, JobStatus, NewJob};
use crate::embed::MemoryModels;
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;

/// Looks at a job until it has ended.
const LOOKS: u32 = 3;

/// Runs jobs of Titan; clones share them. Its operations: `PutObject`, `CreateModelInvocationJob`,
/// `GetModelInvocationJob`, `GetObject`.
#[derive(Debug, Clone, Default)]
pub struct MemoryBatches {
    plan: FaultPlan,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    jobs: Vec<MemoryJob>,
    refused: Option<String>,
    left_out: Option<String>,
    broken: Option<String>,
    paid: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct MemoryJob {
    job: NewJob,
    looks: u32,
    ended: Option<JobState>,
}

impl MemoryBatches {
    /// Jobs that misbehave by `plan`.
    pub fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// The same jobs, as a process sees them that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// Records whose text contains `part` have errors from now on.
    pub fn refuse(&self, part: &str) {
        self.state().refused = Some(part.to_owned());
    }

    /// Records whose text contains `part` are not answered from now on.
    pub fn leave_out(&self, part: &str) {
        self.state().left_out = Some(part.to_owned());
    }

    /// Jobs that end from now on fail, with these words; `None`: no more.
    pub fn break_jobs(&self, words: Option<&str>) {
        self.state().broken = words.map(str::to_owned);
    }

    /// How many records each started job has.
    pub fn jobs(&self) -> Vec<usize> {
        let state = self.state();
        state.jobs.iter().map(|known| lines(&state.objects[&known.job.input]).count()).collect()
    }

    /// How often each text was embedded.
    pub fn paid(&self) -> BTreeMap<String, u32> {
        self.state().paid.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        target: &str,
        effect: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let batches = self.clone();
        let call = Call::new("Memory", operation, target);
        self.plan.call(call, move || Ok(effect(&mut batches.state()))).await
    }
}

fn lines(object: &[u8]) -> impl Iterator<Item = &[u8]> {
    object.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

impl State {
    fn start(&mut self, job: NewJob) -> String {
        let known = self.jobs.iter().position(|known| known.job.token == job.token);
        let at = known.unwrap_or_else(|| {
            self.jobs.push(MemoryJob { job, looks: 0, ended: None });
            self.jobs.len() - 1
        });
        format!("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{at:012}")
    }

    fn status(&mut self, arn: &str) -> Option<JobStatus> {
        let at: usize = arn.rsplit('/').next()?.parse().ok()?;
        let known = self.jobs.get_mut(at)?;
        known.looks += 1;
        let (job, looks, ended) = (known.job.clone(), known.looks, known.ended.clone());
        let processed = if looks < LOOKS { 0 } else { lines(&self.objects[&job.input]).count() as u64 };
        let state = match (ended, &self.broken) {
            (Some(state), _) => state,
            (None, _) if looks < LOOKS => return Some(JobStatus { state: JobState::Running, processed }),
            (None, Some(words)) => JobState::Broken(words.clone()),
            (None, None) => {
                self.work(&job, at);
                JobState::Completed
            }
        };
        self.jobs[at].ended = Some(state.clone());
        Some(JobStatus { state, processed })
    }

    /// Answers in the opposite order.
    fn work(&mut self, job: &NewJob, at: usize) {
        let mut answers = Vec::new();
        for line in lines(&self.objects[&job.input]) {
            let mut record: Value = serde_json::from_slice(line).unwrap_or_default();
            let request = &record["modelInput"];
            let text = request["inputText"].as_str().unwrap_or_default().to_owned();
            let dimension = request["dimensions"].as_u64().unwrap_or_default() as usize;
            let has = |part: &Option<String>| part.as_ref().is_some_and(|part| text.contains(part));
            if has(&self.left_out) {
                continue;
            }
            if has(&self.refused) {
                record["error"] = json!({"errorCode": 400, "errorMessage": "refused"});
            } else {
                record["modelOutput"] = json!({"embedding": MemoryModels::vector(&text, dimension)});
                *self.paid.entry(text).or_default() += 1;
            }
            answers.push(record.to_string() + "\n");
        }
        answers.reverse();
        self.objects.insert(output(job, at), answers.concat().into_bytes());
    }
}

fn output(job: &NewJob, at: usize) -> String {
    let name = job.input.rsplit('/').next().unwrap_or_default();
    format!("{}{at:012}/{name}.out", job.output)
}

impl Batches for MemoryBatches {
    type Answers = Cursor<Vec<u8>>;

    async fn upload(&self, uri: &str, file: &Path) -> Result<(), Fault> {
        let body = std::fs::read(file).map_err(|error| Fault::new(Cause::Internal, error.to_string()))?;
        let key = uri.to_owned();
        self.call("PutObject", uri, move |state| state.objects.insert(key, body)).await.map(drop)
    }

    async fn start(&self, job: &NewJob) -> Result<String, Fault> {
        let new = job.clone();
        self.call("CreateModelInvocationJob", &job.token, move |state| state.start(new)).await
    }

    async fn status(&self, arn: &str) -> Result<JobStatus, Fault> {
        let key = arn.to_owned();
        let status = self.call("GetModelInvocationJob", arn, move |state| state.status(&key)).await?;
        status.ok_or_else(|| Fault::new(Cause::NotFound, format!("{arn} does not exist")))
    }

    async fn answers(&self, uri: &str) -> Result<Option<Self::Answers>, Fault> {
        let key = uri.to_owned();
        self.call("GetObject", uri, move |state| state.objects.get(&key).cloned().map(Cursor::new)).await
    }
}
