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
use super::canary::{Canary, Serves};
use super::location::CatalogLocation;
use super::refusal::Refusal;
use super::store::CatalogStore;
use crate::clock::Clock;
use crate::telemetry::event;

/// A look that somebody asks for comes so long after the one before, at the earliest.
const ASKED_LOOK_SPACING: Duration = Duration::from_secs(5);

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

/// Looks until `stop`; hands each new catalog to `serves`, which may refuse it. Content that was refused or is broken is
/// not read again until other content is published, but said again every period: an alarm lasts as long as its cause.
pub async fn watch<A: Artifacts>(
    store: &CatalogStore<A>,
    location: &CatalogLocation,
    mut serving: String,
    looks: &Looks,
    clock: &Clock,
    stop: &CancellationToken,
    serves: &impl Serves,
) {
    let (mut refused, mut canary) = (None, Canary::default());
    let mut last = Instant::now();
    if stop.run_until_cancelled(canary.look(store, location, serves, &serving, looks.period)).await.is_none() {
        return;
    }
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
        let found = look(store, location, &mut serving, &mut refused, looks.period, serves).await;
        canary.look(store, location, serves, &serving, looks.period).await;
        if found {
            looks.last.send_replace(began);
        }
    }
}

/// Looks at what is current; whether that is known, and settled.
async fn look<A: Artifacts>(
    store: &CatalogStore<A>,
    location: &CatalogLocation,
    serving: &mut String,
    refused: &mut Option<Refusal>,
    period: Duration,
    serves: &impl Serves,
) -> bool {
    let now = Instant::now();
    let current = match store.current(location).await {
        Ok(current) => current,
        Err(error) if error.may_pass() => {
            event::catalog_unknown(&error, serving);
            return false;
        }
        Err(error) => {
            event::catalog_refused(&error, "", serving);
            return false;
        }
    };
    let newer = current.version().to_owned();
    if newer == *serving {
        return true;
    }
    if serves.promote(&newer) {
        event::catalog_replaced(serving, &newer, None);
        *serving = newer;
        return true;
    }
    if let Some(known) = refused.as_mut().filter(|known| known.is_final_for(&newer)) {
        if known.is_due(now, period) {
            event::catalog_refused(&known.error, &newer, serving);
        }
        return true;
    }
    let loaded = store.load_current(current).await;
    let found = loaded.and_then(|catalog| {
        let version = catalog.version().to_owned();
        let loaded = event::Loaded {
            rows: catalog.rows(),
            updates: catalog.update_count(),
            changed_rows: catalog.changed_rows(),
            bytes_read: catalog.bytes_read(),
            took: Duration::ZERO,
        };
        serves.replace(catalog).map(|()| (version, event::Loaded { took: now.elapsed(), ..loaded }))
    });
    match found {
        Ok((version, loaded)) => {
            event::catalog_replaced(serving, &version, Some(loaded));
            *serving = version;
            true
        }
        Err(error) => {
            event::catalog_refused(&error, &newer, serving);
            if error.may_pass() {
                return false;
            }
            *refused = Some(Refusal::new(newer, &error, refused.as_ref(), now));
            true
        }
    }
}
