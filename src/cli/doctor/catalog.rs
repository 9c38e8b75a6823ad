//! The catalog, read and loaded as a worker does it, and the model that it names, called once.

use std::time::Duration;

use tokio::time::Instant;

use super::check::{Check, LIMIT, within};
use crate::aws::Sdk;
use crate::catalog::size::loading_bytes;
use crate::catalog::store::Current;
use crate::catalog::{
    Artifacts, Candidate, Catalog, CatalogError, CatalogLocation, CatalogStore, Indexing, Pointer, S3Prefix,
};
use crate::compute::Compute;
use crate::embed::{EmbedError, Embedder, Model, Purpose};
use crate::fault::{Cause, Fault};
use crate::intake;
use crate::under_way::UnderWay;

pub(super) const POINTER: &str = "catalog.pointer";
const ARTIFACT: &str = "catalog.artifact";
const GUARD: &str = "catalog.guard";
pub(super) const MODEL: &str = "model";
const CANDIDATE: &str = "catalog.candidate";
/// Every check of this file, in its order.
pub(super) const IDS: [&str; 5] = [POINTER, ARTIFACT, GUARD, MODEL, CANDIDATE];
/// Those of the current catalog.
const OF_CURRENT: [&str; 4] = [POINTER, ARTIFACT, GUARD, MODEL];

/// Longest time for loading an artifact: gigabytes take minutes.
const LOAD_LIMIT: Duration = Duration::from_mins(10);
const MIB: f64 = (1 << 20) as f64;

/// What was found, and what became of the calls that need a permission; `None`: there was none to make.
pub(super) struct Seen {
    pub(super) checks: Vec<Check>,
    pub(super) reads: Option<Result<(), Fault>>,
    pub(super) invokes: Option<Result<(), Fault>>,
}

/// `blocked`: why nothing on AWS can be asked. A file is looked at even so.
pub(super) async fn look(sdk: &Sdk, settings: &intake::Settings, compute: Compute, blocked: Option<&str>) -> Seen {
    let store =
        CatalogStore::new(sdk.artifacts(), Indexing { kernel: settings.kernel, compute, ..Indexing::default() });
    let mut seen = current(sdk, &store, settings, blocked).await;
    let check = match (&settings.catalog, blocked) {
        (CatalogLocation::File(_), _) => Check::skipped(CANDIDATE, "NEARLINE_CATALOG is a file"),
        (CatalogLocation::S3(_), Some(why)) => Check::skipped(CANDIDATE, why),
        (CatalogLocation::S3(_), None) if matches!(seen.reads, None | Some(Err(_))) => {
            Check::skipped(CANDIDATE, format!("see `{POINTER}`"))
        }
        (CatalogLocation::S3(prefix), None) => candidate(&store, prefix, settings).await,
    };
    seen.checks.push(check);
    seen
}

/// The catalog that is current, and its model.
async fn current(
    sdk: &Sdk,
    store: &CatalogStore<impl Artifacts>,
    settings: &intake::Settings,
    blocked: Option<&str>,
) -> Seen {
    let (mut checks, mut reads) = (Vec::new(), None);
    let loaded = match &settings.catalog {
        CatalogLocation::File(_) => {
            checks.push(Check::skipped(POINTER, "NEARLINE_CATALOG is a file"));
            Some(limited(LOAD_LIMIT, store.load(&settings.catalog)).await)
        }
        CatalogLocation::S3(_) if let Some(why) = blocked => {
            checks.extend(OF_CURRENT.iter().map(|id| Check::skipped(id, why)));
            return Seen { checks, reads, invokes: None };
        }
        CatalogLocation::S3(prefix) => match limited(LIMIT, store.pointer(prefix)).await {
            Ok(pointer) => {
                checks.push(Check::ok(POINTER, in_words(prefix, &pointer)));
                let prefix = prefix.clone();
                let loading = store.load_current(Current::Published { prefix, pointer: Box::new(pointer) });
                let loaded = limited(LOAD_LIMIT, loading).await;
                reads = Some(permission(loaded.as_ref().err()));
                Some(loaded)
            }
            Err(error) => {
                reads = Some(permission(Some(&error)));
                checks.push(failed(POINTER, &settings.catalog, &error));
                None
            }
        },
    };
    let Some(loaded) = loaded else {
        checks.extend(OF_CURRENT[1..].iter().map(|id| Check::skipped(id, format!("see `{POINTER}`"))));
        return Seen { checks, reads, invokes: None };
    };
    let catalog = match loaded {
        Ok(catalog) => catalog,
        Err(error) => {
            checks.push(failed(ARTIFACT, &settings.catalog, &error));
            checks.extend(OF_CURRENT[2..].iter().map(|id| Check::skipped(id, format!("see `{ARTIFACT}`"))));
            return Seen { checks, reads, invokes: None };
        }
    };
    checks.push(artifact(&catalog));
    let model = match catalog.query_model(&settings.guard) {
        Ok(model) => model,
        Err(error) => {
            let fix = "correct the setting, or publish a catalog that fits";
            checks.push(Check::failed(GUARD, error.to_string(), fix));
            checks.push(Check::skipped(MODEL, format!("see `{GUARD}`")));
            return Seen { checks, reads, invokes: None };
        }
    };
    checks.push(Check::ok(GUARD, guarded(settings)));
    let (check, invokes) = match (model, blocked) {
        (None, _) => {
            let found = "the catalog names no model: jobs with a query are rejected";
            let fix = "publish it with --model ID to answer queries";
            (Check::warning(MODEL, found, fix), None)
        }
        (Some(_), Some(why)) => (Check::skipped(MODEL, why), None),
        (Some(model), None) => ask(sdk, settings, model).await,
    };
    checks.push(check);
    Seen { checks, reads, invokes }
}

/// The candidate, if there is one, read and loaded as a worker does it. While it does not serve, the current catalog answers
/// its jobs.
async fn candidate(store: &CatalogStore<impl Artifacts>, prefix: &S3Prefix, settings: &intake::Settings) -> Check {
    let fix = format!("nearline catalog drop --to {prefix}, or publish one that loads and fits");
    let refused = |error: CatalogError| match error {
        CatalogError::Service(fault) if fault.cause == Cause::AccessDenied => {
            let why = "access to its pointer is denied; that is also the answer if there is none and `s3:ListBucket` is missing";
            Check::skipped(CANDIDATE, why)
        }
        error => Check::warning(CANDIDATE, format!("it does not serve: {error}"), fix.clone()),
    };
    let found = match limited(LIMIT, store.candidate(prefix)).await {
        Ok(found) => found,
        Err(error) => return refused(error),
    };
    let Some(Candidate { pointer, share }) = found else { return Check::ok(CANDIDATE, "there is none") };
    let loading = store.load_current(Current::Published { prefix: prefix.clone(), pointer: Box::new(pointer) });
    let loaded = limited(LOAD_LIMIT, loading).await;
    match loaded.and_then(|catalog| catalog.query_model(&settings.guard).map(|_| catalog)) {
        Ok(catalog) => {
            let (version, rows, memory) = (catalog.version(), catalog.rows(), catalog.memory_bytes() as f64 / MIB);
            let found = format!(
                "version {version} answers {share} of the jobs: {rows} products, {memory:.1} MiB beside the current catalog"
            );
            Check::ok(CANDIDATE, found)
        }
        Err(error) => refused(error),
    }
}

/// As [`within`], for catalogs.
async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, CatalogError>> + Send,
) -> Result<T, CatalogError> {
    within(limit, async { Ok(work.await) }).await.unwrap_or_else(|late| Err(late.into()))
}

/// What an error of a catalog says of the permission to read it: nothing, unless a service gave it.
fn permission(error: Option<&CatalogError>) -> Result<(), Fault> {
    match error {
        Some(CatalogError::Service(fault)) => Err(fault.clone()),
        _ => Ok(()),
    }
}

fn failed(id: &'static str, place: &CatalogLocation, error: &CatalogError) -> Check {
    match error {
        CatalogError::Service(fault) if fault.cause == Cause::AccessDenied => {
            Check::skipped(id, "access to it is denied, see `s3:GetObject`")
        }
        CatalogError::Service(fault) => {
            let what = match (&fault.call, place) {
                (Some(call), _) => call.target.clone(),
                (None, CatalogLocation::S3(prefix)) => prefix.to_string(),
                (None, CatalogLocation::File(path)) => path.display().to_string(),
            };
            let fix = "correct NEARLINE_CATALOG; its bucket has to be in the region that is called";
            Check::failed_by(id, &what, fault, fix)
        }
        error => Check::failed(id, error.to_string(), "publish a catalog, or roll back to one that loads"),
    }
}

fn in_words(prefix: &S3Prefix, pointer: &Pointer) -> String {
    format!("{prefix}: version {}, {:.1} MiB", pointer.version, pointer.bytes as f64 / MIB)
}

fn artifact(catalog: &Catalog) -> Check {
    let memory = catalog.memory_bytes() as f64;
    let found = format!(
        "version {}, {} products, {} dimensions, {:.1} MiB in memory, {:.1} MiB while a newer version loads",
        catalog.version(),
        catalog.rows(),
        catalog.dimension(),
        memory / MIB,
        (2.0 * memory + loading_bytes(catalog.rows() as u64) as f64) / MIB
    );
    Check::ok(ARTIFACT, found)
}

fn guarded(settings: &intake::Settings) -> String {
    let guard = &settings.guard;
    let model = guard.model_family.as_ref().or(guard.model_id.as_ref()).map(|id| format!("model {id}"));
    let set: Vec<String> =
        model.into_iter().chain(guard.dimension.map(|length| format!("dimension {length}"))).collect();
    if set.is_empty() { "none is set: any catalog is served".to_owned() } else { format!("{} as set", set.join(", ")) }
}

/// Calls the model as a worker does for a query.
async fn ask(sdk: &Sdk, settings: &intake::Settings, model: Model) -> (Check, Option<Result<(), Fault>>) {
    let (called, id, dimension) = (model.called().to_owned(), model.id().to_owned(), model.dimension());
    let name = if called == id { called } else { format!("{called} ({id})") };
    let embedder = Embedder::start(sdk.models(), settings.embedding, model, Purpose::Query);
    let (asked, under_way) = (Instant::now(), UnderWay::default());
    let answer = within(LIMIT, async { Ok(embedder.embed("nearline doctor", &under_way).await) }).await;
    let fault = match answer {
        Ok(Ok(_)) => {
            let found =
                format!("{name}: {dimension} numbers in {} ms, including the connection", asked.elapsed().as_millis());
            return (Check::ok(MODEL, found), Some(Ok(())));
        }
        Ok(Err(EmbedError::Refused(text))) => {
            let fix = "report it: no model should refuse this text";
            return (Check::failed(MODEL, format!("{name}: {text}"), fix), Some(Ok(())));
        }
        Ok(Err(EmbedError::Fault(fault))) | Err(fault) => fault,
    };
    let check = match fault.cause {
        Cause::AccessDenied => Check::skipped(MODEL, format!("{name} calling it is denied, see `bedrock:InvokeModel`")),
        Cause::InvalidAnswer => {
            Check::failed(MODEL, format!("{name}: {}", fault.text), "check what NEARLINE_EMBEDDING_MODEL names")
        }
        _ => {
            let fix = "use a model that this region offers, or an inference profile: set NEARLINE_EMBEDDING_MODEL, and \
                       for the ARN of a profile NEARLINE_EMBEDDING_MODEL_FAMILY too";
            Check::failed_by(MODEL, &name, &fault, fix)
        }
    };
    (check, Some(Err(fault)))
}
