//! Watches a location for a newly published catalog.
//!
//! Workers live for weeks. A new catalog is loaded whole beside the old one and handed over; one that is broken or
//! does not match the guard is logged, and the old one keeps serving.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::store::CatalogStore;
use super::{Catalog, CatalogError};
use crate::config::CatalogLocation;
use crate::telemetry::{CATALOG_REFUSED, CATALOG_REPLACED, CATALOG_UNKNOWN};

/// Looks every `period` until `stop`; calls `replace` with each new catalog, which it may refuse. A version that was
/// refused or is broken is not read again until another one is published.
pub async fn watch(
    store: CatalogStore,
    location: CatalogLocation,
    mut version: String,
    period: Duration,
    stop: CancellationToken,
    replace: impl Fn(Catalog) -> Result<(), CatalogError>,
) {
    let mut refused = None;
    while stop.run_until_cancelled(tokio::time::sleep(period)).await.is_some() {
        let newer = match store.current_version(&location).await {
            Ok(current) if current == version || Some(&current) == refused.as_ref() => continue,
            Ok(current) => current,
            Err(error) => {
                tracing::error!(%error, serving = version, "{CATALOG_UNKNOWN}");
                continue;
            }
        };
        let replaced = store.load(&location).await.and_then(|catalog| {
            let found = catalog.version().to_owned();
            replace(catalog).map(|()| found)
        });
        match replaced {
            Ok(found) => {
                tracing::info!(from = version, to = found, "{CATALOG_REPLACED}");
                version = found;
            }
            Err(error) => {
                tracing::error!(%error, newer, serving = version, "{CATALOG_REFUSED}");
                // What a service's passing fault kept from being read is tried again.
                refused = (!matches!(error, CatalogError::Service(_))).then_some(newer);
            }
        }
    }
}
