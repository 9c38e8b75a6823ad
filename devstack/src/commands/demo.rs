//! `devstack demo`: the whole path once, with the example jobs, and an account of every one of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tokio::process::Command;

use super::stop::Stop;
use crate::DevstackError;
use crate::bedrock::BedrockOptions;
use crate::lambda::{LambdaHarness, LambdaOptions};
use crate::stack::{Stack, StackOptions};

/// What an embedding takes: about what Bedrock does.
const EMBEDDING_LATENCY: Duration = Duration::from_millis(50);
/// Invocations that the function serves at once.
const CONCURRENCY: usize = 8;
/// Longest wait for all jobs to be answered.
const PATIENCE: Duration = Duration::from_mins(2);
/// Results that are printed, each of another kind of job.
const SHOWN: [&str; 6] = [
    "demo-105-waterproof-hiking-boots",
    "demo-113-two-categories",
    "demo-145-leather-phone-case",
    "demo-071-stuffed-dinosour",
    "demo-007-like-pets-0006",
    "demo-122-vector-wooden-train-set",
];
/// Matches of a result that are printed.
const SHOWN_MATCHES: usize = 4;
/// Columns of the example catalog that jobs filter by and ask for.
const ATTRIBUTES: &str = "brand,price,in_stock,tags";

/// Run the example jobs through the whole path and account for every one of them
///
/// Builds and publishes the example catalog, enqueues the jobs, lets the real bootstrap answer them, and compares what
/// became of each with what is expected. Everything is stopped and removed at the end. Needs `nearline` and `bootstrap`
/// beside this program, and the folder of examples.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder with catalog.csv, jobs.jsonl and expected.json
    #[arg(long, value_name = "D", default_value = "examples")]
    examples: PathBuf,
}

type Item = HashMap<String, AttributeValue>;

pub(crate) async fn run(arguments: Arguments) -> Result<(), DevstackError> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        done = demo(&arguments.examples) => done,
        () = stop.asked() => Err(DevstackError::Demo("stopped before the end".into())),
    }
}

async fn demo(examples: &Path) -> Result<(), DevstackError> {
    let started = Instant::now();
    let folder = tempfile::tempdir().map_err(|source| DevstackError::File {
        action: "create",
        path: std::env::temp_dir(),
        source,
    })?;
    let jobs_file = examples.join("jobs.jsonl");
    let jobs = read(&jobs_file)?;
    let expected: Value = serde_json::from_str(&read(&examples.join("expected.json"))?)
        .map_err(|error| DevstackError::Demo(format!("expected.json: {error}")))?;
    let total = jobs.lines().count();

    step("Starting SQS, DynamoDB, S3 and Bedrock stand-ins on 127.0.0.1");
    let bedrock = BedrockOptions { latency: EMBEDDING_LATENCY, ..BedrockOptions::default() };
    let stack = Stack::start(StackOptions { bedrock, ..StackOptions::default() }).await?;
    let catalog = folder.path().join("catalog.arrow");

    step("Building the catalog: every product through the embedding model");
    let (source, catalog) = (examples.join("catalog.csv"), catalog.as_path());
    let files = ["--input", &*path(&source), "--output", &*path(catalog)];
    nearline(&stack, &[&["catalog", "build", "--attributes", ATTRIBUTES], &files[..]].concat()).await?;
    let embedded = stack.bedrock().stats().texts;

    step("Publishing the catalog to S3");
    let prefix = setting(&stack, "NEARLINE_CATALOG");
    nearline(&stack, &["catalog", "publish", &*path(catalog), "--to", &prefix]).await?;

    step(&format!("Enqueueing {total} jobs (some faulty on purpose)"));
    nearline(&stack, &["enqueue", "--file", &*path(&jobs_file)]).await?;

    step(&format!("Answering them: one bootstrap process, {CONCURRENCY} invocations at once, batches of 10"));
    let answering = Instant::now();
    let lambda = LambdaHarness::start(LambdaOptions {
        concurrency: CONCURRENCY,
        env: stack.env(),
        log: Some(folder.path().join("bootstrap.log")),
        ..LambdaOptions::new(beside("bootstrap")?, stack.queue_url(), stack.sdk_config())
    })
    .await?;
    let finished = wait(&lambda, total).await;
    let seconds = answering.elapsed().as_secs_f64();
    let stats = lambda.stop().await;
    finished?;

    let records = records(&stack).await?;
    let dead_letters = dead_letters(&stack).await?;
    let queries = stack.bedrock().stats().texts - embedded;
    stack.stop().await;

    let jobs: HashMap<String, Value> = jobs
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|job| Some((job["request_id"].as_str()?.to_owned(), job)))
        .collect();
    for id in SHOWN {
        if let (Some(job), Some(record)) = (jobs.get(id), records.get(id)) {
            show(id, job, record);
        }
    }
    println!(
        "\n{total} jobs in {seconds:.1} s, at most {} invocations in flight in one process, {queries} texts embedded",
        stats.max_in_flight
    );
    let account = account(total, &records, &dead_letters, &expected);
    print_account(&account);
    if account != expected {
        return Err(DevstackError::Demo(format!("the tally differs from what is expected: {expected}")));
    }
    println!("Every job is accounted for, as expected. The whole demo took {:.0} s.", started.elapsed().as_secs_f64());
    Ok(())
}

fn step(what: &str) {
    eprintln!("\n== {what}");
}

fn read(path: &Path) -> Result<String, DevstackError> {
    std::fs::read_to_string(path).map_err(|source| DevstackError::File { action: "read", path: path.into(), source })
}

fn path(path: &Path) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}

fn setting(stack: &Stack, name: &str) -> String {
    stack.env().into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
}

/// A program of the same build.
fn beside(name: &str) -> Result<PathBuf, DevstackError> {
    let program = std::env::current_exe()
        .map_err(|source| DevstackError::Spawn { program: name.into(), hint: "", source })?
        .with_file_name(name);
    if program.exists() {
        return Ok(program);
    }
    let fault = format!("{} does not exist: run `cargo build --release --workspace` first", program.display());
    Err(DevstackError::Demo(fault))
}

async fn nearline(stack: &Stack, arguments: &[&str]) -> Result<(), DevstackError> {
    eprintln!("$ nearline {}", arguments.join(" "));
    let program = beside("nearline")?;
    let status: ExitStatus = Command::new(&program)
        .args(arguments)
        .envs(stack.env())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|source| DevstackError::Spawn { program: path(&program).into(), hint: "", source })?;
    if status.success() { Ok(()) } else { Err(DevstackError::Demo(format!("nearline {}: {status}", arguments[0]))) }
}

/// Waits until every message was deleted from the queue.
async fn wait(lambda: &LambdaHarness, total: usize) -> Result<(), DevstackError> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = Instant::now();
    loop {
        let done = lambda.stats().messages_deleted as usize;
        if done >= total {
            eprintln!("answered {done}/{total}");
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(DevstackError::Demo(format!("only {done} of {total} jobs were answered within {PATIENCE:?}")));
        }
        if said.elapsed() > Duration::from_secs(1) {
            eprintln!("answered {done}/{total}");
            said = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn records(stack: &Stack) -> Result<HashMap<String, Item>, DevstackError> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    let mut pages = dynamodb.scan().table_name(stack.results_table()).into_paginator().items().send();
    let mut records = HashMap::new();
    while let Some(item) = pages.next().await {
        let item = item.map_err(|error| DevstackError::Demo(format!("the table cannot be read: {error}")))?;
        records.insert(text(&item, "request_id").to_owned(), item);
    }
    Ok(records)
}

/// The codes of the dead letters.
async fn dead_letters(stack: &Stack) -> Result<Vec<String>, DevstackError> {
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let mut codes = Vec::new();
    loop {
        let receive = sqs.receive_message().queue_url(stack.dead_letter_queue_url()).max_number_of_messages(10);
        let answer = receive.message_attribute_names("All").wait_time_seconds(1).send().await;
        let messages = answer
            .map_err(|error| DevstackError::Demo(format!("the dead-letter queue cannot be read: {error}")))?
            .messages
            .unwrap_or_default();
        if messages.is_empty() {
            return Ok(codes);
        }
        codes.extend(messages.iter().map(|message| {
            let code = message.message_attributes().and_then(|attributes| attributes.get("nearline_error_code"));
            code.and_then(|code| code.string_value()).unwrap_or("without a reason").to_owned()
        }));
    }
}

/// What became of the jobs, in the form of examples/expected.json.
fn account(total: usize, records: &HashMap<String, Item>, dead_letters: &[String], expected: &Value) -> Value {
    let rejected: Vec<&str> =
        records.values().filter_map(|item| Some(text(item.get("error")?.as_m().ok()?, "code"))).collect();
    let succeeded = records.values().filter(|item| text(item, "status") == "SUCCEEDED").count();
    let filtered: BTreeMap<&String, usize> = expected["filtered"]
        .as_object()
        .into_iter()
        .flat_map(|jobs| jobs.keys())
        .filter_map(|id| Some((id, groups(records.get(id)?).flat_map(matches).count())))
        .collect();
    serde_json::json!({
        "jobs": total,
        "records": records.len(),
        "succeeded": succeeded,
        "rejected": counts(rejected.into_iter()),
        "dead_lettered": counts(dead_letters.iter().map(String::as_str)),
        "filtered": filtered,
    })
}

fn groups(record: &Item) -> impl Iterator<Item = &Item> {
    let groups = record.get("results").and_then(|results| results.as_l().ok());
    groups.into_iter().flatten().filter_map(|group| group.as_m().ok())
}

fn matches(group: &Item) -> impl Iterator<Item = &Item> {
    let matches = group.get("matches").and_then(|matches| matches.as_l().ok());
    matches.into_iter().flatten().filter_map(|found| found.as_m().ok())
}

fn counts<'a>(codes: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    codes.for_each(|code| *counts.entry(code).or_default() += 1);
    counts
}

fn print_account(account: &Value) {
    let count =
        |name: &str| account[name].as_object().map_or(0, |codes| codes.values().filter_map(Value::as_u64).sum());
    println!("  {:>4} succeeded", account["succeeded"]);
    println!("       {:>4} with a filter", account["filtered"].as_object().map_or(0, serde_json::Map::len));
    for (name, shown) in [("rejected", "rejected"), ("dead_lettered", "dead-lettered")] {
        println!("  {:>4} {shown}", count(name));
        for (code, count) in account[name].as_object().into_iter().flatten() {
            println!("       {count:>4} {code}");
        }
    }
}

/// A result as a person would like to read it.
fn show(id: &str, job: &Value, record: &Item) {
    let asked = match (&job["query"], &job["product_id"]) {
        (Value::String(query), _) => format!("\"{query}\""),
        (_, Value::String(product)) => format!("like {product}"),
        _ => "a vector".to_owned(),
    };
    println!("\n{asked}   ({id})");
    if let filter @ Value::Object(_) = &job["filter"] {
        println!("  filter {filter}");
    }
    for group in groups(record) {
        for found in matches(group).take(SHOWN_MATCHES) {
            let score: f64 = found.get("score").and_then(|score| score.as_n().ok()?.parse().ok()).unwrap_or_default();
            let category = [text(found, "category"), text(group, "category")].concat();
            let (id, title) = (text(found, "product_id"), text(found, "title"));
            println!("  {score:.3}  {category:<9} {id:<13} {title}{}", attributes(found));
        }
    }
}

/// The attributes that a match carries: `  [Fleetwood, 89.99]`.
fn attributes(found: &Item) -> String {
    let Some(attributes) = found.get("attributes").and_then(|attributes| attributes.as_m().ok()) else {
        return String::new();
    };
    let sorted: BTreeMap<&String, &AttributeValue> = attributes.iter().collect();
    format!("  [{}]", sorted.into_values().map(shown).collect::<Vec<_>>().join(", "))
}

fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::Bool(value) => value.to_string(),
        AttributeValue::L(elements) => elements.iter().map(shown).collect::<Vec<_>>().join(" & "),
        _ => String::new(),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}
