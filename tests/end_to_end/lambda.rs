//! The Lambda intake: the real `bootstrap` under the Runtime API and the event source mapping.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use devstack::lambda::LambdaHarness;
use devstack::lexical;
use devstack::stack::StackOptions;
use nearline_contract::{ErrorCode, ResultRecord, Status, receive};
use serde_json::Value;

use crate::oracle;
use crate::world::{DeadLetter, EXAMPLE_CATALOG, World, example_attributes, example_rows, stderr, until};

const EXAMPLE_JOBS: &str = include_str!("../../examples/jobs.jsonl");
const EXAMPLE_EXPECTED: &str = include_str!("../../examples/expected.json");
/// Two example jobs share this id; which of them gets the record depends on which arrives first.
const CONTESTED: &str = "demo-001-screwdriver-set-in-a";

/// Counts by code, as examples/expected.json has them.
fn counts<'a>(codes: impl Iterator<Item = &'a str>) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    codes.for_each(|code| *counts.entry(code).or_default() += 1);
    serde_json::to_value(counts).unwrap()
}

async fn records(world: &World) -> HashMap<String, ResultRecord> {
    let mut records = HashMap::new();
    for id in EXAMPLE_JOBS.lines().filter_map(|line| receive(line).ok()).map(|job| job.request_id) {
        let record = world.record(&id).await;
        records.insert(id, record);
    }
    records
}

fn assert_as_expected(records: &HashMap<String, ResultRecord>, dead_letters: &[DeadLetter]) {
    let expected: Value = serde_json::from_str(EXAMPLE_EXPECTED).unwrap();
    let rejected = records.values().filter_map(|record| record.error.as_ref()).map(|error| error.code.as_str());
    assert_eq!(counts(rejected), expected["rejected"]);
    assert_eq!(counts(dead_letters.iter().map(|letter| letter.code.as_str())), expected["dead_lettered"]);
    let succeeded = records.values().filter(|record| record.status == Status::Succeeded).count();
    assert_eq!(
        (Value::from(succeeded), Value::from(records.len())),
        (expected["succeeded"].clone(), expected["records"].clone())
    );
    for (id, count) in expected["filtered"].as_object().unwrap() {
        let groups = records[id].results.as_ref().unwrap();
        let found: usize = groups.iter().map(|group| group.matches.len()).sum();
        assert_eq!(Value::from(found), *count, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn example_jobs_are_all_accounted_for_and_a_replay_changes_nothing() {
    let (rows, attributes) = (example_rows(usize::MAX), example_attributes());
    let world = World::start().await;
    let built = world.build(EXAMPLE_CATALOG, "catalog.arrow", &["--attributes", "brand,price,in_stock,tags"]).await;
    assert!(built.status.success(), "{}", stderr(&built));
    let catalog = world.path("catalog.arrow");
    world.publish_file(&catalog).await;
    let jobs = world.path("jobs.jsonl");
    std::fs::write(&jobs, EXAMPLE_JOBS).unwrap();
    let enqueue = ["enqueue", "--file", jobs.to_str().unwrap()];
    let lambda = world.lambda().await;

    assert!(world.nearline(&enqueue).await.status.success());
    let first = records(&world).await;
    world.drained().await;
    assert_as_expected(&first, &world.dead_letters(3).await);
    for line in EXAMPLE_JOBS.lines() {
        if let Ok(received) = receive(line)
            && let Ok(job) = received.job
            && let record = &first[&received.request_id]
            && record.job_sha256 == received.sha256
            && record.status == Status::Succeeded
        {
            assert_eq!(
                record.results.as_deref(),
                Some(&oracle::results_with(&rows, &attributes, &job, lexical::embed)[..]),
                "{}",
                job.request_id
            );
        }
    }

    let texts = world.stack.bedrock().stats().texts;
    assert!(world.nearline(&enqueue).await.status.success());
    let letters = world.dead_letters(6).await;
    world.drained().await;
    assert_eq!(letters.len(), 6, "the three that have no record come again: {letters:?}");
    assert_eq!(records(&world).await, first);
    assert_eq!(world.stack.bedrock().stats().texts, texts, "finished work is not embedded again");
    assert_eq!(lambda.stop().await.batches_failed, 0);

    // The same jobs through the polling intake, on a stack of its own.
    let other = World::start().await;
    other.publish_file(&catalog).await;
    let mut worker = other.worker();
    assert!(other.nearline(&enqueue).await.status.success());
    let polled = records(&other).await;
    other.drained().await;
    worker.start_kill().unwrap();
    assert_as_expected(&polled, &other.dead_letters(3).await);
    for (id, record) in polled.iter().filter(|(id, _)| *id != CONTESTED) {
        assert_eq!(record.results, first[id].results, "{id}");
        assert_eq!(record.job_sha256, first[id].job_sha256, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_batches_take_about_the_time_of_one() {
    let world = World::with_products(50).await;
    let latency = Duration::from_millis(200);
    world.stack.bedrock().set_latency(latency);
    let mut options = world.lambda_options();
    options.batch_size = 1;
    let lambda = LambdaHarness::start(options).await.unwrap();
    let job = |number: usize| format!(r#"{{"request_id":"c-{number}","query":"lamp number {number}"}}"#);
    let bodies: Vec<String> = (0..8).map(job).collect();

    // Direct invocations, so that the queue's own speed is not part of the time.
    let started = Instant::now();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| lambda.invoke(body.as_bytes()))).await;
    let together = started.elapsed();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(world.stack.bedrock().stats().max_in_flight, 8, "all eight embeddings were under way at once");
    assert_eq!(lambda.stats().max_in_flight, 8);
    assert!(together < latency * 4, "one after the other they take {:?}, together they took {together:?}", latency * 8);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_from_the_queue_run_at_once() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_latency(Duration::from_millis(500));
    let bodies: Vec<String> =
        (0..8).map(|number| format!(r#"{{"request_id":"q-{number}","query":"chair number {number}"}}"#)).collect();
    world.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut options = world.lambda_options();
    options.batch_size = 1;
    let lambda = LambdaHarness::start(options).await.unwrap();
    world.drained().await;
    let stats = lambda.stop().await;
    assert_eq!((stats.max_in_flight, stats.messages_deleted, stats.restarts), (8, 8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_dead_lettered_and_never_overwrites() {
    let world = World::with_products(50).await;
    let lambda = world.lambda().await;
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    let record = world.record("r").await;
    let other = r#"{"request_id":"r","query":"cup"}"#;
    world.send(&[other]).await;
    let letters = world.dead_letters(1).await;
    assert_eq!((letters[0].code.as_str(), letters[0].body.as_str()), ("request_id_conflict", other));
    assert!(letters[0].reason.contains("already belongs to another job"), "{}", letters[0].reason);
    world.drained().await;
    assert_eq!(world.record("r").await, record);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_batch_the_first_of_an_id_wins_and_equal_jobs_collapse() {
    let world = World::with_products(50).await;
    let first = r#"{"request_id":"r","query":"mug"}"#;
    let replay = r#"{"query":"mug", "request_id":"r"}"#;
    let other = r#"{"request_id":"r","query":"cup"}"#;
    world.send(&[first, other, replay, replay]).await;
    let mut options = world.lambda_options();
    (options.concurrency, options.batch_size, options.window) = (1, 100, Duration::from_secs(1));
    let lambda = LambdaHarness::start(options).await.unwrap();
    world.drained().await;
    let letters = world.dead_letters(1).await;
    assert_eq!((letters[0].code.as_str(), letters[0].body.as_str()), ("request_id_conflict", other));
    assert_eq!(world.record("r").await.job_sha256, receive(first).unwrap().sha256);
    assert_eq!(world.stack.bedrock().stats().texts, 1);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_invocation_is_answered_with_its_record() {
    let world = World::with_products(50).await;
    let lambda = world.lambda().await;
    let answer =
        lambda.invoke(br#"{"request_id":"d","query":"warm light","top_k":2,"return":["title"]}"#).await.unwrap();
    let record: ResultRecord = serde_json::from_slice(&answer).unwrap();
    assert_eq!(record, world.record("d").await);
    assert_eq!(record.status, Status::Succeeded);

    let answer = lambda.invoke(br#"{"request_id":"e","query":"warm light","top_k":0}"#).await.unwrap();
    let rejected: ResultRecord = serde_json::from_slice(&answer).unwrap();
    assert_eq!(rejected.error.unwrap().code, ErrorCode::OutOfRange, "a rejection is a normal answer");

    let conflict = lambda.invoke(br#"{"request_id":"d","query":"cold light"}"#).await.unwrap_err();
    assert!(conflict.payload().contains("request_id_conflict"), "{}", conflict.payload());
    let unusable = lambda.invoke(br#"{"query":"cold light"}"#).await.unwrap_err();
    assert!(unusable.payload().contains("invalid_request_id"), "{}", unusable.payload());
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_is_served_and_its_dead_letters_keep_their_group() {
    let world = World::start_with(StackOptions { fifo: true, ..StackOptions::default() }).await;
    world.publish(&example_rows(50)).await;
    let jobs = world.path("jobs.jsonl");
    let lines: Vec<String> =
        (0..30).map(|n| format!(r#"{{"request_id":"f-{}","query":"desk {n}"}}"#, n % 20)).collect();
    std::fs::write(&jobs, lines.join("\n")).unwrap();
    let lambda = world.lambda().await;
    assert!(world.nearline(&["enqueue", "--file", jobs.to_str().unwrap()]).await.status.success());
    world.drained().await;
    for (n, line) in lines.iter().enumerate().take(20) {
        assert_eq!(world.record(&format!("f-{n}")).await.job_sha256, receive(line).unwrap().sha256, "the first wins");
    }
    assert_eq!(world.dead_letters(10).await.len(), 10);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_newer_version_stays_on_the_queue() {
    let world = World::with_products(50).await;
    let lambda = world.lambda().await;
    world
        .send(&[
            r#"{"request_id":"new","query":"mug","version":2,"hybrid":true}"#,
            r#"{"request_id":"old","query":"mug"}"#,
        ])
        .await;
    world.record("old").await;
    until("the newer job's failure", || async { (lambda.stats().messages_failed >= 1).then_some(()) }).await;
    assert_eq!(world.depth(world.stack.queue_url()).await, 1);
    assert_eq!(world.results().get("new").await.unwrap(), None);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_fifo_group_nothing_overtakes_a_failed_message() {
    let world = World::start_with(StackOptions { fifo: true, ..StackOptions::default() }).await;
    let rows = example_rows(50);
    world.publish(&rows).await;
    world.stack.bedrock().set_fault(Some(devstack::bedrock::Fault::Throttle));
    let similar = format!(r#"{{"request_id":"second","product_id":"{}"}}"#, rows.product_ids[0]);
    for (id, body) in [("first", r#"{"request_id":"first","query":"mug"}"#), ("second", &similar)] {
        let send = world.sqs().send_message().queue_url(world.stack.queue_url()).message_body(body);
        send.message_group_id("g").message_deduplication_id(id).send().await.unwrap();
    }
    let lambda = world.lambda().await;
    until("both to fail", || async { (lambda.stats().messages_failed >= 2).then_some(()) }).await;
    assert_eq!(lambda.stats().messages_deleted, 0, "the second was answered, but may not go before the first");
    world.stack.bedrock().set_fault(None);
    world.record("first").await;
    world.drained().await;
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_long_a_wrong_name_is_the_job_gets_its_record() {
    let world = World::with_products(50).await;
    let lambda = world.lambda().await;
    let long = "n".repeat(450_000);
    world
        .send(&[
            &format!(r#"{{"request_id":"c","query":"mug","categories":["{long}"]}}"#),
            &format!(r#"{{"request_id":"p","product_id":"{long}"}}"#),
            &format!(r#"{{"request_id":"f","query":"mug","{long}":1}}"#),
        ])
        .await;
    for (id, code) in
        [("c", ErrorCode::UnknownCategory), ("p", ErrorCode::UnknownProduct), ("f", ErrorCode::UnknownField)]
    {
        assert_eq!(world.record(id).await.error.unwrap().code, code);
    }
    world.send(&[&format!(r#"{{"{long}":1,"{long}":2}}"#)]).await;
    assert_eq!(world.dead_letters(1).await[0].code, "invalid_json");
    lambda.stop().await;
}
