//! Lambda's Runtime API misbehaving, and the end of an environment: no slot is lost, and nothing waits in vain.

use std::time::{Duration, Instant};

use devstack::bedrock::Fault;
use devstack::lambda::{LambdaHarness, RuntimeFault};
use devstack::stack::StackOptions;
use nearline_contract::{ErrorCode, Status};

use crate::world::{World, example_rows, until};

const SLOTS: usize = 8;

async fn all_slots_wait(lambda: &LambdaHarness) {
    until("all slots to wait", || async { (lambda.stats().waiting_slots == SLOTS).then_some(()) }).await;
}

/// A batch of jobs, answered.
async fn answers(world: &World, round: &str) {
    let jobs: Vec<String> =
        (0..SLOTS).map(|n| format!(r#"{{"request_id":"{round}-{n}","query":"mug {n}"}}"#)).collect();
    world.send(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for n in 0..SLOTS {
        assert_eq!(world.record(&format!("{round}-{n}")).await.status, Status::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slot_outlives_a_runtime_api_that_fails() {
    let options = StackOptions { visibility_timeout: Duration::from_secs(10), ..StackOptions::default() };
    let world = World::start_with(options).await;
    world.publish(&example_rows(50)).await;
    let mut options = world.lambda_options();
    (options.concurrency, options.batch_size) = (SLOTS, 1);
    options.function_timeout = Duration::from_secs(5);
    let lambda = LambdaHarness::start(options).await.unwrap();
    all_slots_wait(&lambda).await;
    for (round, fault) in [
        ("internal", RuntimeFault::NextInternalError),
        ("cut", RuntimeFault::NextCut),
        ("reset", RuntimeFault::PostReset { taken: false }),
        ("lost", RuntimeFault::PostReset { taken: true }),
        ("failed", RuntimeFault::PostInternalError),
    ] {
        let before = lambda.stats().runtime_faults;
        lambda.runtime_faults().fail_next(5, fault);
        answers(&world, round).await;
        until("the faults", || async { (lambda.stats().runtime_faults >= before + 5).then_some(()) }).await;
        world.drained().await;
        all_slots_wait(&lambda).await;
    }
    assert_eq!(lambda.stop().await.restarts, 0, "the process stayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_api_that_is_away_costs_neither_slots_nor_megabytes_of_log() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_latency(Duration::from_secs(1));
    let mut options = world.lambda_options();
    (options.concurrency, options.batch_size) = (SLOTS, 1);
    let lambda = LambdaHarness::start(options).await.unwrap();
    all_slots_wait(&lambda).await;
    // Some slots have an invocation, the others wait for one.
    for n in 0..3 {
        world.send(&[&format!(r#"{{"request_id":"in-flight-{n}","query":"mug {n}"}}"#)]).await;
    }
    until("invocations", || async { (lambda.stats().in_flight > 0).then_some(()) }).await;
    lambda.runtime_faults().pause_listener();
    tokio::time::sleep(Duration::from_secs(6)).await; // how long it is away is what is tried here
    lambda.runtime_faults().resume_listener();
    all_slots_wait(&lambda).await;
    answers(&world, "after").await;
    let log = std::fs::metadata(world.path("bootstrap.log")).unwrap().len();
    assert!(log < 64 << 10, "{log} bytes of log");
    assert_eq!(lambda.stop().await.restarts, 0, "the process stayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_given_back_when_lambda_ends_the_environment() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_fault(Some(Fault::Hang));
    let lambda = world.lambda().await;
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    until("the call of the model", || async { (world.stack.bedrock().stats().requests > 0).then_some(()) }).await;
    let pid = lambda.stats().bootstrap_pid.expect("it runs").to_string();
    let ended = Instant::now();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    // Without waiting for the six minutes of its visibility.
    until("the message to be visible", || async {
        let received = world.sqs().receive_message().queue_url(world.stack.queue_url()).send().await.unwrap();
        received.messages.filter(|messages| !messages.is_empty())
    })
    .await;
    assert!(ended.elapsed() < Duration::from_secs(20), "{:?}", ended.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_kind_is_a_function_error_and_records_without_an_envelope_are_a_batch() {
    let world = World::with_products(50).await;
    let lambda = world.lambda().await;
    let notification = br#"{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Message":"{}"}}]}"#;
    let error = lambda.invoke(notification).await.unwrap_err();
    assert!(error.payload().contains("an SNS notification"), "{}", error.payload());
    let error = lambda.invoke(br#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#).await.unwrap_err();
    assert!(error.payload().contains("a record of aws:s3"), "{}", error.payload());
    let body = r#"{\"request_id\":\"piped\",\"query\":\"mug\"}"#;
    let piped = format!(r#"[{{"messageId":"m","receiptHandle":"h","body":"{body}","eventSource":"aws:sqs"}}]"#);
    let answer = lambda.invoke(piped.as_bytes()).await.unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), r#"{"batchItemFailures":[]}"#);
    assert_eq!(world.record("piped").await.status, Status::Succeeded);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_model_refuses_is_rejected_and_holds_nobody_up() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_fault(Some(Fault::RefuseTexts("POISON".into())));
    let mut worker = world.worker();
    let jobs: Vec<String> = (0..40)
        .map(|n| format!(r#"{{"request_id":"p-{n}","query":"{} {n}"}}"#, if n % 10 == 0 { "POISON" } else { "mug" }))
        .collect();
    world.send(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for n in 0..40 {
        let record = world.record(&format!("p-{n}")).await;
        match record.error {
            Some(error) if n % 10 == 0 => assert_eq!(error.code, ErrorCode::TextRefused),
            other => assert_eq!(other, None, "{n}"),
        }
    }
    world.drained().await;
    assert_eq!(world.depth(world.stack.dead_letter_queue_url()).await, 0);
    let log = std::fs::read_to_string(world.path("worker.log")).unwrap();
    assert!(!log.contains("receiving_paused"), "{log}");
    worker.start_kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_refuses_every_call_rejects_no_job() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_fault(Some(Fault::RefuseAll));
    let lambda = world.lambda().await;
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    assert_eq!(world.results().get("r").await.unwrap(), None);
    assert_eq!(world.depth(world.stack.queue_url()).await, 1, "it waits for an operator");
    lambda.stop().await;
    let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap();
    assert!(log.contains("jobs_blocked"), "{log}");
}
