//! A job that is searched here and now, on its way to a query that can be scanned: planned, narrowed by its filter,
//! and embedded if it brings a text. What a job is at fault for is its answer; what ends the command is an error.

use nearline_contract::{ErrorCode, JobError, SearchJob};
use time::OffsetDateTime;

use crate::catalog::Catalog;
use crate::embed::{EmbedError, Embedder};
use crate::fault::Fault;
use crate::under_way::UnderWay;
use crate::worker::{Plan, RowSets, Source};

/// Texts that wait for the embedder at once.
pub(super) const TEXTS_IN_FLIGHT: usize = 1_024;

/// A query that can be scanned.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) vector: Vec<f32>,
}

/// Resolves names, and embeds a text with `embedder`: there is one if the catalog names a model.
pub(super) async fn prepare_one(
    catalog: &Catalog,
    row_sets: &RowSets,
    embedder: Option<&Embedder>,
    job: Result<SearchJob, JobError>,
) -> Result<Result<Prepared, JobError>, Fault> {
    let job = match job {
        Ok(job) => job,
        Err(error) => return Ok(Err(error)),
    };
    let (mut plan, source) = match Plan::new(catalog, &job, OffsetDateTime::now_utc()) {
        Ok(planned) => planned,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = row_sets.narrow(&job, &mut plan).await? {
        return Ok(Err(error));
    }
    let vector = match source {
        Source::Vector(vector) => vector,
        Source::Text(text) => {
            let embedder = embedder.expect("a plan has texts only for a catalog with a model");
            match embedder.embed(text, &UnderWay::default()).await {
                Ok(embedding) => embedding.vector.clone(),
                Err(EmbedError::Fault(fault)) => return Err(fault),
                Err(refused @ EmbedError::Refused(_)) => {
                    return Ok(Err(JobError::new(ErrorCode::TextRefused, refused.to_string())));
                }
            }
        }
    };
    Ok(Ok(Prepared { plan, vector }))
}
