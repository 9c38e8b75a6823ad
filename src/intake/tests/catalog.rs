//! What a newly published catalog changes for jobs, and what goes wrong on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nearline_contract::{ErrorCode, Status};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::World;
use crate::catalog::{Artifacts, MemoryArtifacts, ObjectName};
use crate::fault::Fault;
use crate::intake::{Services, poller};

#[tokio::test(start_paused = true)]
async fn a_retryable_rejection_sent_again_waits_for_a_look_at_what_was_published() {
    let world = World::new().await;
    let job = r#"{"request_id":"r","product_id":"p30"}"#;
    world.send(job);
    let stop = CancellationToken::new();
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    let process = poller::run(services, world.settings.clone(), 1, stop.clone());
    let producer = async {
        while world.records.all().is_empty() || !world.queue.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(world.record("r").error.unwrap().code, ErrorCode::UnknownProduct);
        let newer = world.publish(40).await;
        world.send(job); // within a second: no look has come since
        while !world.queue.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        let record = world.record("r");
        assert_eq!((record.status, record.catalog_version), (Status::Succeeded, newer));

        // With nothing new published it is a replay, soon.
        let again = r#"{"request_id":"s","product_id":"p99"}"#;
        world.send(again);
        while world.records.all().len() < 2 || !world.queue.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        let sent = Instant::now();
        world.send(again);
        while !world.queue.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        assert!(sent.elapsed() < Duration::from_secs(30), "{:?}", sent.elapsed());
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process, producer);
    ended.unwrap();
}

/// Artifacts of which a read ends in a panic.
struct Faulty(MemoryArtifacts, AtomicBool);

impl Artifacts for Arc<Faulty> {
    async fn get(&self, name: &ObjectName) -> Result<Option<Bytes>, Fault> {
        assert!(!self.1.swap(false, Ordering::Relaxed), "a bug");
        self.0.get(name).await
    }

    async fn length(&self, name: &ObjectName) -> Result<Option<u64>, Fault> {
        self.0.length(name).await
    }

    async fn put(&self, name: &ObjectName, body: Bytes) -> Result<(), Fault> {
        self.0.put(name, body).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_catalog_that_panics_is_not_the_last_one() {
    let world = World::new().await;
    let artifacts = Arc::new(Faulty(world.artifacts.clone(), AtomicBool::new(false)));
    let stop = CancellationToken::new();
    let Services { queue, dead_letters, records, models, compute, clock, .. } =
        world.services(world.queue.clone(), world.dead_letters.clone());
    let services = Services { queue, dead_letters, records, models, artifacts: Arc::clone(&artifacts), compute, clock };
    let process = poller::run(services, world.settings.clone(), 1, stop.clone());
    let producer = async {
        sleep(Duration::from_secs(5)).await;
        artifacts.1.store(true, Ordering::Relaxed);
        let newer = world.publish(40).await;
        sleep(Duration::from_mins(3)).await;
        assert!(!artifacts.1.load(Ordering::Relaxed), "it has panicked");
        world.send(r#"{"request_id":"r","product_id":"p30"}"#);
        while world.records.all().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(world.record("r").catalog_version, newer);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process, producer);
    ended.unwrap();
}
