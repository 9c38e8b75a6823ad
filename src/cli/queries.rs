//! What `nearline search` searches for: a text, a NumPy matrix, or jobs.

use std::collections::BTreeMap;
use std::path::Path;

use nearline_contract::job::TITLE;
use nearline_contract::limits::TOP_K_DEFAULT;
use nearline_contract::{ErrorCode, Filter, GroupBy, JobError, Refusal, SearchJob, Target, receive};

use super::jobs::{self, Job};
use super::numpy;
use super::output::CliError;
use crate::catalog::Catalog;

/// What holds for jobs that do not say it themselves.
pub(super) struct Defaults {
    pub(super) top_k: Option<u16>,
    pub(super) group_by: Option<GroupBy>,
    pub(super) filter: Option<Filter>,
    /// `title`, and names of attributes.
    pub(super) returned: Option<Vec<String>>,
}

impl Defaults {
    /// Attributes that matches carry, each once.
    fn attributes(&self) -> Vec<String> {
        let mut names: Vec<String> = self.returned.iter().flatten().filter(|name| *name != TITLE).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A query of the input: its id, and the job or what is wrong with it.
pub(super) struct Input {
    pub(super) request_id: Option<String>,
    pub(super) job: Result<SearchJob, JobError>,
}

impl Input {
    /// What is searched for, for people; the id where that tells more.
    pub(super) fn asked(&self) -> String {
        let id = self.request_id.as_deref().unwrap_or("a job without a request id");
        match self.job.as_ref().map(|job| &job.target) {
            Ok(Target::Query(text)) => text.clone(),
            Ok(Target::ProductId(product)) => format!("like {product}"),
            Ok(Target::Vector(_)) => format!("vector {id}"),
            Err(_) => id.to_owned(),
        }
    }
}

/// One text.
pub(super) fn text(defaults: &Defaults, text: &str) -> Vec<Input> {
    let mut job = job(defaults, "text".into(), Target::Query(text.to_owned()));
    // People want to see what it is.
    job.return_title = true;
    vec![Input { request_id: Some("text".into()), job: Ok(job) }]
}

/// The queries of a file: a NumPy matrix (float32, queries x dimension), or jobs. Its first bytes tell which.
pub(super) fn file(defaults: &Defaults, path: &Path, catalog: &Catalog) -> Result<Vec<Input>, CliError> {
    if path.extension().is_some_and(|extension| extension == "npy") || numpy::is_array(path) {
        npy(defaults, path, catalog)
    } else {
        jobs(defaults, path)
    }
}

fn job(defaults: &Defaults, request_id: String, target: Target) -> SearchJob {
    SearchJob {
        request_id,
        target,
        top_k: defaults.top_k.unwrap_or(TOP_K_DEFAULT),
        categories: None,
        group_by: defaults.group_by.unwrap_or_default(),
        min_score: None,
        exclude: Vec::new(),
        filter: defaults.filter.clone(),
        return_title: defaults.returned.iter().flatten().any(|name| name == TITLE),
        return_attributes: defaults.attributes(),
        metadata: BTreeMap::new(),
        not_after: None,
    }
}

fn npy(defaults: &Defaults, path: &Path, catalog: &Catalog) -> Result<Vec<Input>, CliError> {
    let what = path.display().to_string();
    let matrix = numpy::matrix(path)?;
    if matrix.ncols() != catalog.dimension() {
        let (found, wanted) = (matrix.ncols(), catalog.dimension());
        return Err(CliError::Other(format!("{what}: its vectors have {found} numbers, the catalog's {wanted}")));
    }
    let input = |(row, vector): (usize, ndarray::ArrayView1<'_, f32>)| {
        let valid = vector.iter().all(|number| number.is_finite()) && vector.iter().any(|&number| number != 0.0);
        let request_id = row.to_string();
        let invalid = || JobError::new(ErrorCode::InvalidVector, "vector must be finite and not all zero");
        let job = valid.then(|| job(defaults, request_id.clone(), Target::Vector(vector.to_vec()))).ok_or_else(invalid);
        Input { request_id: Some(request_id), job }
    };
    Ok(matrix.rows().into_iter().enumerate().map(input).collect())
}

fn jobs(defaults: &Defaults, path: &Path) -> Result<Vec<Input>, CliError> {
    let mut inputs = Vec::new();
    for Job { body: text, .. } in jobs::read(path)? {
        inputs.push(match receive(&text) {
            Err(error) => Input { request_id: None, job: Err(error) },
            Ok(received) => Input {
                request_id: Some(received.request_id),
                job: match received.job {
                    Ok(job) => Ok(with_defaults(defaults, job, &text)),
                    Err(Refusal::Invalid(error)) => Err(error),
                    Err(Refusal::NewerVersion(version)) => {
                        let message = format!("version {version} is newer than this release");
                        Err(JobError::new(ErrorCode::OutOfRange, message))
                    }
                },
            },
        });
    }
    Ok(inputs)
}

/// The flags stand in for what a job does not say itself.
fn with_defaults(defaults: &Defaults, mut job: SearchJob, text: &str) -> SearchJob {
    let says = |name: &str| {
        serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.get(name).is_some_and(|v| !v.is_null()))
    };
    if let Some(top_k) = defaults.top_k.filter(|_| !says("top_k")) {
        job.top_k = top_k;
    }
    if let Some(group_by) = defaults.group_by.filter(|_| !says("group_by")) {
        job.group_by = group_by;
    }
    if defaults.filter.is_some() && !says("filter") {
        job.filter.clone_from(&defaults.filter);
    }
    if let Some(returned) = defaults.returned.as_ref().filter(|_| !says("return")) {
        job.return_title = returned.iter().any(|name| name == TITLE);
        job.return_attributes = defaults.attributes();
    }
    job
}
