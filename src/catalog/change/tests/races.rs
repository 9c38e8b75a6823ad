//! Publishers and prunes at once: one wins, and what serves is whole.

use super::*;

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
