//! What a run is made from: the command line, and the files that it names.

use std::path::Path;
use std::sync::Arc;

use crate::cli::Args;
use crate::error::RunError;
use crate::jobs::{Choice, Filters, Jobs, JobsError, MESSAGE_MAX_BYTES, Shape, Source};
use crate::report::{FORMAT_VERSION, Report};
use crate::schedule::Schedule;
use crate::verify::CatalogInfo;

/// What a run is made from.
pub(crate) struct Inputs {
    pub jobs: Arc<Jobs>,
    pub schedule: Arc<Schedule>,
    pub catalog: Option<CatalogInfo>,
}

impl Inputs {
    /// Reads the files that `args` name, and gives the run an id of its own.
    pub(crate) fn read(args: &Args) -> Result<Self, RunError> {
        let source = match &args.jobs {
            None => Source::Phrases,
            Some(path) => Source::from_lines(bytes(path)?).map_err(unusable(path))?,
        };
        let filters = args.filter_file.as_deref().map(|path| filters(path, &source)).transpose()?;
        let choice = match (args.zipf, &args.jobs) {
            (Some(exponent), _) => Choice::zipf(source.len(), exponent),
            (None, Some(_)) => Choice::InTurn,
            (None, None) => Choice::Uniform,
        };
        let shape = Shape {
            seed: args.seed,
            choice,
            duplicates: args.duplicates.0,
            conflicts: args.conflicts.0,
            invalid: args.invalid.0,
            top_k: args.top_k,
            filters,
            tenants: args.tenants,
            tenant_choice: args.zipf.map_or(Choice::Uniform, |exponent| Choice::zipf(args.tenants.into(), exponent)),
            payload_bytes: args.payload_bytes.clone(),
        };
        let run_id = format!("{:016x}", rand::random::<u64>());
        Ok(Self {
            jobs: Arc::new(Jobs::new(run_id, source, shape)),
            schedule: Arc::new(Schedule::new(args.stages(), args.arrivals, args.seed)),
            catalog: args.catalog_info.as_deref().map(read_json).transpose()?,
        })
    }
}

/// Reads the report of a run.
pub(crate) fn report(path: &Path) -> Result<Report, RunError> {
    if bytes(path)?.is_empty() {
        let cause = "it is empty; a run writes its report at its end".to_owned();
        return Err(RunError::Read { path: path.into(), cause });
    }
    let report: Report = read_json(path)?;
    if report.format_version != FORMAT_VERSION {
        let cause = format!("its format_version is {}, not {FORMAT_VERSION}", report.format_version);
        return Err(RunError::Read { path: path.into(), cause });
    }
    Ok(report)
}

/// The filters of a file, if jobs of `source` have room for them.
fn filters(path: &Path, source: &Source) -> Result<Filters, RunError> {
    /// The request id, the names of it and of `filter`, and `top_k`.
    const AROUND: usize = 128;
    let filters = Filters::from_lines(bytes(path)?).map_err(unusable(path))?;
    let (longest, job) = (filters.longest(), source.longest_without_filter());
    if longest + job + AROUND > MESSAGE_MAX_BYTES {
        let cause = format!(
            "its longest filter has {longest} bytes, the longest job without one {job}: together they do not fit into a \
             message of at most {MESSAGE_MAX_BYTES}"
        );
        return Err(RunError::Read { path: path.into(), cause });
    }
    Ok(filters)
}

fn unusable(path: &Path) -> impl FnOnce(JobsError) -> RunError {
    move |cause| RunError::Read { path: path.into(), cause: cause.to_string() }
}

fn bytes(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|cause| RunError::Read { path: path.into(), cause: cause.to_string() })
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let unusable = |cause: serde_json::Error| RunError::Read { path: path.into(), cause: cause.to_string() };
    serde_json::from_slice(&bytes(path)?).map_err(unusable)
}
