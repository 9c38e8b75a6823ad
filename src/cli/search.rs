//! `nearline search`: the same search as the worker's, on a file, measured.
//!
//! Queries are prepared first (parsed, embedded), then scanned in batches: the figures are those of the scans alone.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueEnum};
use futures_util::{StreamExt, stream};
use ndarray::Array2;
use ndarray_npy::ReadNpyExt;
use nearline_contract::limits::{TOP_K_DEFAULT, TOP_K_MAX};
use nearline_contract::{
    ErrorCode, Group, GroupBy, JobError, RecordError, Refusal, SearchJob, Status, Target, receive,
};
use nearline_search::{Kernel, Query, Ranking};
use rayon::ThreadPoolBuilder;
use serde::Serialize;
use time::OffsetDateTime;

use super::{CliError, json, print};
use crate::aws;
use crate::catalog::store::load_file;
use crate::catalog::{Catalog, Indexing};
use crate::config::Reader;
use crate::embed::{Bedrock, Embedder, Model, Purpose};
use crate::fault::Fault;
use crate::worker::{Filter, check_expiry, groups, known_vector, no_model};

/// Texts that wait for the embedder at once.
const TEXTS_IN_FLIGHT: usize = 1_024;

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["text", "queries"]))]
pub(super) struct SearchArgs {
    /// Catalog file
    #[arg(long)]
    catalog: PathBuf,
    /// One text to search for (embedded by the catalog's model)
    #[arg(long)]
    text: Option<String>,
    /// Queries: .npy (float32, queries x dimension), or jobs as JSON Lines
    #[arg(long)]
    queries: Option<PathBuf>,
    /// Most matches in each group; for jobs that name none themselves [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=TOP_K_MAX as i64))]
    top_k: Option<u16>,
    /// How matches are grouped; for jobs that do not say themselves [default: category]
    #[arg(long, value_enum)]
    group_by: Option<GroupByArg>,
    /// Queries that are scanned together
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Threads that scan [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    /// What scans: portable, avx2, avx512vnni, dotprod or i8mm [default: the fastest that the processor has]
    #[arg(long, value_parser = kernel)]
    kernel: Option<Kernel>,
    /// Results as JSON Lines, one line a query, in order [default: standard output]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Print the figures of the search as JSON (results only go to --output then)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum GroupByArg {
    Category,
    None,
}

/// One line of the results.
#[derive(Serialize)]
struct Line {
    request_id: Option<String>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Group>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RecordError>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Figures<'a> {
    queries: usize,
    seconds: f64,
    queries_per_second: f64,
    rows: usize,
    dimension: usize,
    kernel: &'a str,
    threads: usize,
    batch: u32,
    /// Rows whose exact score was computed, of all rows of all queries.
    rescored_fraction: f64,
}

/// A query of the input: its id, and the job or what is wrong with it.
struct Input {
    request_id: Option<String>,
    job: Result<SearchJob, JobError>,
}

/// A query that can be scanned.
struct Prepared {
    filter: Filter,
    vector: Vec<f32>,
    return_title: bool,
}

pub(super) async fn run(args: SearchArgs) -> Result<(), CliError> {
    let mut pool = ThreadPoolBuilder::new();
    if let Some(threads) = args.threads {
        pool = pool.num_threads(usize::from(threads));
    }
    let pool = pool.build().map_err(|error| CliError::Other(format!("search threads: {error}")))?;
    let pool = Arc::new(pool);
    let indexing = Indexing { kernel: args.kernel.unwrap_or_else(Kernel::fastest), pool: Some(Arc::clone(&pool)) };
    let catalog = load_file(&args.catalog, &indexing).await?;
    let inputs = inputs(&args, &catalog)?;
    let (ids, jobs): (Vec<_>, Vec<_>) = inputs.into_iter().map(|input| (input.request_id, input.job)).unzip();
    let prepared = prepare(&catalog, jobs).await?;
    let queries: Vec<Query<'_>> =
        prepared.iter().flatten().map(|prepared| prepared.filter.query(&prepared.vector)).collect();
    let mut rankings: Vec<Ranking> = Vec::with_capacity(queries.len());
    let mut spent = Duration::ZERO;
    for batch in queries.chunks(args.batch as usize) {
        let started = Instant::now();
        let found = pool.install(|| catalog.index().search(batch));
        spent += started.elapsed();
        rankings.extend(found.map_err(|error| CliError::Other(error.to_string()))?);
    }
    let rescored: u64 = rankings.iter().map(|ranking| ranking.rescored).sum();
    let seconds = spent.as_secs_f64();
    let figures = Figures {
        queries: queries.len(),
        seconds,
        queries_per_second: if seconds > 0.0 { queries.len() as f64 / seconds } else { 0.0 },
        rows: catalog.rows(),
        dimension: catalog.dimension(),
        kernel: catalog.index().kernel(),
        threads: pool.current_num_threads(),
        batch: args.batch,
        rescored_fraction: rescored as f64 / (queries.len().max(1) as f64 * catalog.rows() as f64),
    };
    let mut rankings = rankings.into_iter();
    let lines = ids.into_iter().zip(&prepared).map(|(request_id, prepared)| {
        let results = prepared.as_ref().map_err(Clone::clone).and_then(|prepared| {
            let ranking = rankings.next().expect("one ranking for each prepared query");
            groups(&catalog, &ranking, prepared.return_title)
        });
        line(request_id, results)
    });
    output(&args, lines, &figures)
}

/// A kernel that this processor can run.
fn kernel(name: &str) -> Result<Kernel, String> {
    let available: Vec<&str> = Kernel::available().map(Kernel::name).collect();
    let kernel = name.parse().ok().filter(|kernel: &Kernel| kernel.is_available());
    kernel.ok_or_else(|| format!("this processor can run {}", available.join(", ")))
}

fn line(request_id: Option<String>, results: Result<Vec<Group>, JobError>) -> Line {
    match results {
        Ok(results) => Line { request_id, status: Status::Succeeded, results: Some(results), error: None },
        Err(error) => Line { request_id, status: Status::Rejected, results: None, error: Some(error.into()) },
    }
}

fn inputs(args: &SearchArgs, catalog: &Catalog) -> Result<Vec<Input>, CliError> {
    match (&args.text, &args.queries) {
        (Some(text), _) => {
            let mut job = job(args, "text".into(), Target::Query(text.clone()));
            job.return_title = true;
            Ok(vec![Input { request_id: Some("text".into()), job: Ok(job) }])
        }
        (None, Some(path)) if path.extension().is_some_and(|extension| extension == "npy") => npy(args, path, catalog),
        (None, Some(path)) => json_lines(args, path),
        (None, None) => Err(CliError::Other("--text or --queries is required".into())),
    }
}

fn job(args: &SearchArgs, request_id: String, target: Target) -> SearchJob {
    SearchJob {
        request_id,
        target,
        top_k: args.top_k.unwrap_or(TOP_K_DEFAULT),
        categories: None,
        group_by: group_by(args).unwrap_or_default(),
        min_score: None,
        exclude: Vec::new(),
        return_title: false,
        metadata: std::collections::BTreeMap::new(),
        not_after: None,
    }
}

fn group_by(args: &SearchArgs) -> Option<GroupBy> {
    args.group_by.map(|group_by| match group_by {
        GroupByArg::Category => GroupBy::Category,
        GroupByArg::None => GroupBy::None,
    })
}

fn npy(args: &SearchArgs, path: &Path, catalog: &Catalog) -> Result<Vec<Input>, CliError> {
    let what = path.display().to_string();
    let file = File::open(path).map_err(CliError::io(&what))?;
    let matrix = Array2::<f32>::read_npy(BufReader::new(file)).map_err(|error| {
        CliError::Other(format!("{what}: a float32 matrix of queries x dimension is needed: {error}"))
    })?;
    if matrix.ncols() != catalog.dimension() {
        let (found, wanted) = (matrix.ncols(), catalog.dimension());
        return Err(CliError::Other(format!("{what}: its vectors have {found} numbers, the catalog's {wanted}")));
    }
    let input = |(row, vector): (usize, ndarray::ArrayView1<'_, f32>)| {
        let valid = vector.iter().all(|number| number.is_finite()) && vector.iter().any(|&number| number != 0.0);
        let request_id = row.to_string();
        let invalid = || JobError::new(ErrorCode::InvalidVector, "vector must be finite and not all zero");
        let job = valid.then(|| job(args, request_id.clone(), Target::Vector(vector.to_vec()))).ok_or_else(invalid);
        Input { request_id: Some(request_id), job }
    };
    Ok(matrix.rows().into_iter().enumerate().map(input).collect())
}

fn json_lines(args: &SearchArgs, path: &Path) -> Result<Vec<Input>, CliError> {
    let what = path.display().to_string();
    let file = File::open(path).map_err(CliError::io(&what))?;
    let mut inputs = Vec::new();
    for text in BufReader::new(file).lines() {
        let text = text.map_err(CliError::io(&what))?;
        if text.trim().is_empty() {
            continue;
        }
        inputs.push(match receive(&text) {
            Err(error) => Input { request_id: None, job: Err(error) },
            Ok(received) => Input {
                request_id: Some(received.request_id),
                job: match received.job {
                    Ok(job) => Ok(with_defaults(args, job, &text)),
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
fn with_defaults(args: &SearchArgs, mut job: SearchJob, text: &str) -> SearchJob {
    let says = |name: &str| {
        serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.get(name).is_some_and(|v| !v.is_null()))
    };
    if let Some(top_k) = args.top_k.filter(|_| !says("top_k")) {
        job.top_k = top_k;
    }
    if let Some(group_by) = group_by(args).filter(|_| !says("group_by")) {
        job.group_by = group_by;
    }
    job
}

/// Resolves names and embeds texts. A fault of the embedding model ends the command; a job's own fault is its answer.
async fn prepare(
    catalog: &Catalog,
    jobs: Vec<Result<SearchJob, JobError>>,
) -> Result<Vec<Result<Prepared, JobError>>, CliError> {
    let has_text = jobs.iter().flatten().any(|job| matches!(job.target, Target::Query(_)));
    let embedder = if has_text { embedder(catalog).await? } else { None };
    let embedder = embedder.map(Arc::new);
    let prepared = stream::iter(jobs).map(|job| prepare_one(catalog, embedder.clone(), job)).buffered(TEXTS_IN_FLIGHT);
    let prepared: Vec<_> = prepared.collect().await;
    prepared.into_iter().map(|prepared| prepared.map_err(CliError::Fault)).collect()
}

async fn embedder(catalog: &Catalog) -> Result<Option<Embedder>, CliError> {
    let Some(model_id) = catalog.model_id() else { return Ok(None) };
    let model = Model::new(model_id, catalog.dimension())?;
    let bedrock = Bedrock::new(&aws::sdk_config().await, Reader::from_process().embedding()?);
    Ok(Some(Embedder::start(bedrock, model, catalog.dimension(), Purpose::Query)))
}

async fn prepare_one(
    catalog: &Catalog,
    embedder: Option<Arc<Embedder>>,
    job: Result<SearchJob, JobError>,
) -> Result<Result<Prepared, JobError>, Fault> {
    let resolved = job.and_then(|job| {
        check_expiry(&job, OffsetDateTime::now_utc())?;
        let (filter, vector) = (Filter::resolve(catalog, &job)?, known_vector(catalog, &job.target)?);
        Ok((job, filter, vector))
    });
    let (job, filter, vector) = match resolved {
        Ok(resolved) => resolved,
        Err(error) => return Ok(Err(error)),
    };
    let vector = match (vector, &job.target, embedder) {
        (Some(vector), ..) => vector,
        (None, Target::Query(text), Some(embedder)) => embedder.embed(text).await?.vector.clone(),
        (None, ..) => {
            return Ok(Err(no_model()));
        }
    };
    Ok(Ok(Prepared { filter, vector, return_title: job.return_title }))
}

fn output(args: &SearchArgs, lines: impl Iterator<Item = Line>, figures: &Figures<'_>) -> Result<(), CliError> {
    match &args.output {
        Some(path) => {
            let what = path.display().to_string();
            let file = File::create(path).map_err(CliError::io(&what))?;
            write_lines(BufWriter::new(file), lines).map_err(CliError::io(&what))?;
        }
        None if args.json => drop(lines),
        None if args.text.is_some() => print(&lines.map(|line| for_people(&line)).collect::<Vec<_>>().join("\n"))?,
        None => {
            write_lines(BufWriter::new(std::io::stdout().lock()), lines).map_err(CliError::io("standard output"))?;
        }
    }
    if args.json {
        print(&json(figures)?)?;
    } else {
        eprintln!(
            "{} queries over {} x {} in {:.3} ms: {:.0} queries/s ({}, {} threads, batch {})",
            figures.queries,
            figures.rows,
            figures.dimension,
            figures.seconds * 1e3,
            figures.queries_per_second,
            figures.kernel,
            figures.threads,
            figures.batch
        );
    }
    Ok(())
}

fn write_lines(mut sink: impl Write, lines: impl Iterator<Item = Line>) -> std::io::Result<()> {
    for line in lines {
        serde_json::to_writer(&mut sink, &line)?;
        sink.write_all(b"\n")?;
    }
    sink.flush()
}

fn for_people(line: &Line) -> String {
    let mut text = Vec::new();
    if let Some(error) = &line.error {
        text.push(format!("{}: {}", error.code, error.message));
    }
    for group in line.results.iter().flatten() {
        text.extend(group.category.clone());
        for found in &group.matches {
            let title = found.title.as_deref().unwrap_or_default();
            let category = found.category.as_deref().unwrap_or_default();
            text.push(format!("  {:.4}  {:<24} {title}  {category}", found.score, found.product_id));
        }
    }
    text.join("\n")
}
