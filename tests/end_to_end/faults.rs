//! When something that nearline depends on fails: what comes back, what waits, what is given up.

use std::time::Duration;

use devstack::bedrock::Fault;
use devstack::lambda::LambdaHarness;
use nearline_contract::{ErrorCode, Status};

use crate::world::{World, example_rows, until};

const JOB: &str = r#"{"request_id":"r","query":"mug"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn throttling_fails_only_its_own_message_which_comes_back() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_fault(Some(Fault::Throttle));
    let lambda = world.lambda().await;
    world.send(&[JOB, r#"{"request_id":"v","product_id":"none"}"#]).await;
    assert_eq!(world.record("v").await.error.unwrap().code, ErrorCode::UnknownProduct);
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    assert_eq!(world.results().get("r").await.unwrap(), None);
    world.stack.bedrock().set_fault(None);
    assert_eq!(world.record("r").await.status, Status::Succeeded);
    assert_eq!(lambda.stop().await.batches_failed, 0, "messages fail, batches do not");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_and_given_up_with_the_last_cause() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_MAX_ATTEMPTS", "1");
    world.stack.bedrock().set_fault(Some(Fault::Throttle));
    let lambda = world.lambda().await;
    world.send(&[JOB]).await;
    let letters = world.dead_letters(1).await;
    assert_eq!((letters[0].code.as_str(), letters[0].body.as_str()), ("attempts_exhausted", JOB));
    assert!(letters[0].reason.contains("ThrottlingException"), "{}", letters[0].reason);
    world.drained().await;
    lambda.stop().await;
    let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap();
    let line = log.lines().find(|line| line.contains("a message was dead-lettered")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["request_id"], &line["code"]), (&"r".into(), &"attempts_exhausted".into()));
    assert!(!log.contains("mug"), "no query text is logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_for_a_person_to_mend_never_gives_a_job_up() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_MAX_ATTEMPTS", "1");
    world.stack.bedrock().set_fault(Some(Fault::AccessDenied));
    let lambda = world.lambda().await;
    world.send(&[JOB]).await;
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    lambda.stop().await;
    assert_eq!(world.depth(world.stack.queue_url()).await, 1);
    assert_eq!(world.depth(world.stack.dead_letter_queue_url()).await, 0);
    let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap();
    assert!(log.contains("AccessDeniedException"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_vector_or_of_another_length_is_a_fault() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_MAX_ATTEMPTS", "1");
    let lambda = world.lambda().await;
    world.stack.bedrock().set_fault(Some(Fault::NoVector));
    world.send(&[JOB]).await;
    let letters = world.dead_letters(1).await;
    assert!(letters[0].reason.contains("did not answer with vectors"), "{}", letters[0].reason);
    world.stack.bedrock().set_fault(Some(Fault::WrongLength));
    world.send(&[r#"{"request_id":"l","query":"mug"}"#]).await;
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    lambda.stop().await;
    let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap();
    assert!(log.contains("returned a vector of length 383, expected 384"), "{log}");
    assert_eq!(world.results().get("l").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_is_returned_before_the_function_times_out() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_fault(Some(Fault::Hang));
    let mut options = world.lambda_options();
    options.function_timeout = Duration::from_secs(3);
    let lambda = LambdaHarness::start(options).await.unwrap();
    world.send(&[JOB]).await;
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    world.stack.bedrock().set_fault(None);
    world.record("r").await;
    let stats = lambda.stop().await;
    assert_eq!((stats.timeouts, stats.batches_failed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_go_to_s3_and_are_read_back() {
    let mut world = World::start().await;
    let mut rows = example_rows(600);
    rows.titles = rows.titles.into_iter().map(|title| title.map(|title| title.repeat(20))).collect();
    world.publish(&rows).await;
    let job = r#"{"request_id":"big","query":"chair","top_k":1000,"group_by":"none","return":["title"]}"#;
    let lambda = world.lambda().await;
    world.send(&[job]).await;
    let record = world.record("big").await;
    assert_eq!(record.results.as_ref().unwrap()[0].matches.len(), 600);
    let uri = record.results_uri.unwrap();
    assert!(uri.starts_with("s3://nearline/results/"), "{uri}");
    let printed = world.nearline(&["result", "get", "big"]).await;
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed["results"][0]["matches"].as_array().unwrap().len(), 600);
    lambda.stop().await;

    world.set("NEARLINE_RESULTS_BUCKET", "");
    let lambda = world.lambda().await;
    world.send(&[&job.replace("big", "big-2")]).await;
    let error = world.record("big-2").await.error.unwrap();
    assert_eq!(error.code, ErrorCode::ResultTooLarge);
    assert!(error.message.contains("NEARLINE_RESULTS_BUCKET"), "{}", error.message);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dead_letter_queue_a_bad_message_is_left_to_the_redrive_policy() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_DEAD_LETTER_QUEUE_URL", "");
    let lambda = world.lambda().await;
    world.send(&["not json"]).await;
    until("the failed message", || async { (lambda.stats().messages_failed > 0).then_some(()) }).await;
    assert_eq!(world.depth(world.stack.queue_url()).await, 1);
    lambda.stop().await;
}
