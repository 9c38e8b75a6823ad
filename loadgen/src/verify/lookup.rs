//! Look-ups at a bounded rate, and the ids that have to be asked for again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::records::{Detail, LookupError, Read, Records};
use crate::account::Account;
use crate::backoff::backoff;
use crate::text::was;

/// Failures in a row, after the drain, that end the run without a verdict.
const FAILURES_MAX: u32 = 10;

/// The records could not be read at the end, so nothing can be said about the missing ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot tell what became of all jobs ({pending} without a known record): reading records keeps failing: {cause}"
)]
pub struct Unverified {
    /// Jobs without a known record.
    pub pending: usize,
    /// The last failure.
    pub cause: LookupError,
}

/// What a look-up found, and the ids that have to be asked for again.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) records: HashMap<String, Read>,
    pub(super) left: HashSet<String>,
}

/// Where records are looked up, and how many a second.
#[derive(Debug)]
pub(super) struct Lookups<R> {
    records: R,
    account: Account,
    per_second: u32,
}

impl<R: Records> Lookups<R> {
    pub(super) fn new(records: R, account: Account, per_second: u32) -> Self {
        Self { records, account, per_second }
    }

    /// The time in which the rate allows `keys` look-ups.
    pub(super) fn time_for(&self, keys: usize) -> Duration {
        Duration::from_secs_f64(keys as f64 / f64::from(self.per_second))
    }

    /// How many look-ups the rate allows in `time`.
    pub(super) fn keys_in(&self, time: Duration) -> usize {
        (f64::from(self.per_second) * time.as_secs_f64()).ceil() as usize
    }

    /// Looks `ids` up once.
    pub(super) async fn once(&self, ids: &[String], detail: Detail) -> Answer {
        match self.records.lookup(ids, detail).await {
            Ok(found) => {
                if found.reason.is_some() {
                    self.account.read_error(found.reason);
                }
                Answer { records: found.records, left: found.unprocessed.into_iter().collect() }
            }
            Err(error) => {
                self.account.read_error(Some(error.to_string()));
                Answer { records: HashMap::new(), left: ids.iter().cloned().collect() }
            }
        }
    }

    /// Looks `ids` up until each has been answered for, at the rate; gives up after [`FAILURES_MAX`] failures in a row.
    pub(super) async fn until_answered(
        &self,
        mut ids: Vec<String>,
        detail: Detail,
        pending: usize,
    ) -> Result<HashMap<String, Read>, Unverified> {
        let mut records = HashMap::new();
        let mut failures = 0;
        while !ids.is_empty() {
            let due = Instant::now() + self.time_for(ids.len());
            let asked = ids.len();
            let cause = match self.records.lookup(&ids, detail).await {
                Ok(found) => {
                    records.extend(found.records);
                    ids = found.unprocessed;
                    let left = || format!("{} of {} left unprocessed", ids.len(), was(asked as u64, "key"));
                    LookupError(found.reason.unwrap_or_else(left))
                }
                Err(error) => error,
            };
            // An answer to a part of the ids is progress.
            failures = if ids.len() < asked { 0 } else { failures + 1 };
            if failures == FAILURES_MAX {
                return Err(Unverified { pending, cause });
            }
            sleep_until(due).await;
            if !ids.is_empty() {
                self.account.read_error(Some(cause.to_string()));
                sleep(backoff(failures)).await;
            }
        }
        self.account.read_error(None);
        Ok(records)
    }
}
