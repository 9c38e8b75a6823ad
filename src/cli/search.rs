//! `nearline search`: the same search as the worker's, on a file, measured.
//!
//! Queries are prepared first (parsed, embedded), then scanned in batches: the figures are those of the scans alone.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgGroup, Args, ValueEnum};
use futures_util::{StreamExt, stream};
use nearline_contract::hash::parse_unique;
use nearline_contract::job::TITLE;
use nearline_contract::limits::TOP_K_MAX;
use nearline_contract::{Filter, Group, GroupBy, JobError, RecordError, SearchJob, Status, Target};
use nearline_search::{Available, Kernel, Query, Ranking, RowSet};
use serde::Serialize;

use super::catalog::open_catalog;
use super::colour::{self, BAD, HEADING, paint};
use super::output::{CliError, json, plain, print};
use super::page::{self, Answer};
use super::prepare::{Prepared, TEXTS_IN_FLIGHT, prepare_one};
use super::queries::{self, Defaults, Input};
use crate::aws::Sdk;
use crate::catalog::{Catalog, Indexing};
use crate::compute::Compute;
use crate::config::Reader;
use crate::embed::{Embedder, Purpose};
use crate::worker::{RowSets, groups};

#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).args(["text", "queries"]))]
pub(super) struct SearchArgs {
    /// Catalog file; or products with their own vectors, in any format that `catalog build` reads
    #[arg(long)]
    catalog: PathBuf,
    /// One text to search for (embedded by the catalog's model)
    #[arg(long)]
    text: Option<String>,
    /// Queries: .npy (float32, queries x dimension), or jobs: one JSON object a line, or one array of them
    #[arg(long)]
    queries: Option<PathBuf>,
    /// Most matches in each group, for jobs that do not say [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=TOP_K_MAX as i64))]
    top_k: Option<u16>,
    /// How matches are grouped, for jobs that do not say [default: category; none for --text on a terminal]
    #[arg(long, value_enum)]
    group_by: Option<GroupByArg>,
    /// Which products may match, by their attributes: {"price": {"$lt": 50}}; for jobs without a filter of their own
    #[arg(long, value_name = "JSON", value_parser = filter)]
    filter: Option<Filter>,
    /// What matches carry: title, and attributes; for jobs that do not say
    #[arg(long = "return", value_name = "NAMES", value_delimiter = ',')]
    returned: Option<Vec<String>>,
    /// Queries that are scanned together
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Search threads [default: one for each processor]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    /// Scoring kernel: portable, avx2, avx512vnni, dotprod or i8mm [default: the fastest the processor supports]
    #[arg(long, value_parser = kernel)]
    kernel: Option<Available>,
    /// Results as JSON Lines, one line a query, in order [default: standard output]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Results as one page for a browser, `-` for standard output. Unless --return says what matches carry, they carry the
    /// title and every attribute
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "json"])]
    html: Option<PathBuf>,
    /// Print the figures of the search as JSON (results only go to --output then)
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum GroupByArg {
    Category,
    None,
}

impl From<GroupByArg> for GroupBy {
    fn from(argument: GroupByArg) -> Self {
        match argument {
            GroupByArg::Category => Self::Category,
            GroupByArg::None => Self::None,
        }
    }
}

/// One line of the results.
#[derive(Serialize)]
struct Line {
    /// What was searched for.
    #[serde(skip)]
    asked: String,
    request_id: Option<String>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Group>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RecordError>,
}

impl Line {
    /// For a page; a text has no id of its own.
    fn answer(&self, is_job: bool) -> Answer<'_> {
        let id = self.request_id.iter().filter(|_| is_job);
        let id = id.map(|id| ("request id".to_owned(), id.clone()));
        let (results, error) = (self.results.as_deref(), self.error.as_ref());
        Answer { title: self.asked.clone(), facts: id.collect(), results, error }
    }
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
    /// Rows that pass the queries' filters, of all rows of all queries; 1 without filters.
    filtered_fraction: f64,
}

pub(super) async fn run(args: SearchArgs) -> Result<(), CliError> {
    let compute = Compute::threads(args.threads.map(usize::from))?;
    let indexing = Indexing {
        kernel: args.kernel.unwrap_or_else(Kernel::fastest),
        compute: compute.clone(),
        ..Indexing::default()
    };
    let catalog = Arc::new(open_catalog(&args.catalog, &indexing).await?);
    let defaults = Defaults {
        top_k: args.top_k,
        group_by: args.group_by.or(at_a_glance(&args).then_some(GroupByArg::None)).map(GroupBy::from),
        filter: args.filter.clone(),
        returned: args.returned.clone().or_else(|| args.html.as_ref().map(|_| everything(&catalog))),
    };
    let inputs = match (&args.text, &args.queries) {
        (Some(text), _) => queries::text(&defaults, text),
        (None, Some(path)) => queries::file(&defaults, path, &catalog)?,
        (None, None) => return Err(CliError::Other("--text or --queries is required".into())),
    };
    let asked: Vec<String> = inputs.iter().map(Input::asked).collect();
    let (ids, jobs): (Vec<_>, Vec<_>) = inputs.into_iter().map(|input| (input.request_id, input.job)).unzip();
    let row_sets = RowSets::new(Arc::clone(&catalog), compute.clone());
    let prepared = prepare(&catalog, &row_sets, jobs).await?;
    let queries: Vec<Query<'_>> =
        prepared.iter().flatten().map(|prepared| prepared.plan.query(&prepared.vector)).collect();
    let mut rankings: Vec<Ranking> = Vec::with_capacity(queries.len());
    let mut spent = Duration::ZERO;
    for batch in queries.chunks(args.batch as usize) {
        let started = Instant::now();
        let found = compute.install(|| catalog.index().search(batch));
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
        threads: compute.thread_count(),
        batch: args.batch,
        rescored_fraction: rescored as f64 / (queries.len().max(1) as f64 * catalog.rows() as f64),
        filtered_fraction: filtered_fraction(&catalog, &queries),
    };
    let mut rankings = rankings.into_iter();
    let lines = ids.into_iter().zip(asked).zip(&prepared).map(|((request_id, asked), prepared)| {
        let results = prepared.as_ref().map_err(Clone::clone).and_then(|prepared| {
            let ranking = rankings.next().expect("one ranking for each prepared query");
            groups(&catalog, &ranking, prepared.plan.returned())
        });
        line(request_id, asked, results)
    });
    output(&args, lines, &figures)
}

fn filtered_fraction(catalog: &Catalog, queries: &[Query<'_>]) -> f64 {
    let passing = queries.iter().map(|query| query.rows.map_or(catalog.rows(), RowSet::rows) as f64).sum::<f64>();
    if queries.is_empty() { 1.0 } else { passing / (queries.len() as f64 * catalog.rows() as f64) }
}

/// A filter, as jobs have it.
fn filter(text: &str) -> Result<Filter, String> {
    let value = parse_unique(text).map_err(|error| format!("is not JSON: {error}"))?;
    Filter::parse(&value).map_err(|error| error.message)
}

/// A kernel that this processor can run.
fn kernel(name: &str) -> Result<Available, String> {
    let available: Vec<&str> = Kernel::available().map(Available::name).collect();
    let kernel = name.parse().ok().and_then(Kernel::detect);
    kernel.ok_or_else(|| format!("this processor can run {}", available.join(", ")))
}

fn line(request_id: Option<String>, asked: String, results: Result<Vec<Group>, JobError>) -> Line {
    match results {
        Ok(results) => Line { asked, request_id, status: Status::Succeeded, results: Some(results), error: None },
        Err(error) => Line { asked, request_id, status: Status::Rejected, results: None, error: Some(error.into()) },
    }
}

/// All that a match can carry.
fn everything(catalog: &Catalog) -> Vec<String> {
    let attributes = catalog.attributes().summaries().into_iter().map(|attribute| attribute.name.to_owned());
    attributes.chain([TITLE.to_owned()]).collect()
}

/// Resolves names and embeds texts. A fault of the embedding model ends the command; a job's own fault is its answer.
async fn prepare(
    catalog: &Catalog,
    row_sets: &RowSets,
    jobs: Vec<Result<SearchJob, JobError>>,
) -> Result<Vec<Result<Prepared, JobError>>, CliError> {
    let has_text = jobs.iter().flatten().any(|job| matches!(job.target, Target::Query(_)));
    let embedder = if has_text { embedder(catalog).await? } else { None };
    let prepared =
        stream::iter(jobs).map(|job| prepare_one(catalog, row_sets, embedder.as_ref(), job)).buffered(TEXTS_IN_FLIGHT);
    let prepared: Vec<_> = prepared.collect().await;
    prepared.into_iter().map(|prepared| prepared.map_err(CliError::Fault)).collect()
}

/// The embedder of the catalog's model, chosen as a worker chooses it.
async fn embedder(catalog: &Catalog) -> Result<Option<Embedder>, CliError> {
    let settings = Reader::from_process().query()?;
    let Some(model) = catalog.query_model(&settings.guard)? else { return Ok(None) };
    let models = Sdk::load_usable().await?.models().in_tier(settings.service_tier.as_deref());
    Ok(Some(Embedder::start(models, settings.embedding, model, Purpose::Query)))
}

fn output(args: &SearchArgs, lines: impl Iterator<Item = Line>, figures: &Figures<'_>) -> Result<(), CliError> {
    match (&args.html, &args.output) {
        (Some(path), _) => {
            let lines: Vec<Line> = lines.collect();
            page::write(path, &lines.iter().map(|line| line.answer(args.queries.is_some())).collect::<Vec<_>>())?;
        }
        (None, Some(path)) => {
            let what = path.display().to_string();
            let file = File::create(path).map_err(CliError::io(&what))?;
            write_lines(BufWriter::new(file), lines).map_err(CliError::io(&what))?;
        }
        _ if args.json => drop(lines),
        _ if args.text.is_some() => {
            colour::print(&lines.map(|line| for_people(&line)).collect::<Vec<_>>().join("\n"))?;
        }
        _ => {
            write_lines(BufWriter::new(std::io::stdout().lock()), lines).map_err(CliError::io("standard output"))?;
        }
    }
    if args.json {
        print(&json(figures)?)?;
    } else {
        eprintln!(
            "{} {} over {} x {} in {:.3} ms: {:.0} queries/s ({}, {} threads, batch {})",
            figures.queries,
            if figures.queries == 1 { "query" } else { "queries" },
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

/// Whether somebody who looks at a terminal wants the best of all: categories may be many.
fn at_a_glance(args: &SearchArgs) -> bool {
    args.text.is_some() && args.output.is_none() && args.html.is_none() && !args.json && std::io::stdout().is_terminal()
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
        text.push(format!("{}: {}", paint(BAD, error.code.as_str()), error.message));
    }
    for group in line.results.iter().flatten() {
        text.extend(group.category.as_deref().map(|category| paint(HEADING, category)));
        for found in &group.matches {
            let title = found.title.as_deref().unwrap_or_default();
            let category = found.category.as_deref().unwrap_or_default();
            let attributes = found.attributes.iter().map(|(name, value)| format!("  {name}={}", plain(value)));
            let attributes = attributes.collect::<String>();
            text.push(format!("  {:.4}  {:<24} {title}  {category}{attributes}", found.score, found.product_id));
        }
    }
    text.join("\n")
}
