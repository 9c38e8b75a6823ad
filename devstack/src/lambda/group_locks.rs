//! Message groups that are being worked on, so that a FIFO queue's group is never in two invocations at once.
//!
//! SQS itself holds a group back while one of its messages is in flight, but only until the visibility timeout.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct GroupLocks {
    locked: Mutex<HashSet<String>>,
    released: Notify,
}

/// Groups that belong to one invocation until this is dropped.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    locks: &'a GroupLocks,
    groups: HashSet<String>,
}

impl GroupLocks {
    /// Waits until none of the groups is locked, then locks all of them.
    pub(super) async fn lock(&self, groups: HashSet<String>) -> Locked<'_> {
        loop {
            // Before looking, so that no release in between is missed.
            let released = self.released.notified();
            {
                let mut locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
                if locked.is_disjoint(&groups) {
                    locked.extend(groups.iter().cloned());
                    return Locked { locks: self, groups };
                }
            }
            released.await;
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let mut locked = self.locks.locked.lock().unwrap_or_else(PoisonError::into_inner);
        locked.retain(|group| !self.groups.contains(group));
        drop(locked);
        self.locks.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(names: &[&str]) -> HashSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn a_group_waits_for_its_predecessor_and_others_do_not() {
        let locks = GroupLocks::default();
        let first = locks.lock(groups(&["a", "b"])).await;
        let _other = locks.lock(groups(&["c"])).await;
        let mut second = std::pin::pin!(locks.lock(groups(&["b", "d"])));
        let look = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(look, &mut second).await.is_err());
        drop(first);
        second.await;
    }
}
