//! Publishers over artifacts in memory: killed at each of their calls; `races`: when they meet; `states`: what they find.

mod races;
mod states;

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
        world.clock.step(Duration::days(DAYS_BEFORE - i64::try_from(products.len()).unwrap()));
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
    let checked = store.check(Loaded::new(file(products, "")).unwrap(), &prefix(), None, false)?;
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
    let bytes = file(9, "");
    std::fs::write(&path, &bytes).unwrap();
    let world = World::new();
    let store = world.store();
    let checked = store.check_file(&path, &prefix(), None, false).await.unwrap();
    let mut changed = bytes.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
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
