//! `nearline catalog compare`: how differently two catalogs answer the same jobs.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use futures_util::{StreamExt as _, stream};
use nearline_contract::limits::TOP_K_MAX;
use nearline_contract::{JobError, SearchJob, Target};

use super::compared::{Answer, Comparison, Side};
use super::open::{open_catalog, store};
use crate::aws::Sdk;
use crate::catalog::{Catalog, CatalogGuard, CatalogLocation, ChangeError, Indexing, S3Prefix};
use crate::cli::output::{CliError, json, print};
use crate::cli::prepare::{TEXTS_IN_FLIGHT, prepare_one};
use crate::cli::queries::{self, Defaults};
use crate::compute::Compute;
use crate::config::Reader;
use crate::embed::{Embedder, Purpose};
use crate::worker::{RowSets, groups};

/// Jobs that are scanned together.
const BATCH: usize = 64;
/// What stands for the candidate instead of a version.
const CANDIDATE: &str = "candidate";

#[derive(Args)]
pub(in crate::cli) struct CompareArgs {
    /// A catalog: a file, s3://BUCKET/PREFIX for the current one, s3://BUCKET/PREFIX@VERSION, or ...@candidate
    a: Place,
    /// The catalog to compare it with
    b: Place,
    /// Queries, as `nearline search` takes them: .npy (float32, queries x dimension), or jobs, one JSON object a line.
    /// Texts are embedded by the model of each catalog
    #[arg(long)]
    queries: PathBuf,
    /// Most matches in each group; for jobs that name none themselves [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=TOP_K_MAX as i64))]
    top_k: Option<u16>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Where a catalog is, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    At(CatalogLocation),
    Version(S3Prefix, String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once('@') {
            Some((prefix, version)) if text.starts_with("s3://") && !version.contains('/') => {
                Ok(Self::Version(prefix.parse()?, version.to_owned()))
            }
            _ => text.parse().map(Self::At),
        }
    }
}

pub(super) async fn compare(args: &CompareArgs) -> Result<(), CliError> {
    let compute = Compute::threads(None)?;
    let (ids, a, of_a) = answer(&args.a, args, &compute).await?;
    let (_, b, of_b) = answer(&args.b, args, &compute).await?;
    let comparison = Comparison::new(a, b, &ids, &of_a, &of_b);
    print(&if args.json { json(&comparison)? } else { comparison.for_people() })
}

/// What a catalog answers. Only one is in memory at a time.
async fn answer(
    place: &Place,
    args: &CompareArgs,
    compute: &Compute,
) -> Result<(Vec<Option<String>>, Side, Vec<Answer>), CliError> {
    let catalog = Arc::new(load(place, compute).await?);
    let defaults = Defaults { top_k: args.top_k, group_by: None, filter: None, returned: None };
    let inputs = queries::file(&defaults, &args.queries, &catalog)?;
    let (ids, jobs): (Vec<_>, Vec<_>) = inputs.into_iter().map(|input| (input.request_id, input.job)).unzip();
    let embedder = embedder(&catalog, &jobs).await?;
    let row_sets = RowSets::new(Arc::clone(&catalog), compute.clone());
    let prepared = stream::iter(jobs).map(|job| prepare_one(&catalog, &row_sets, embedder.as_ref(), job));
    let prepared: Vec<_> = prepared.buffered(TEXTS_IN_FLIGHT).collect().await;
    let prepared = prepared.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::with_capacity(prepared.len());
    for batch in prepared.chunks(BATCH) {
        let queries: Vec<_> = batch.iter().flatten().map(|job| job.plan.query(&job.vector)).collect();
        let found = compute.install(|| catalog.index().search(&queries));
        let mut rankings = found.map_err(|error| CliError::Other(error.to_string()))?.into_iter();
        answers.extend(batch.iter().map(|job| {
            let job = job.as_ref().map_err(Clone::clone)?;
            let ranking = rankings.next().expect("one ranking for each prepared query");
            groups(&catalog, &ranking, job.plan.returned())
        }));
    }
    let side = Side {
        version: catalog.version().to_owned(),
        rows: catalog.rows(),
        dimension: catalog.dimension(),
        model_id: catalog.model_id().map(str::to_owned),
    };
    Ok((ids, side, answers))
}

async fn load(place: &Place, compute: &Compute) -> Result<Catalog, CliError> {
    match place {
        Place::At(CatalogLocation::File(path)) => {
            open_catalog(path, &Indexing { compute: compute.clone(), ..Indexing::default() }).await
        }
        Place::At(location) => Ok(store().await?.load(location).await?),
        Place::Version(prefix, version) => {
            let store = store().await?;
            let version = match version.as_str() {
                CANDIDATE => match store.candidate(prefix).await? {
                    Some(candidate) => candidate.pointer.version,
                    None => return Err(ChangeError::NoCandidate(prefix.clone()).into()),
                },
                version => version.to_owned(),
            };
            Ok(store.load_version(prefix, &version).await?)
        }
    }
}

/// The embedder of the catalog's own model: what is set says which model a worker may serve, and here two may differ.
async fn embedder(catalog: &Catalog, jobs: &[Result<SearchJob, JobError>]) -> Result<Option<Embedder>, CliError> {
    if !jobs.iter().flatten().any(|job| matches!(job.target, Target::Query(_))) {
        return Ok(None);
    }
    let settings = Reader::from_process().query()?;
    let own = catalog.query_model(&CatalogGuard::default());
    // A name that does not say which model it is needs what is set.
    let Some(model) = own.or_else(|_| catalog.query_model(&settings.guard))? else { return Ok(None) };
    let models = Sdk::load_usable().await?.models().in_tier(settings.service_tier.as_deref());
    Ok(Some(Embedder::start(models, settings.embedding, model, Purpose::Query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_or_the_candidate_is_named_behind_an_at() {
        let version = |text: &str| match text.parse().unwrap() {
            Place::Version(prefix, version) => (prefix.to_string(), version),
            Place::At(location) => panic!("{location:?}"),
        };
        assert_eq!(version("s3://b/p@0123456789abcdef"), ("s3://b/p".into(), "0123456789abcdef".into()));
        assert_eq!(version("s3://b/p@candidate").1, CANDIDATE);
        for plain in ["s3://b/p", "c@d.arrow", "s3://b/a@b/c"] {
            assert!(matches!(plain.parse().unwrap(), Place::At(_)), "{plain}");
        }
    }
}
