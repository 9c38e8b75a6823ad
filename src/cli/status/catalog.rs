//! The current catalog and its candidate, as their pointers describe them.

use serde::Serialize;

use super::super::colour::{BAD, paint};
use super::part::{Part, Seen};
use crate::aws::{Sdk, describe};
use crate::catalog::{Candidate, CatalogError, CatalogLocation, CatalogStore, Indexing, Share, pointer_name};
use crate::clock::iso8601;
use crate::config::StatusSettings;
use crate::fault::Cause;

/// The current catalog, as its pointer describes it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct CatalogSeen {
    published_at: Option<String>,
    /// None for a file, which would have to be read whole.
    #[serde(flatten)]
    pointer: Option<PointerSeen>,
}

#[derive(Debug, Clone, Serialize)]
struct PointerSeen {
    version: String,
    rows: u64,
    dimension: u64,
    model_id: Option<String>,
    /// The catalog that answers a share of the jobs beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<Seen<CandidateSeen>>,
}

#[derive(Debug, Clone, Serialize)]
struct CandidateSeen {
    version: String,
    /// 0 to 1.
    share: Share,
}

/// What the settings name, as far as its pointers say it; `None`: they name nothing.
pub(super) async fn look(sdk: &Sdk, settings: &StatusSettings) -> Option<Part<CatalogSeen>> {
    let location = settings.catalog.as_ref()?;
    let (at, seen) = match location {
        CatalogLocation::File(path) => {
            let written = std::fs::metadata(path).and_then(|file| file.modified());
            let seen = written.map(|at| CatalogSeen { published_at: Some(iso8601(at.into())), pointer: None });
            (path.display().to_string(), seen.map_err(|error| error.to_string()))
        }
        CatalogLocation::S3(prefix) => {
            let (store, name) = (CatalogStore::new(sdk.artifacts(), Indexing::default()), pointer_name(prefix));
            let (pointer, written, candidate) =
                tokio::join!(store.pointer(prefix), describe::written_at(sdk, &name), store.candidate(prefix));
            let seen = pointer.map(|pointer| CatalogSeen {
                // Reading it is what matters; when it was written is told if it can be.
                published_at: written.ok().flatten().map(iso8601),
                pointer: Some(PointerSeen {
                    candidate: candidate_seen(candidate, &pointer.version),
                    version: pointer.version,
                    rows: pointer.rows,
                    dimension: pointer.dimension,
                    model_id: pointer.model_id,
                }),
            });
            (prefix.to_string(), seen.map_err(|error| error.to_string()))
        }
    };
    Some(Part { at, seen: seen.map_or_else(|error| Seen::Fault { error }, Seen::Known) })
}

/// `None`: there is none, or it is current by now; or, as a worker sees it, whoever may not list the bucket is not told.
fn candidate_seen(found: Result<Option<Candidate>, CatalogError>, current: &str) -> Option<Seen<CandidateSeen>> {
    match found {
        Ok(found) => {
            let Candidate { pointer, share } = found.filter(|found| found.pointer.version != current)?;
            Some(Seen::Known(CandidateSeen { version: pointer.version, share }))
        }
        Err(CatalogError::Service(fault)) if fault.cause == Cause::AccessDenied => None,
        Err(error) => Some(Seen::Fault { error: error.to_string() }),
    }
}

impl CatalogSeen {
    pub(super) fn words(&self) -> String {
        let published = self.published_at.as_deref().unwrap_or("at an unknown time");
        let Some(PointerSeen { version, rows, dimension, model_id, candidate }) = &self.pointer else {
            return format!("a file, written {published}: `nearline catalog inspect` says what is in it");
        };
        let model = model_id.as_deref().unwrap_or("no model");
        let candidate = match candidate {
            None => String::new(),
            Some(Seen::Known(CandidateSeen { version, share })) => {
                format!("; candidate {version} answers {share} of the jobs")
            }
            Some(Seen::Fault { error }) => paint(BAD, &format!("; its candidate cannot be read: {error}")),
        };
        format!("{version}, published {published}, {rows} products, {dimension} dimensions, {model}{candidate}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_told_with_its_share_unless_it_is_current() {
        let json = r#"{"format_version": 1, "version": "new", "key": "k", "sha256": "s", "bytes": 9, "rows": 3,
            "dimension": 2, "share": 0.05}"#;
        let candidate = || Ok(Some(serde_json::from_str(json).unwrap()));
        let words = |candidate| {
            let pointer = PointerSeen { version: "old".into(), rows: 3, dimension: 2, model_id: None, candidate };
            CatalogSeen { published_at: None, pointer: Some(pointer) }.words()
        };
        assert!(words(candidate_seen(candidate(), "old")).ends_with("no model; candidate new answers 5% of the jobs"));
        assert!(words(candidate_seen(candidate(), "new")).ends_with("no model"));
        assert!(words(candidate_seen(Ok(None), "old")).ends_with("no model"));
        let broken = Err(CatalogError::Invalid("why".to_owned()));
        assert!(words(candidate_seen(broken, "old")).contains("its candidate cannot be read: "));
    }
}
