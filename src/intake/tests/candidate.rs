//! A candidate answers its share of the jobs, and only as long as it is one that works.

use std::time::Duration;

use nearline_contract::{ResultRecord, Status};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{DIMENSION, MODEL, World, prefix, rows};
use crate::catalog::{CatalogGuard, CatalogStore, Indexing, MemoryArtifacts, Publication, Rows, Share, artifact};
use crate::embed::MemoryModels;
use crate::intake::poller::{self, Loops};
use crate::telemetry::health::Health;
use crate::telemetry::tests::Lines;

/// Until a watch has seen what was published.
const SEEN: Duration = Duration::from_secs(90);
const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn store(world: &World) -> CatalogStore<MemoryArtifacts> {
    CatalogStore::new(world.artifacts.clone(), Indexing::default())
}

/// Publishes a candidate of so many products; its version.
async fn try_out(world: &World, rows: &Rows, model: &str, share: &str) -> String {
    let bytes = bytes::Bytes::from(artifact::write(Vec::new(), rows, model).unwrap());
    let loaded = artifact::Loaded::new(bytes).unwrap();
    let checked = store(world).check(loaded, &prefix(), None, true).unwrap();
    let share = Some(share.parse().unwrap());
    let publication = Publication { share, force: false, now: world.clock.now(), told: &|_| {} };
    store(world).publish_checked(&checked, &prefix(), &publication).await.unwrap().version
}

fn of_dimension(products: usize, dimension: usize) -> Rows {
    let vectors = (0..products).flat_map(|number| MemoryModels::vector(&format!("p{number}"), dimension)).collect();
    Rows { vectors, dimension, ..rows(products) }
}

/// Sends jobs and waits; their records.
async fn answers(world: &World, name: &str, jobs: usize) -> Vec<ResultRecord> {
    let ids: Vec<String> = (0..jobs).map(|number| format!("{name}-{number}")).collect();
    for id in &ids {
        world.send_query(id, "p3");
    }
    world.settled(jobs).await;
    ids.iter().map(|id| world.record(id)).collect()
}

/// Jobs that were answered by a version; all were answered.
fn by(records: &[ResultRecord], version: &str) -> Vec<String> {
    assert!(records.iter().all(|record| record.status == Status::Succeeded), "{records:?}");
    records.iter().filter(|record| record.catalog_version == version).map(|it| it.request_id.clone()).collect()
}

/// Runs a worker while `meanwhile` does.
async fn with_worker(world: &World, meanwhile: impl AsyncFn()) {
    let stop = CancellationToken::new();
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    let process = poller::run(services, world.settings.clone(), Loops::of(2), stop.clone(), Health::default());
    let producer = async {
        meanwhile().await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process, producer);
    ended.unwrap();
}

#[tokio::test(start_paused = true)]
async fn its_share_of_the_jobs_is_answered_by_it_until_it_is_dropped() {
    let world = World::new().await;
    let current = store(&world).pointer(&prefix()).await.unwrap().version;
    with_worker(&world, async || {
        // Another dimension, so that each needs vectors of its own.
        let candidate = try_out(&world, &of_dimension(30, 1_024), MODEL, "30%").await;
        sleep(SEEN).await;
        let records = answers(&world, "a", 200).await;
        let share: Share = "30%".parse().unwrap();
        let expected: Vec<String> =
            records.iter().map(|record| record.request_id.clone()).filter(|id| share.takes(id)).collect();
        assert_eq!(by(&records, &candidate), expected);
        assert_eq!(by(&records, &current).len(), 200 - expected.len());
        assert!((30..90).contains(&expected.len()), "{}", expected.len());

        // What is answered stays answered, whatever answers now.
        assert_eq!(store(&world).drop_candidate(&prefix()).await.unwrap(), candidate);
        sleep(SEEN).await;
        assert_eq!(answers(&world, "a", 200).await, records);
        assert_eq!(by(&answers(&world, "b", 50).await, &current).len(), 50);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_of_another_model_is_promoted_without_being_loaded_again() {
    let world = World::new().await;
    let lines = Lines::default();
    let _collects = lines.collect();
    with_worker(&world, async || {
        let candidate = try_out(&world, &of_dimension(30, 512), TITAN, "50%").await;
        sleep(SEEN).await;
        let records = answers(&world, "a", 40).await;
        let tried = by(&records, &candidate);
        assert!((10..30).contains(&tried.len()), "{tried:?}");
        let model = |record: &&ResultRecord| record.model_id.as_deref() == Some(TITAN);
        assert_eq!(records.iter().filter(model).count(), tried.len(), "records name their own model");
        // From here on its bytes are gone: who would load it again would fail.
        store(&world).promote(&prefix(), world.clock.now()).await.unwrap();
        let name = prefix().object(&format!("catalogs/{candidate}.arrow"));
        world.artifacts.set(&name, None);
        sleep(SEEN).await;
        assert_eq!(by(&answers(&world, "b", 40).await, &candidate).len(), 40);
    })
    .await;
    let events: Vec<String> = lines.read().iter().filter_map(|it| it["event"].as_str().map(str::to_owned)).collect();
    for event in ["candidate_serves", "catalog_replaced"] {
        assert_eq!(events.iter().filter(|found| *found == event).count(), 1, "{events:?}");
    }
    assert!(!events.iter().any(|event| event == "catalog_refused"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_broken_or_does_not_fit_answers_no_job() {
    let mut world = World::new().await;
    world.settings.guard = CatalogGuard { dimension: Some(DIMENSION), ..CatalogGuard::default() };
    let current = store(&world).pointer(&prefix()).await.unwrap().version;
    let lines = Lines::default();
    let _collects = lines.collect();
    with_worker(&world, async || {
        try_out(&world, &of_dimension(30, 1_024), MODEL, "100%").await;
        sleep(SEEN).await;
        assert_eq!(by(&answers(&world, "a", 20).await, &current).len(), 20, "another dimension than is set");
        let fits = try_out(&world, &rows(30), MODEL, "100%").await;
        sleep(SEEN).await;
        assert_eq!(by(&answers(&world, "b", 20).await, &fits).len(), 20);
        world.artifacts.set(&prefix().object("candidate.json"), Some("{".into()));
        sleep(SEEN).await;
        assert_eq!(by(&answers(&world, "c", 20).await, &current).len(), 20, "no pointer");
        let rotten = try_out(&world, &rows(31), MODEL, "100%").await;
        world.artifacts.set(&prefix().object(&format!("catalogs/{rotten}.arrow")), Some("rotten".into()));
        sleep(SEEN).await;
        assert_eq!(by(&answers(&world, "d", 20).await, &current).len(), 20, "rotten");
    })
    .await;
    let refused = lines.read().iter().filter(|line| line["event"] == "candidate_refused").count();
    assert!(refused >= 3, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_candidate_rejected_is_answered_by_the_current_catalog_once_it_is_dropped() {
    let world = World::new().await;
    with_worker(&world, async || {
        try_out(&world, &rows(10), MODEL, "100%").await;
        sleep(SEEN).await;
        let job = r#"{"request_id":"r","product_id":"p15"}"#;
        world.send(job);
        world.settled(1).await;
        assert_eq!(world.record("r").status, Status::Rejected);
        store(&world).drop_candidate(&prefix()).await.unwrap();
        world.send(job); // at once: no look has come since
        world.settled(1).await;
        assert_eq!(world.record("r").status, Status::Succeeded);
    })
    .await;
}
