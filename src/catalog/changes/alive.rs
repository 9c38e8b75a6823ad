//! Artifacts and updates that are in memory, as long as a catalog that is made of them is: a newer catalog of the same
//! artifact takes them over, and reads only what is new.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::update::Update;
use crate::catalog::indexed::Base;

/// What is in memory, by SHA-256.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Alive {
    bases: Mutex<Vec<(String, Weak<Base>)>>,
    updates: Mutex<Vec<(String, Weak<Update>)>>,
}

impl Alive {
    pub(in crate::catalog) fn base(&self, sha256: &str) -> Option<Arc<Base>> {
        find(&self.bases, sha256)
    }

    pub(in crate::catalog) fn keep_base(&self, sha256: &str, base: &Arc<Base>) {
        keep(&self.bases, sha256, base);
    }

    pub(in crate::catalog) fn update(&self, sha256: &str) -> Option<Arc<Update>> {
        find(&self.updates, sha256)
    }

    pub(in crate::catalog) fn keep_update(&self, sha256: &str, update: &Arc<Update>) {
        keep(&self.updates, sha256, update);
    }
}

type Kept<T> = Mutex<Vec<(String, Weak<T>)>>;

fn lock<T>(kept: &Kept<T>) -> MutexGuard<'_, Vec<(String, Weak<T>)>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find<T>(kept: &Kept<T>, sha256: &str) -> Option<Arc<T>> {
    lock(kept).iter().filter(|(known, _)| known == sha256).find_map(|(_, thing)| thing.upgrade())
}

fn keep<T>(kept: &Kept<T>, sha256: &str, thing: &Arc<T>) {
    let mut kept = lock(kept);
    kept.retain(|(_, other)| other.strong_count() > 0);
    kept.push((sha256.to_owned(), Arc::downgrade(thing)));
}
