//! When each job was offered, handed out and answered, and what a sample of the records says.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Fault;

/// Every so manieth record is compared with those of the other programs.
const SAMPLED: usize = 50;

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Books(Mutex<Entries>);

#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// Jobs that may be handed out; before `handed` they have been.
    offered: Vec<Instant>,
    handed: Vec<Instant>,
    written: BTreeMap<usize, Instant>,
    deleted: HashSet<usize>,
    deletions: usize,
    pub(crate) receives: usize,
    samples: BTreeMap<usize, u64>,
    fault: Option<String>,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offer(&self, jobs: usize) {
        let now = Instant::now();
        self.lock().offered.extend(std::iter::repeat_n(now, jobs));
    }

    /// The next jobs, at most `most`.
    pub(crate) fn hand_out(&self, most: usize) -> std::ops::Range<usize> {
        let mut books = self.lock();
        let (first, now) = (books.handed.len(), Instant::now());
        let end = books.offered.len().min(first + most);
        books.handed.extend(std::iter::repeat_n(now, end - first));
        first..end
    }

    pub(crate) fn received(&self) {
        self.lock().receives += 1;
    }

    /// A record was written.
    pub(crate) fn write(&self, body: &[u8]) {
        let job = job_of(body);
        let sample = job.filter(|job| job % SAMPLED == 0).map(|job| (job, digest(body)));
        let mut books = self.lock();
        match job {
            Some(job) if job < books.handed.len() && !books.written.contains_key(&job) => {
                books.written.insert(job, Instant::now());
            }
            _ => books.fault = Some(format!("a record that nobody asked for: {}", String::from_utf8_lossy(body))),
        }
        match sample {
            Some((job, Ok(digest))) => drop(books.samples.insert(job, digest)),
            Some((job, Err(what))) => books.fault = Some(format!("the record of job {job}: {what}")),
            None => {}
        }
    }

    pub(crate) fn delete(&self, jobs: impl Iterator<Item = usize>) {
        let mut books = self.lock();
        books.deletions += 1;
        for job in jobs {
            if !books.written.contains_key(&job) || !books.deleted.insert(job) {
                books.fault = Some(format!("the message of job {job} was deleted before its record, or twice"));
            }
        }
    }

    pub(crate) fn fail(&self, what: String) {
        self.lock().fault = Some(what);
    }

    /// Whether everything that was offered is done.
    pub(crate) fn is_done(&self) -> Result<bool, Fault> {
        let books = self.lock();
        match &books.fault {
            Some(fault) => Err(fault.clone().into()),
            None => Ok(books.deleted.len() == books.offered.len()),
        }
    }

    /// Calls that deleted something.
    pub(crate) fn deletions(&self) -> usize {
        self.lock().deletions
    }

    pub(crate) fn receives(&self) -> usize {
        self.lock().receives
    }

    /// From `from` on: how long each job took since it was offered or, of many, since it was handed out.
    pub(crate) fn latencies(&self, from: usize, since_offered: bool) -> Vec<Duration> {
        let books = self.lock();
        let since = if since_offered { &books.offered } else { &books.handed };
        books.written.range(from..).map(|(&job, at)| at.duration_since(since[job])).collect()
    }

    /// From the first job after `from` that was handed out to the last record.
    pub(crate) fn elapsed(&self, from: usize) -> Duration {
        let books = self.lock();
        let last = books.written.range(from..).map(|(_, at)| *at).max();
        last.zip(books.handed.get(from)).map_or(Duration::ZERO, |(last, first)| last.duration_since(*first))
    }

    pub(crate) fn samples(&self) -> BTreeMap<usize, u64> {
        self.lock().samples.clone()
    }
}

/// The job of a record's item.
fn job_of(body: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(body, b"\"job-")? + 5;
    str::from_utf8(body.get(at..at + 8)?).ok()?.parse().ok()
}

/// What has to be equal in each program's record of a job: identity and results, whatever the order of attributes.
fn digest(body: &[u8]) -> Result<u64, String> {
    let put: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let item = &put["Item"];
    if item["status"]["S"] != "SUCCEEDED" {
        return Err(item.to_string());
    }
    let mut hasher = DefaultHasher::new();
    // Maps of serde_json are in the order of their keys.
    (item["request_id"].to_string(), item["results"].to_string()).hash(&mut hasher);
    Ok(hasher.finish())
}
