//! What a newly published catalog changes for jobs, and what goes wrong on its way.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_schema::{DataType, Field};
use bytes::Bytes;
use nearline_contract::{Attribute, ErrorCode, Status};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::World;
use crate::catalog::artifact::{Row, Writer};
use crate::catalog::source::{Number, Value};
use crate::catalog::{Artifacts, MemoryArtifacts, ObjectName, Piece};
use crate::fault::Fault;
use crate::intake::Services;
use crate::intake::poller::{self, Loops};
use crate::telemetry::health::Health;

#[tokio::test(start_paused = true)]
async fn a_retryable_rejection_sent_again_waits_for_a_look_at_what_was_published() {
    let world = World::new().await;
    let job = r#"{"request_id":"r","product_id":"p30"}"#;
    world.send(job);
    let stop = CancellationToken::new();
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    let process = poller::run(services, world.settings.clone(), Loops::of(1), stop.clone(), Health::default());
    let producer = async {
        world.settled(1).await;
        assert_eq!(world.record("r").error.unwrap().code, ErrorCode::UnknownProduct);
        let newer = world.publish(40).await;
        world.send(job); // within a second: no look has come since
        world.settled(0).await;
        let record = world.record("r");
        assert_eq!((record.status, record.catalog_version), (Status::Succeeded, newer));

        // With nothing new published it is a replay, soon.
        let again = r#"{"request_id":"s","product_id":"p99"}"#;
        world.send(again);
        world.settled(2).await;
        let sent = Instant::now();
        world.send(again);
        world.settled(0).await;
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

    async fn get_range(&self, name: &ObjectName, range: Range<u64>, tag: Option<&str>) -> Result<Option<Piece>, Fault> {
        assert!(!self.1.swap(false, Ordering::Relaxed), "a bug");
        self.0.get_range(name, range, tag).await
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
    let Services { queue, dead_letters, records, models, leases, compute, clock, .. } =
        world.services(world.queue.clone(), world.dead_letters.clone());
    let artifacts_too = Arc::clone(&artifacts);
    let services = Services { queue, dead_letters, records, models, leases, artifacts: artifacts_too, compute, clock };
    let process = poller::run(services, world.settings.clone(), Loops::of(1), stop.clone(), Health::default());
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

/// A catalog whose products have their number as a price.
fn artifact_with_prices(products: usize) -> Vec<u8> {
    let price = [Field::new("price", DataType::Int64, true)];
    let mut writer = Writer::with_attributes(Vec::new(), super::DIMENSION, super::MODEL, false, &price).unwrap();
    let rows = super::rows(products);
    for (number, vector) in rows.vectors.chunks_exact(rows.dimension).enumerate() {
        let row = Row {
            product_id: &rows.product_ids[number],
            category: &rows.categories[number],
            title: None,
            vector,
            text_sha256: None,
        };
        let price = Value::Number(Number::Integer(i128::try_from(number).unwrap()));
        writer.push_with(&row, &[Some(price)]).unwrap();
    }
    writer.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_filter_asks_for_an_attribute_is_answered_once_a_catalog_has_it() {
    let world = World::new().await;
    let job = r#"{"request_id":"r","product_id":"p3","filter":{"price":{"$lt":6}},"return":["price"],"top_k":50}"#;
    world.send(job);
    let stop = CancellationToken::new();
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    let process = poller::run(services, world.settings.clone(), Loops::of(1), stop.clone(), Health::default());
    let producer = async {
        world.settled(1).await;
        let error = world.record("r").error.unwrap();
        assert!(error.code == ErrorCode::UnknownAttribute && error.retryable, "{error:?}");
        assert!(error.message.starts_with("filter.price.$lt: the catalog has no attribute `price`"), "{error:?}");

        let with_prices = world.publish_bytes(artifact_with_prices(20)).await;
        world.send(job);
        world.settled(0).await;
        let record = world.record("r");
        assert_eq!((record.status, &record.catalog_version), (Status::Succeeded, &with_prices));
        let results = record.results.unwrap();
        let mut found: Vec<_> = results[0].matches.iter().map(|found| found.attributes["price"].clone()).collect();
        found.sort_by_key(|price| format!("{price:?}"));
        assert_eq!(found, [0, 1, 2, 4, 5].map(|price: u32| Attribute::Number(price.into())), "all below 6 but itself");

        // A catalog without prices takes over while such jobs come: they are told so, and the others go on.
        world.publish(40).await;
        sleep(Duration::from_mins(2)).await;
        world.send(&job.replace("\"r\"", "\"s\""));
        world.send(r#"{"request_id":"t","product_id":"p3"}"#);
        world.settled(3).await;
        assert_eq!(world.record("s").error.unwrap().code, ErrorCode::UnknownAttribute);
        assert_eq!(world.record("t").status, Status::Succeeded);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process, producer);
    ended.unwrap();
}
