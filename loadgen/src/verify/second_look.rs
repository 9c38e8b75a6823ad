//! Records that were right when they were first seen, and when to see whether they still are.
//!
//! Each is due a while after its first look. Those of repeated jobs have another look at the very end, when what was sent
//! again has been worked on: there may be many, so only so many are kept, all with the same chance.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use rand::RngExt as _;

use super::records::Read;
use crate::account::Verdict;

/// Most repeated jobs whose record is looked at again at the end.
const REPEATS_MAX: usize = 100_000;

/// A record that was right when first seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondLook {
    pub(super) id_index: u64,
    pub(super) intended: Duration,
    /// When the second look is due, from the start of the run.
    pub(super) due: Duration,
    fingerprint: u64,
    succeeded: bool,
}

/// What is wrong with a record that was right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) reason: String,
    /// Whether it was written again, and not only removed.
    pub(super) written_again: bool,
}

impl SecondLook {
    /// For a record that is right, and `None` for one that is not, or that a later run may replace.
    pub(super) fn new(
        id_index: u64,
        intended: Duration,
        due: Duration,
        read: &Read,
        verdict: &Verdict,
    ) -> Option<Self> {
        let succeeded = match verdict {
            Verdict::Succeeded => true,
            Verdict::Rejected { replaceable: false } => false,
            Verdict::Rejected { replaceable: true } | Verdict::Wrong(_) => return None,
        };
        Some(Self { id_index, intended, due, fingerprint: fingerprint(read), succeeded })
    }

    /// What was made of it when it was first seen.
    pub(super) fn before(&self) -> Verdict {
        if self.succeeded { Verdict::Succeeded } else { Verdict::Rejected { replaceable: false } }
    }

    fn change(&self, read: Option<&Read>) -> Option<Change> {
        let (reason, written_again) = match read {
            Some(read) if fingerprint(read) == self.fingerprint => return None,
            Some(Ok(record)) => {
                (format!("the record was written a second time: it is now of {}", record.created_at), true)
            }
            Some(Err(reason)) => (format!("the record was written a second time: {reason}"), true),
            None => ("the record was deleted after it had been read".to_owned(), false),
        };
        Some(Change { reason, written_again })
    }
}

/// Changes when a record is written again.
fn fingerprint(read: &Read) -> u64 {
    let mut hasher = DefaultHasher::new();
    let parts = read.as_ref().map(|record| {
        let code = record.error.as_ref().map(|error| error.code.as_str());
        (&record.created_at, &record.job_sha256, record.status.as_str(), code)
    });
    parts.hash(&mut hasher);
    hasher.finish()
}

/// All second looks that are to come.
#[derive(Debug, Default)]
pub(super) struct SecondLooks {
    /// In the order in which they are due.
    looks: VecDeque<SecondLook>,
    /// Those of repeated jobs, to be looked at when nothing is left on the queue.
    repeats: Vec<SecondLook>,
    /// How many of those there were, beyond the ones in `repeats`.
    repeats_seen: usize,
    /// Ids whose record was found changed: a further look tells nothing new.
    changed: HashSet<u64>,
}

impl SecondLooks {
    pub(super) fn push(&mut self, look: SecondLook) {
        self.looks.push_back(look);
    }

    /// The look was not answered: it comes again.
    pub(super) fn put_back(&mut self, look: SecondLook) {
        self.looks.push_front(look);
    }

    /// How many are due at `now`, counted up to `most`.
    pub(super) fn due(&self, now: Duration, most: usize) -> usize {
        self.looks.iter().take(most).take_while(|look| look.due <= now).count()
    }

    /// The next `count`.
    pub(super) fn take(&mut self, count: usize) -> Vec<SecondLook> {
        self.looks.drain(..count.min(self.looks.len())).collect()
    }

    /// Looks at the record of a repeated job again at the end. Reservoir sampling keeps the number bounded.
    pub(super) fn push_repeat(&mut self, look: SecondLook) {
        self.repeats_seen += 1;
        if self.repeats.len() < REPEATS_MAX {
            self.repeats.push(look);
        } else {
            let place = rand::rng().random_range(0..self.repeats_seen);
            if let Some(kept) = self.repeats.get_mut(place) {
                *kept = look;
            }
        }
    }

    pub(super) fn has_repeats(&self) -> bool {
        !self.repeats.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.looks.is_empty() && self.repeats.is_empty()
    }

    /// All that are left, each id once, by number.
    pub(super) fn take_all(&mut self) -> Vec<SecondLook> {
        let all = self.looks.drain(..).chain(self.repeats.drain(..));
        let mut looks: Vec<SecondLook> =
            all.map(|look| (look.id_index, look)).collect::<HashMap<_, _>>().into_values().collect();
        looks.sort_unstable_by_key(|look| look.id_index);
        looks
    }

    /// What has changed since the first look; said once for each id.
    pub(super) fn compare(&mut self, look: &SecondLook, read: Option<&Read>) -> Option<Change> {
        look.change(read).filter(|_| self.changed.insert(look.id_index))
    }
}
