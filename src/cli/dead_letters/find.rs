//! Looks for the dead letters of some ids.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::known::Known;
use super::looked::Looked;
use super::walk::Walk;
use crate::fault::Fault;
use crate::intake::Inspect;

/// How far a look goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Bounds {
    /// Most letters to look at.
    pub(in crate::cli) letters: usize,
    /// Longest time, but for the calls under way.
    pub(in crate::cli) time: Duration,
}

/// What was found.
pub(super) struct Found {
    /// One letter for each id that has any.
    pub(super) letters: BTreeMap<String, Known>,
    pub(super) looked: Looked,
    /// Why the look ended early.
    pub(super) fault: Option<Fault>,
}

/// Looks until each of the ids has been found, or there are no more letters.
pub(super) async fn find<Q: Inspect>(mut walk: Walk<'_, Q>, ids: &[&str], bounds: Bounds) -> Found {
    let (mut letters, mut seen, end) = (BTreeMap::new(), 0, Instant::now().checked_add(bounds.time));
    let fault = loop {
        if letters.len() == ids.len() || seen >= bounds.letters || end.is_some_and(|end| Instant::now() >= end) {
            break None;
        }
        let new = match walk.next().await {
            Ok(new) if new.is_empty() => break None,
            Ok(new) => new,
            Err(fault) => break Some(fault),
        };
        seen += new.len();
        for known in new.into_iter().map(Known::from) {
            if let Some(id) = ids.iter().find(|id| !letters.contains_key(**id) && known.has_id(id)) {
                letters.insert((*id).to_owned(), known);
            }
        }
    };
    Found { letters, looked: walk.end().await, fault }
}
