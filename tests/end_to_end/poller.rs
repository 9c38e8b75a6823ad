//! The polling intake: the real `nearline worker`.

use std::time::Duration;

use devstack::stack::StackOptions;

use crate::world::{World, example_rows, until};

fn signal(worker: &tokio::process::Child, name: &str) {
    let pid = worker.id().expect("runs").to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_finished_on_sigterm() {
    let world = World::with_products(50).await;
    world.stack.bedrock().set_latency(Duration::from_secs(2));
    let mut worker = world.worker();
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    until("the embedding to be under way", || async { (world.stack.bedrock().stats().requests > 0).then_some(()) })
        .await;
    signal(&worker, "-TERM");
    let status = tokio::time::timeout(Duration::from_secs(20), worker.wait()).await.expect("drains").unwrap();
    assert!(status.success());
    assert!(world.results().get("r").await.unwrap().is_some());
    assert_eq!(world.depth(world.stack.queue_url()).await, 0, "it was deleted, not left to its visibility");
}

#[tokio::test(flavor = "multi_thread")]
async fn visibility_is_kept_alive_while_a_batch_is_worked_on() {
    let options = StackOptions { visibility_timeout: Duration::from_secs(3), ..StackOptions::default() };
    let world = World::start_with(options).await;
    world.publish(&example_rows(50)).await;
    world.stack.bedrock().set_latency(Duration::from_secs(7));
    let mut worker = world.worker();
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    world.record("r").await;
    world.drained().await;
    assert_eq!(world.stack.bedrock().stats().requests, 1, "the message came once only");
    let log = std::fs::read_to_string(world.path("worker.log")).unwrap();
    assert_eq!(log.matches("\"batch\"").count(), 1, "{log}");
    worker.start_kill().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_nothing() {
    let options = StackOptions { visibility_timeout: Duration::from_secs(3), ..StackOptions::default() };
    let world = World::start_with(options).await;
    world.publish(&example_rows(50)).await;
    world.stack.bedrock().set_latency(Duration::from_secs(1));
    let mut worker = world.worker();
    let bodies: Vec<String> = (0..20).map(|n| format!(r#"{{"request_id":"k-{n}","query":"mug {n}"}}"#)).collect();
    world.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until("embeddings to be under way", || async { (world.stack.bedrock().stats().requests > 0).then_some(()) }).await;
    worker.start_kill().unwrap();
    worker.wait().await.unwrap();
    world.stack.bedrock().set_latency(Duration::ZERO);
    let _worker = world.worker();
    for n in 0..20 {
        world.record(&format!("k-{n}")).await;
    }
    world.drained().await;
}
