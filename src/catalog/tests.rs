//! Loading, publishing and watching, with artifacts in memory on a paused clock.

mod updates;

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::refresh::{self, Looks};
use super::*;
use crate::clock::Clock;
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};
use crate::telemetry::tests::Lines;

const PERIOD: Duration = Duration::from_mins(1);

fn prefix() -> S3Prefix {
    "s3://bucket/shop".parse().unwrap()
}

fn file(products: usize) -> Bytes {
    let rows = Rows {
        product_ids: (0..products).map(|number| format!("p{number}")).collect(),
        categories: vec!["all".into(); products],
        titles: vec![None; products],
        vectors: vec![1.0; products * 2],
        dimension: 2,
        ..Rows::default()
    };
    artifact::write(Vec::new(), &rows, "").unwrap().into()
}

fn checked(products: usize) -> artifact::Loaded {
    artifact::Loaded::new(file(products)).unwrap()
}

fn store(artifacts: &MemoryArtifacts) -> CatalogStore<MemoryArtifacts> {
    CatalogStore::new(artifacts.clone(), Indexing::default())
}

/// Watches while `meanwhile` runs; the versions that were taken up.
async fn watch(artifacts: &MemoryArtifacts, serving: &str, meanwhile: impl Future<Output = ()>) -> Vec<String> {
    let (clock, stop) = (Clock::simulated(OffsetDateTime::UNIX_EPOCH), CancellationToken::new());
    let looks = Looks::new(PERIOD, clock.now());
    let taken_up = Mutex::new(Vec::new());
    let replace = |catalog: Catalog| {
        taken_up.lock().unwrap().push(catalog.version().to_owned());
        Ok(())
    };
    let (store, location) = (store(artifacts), CatalogLocation::S3(prefix()));
    let watching = refresh::watch(&store, &location, serving.to_owned(), &looks, &clock, &stop, &replace);
    let ends = async {
        meanwhile.await;
        stop.cancel();
    };
    tokio::join!(watching, ends);
    taken_up.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_published_catalog_is_loaded_as_it_was_checked() {
    let artifacts = MemoryArtifacts::default();
    let missing = store(&artifacts).pointer(&prefix()).await.unwrap_err();
    assert!(matches!(missing, CatalogError::NotPublished(_)), "{missing}");
    let pointer = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    let loaded = store(&artifacts).load(&CatalogLocation::S3(prefix())).await.unwrap();
    assert_eq!((loaded.version(), loaded.rows()), (pointer.version.as_str(), 3));
    store(&artifacts).publish(checked(4), &prefix(), None).await.unwrap();
    let now = OffsetDateTime::UNIX_EPOCH;
    let back = store(&artifacts).rollback(&prefix(), Some(&pointer.version), now).await.unwrap();
    assert_eq!((back.version, back.sha256), (pointer.version, pointer.sha256));
}

#[tokio::test(start_paused = true)]
async fn a_pointer_whose_version_is_not_that_of_its_content_is_refused() {
    let artifacts = MemoryArtifacts::default();
    let mut pointer = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    pointer.version = "0123456789abcdef".into();
    artifacts.set(&prefix().object("current.json"), Some(serde_json::to_vec(&pointer).unwrap().into()));
    let error = store(&artifacts).load(&CatalogLocation::S3(prefix())).await.unwrap_err();
    assert!(error.to_string().contains("version 0123456789abcdef is not the start of sha256"), "{error}");
    // Under a name that never matches what is served, it would be loaded again at every look.
    let plan = FaultPlan::default();
    assert!(watch(&MemoryArtifacts::new(plan), "v", sleep(5 * PERIOD)).await.is_empty());
    assert!(watch(&artifacts, "v", sleep(5 * PERIOD)).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_does_not_show_yet_is_looked_for_again() {
    let artifacts = MemoryArtifacts::default();
    let pointer = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    let name = ObjectName { bucket: "bucket".into(), key: pointer.key.clone() };
    artifacts.set(&name, None);
    let replicated = async {
        sleep(3 * PERIOD).await;
        artifacts.set(&name, Some(file(3)));
        sleep(2 * PERIOD).await;
    };
    assert_eq!(watch(&artifacts, "older", replicated).await, [pointer.version]);
}

#[tokio::test(start_paused = true)]
async fn a_catalog_is_loaded_by_the_pointer_that_was_read() {
    let artifacts = MemoryArtifacts::default();
    let first = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    let current = store(&artifacts).current(&CatalogLocation::S3(prefix())).await.unwrap();
    let second = store(&artifacts).publish(checked(4), &prefix(), None).await.unwrap();
    assert_eq!(current.version(), first.version);
    let loaded = store(&artifacts).load_current(current).await.unwrap();
    assert_eq!(loaded.version(), first.version, "whatever was published meanwhile: {}", second.version);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_changed_on_the_way_do_not_refuse_a_catalog_for_good() {
    let artifacts = MemoryArtifacts::default();
    let pointer = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    let name = ObjectName { bucket: "bucket".into(), key: pointer.key.clone() };
    artifacts.set(&name, Some(Bytes::from_static(b"<html>")));
    let passes = async {
        sleep(PERIOD + PERIOD / 2).await;
        artifacts.set(&name, Some(file(3)));
        sleep(PERIOD).await;
    };
    assert_eq!(watch(&artifacts, "older", passes).await, std::slice::from_ref(&pointer.version));
    // But what stays wrong is not downloaded for ever.
    artifacts.set(&name, Some(Bytes::from_static(b"<html>")));
    let stays = async {
        sleep(10 * PERIOD).await;
        artifacts.set(&name, Some(file(3)));
        sleep(PERIOD).await;
    };
    assert!(watch(&artifacts, "older", stays).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_is_refused_is_read_once_and_said_every_period_while_it_lasts() {
    let (artifacts, reads) = (MemoryArtifacts::default(), Mutex::new(0));
    let bad = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    let (clock, stop) = (Clock::simulated(OffsetDateTime::UNIX_EPOCH), CancellationToken::new());
    let looks = Looks::new(PERIOD, clock.now());
    let replace = |catalog: Catalog| {
        *reads.lock().unwrap() += 1;
        let refused = catalog.version() == bad.version;
        if refused { Err(CatalogError::NotPublished(prefix())) } else { Ok(()) }
    };
    let (store, location) = (store(&artifacts), CatalogLocation::S3(prefix()));
    let watching = refresh::watch(&store, &location, "older".to_owned(), &looks, &clock, &stop, &replace);
    let lines = Lines::default();
    let _collects = lines.collect();
    let mended = async {
        // Looks that jobs ask for come between, and say nothing new.
        for _ in 0..10 {
            sleep(PERIOD / 2).await;
            assert!(!looks.have_seen(clock.now(), clock.now()));
        }
        store.publish(checked(4), &prefix(), None).await.unwrap();
        sleep(3 * PERIOD).await;
        stop.cancel();
    };
    tokio::join!(watching, mended);
    let said: Vec<String> = lines.read().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    let refused = said.iter().filter(|event| *event == "catalog_refused").count();
    assert!((3..=5).contains(&refused), "{said:?}");
    assert_eq!((said.last().unwrap().as_str(), said.len()), ("catalog_replaced", refused + 1), "{said:?}");
    assert_eq!(*reads.lock().unwrap(), 2, "the refused one is not read again");
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_store_is_no_fault_of_the_catalog() {
    let plan = FaultPlan::default();
    let artifacts = MemoryArtifacts::new(plan.clone());
    let pointer = store(&artifacts).publish(checked(3), &prefix(), None).await.unwrap();
    // The pointer, then the artifact at the second look.
    plan.fail_next("GetObject", Moment::Before, Cause::Unreachable);
    let meanwhile = async {
        sleep(PERIOD + PERIOD / 2).await;
        plan.fail_next("GetObject", Moment::After, Cause::TimedOut);
        sleep(3 * PERIOD).await;
    };
    assert_eq!(watch(&artifacts, "older", meanwhile).await, [pointer.version]);
}

#[tokio::test]
async fn a_file_is_served_under_the_version_of_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.arrow");
    std::fs::write(&path, file(3)).unwrap();
    let store = store(&MemoryArtifacts::default());
    let current = store.current(&CatalogLocation::File(path.clone())).await.unwrap();
    std::fs::write(&path, file(4)).unwrap(); // between the look and the load
    let found = store.load_current(current).await.unwrap();
    assert_eq!((found.version(), found.rows()), (artifact::version(&checked(4).sha256), 4));
}

#[tokio::test]
async fn what_is_no_file_is_an_error_and_not_waited_for() {
    let store = store(&MemoryArtifacts::default());
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), "/dev/zero".into()] {
        let location = CatalogLocation::File(path);
        let (load, look) = (store.load(&location).await.unwrap_err(), store.current(&location).await.unwrap_err());
        for error in [load, look] {
            assert!(error.to_string().contains("is not a regular file"), "{error}");
        }
    }
}
