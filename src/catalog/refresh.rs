//! Watches a location for a newly published catalog.
//!
//! Workers live for weeks. A new catalog is loaded whole beside the old one and handed over; one that is broken or
//! does not match the guard is logged, and the old one keeps serving. Whoever needs to know whether a catalog is still
//! the current one asks [`Looks`].

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::artifacts::Artifacts;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::CatalogLocation;
use super::store::CatalogStore;
use crate::clock::Clock;
use crate::telemetry::event;

/// A look that somebody asks for comes so long after the one before, at the earliest.
const ASKED_LOOK_SPACING: Duration = Duration::from_secs(5);

/// Times that content is read whose hash is not the pointer's.
const TRIES_MAX: u32 = 3;

/// When a process looked for a newer catalog.
#[derive(Debug)]
pub struct Looks {
    period: Duration,
    /// When the newest look began that found an answer, the loading of its catalog included.
    last: watch::Sender<OffsetDateTime>,
    asked: Notify,
}

impl Looks {
    /// Looks that come every `period`, after a first one at `began`.
    pub fn new(period: Duration, began: OffsetDateTime) -> Self {
        Self { period, last: watch::Sender::new(began), asked: Notify::new() }
    }

    /// Whether everything that was published at `time` has been seen by now; if not, a look comes soon. After a period
    /// without an answer the catalog in service counts as seen.
    pub fn have_seen(&self, time: OffsetDateTime, now: OffsetDateTime) -> bool {
        let seen = *self.last.borrow() > time || now - time > self.period;
        if !seen {
            self.asked.notify_one();
        }
        seen
    }
}

/// Content that does not serve.
struct Refusal {
    version: String,
    /// Times that it was read.
    tries: u32,
    error: String,
    /// When it was last said.
    said: Instant,
}

/// Looks until `stop`; calls `replace` with each new catalog, which it may refuse. Content that was refused or is broken
/// is not read again until other content is published, but said again every period: an alarm lasts as long as its cause.
pub async fn watch<A: Artifacts>(
    store: &CatalogStore<A>,
    location: &CatalogLocation,
    mut serving: String,
    looks: &Looks,
    clock: &Clock,
    stop: &CancellationToken,
    replace: &impl Fn(Catalog) -> Result<(), CatalogError>,
) {
    let mut refused: Option<Refusal> = None;
    let mut last = Instant::now();
    loop {
        let next = async {
            tokio::select! {
                biased;
                () = sleep_until(last + looks.period) => {}
                () = looks.asked.notified() => sleep_until(last + ASKED_LOOK_SPACING.min(looks.period)).await,
            }
        };
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
        last = Instant::now();
        let began = clock.now();
        let current = match store.current(location).await {
            Ok(current) => current,
            Err(error) if error.may_pass() => {
                event::catalog_unknown(&error, &serving);
                continue;
            }
            Err(error) => {
                event::catalog_refused(&error, "", &serving);
                continue;
            }
        };
        let newer = current.version().to_owned();
        let known = refused.as_mut().filter(|known| known.version == newer && known.tries == TRIES_MAX);
        if newer != serving
            && let Some(known) = known
        {
            if last - known.said >= looks.period {
                event::catalog_refused(&known.error, &newer, &serving);
                known.said = last;
            }
        } else if newer != serving {
            let loaded = store.load_current(current).await;
            let found = loaded.and_then(|catalog| {
                let version = catalog.version().to_owned();
                replace(catalog).map(|()| version)
            });
            match found {
                Ok(version) => {
                    event::catalog_replaced(&serving, &version);
                    serving = version;
                }
                Err(error) => {
                    event::catalog_refused(&error, &newer, &serving);
                    if error.may_pass() {
                        continue;
                    }
                    // Wrong bytes may be somebody's on the way; what is wrong in the right bytes stays so.
                    let tries = match (&error, &refused) {
                        (CatalogError::Corrupt { .. }, Some(known)) if known.version == newer => known.tries + 1,
                        (CatalogError::Corrupt { .. }, _) => 1,
                        _ => TRIES_MAX,
                    };
                    refused = Some(Refusal { version: newer, tries, error: error.to_string(), said: last });
                }
            }
        }
        looks.last.send_replace(began);
    }
}
