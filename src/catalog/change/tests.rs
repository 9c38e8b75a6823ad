//! Publishers that are killed at each of their calls, and that meet each other, over artifacts in memory.

use std::collections::BTreeSet;

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use super::*;
use crate::catalog::artifact::{self, Loaded};
use crate::catalog::upload::Cut;
use crate::catalog::{CatalogLocation, Indexing, MemoryArtifacts, Publication, Rows, Share, UpdateRef};
use crate::clock::Clock;
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};

/// Parts as small as this, so that a file of some kilobytes has several.
const CUT: Cut = Cut { part: 512, parts: 10_000 };
const DAYS_BEFORE: i64 = 10;

type Store = CatalogStore<MemoryArtifacts>;

fn prefix() -> S3Prefix {
    "s3://bucket/shop".parse().unwrap()
}

fn file(products: usize, model: &str) -> Bytes {
    let rows = Rows {
        product_ids: (0..products).map(|number| format!("p{number}")).collect(),
        categories: vec!["all".into(); products],
        titles: vec![None; products],
        vectors: vec![1.0; products * 256],
        dimension: 256,
        ..Rows::default()
    };
    artifact::write(Vec::new(), &rows, model).unwrap().into()
}

fn version_of(products: usize) -> String {
    Loaded::new(file(products, "")).unwrap().sha256[..16].to_owned()
}

/// Artifacts that were written days before, and the clock.
struct World {
    artifacts: MemoryArtifacts,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let clock = Clock::simulated(OffsetDateTime::from_unix_timestamp(1_795_435_200).unwrap());
        Self { artifacts: MemoryArtifacts::default().at_times_of(clock.clone()), clock }
    }

    /// With versions of so many products, each current for a day, the last one now.
    async fn with(products: &[usize]) -> Self {
        let world = Self::new();
        world.clock.step(-Duration::days(DAYS_BEFORE));
        for products in products {
            publish(&world.store(), *products, None, world.clock.now()).await.unwrap();
            world.clock.step(Duration::days(1));
        }
        world.clock.step(Duration::days(DAYS_BEFORE - products.len() as i64));
        world
    }

    fn store(&self) -> Store {
        self.seen_by(FaultPlan::default())
    }

    fn seen_by(&self, plan: FaultPlan) -> Store {
        Store { cut: CUT, ..CatalogStore::new(self.artifacts.seen_by(plan), Indexing::default()) }
    }

    /// Everything that a reader relies on; what is current.
    async fn check(&self) -> String {
        let store = self.store();
        let current = store.load(&CatalogLocation::S3(prefix())).await.unwrap();
        if let Some(candidate) = store.candidate(&prefix()).await.unwrap() {
            store.check_objects(&prefix(), &candidate.pointer).await.unwrap();
        }
        current.version().to_owned()
    }
}

async fn publish(
    store: &Store,
    products: usize,
    share: Option<&str>,
    now: OffsetDateTime,
) -> Result<Pointer, ChangeError> {
    let bytes = file(products, "");
    let checked = store.check(Loaded::new(bytes).unwrap(), &prefix(), None, true)?;
    let share: Option<Share> = share.map(|share| share.parse().unwrap());
    store.publish_checked(&checked, &prefix(), &Publication { share, force: false, now, told: &|_| {} }).await
}

async fn prune(store: &Store, keep: usize, now: OffsetDateTime) -> Result<usize, ChangeError> {
    let pruning = store.to_prune(&prefix(), keep, now).await?;
    store.prune(&prefix(), &pruning, now, &|_| {}).await
}

/// Kills `work` at each of its calls, before and after its effect; checks what is left, does it again, and `done`.
async fn killed_at_each_call(
    products: &[usize],
    candidate: Option<usize>,
    work: impl AsyncFn(&Store, OffsetDateTime) -> Result<(), ChangeError>,
    current: &[usize],
    done: impl AsyncFn(&World),
) {
    let versions: Vec<String> = current.iter().map(|products| version_of(*products)).collect();
    for last_call in 1.. {
        for takes_effect in [false, true] {
            let world = World::with(products).await;
            if let Some(products) = candidate {
                publish(&world.store(), products, Some("5%"), world.clock.now()).await.unwrap();
            }
            let (plan, ended) = FaultPlan::default().of_process(Some((last_call, takes_effect)));
            let store = world.seen_by(plan);
            let finished = ended.run_until_cancelled(work(&store, world.clock.now())).await;
            let found = world.check().await;
            assert!(versions.contains(&found), "call {last_call}, {takes_effect}: {found} is current");
            if let Some(result) = finished {
                result.unwrap();
                assert!(last_call > 3, "{last_call} calls");
                done(&world).await;
                return;
            }
            // A mark that was left counts for some minutes.
            world.clock.step(Duration::hours(1));
            work(&world.store(), world.clock.now()).await.unwrap();
            assert_eq!(world.check().await, versions[versions.len() - 1]);
            done(&world).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_may_be_killed_at_any_call() {
    let done = async |world: &World| {
        let holding = world.store().holding(&prefix()).await.unwrap();
        assert!(holding.versions.iter().all(|version| version.is_complete), "{:?}", holding.versions);
        assert_eq!((holding.versions.len(), holding.uploads.len()), (3, 0));
        let current = holding.current.pointer.unwrap();
        assert_eq!((current.rows, current.previous), (5, Some(version_of(4))));
    };
    let work = async |store: &Store, now| publish(store, 5, None, now).await.map(drop);
    killed_at_each_call(&[3, 4], None, work, &[4, 5], done).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_may_be_killed_at_any_call() {
    let work = async |store: &Store, now| store.rollback(&prefix(), Some(&version_of(3)), now).await.map(drop);
    killed_at_each_call(&[3, 4], None, work, &[4, 3], async |_| ()).await;
}

#[tokio::test(start_paused = true)]
async fn a_promotion_may_be_killed_at_any_call() {
    let done = async |world: &World| assert!(world.store().candidate(&prefix()).await.unwrap().is_none());
    // What was done is not done again: there is nothing to promote then.
    let work = async |store: &Store, now| match store.promote(&prefix(), now).await {
        Err(ChangeError::NoCandidate(_)) => Ok(()),
        result => result.map(drop),
    };
    killed_at_each_call(&[3, 4], Some(5), work, &[4, 5], done).await;
}

#[tokio::test(start_paused = true)]
async fn a_prune_may_be_killed_at_any_call() {
    let done = async |world: &World| {
        let store = world.store();
        let holding = store.holding(&prefix()).await.unwrap();
        let left: BTreeSet<String> = holding.versions.iter().map(|version| version.version.clone()).collect();
        // The newest one is current, the one before it is what one rolls back to.
        assert_eq!(left, BTreeSet::from([version_of(5), version_of(6)]));
        assert!(holding.versions.iter().all(|version| version.is_complete));
        assert!(store.mark(&prefix()).await.unwrap().is_none());
        assert_eq!(holding.objects.len(), 2, "{:?}", world.artifacts.keys());
    };
    let work = async |store: &Store, now| prune(store, 1, now).await.map(drop);
    killed_at_each_call(&[3, 4, 5, 6], None, work, &[6], done).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_where_it_was_stopped() {
    let calls_of = async |world: &World, plan: FaultPlan| {
        publish(&world.seen_by(plan.clone()), 9, None, world.clock.now()).await.unwrap();
        world.check().await;
        plan.calls().0
    };
    let all = calls_of(&World::new(), FaultPlan::default()).await;
    assert!(all > 25, "{all} calls: the file has many parts");
    for last_call in 1..=all {
        let world = World::new();
        let (plan, ended) = FaultPlan::default().of_process(Some((last_call, true)));
        let store = world.seen_by(plan);
        let _ = ended.run_until_cancelled(publish(&store, 9, None, world.clock.now())).await;
        let again = calls_of(&world, FaultPlan::default()).await;
        // Beside the parts each run has some calls; and some parts were on their way.
        assert!(again + last_call <= all + 14, "stopped at call {last_call} of {all}: {again} more");
    }
}

#[tokio::test]
async fn what_changed_while_it_was_uploaded_is_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.arrow");
    let (bytes, other) = (file(9, ""), file(9, "amazon.titan-embed-text-v2:0"));
    let mut changed = bytes.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert_ne!(bytes, other);
    let world = World::new();
    let store = world.store();
    std::fs::write(&path, &bytes).unwrap();
    let checked = store.check_file(&path, &prefix(), None, true).await.unwrap();
    std::fs::write(&path, &changed).unwrap();
    let publication = Publication { share: None, force: false, now: world.clock.now(), told: &|_| {} };
    let error = store.publish_checked(&checked, &prefix(), &publication).await.unwrap_err().to_string();
    assert!(error.contains("it was changed while it was uploaded"), "{error}");
    assert!(world.artifacts.keys().is_empty(), "{:?}", world.artifacts.keys());
    // The parts that are right serve the run that has the right file.
    std::fs::write(&path, &bytes).unwrap();
    store.publish_checked(&checked, &prefix(), &publication).await.unwrap();
    world.check().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_publishers_one_wins_and_the_other_is_told_who() {
    let mut overtaken = 0;
    for seed in 0..100 {
        let world = World::with(&[3]).await;
        let plan = FaultPlan::seeded(seed, 0.0); // it only delays
        let (a, b) = (world.seen_by(plan.clone()), world.seen_by(plan));
        let now = world.clock.now();
        let (four, five) = tokio::join!(publish(&a, 4, None, now), publish(&b, 5, None, now));
        let found = world.check().await;
        for (result, other) in [(&four, 5), (&five, 4)] {
            if let Err(error) = result {
                overtaken += 1;
                assert_eq!(found, version_of(other));
                let message = error.to_string();
                assert!(message.contains(&format!("was changed meanwhile, to version {found}")), "{message}");
            }
        }
        assert!(four.is_ok() || five.is_ok());
    }
    assert!(overtaken > 50, "{overtaken} of 100");
}

#[tokio::test(start_paused = true)]
async fn what_is_pointed_to_is_never_pruned_whoever_comes_first() {
    let (mut gave_way, mut kept) = (0, 0);
    for seed in 0..240 {
        let world = World::with(&[3, 4, 5, 6]).await;
        let plan = FaultPlan::seeded(seed, 0.0);
        let (publisher, pruner) = (world.seen_by(plan.clone()), world.seen_by(plan));
        let now = world.clock.now();
        let old = version_of(3);
        let points = async {
            // A prune takes some hundred milliseconds here.
            tokio::time::sleep(std::time::Duration::from_millis(seed * 7 % 450)).await;
            match seed % 3 {
                0 => publish(&publisher, 3, None, now).await.map(drop),
                1 => publisher.rollback(&prefix(), Some(&old), now).await.map(drop),
                _ => publish(&publisher, 3, Some("5%"), now).await.map(drop),
            }
        };
        let (points, pruned) = tokio::join!(points, prune(&pruner, 1, now));
        pruned.unwrap();
        world.check().await;
        match points {
            Ok(()) => kept += 1,
            Err(ChangeError::BeingPruned { .. } | ChangeError::Catalog(CatalogError::Missing(_))) => gave_way += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(gave_way > 20 && kept > 20, "{gave_way} gave way, {kept} did not");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_taken_for_somebody_elses_write() {
    let world = World::with(&[3]).await;
    let store = world.store();
    let seen = store.seen_current(&prefix()).await.unwrap();
    let pointer = Pointer { rows: 99, ..seen.pointer.clone().unwrap() };
    store.point(&prefix(), &seen, &pointer).await.unwrap();
    store.point(&prefix(), &seen, &pointer).await.unwrap();
    // And a run that fails after it wrote is done when it is run again.
    let plan = FaultPlan::default();
    plan.fail_next("PutObject", Moment::Before, Cause::Unreachable);
    assert!(publish(&world.seen_by(plan.clone()), 4, None, world.clock.now()).await.is_err());
    publish(&world.seen_by(plan), 4, None, world.clock.now()).await.unwrap();
    assert_eq!(world.check().await, version_of(4));
}

#[tokio::test(start_paused = true)]
async fn another_model_needs_to_be_forced_or_tried_out() {
    let world = World::with(&[3]).await;
    let (store, bytes) = (world.store(), file(3, "amazon.titan-embed-text-v2:0"));
    let checked = store.check(Loaded::new(bytes).unwrap(), &prefix(), None, true).unwrap();
    let publication = Publication { share: None, force: false, now: world.clock.now(), told: &|_| {} };
    let error = store.publish_checked(&checked, &prefix(), &publication).await.unwrap_err().to_string();
    let words =
        "of no model in 256 dimensions, and this catalog is of `amazon.titan-embed-text-v2:0` in 256 dimensions";
    assert!(error.contains(words), "{error}");
    let candidate = Publication { share: Some("5%".parse().unwrap()), ..publication };
    store.publish_checked(&checked, &prefix(), &candidate).await.unwrap();
    assert_eq!(world.check().await, version_of(3));
    store.publish_checked(&checked, &prefix(), &Publication { force: true, ..publication }).await.unwrap();
    assert_ne!(world.check().await, version_of(3));
}

#[tokio::test(start_paused = true)]
async fn a_version_with_updates_is_rolled_back_to_and_keeps_its_objects() {
    let world = World::with(&[3, 4]).await;
    let store = world.store();
    // As whoever publishes an update does: objects, entry, pointer.
    let base = store.seen_current(&prefix()).await.unwrap();
    let update = Bytes::from_static(b"an update");
    let sha256 = artifact::sha256(&update[..]).unwrap();
    let key = format!("shop/updates/{}.arrow", &sha256[..16]);
    world.clock.step(-Duration::days(5));
    world.artifacts.set(&ObjectName { bucket: "bucket".into(), key: key.clone() }, Some(update.clone()));
    let orphan = prefix().object("updates/0123456789abcdef.arrow");
    world.artifacts.set(&orphan, Some(update.clone()));
    let update = UpdateRef { key: key.clone(), sha256, bytes: update.len() as u64, rows: 1, deleted: 0 };
    let pointer = base.pointer.clone().unwrap();
    let version = crate::catalog::version(&pointer.sha256, [update.sha256.as_str()]);
    let updated = Pointer { format_version: 2, version: version.clone(), updates: vec![update], ..pointer };
    let updated = Store::dated(updated, base.pointer.as_ref(), world.clock.now());
    store.claim(&prefix(), &updated).await.unwrap();
    store.point(&prefix(), &base, &updated).await.unwrap();
    world.clock.step(Duration::days(5));
    publish(&store, 6, None, world.clock.now()).await.unwrap();
    // It is what was current before: it stays, and what nothing names goes.
    assert_eq!(prune(&store, 1, world.clock.now()).await.unwrap(), 2);
    let keys = world.artifacts.keys();
    assert!(keys.contains(&key) && keys.contains(&updated.key) && !keys.contains(&orphan.key), "{keys:?}");
    let back = store.rollback(&prefix(), None, world.clock.now()).await.unwrap();
    assert_eq!((&back.version, back.previous.as_deref()), (&version, Some(version_of(6).as_str())));
    // Not without all that it needs.
    publish(&store, 6, None, world.clock.now()).await.unwrap();
    world.artifacts.set(&ObjectName { bucket: "bucket".into(), key: key.clone() }, None);
    let error = store.rollback(&prefix(), Some(&version), world.clock.now()).await.unwrap_err().to_string();
    assert!(error.contains(&key) && error.contains("does not exist"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_an_older_release_published_is_listed_rolled_back_to_and_pruned() {
    let world = World::with(&[3, 4, 5, 6]).await;
    for version in [3, 4, 5].map(version_of) {
        world.artifacts.set(&entry_name(&prefix(), &version), None);
    }
    let store = world.store();
    let holding = store.holding(&prefix()).await.unwrap();
    assert_eq!(holding.versions.iter().filter(|version| version.pointer.is_none()).count(), 3);
    let back = store.rollback(&prefix(), Some(&version_of(4)), world.clock.now()).await.unwrap();
    assert_eq!(back.rows, 4);
    assert_eq!(prune(&store, 2, world.clock.now()).await.unwrap(), 2);
    let left: Vec<String> =
        store.holding(&prefix()).await.unwrap().versions.into_iter().map(|version| version.version).collect();
    assert_eq!(left, [version_of(4), version_of(6)]);
}

#[tokio::test(start_paused = true)]
async fn a_prune_waits_for_another_one_and_deletes_nothing_that_it_does_not_understand() {
    let world = World::with(&[3, 4, 5]).await;
    let store = world.store();
    let mark = Mark { began_at: iso8601(world.clock.now()), keys: Vec::new() };
    world.artifacts.set(&mark_name(&prefix()), Some(body(&mark).unwrap()));
    let error = prune(&store, 1, world.clock.now()).await.unwrap_err();
    assert!(matches!(error, ChangeError::OtherPrune { .. }), "{error}");
    world.clock.step(Duration::minutes(16));
    // An entry of a newer release: who knows what it names.
    let entry = prefix().object("versions/0123456789abcdef.json");
    world.artifacts.set(&entry, Some(Bytes::from_static(b"{\"format_version\":3}")));
    assert!(prune(&store, 1, world.clock.now()).await.is_err());
    world.artifacts.set(&entry, None);
    assert_eq!(prune(&store, 1, world.clock.now()).await.unwrap(), 1);
    world.artifacts.set(&pointer_name(&prefix()), None);
    assert!(prune(&store, 1, world.clock.now()).await.is_err(), "nothing is current");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_was_replaced_meanwhile_is_not_dropped() {
    let world = World::with(&[3]).await;
    let store = world.store();
    let none = store.drop_candidate(&prefix()).await.unwrap_err();
    assert!(matches!(none, ChangeError::NoCandidate(_)), "{none}");
    publish(&store, 4, Some("5%"), world.clock.now()).await.unwrap();
    publish(&store, 5, Some("10%"), world.clock.now()).await.unwrap();
    let found = store.candidate(&prefix()).await.unwrap().unwrap();
    assert_eq!((found.pointer.version, found.share.to_string()), (version_of(5), "10%".to_owned()));
    assert_eq!(store.drop_candidate(&prefix()).await.unwrap(), version_of(5));
    assert_eq!(world.check().await, version_of(3));
}
