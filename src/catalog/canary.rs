//! Watches for a candidate, which answers a share of the jobs beside the current catalog.
//!
//! While it does, both are in memory. One that is broken or does not fit answers no job: the current catalog answers all,
//! and the log says why. When the candidate becomes current, the one that is in memory goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::artifacts::Artifacts;
use super::candidate::{Candidate, Share};
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::CatalogLocation;
use super::refusal::Refusal;
use super::store::{CatalogStore, Current};
use crate::fault::Cause;
use crate::telemetry::event;

/// Whoever serves what a watch finds.
pub trait Serves {
    /// Serves another catalog from now on.
    ///
    /// # Errors
    /// It does not fit.
    fn replace(&self, catalog: Catalog) -> Result<(), CatalogError>;

    /// Whether candidates are tried out at all.
    fn tries_candidates(&self) -> bool {
        false
    }

    /// The candidate that answers a share of the jobs.
    fn tried(&self) -> Option<(String, Share)> {
        None
    }

    /// Has a candidate answer a share of the jobs.
    ///
    /// # Errors
    /// It does not fit.
    fn try_out(&self, _catalog: Catalog, _share: Share) -> Result<(), CatalogError> {
        Ok(())
    }

    /// Has the candidate answer another share.
    fn set_share(&self, _share: Share) {}

    /// Has the candidate answer all jobs, if it is of this version; whether it is.
    fn promote(&self, _version: &str) -> bool {
        false
    }

    /// Has the current catalog answer all jobs.
    fn end_trial(&self) {}
}

impl<F: Fn(Catalog) -> Result<(), CatalogError>> Serves for F {
    fn replace(&self, catalog: Catalog) -> Result<(), CatalogError> {
        self(catalog)
    }
}

/// What a watch knows of candidates.
#[derive(Default)]
pub(super) struct Canary {
    refused: Option<Refusal>,
    /// Whether it was said that candidates cannot be looked for.
    is_denied: bool,
}

impl Canary {
    /// Looks for a candidate. `serving` is the current version.
    pub(super) async fn look<A: Artifacts>(
        &mut self,
        store: &CatalogStore<A>,
        location: &CatalogLocation,
        serves: &impl Serves,
        serving: &str,
        period: Duration,
    ) {
        let CatalogLocation::S3(prefix) = location else { return };
        if !serves.tries_candidates() {
            return;
        }
        let now = Instant::now();
        let found = match store.candidate(prefix).await {
            // One that became current, or is current already, is none any more.
            Ok(found) => found.filter(|found| found.pointer.version != serving),
            Err(CatalogError::Service(fault)) if fault.cause == Cause::AccessDenied => {
                if !std::mem::replace(&mut self.is_denied, true) {
                    event::candidate_unknown(&fault, serving);
                }
                None
            }
            Err(error) if error.may_pass() => {
                event::candidate_unknown(&error, serving);
                return;
            }
            Err(error) => {
                event::candidate_refused(&error, "", serving);
                None
            }
        };
        let tried = serves.tried();
        let Some(Candidate { pointer, share }) = found else {
            if let Some((version, _)) = tried {
                serves.end_trial();
                event::candidate_ended(&version, serving);
            }
            return;
        };
        let version = pointer.version.clone();
        match tried {
            Some((tried, answers)) if tried == version => {
                if answers != share {
                    serves.set_share(share);
                    event::candidate_serves(&version, share, serving);
                }
                return;
            }
            // Before another one is loaded: three catalogs at once may be too many.
            Some((tried, _)) => {
                serves.end_trial();
                event::candidate_ended(&tried, serving);
            }
            None => {}
        }
        if let Some(known) = self.refused.as_mut().filter(|known| known.is_final_for(&version)) {
            if known.is_due(now, period) {
                event::candidate_refused(&known.error, &version, serving);
            }
            return;
        }
        let loaded =
            store.load_current(Current::Published { prefix: prefix.clone(), pointer: Box::new(pointer) }).await;
        match loaded.and_then(|catalog| serves.try_out(catalog, share)) {
            Ok(()) => event::candidate_serves(&version, share, serving),
            Err(error) => {
                event::candidate_refused(&error, &version, serving);
                if !error.may_pass() {
                    self.refused = Some(Refusal::new(version, &error, self.refused.as_ref(), now));
                }
            }
        }
    }
}
