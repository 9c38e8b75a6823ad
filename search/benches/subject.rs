//! Serves one catalog to the rival comparison (`make compare`): a JSON command a line on stdin, an answer a line on
//! stdout. A fault ends it with exit code 1 and one line on stderr.
//!
//! A bench target, so that no other build knows of it. Timings cover the search calls alone; every ranking of a timing
//! is kept until it ends, and then handed out for checking.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ndarray::Array2;
use nearline_search::{Grouping, Index, Kernel, Query, QueryError, Ranking, RowSet};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

const USAGE: &str = "subject --rows FILE --dimension D --categories FILE --threads T [--kernel NAME]";
/// Fills a list that has fewer matches than asked for; no row has this number.
const NO_MATCH: [u32; 2] = [u32::MAX; 2];
/// Components in a cache line: reading one of them brings the line, and leaves the core nothing else to wait for.
const LINE: usize = 16;
/// Passes over the rows go on for this long; the fastest one counts.
const READING: Duration = Duration::from_millis(100);

type Fault = Box<dyn Error + Send + Sync>;

struct Arguments {
    rows: PathBuf,
    dimension: usize,
    categories: PathBuf,
    threads: usize,
    kernel: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Command {
    /// Searches batch after batch, each time with the next queries, until `seconds` have passed.
    Search(Search),
    /// Reads the first so many bytes of the rows, one after the other.
    ReadLimit { bytes: usize, threads: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    queries: PathBuf,
    batch: usize,
    top_k: usize,
    group_by: GroupBy,
    engine: Engine,
    threads: usize,
    seconds: f64,
    /// Where the rankings go.
    rankings: PathBuf,
    /// Which rows may match: bitmaps one after the other, bit i % 64 of word i / 64 for row i. The queries take turns.
    #[serde(default)]
    filters: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum GroupBy {
    Category,
    None,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Engine {
    Index,
    BruteForce,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` and `cargo test --benches` start every bench target, with arguments of their own.
    if !arguments.iter().any(|argument| argument == "--rows") {
        println!("subject: nothing to do without a catalog; `make compare` starts it with one");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("subject: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Fault> {
    let arguments = parse(arguments)?;
    let rows = matrix(&arguments.rows, arguments.dimension)?;
    let categories = words(&arguments.categories)?;
    let pool = pool(arguments.threads)?;
    let start = Instant::now();
    let index = pool.install(|| build(rows, categories, arguments.kernel.as_deref()))?;
    let build_seconds = start.elapsed().as_secs_f64();
    answer(&json!({
        "rows": index.rows(), "dimension": index.dimension(), "categories": index.categories(),
        "kernel": index.kernel(), "memory_bytes": index.memory_bytes(), "build_seconds": build_seconds,
    }))?;
    for line in io::stdin().lines() {
        let command = serde_json::from_str(&line?).map_err(|error| format!("no command of mine: {error}"))?;
        answer(&match command {
            Command::Search(asked) => search(&index, &asked)?,
            Command::ReadLimit { bytes, threads } => read_limit(&index, bytes, threads)?,
        })?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Arguments, Fault> {
    let (mut rows, mut dimension, mut categories, mut threads, mut kernel) = (None, None, None, None, None);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} has no value; usage: {USAGE}", pair[0]).into()) };
        match name.as_str() {
            "--rows" => rows = Some(value.into()),
            "--dimension" => dimension = Some(count(name, value)?),
            "--categories" => categories = Some(value.into()),
            "--threads" => threads = Some(count(name, value)?),
            "--kernel" => kernel = Some(value.clone()),
            _ => return Err(format!("there is no option {name}; usage: {USAGE}").into()),
        }
    }
    let (Some(rows), Some(dimension), Some(categories), Some(threads)) = (rows, dimension, categories, threads) else {
        return Err(format!("an option is missing; usage: {USAGE}").into());
    };
    Ok(Arguments { rows, dimension, categories, threads, kernel })
}

/// A number above 0.
fn count(name: &str, value: &str) -> Result<usize, Fault> {
    match value.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{name} must be a whole number above 0, not {value}").into()),
    }
}

fn build(rows: Array2<f32>, categories: Vec<u32>, kernel: Option<&str>) -> Result<Index, Fault> {
    let kernel = match kernel {
        Some(name) => {
            let kernel: Kernel = name.parse()?;
            kernel.detect().ok_or_else(|| format!("this processor cannot run the {kernel} kernel"))?
        }
        None => Kernel::fastest(),
    };
    Ok(Index::build_with(rows, categories, kernel)?)
}

fn search(index: &Index, asked: &Search) -> Result<Value, Fault> {
    let vectors = matrix(&asked.queries, index.dimension())?;
    let grouping = match asked.group_by {
        GroupBy::Category => Grouping::ByCategory,
        GroupBy::None => Grouping::Overall,
    };
    let bitmaps = asked.filters.as_deref().map_or(Ok(Vec::new()), |path| bitmaps(path, index.rows()))?;
    let start = Instant::now();
    let filters: Vec<RowSet> = bitmaps.iter().map(|bits| index.row_set(bits)).collect();
    let row_set_seconds = start.elapsed().as_secs_f64() / filters.len().max(1) as f64;
    let query = |(number, vector)| Query {
        vector,
        top_k: asked.top_k,
        grouping,
        categories: None,
        min_score: None,
        exclude: &[],
        rows: filters.get(number % filters.len().max(1)),
    };
    let queries: Vec<Query<'_>> = vectors.rows().into_iter().enumerate().map(query).collect();
    if asked.batch == 0 || asked.batch > queries.len() {
        return Err(format!("a batch of {} cannot be made of {} queries", asked.batch, queries.len()).into());
    }
    let batches: Vec<&[Query<'_>]> = queries.chunks_exact(asked.batch).collect();
    let (seconds, answers) = pool(asked.threads)?.install(|| time(index, &asked.engine, &batches, asked.seconds))?;

    // The first answer to each batch is written, any later one must repeat it.
    let distinct = answers.len().min(batches.len());
    let same = |(first, again): (&Ranking, &Ranking)| first.groups == again.groups;
    let (first, later) = answers.split_at(distinct);
    let repeats = later.iter().zip(first.iter().cycle()).flat_map(|(again, first)| first.iter().zip(again));
    write_rankings(&asked.rankings, asked.top_k, first.iter().flatten())?;
    let rescored: u64 = answers.iter().flatten().map(|ranking| ranking.rescored).sum();
    let searched = answers.len() * asked.batch;
    Ok(json!({
        "queries": searched, "seconds": seconds, "answered": distinct * asked.batch,
        "not_repeated": repeats.filter(|&pair| !same(pair)).count(),
        "rescored_fraction": rescored as f64 / (searched * index.rows()) as f64,
        "row_set_seconds": row_set_seconds,
    }))
}

/// The time taken by as many searches as fit into `seconds` (at least one), and their rankings.
fn time(
    index: &Index,
    engine: &Engine,
    batches: &[&[Query<'_>]],
    seconds: f64,
) -> Result<(f64, Vec<Vec<Ranking>>), QueryError> {
    let mut answers = Vec::new();
    let start = Instant::now();
    for queries in batches.iter().cycle() {
        answers.push(match engine {
            Engine::Index => index.search(queries)?,
            Engine::BruteForce => index.search_brute_force(queries)?,
        });
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Ok((start.elapsed().as_secs_f64(), answers))
}

/// For each query, each of its groups, and each of the `top_k` places: row number and bits of the score.
fn write_rankings<'a>(path: &Path, top_k: usize, rankings: impl Iterator<Item = &'a Ranking>) -> Result<(), Fault> {
    let mut file = BufWriter::new(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?);
    for group in rankings.flat_map(|ranking| &ranking.groups) {
        let matches = group.matches.iter().map(|found| [found.row, found.score.to_bits()]);
        for word in matches.chain(std::iter::repeat(NO_MATCH)).take(top_k).flatten() {
            file.write_all(&word.to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}

fn read_limit(index: &Index, bytes: usize, threads: usize) -> Result<Value, Fault> {
    let row_bytes = index.dimension() * size_of::<f32>();
    let rows = (bytes / row_bytes).clamp(1, index.rows());
    let pool = pool(threads)?;
    let numbers: Vec<u32> = (0..rows as u32).collect();
    let sum = |numbers: &[u32]| -> u32 {
        let rows = numbers.iter().map(|&row| index.row(row).to_slice().unwrap_or_default());
        let lines = rows.flat_map(|row| row.iter().step_by(LINE));
        lines.fold(0, |sum, component| sum.wrapping_add(component.to_bits()))
    };
    let mut fastest = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < READING {
        let pass = Instant::now();
        pool.install(|| black_box(numbers.par_chunks(rows.div_ceil(threads)).map(sum).max()));
        fastest = fastest.min(pass.elapsed());
    }
    Ok(json!({ "gigabytes_per_second": (rows * row_bytes) as f64 / fastest.as_secs_f64() / 1e9 }))
}

fn pool(threads: usize) -> Result<ThreadPool, Fault> {
    Ok(ThreadPoolBuilder::new().num_threads(threads).build()?)
}

fn answer(value: &Value) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{value}")?;
    stdout.flush()
}

/// A file of f32, little-endian, row after row.
fn matrix(path: &Path, dimension: usize) -> Result<Array2<f32>, Fault> {
    let components: Vec<f32> = words(path)?.into_iter().map(f32::from_bits).collect();
    let rows = components.len() / dimension;
    Array2::from_shape_vec((rows, dimension), components)
        .map_err(|_| format!("{} does not hold whole rows of {dimension} components", path.display()).into())
}

/// A file of bitmaps, each of whole 64-bit words, little-endian.
fn bitmaps(path: &Path, rows: usize) -> Result<Vec<Vec<u64>>, Fault> {
    let halves = words(path)?;
    let each = 2 * rows.div_ceil(64);
    if halves.is_empty() || halves.len() % each != 0 {
        return Err(format!("{} does not hold whole bitmaps of {rows} rows", path.display()).into());
    }
    let word = |half: &[u32]| u64::from(half[0]) | u64::from(half[1]) << 32;
    Ok(halves.chunks_exact(each).map(|bitmap| bitmap.chunks_exact(2).map(word).collect()).collect())
}

/// A file of u32, little-endian.
fn words(path: &Path) -> Result<Vec<u32>, Fault> {
    let unreadable = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes % 4 != 0 {
        return Err(format!("{} has {bytes} bytes, which is not a multiple of 4", path.display()).into());
    }
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut words = Vec::with_capacity(usize::try_from(bytes / 4)?);
    let mut word = [0; 4];
    for _ in 0..bytes / 4 {
        reader.read_exact(&mut word).map_err(unreadable)?;
        words.push(u32::from_le_bytes(word));
    }
    Ok(words)
}
