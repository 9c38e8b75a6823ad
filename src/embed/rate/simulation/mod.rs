//! Fleets that call a model with a quota, on a paused clock: what is called, refused and answered in each minute.
//!
//! `cargo test --lib fleets_compared -- --ignored --nocapture` prints the table of docs/operations.md.

mod world;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use world::{Counted, JOBS, JOBS_OF_MANY, Kind, Seen, TITAN, World};

use crate::fault::Cause;
use crate::fault_plan::Storm;

const QUOTA: u32 = 2_400;
const QUOTA_F: f64 = 2_400.0;

/// Before, and now: the table of docs/operations.md.
#[tokio::test(start_paused = true)]
#[ignore = "prints a table"]
async fn fleets_compared() {
    println!(
        "| counted | refused at random | processes | limit | most in a minute | refused | answered | attempts spent for a job |"
    );
    for counted in [Counted::Bucket, Counted::Windows] {
        for random in [0.0, 0.3] {
            for processes in [1, 10, 100] {
                let exact = QUOTA / processes as u32;
                for (name, kind) in [
                    ("before: none", Kind::Rigid(None)),
                    ("before: quota / 10", Kind::Rigid(Some(QUOTA / 10))),
                    ("before: quota / processes", Kind::Rigid(Some(exact))),
                    ("now: none", Kind::Own(None)),
                    ("now: quota / 10", Kind::Own(Some(QUOTA / 10))),
                    ("now: fleet", Kind::Fleet(QUOTA)),
                ] {
                    let mut world = World::new(counted, QUOTA, random);
                    world.start_all(kind, processes, if processes > 10 { JOBS_OF_MANY } else { JOBS });
                    let begin = world.watch(1).await;
                    let Seen { most, answered, refused, jobs } = world.watch(4).await;
                    let of_quota = |calls: f64| 100.0 * calls / QUOTA_F;
                    println!(
                        "| {counted:?} | {:.0} % | {processes} | {name} | {:.0} % | {:.0} % | {:.0} % | {:.3} ({} waits, {} given up) |",
                        100.0 * random,
                        of_quota(most.max(begin.most)),
                        100.0 * refused,
                        of_quota(answered),
                        jobs.attempts as f64 / jobs.answered.max(1) as f64,
                        jobs.waits,
                        jobs.given_up
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_keeps_its_limit_and_uses_it_however_many_processes_there_are() {
    for (counted, random, processes) in [
        (Counted::Bucket, 0.3, 1),
        (Counted::Windows, 0.3, 10),
        (Counted::Bucket, 0.0, 100),
        (Counted::Windows, 0.3, 100),
    ] {
        let mut world = World::new(counted, QUOTA, random);
        world.start_all(Kind::Fleet(QUOTA), processes, if processes > 10 { JOBS_OF_MANY } else { JOBS });
        let begin = world.watch(1).await;
        let seen = world.watch(1).await;
        let most = world.most() / QUOTA_F;
        let answered = seen.answered / (QUOTA_F * (1.0 - random));
        let what = format!("{counted:?}, {random}, {processes}: {begin:?} {seen:?}");
        assert!(most <= 1.05 && answered >= 0.8, "{most} {answered}: {what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_keeps_its_limit_while_it_grows_and_shrinks() {
    let mut world = World::new(Counted::Bucket, QUOTA, 0.3);
    world.start_all(Kind::Fleet(QUOTA), 1, JOBS);
    world.watch(1).await;
    world.start_all(Kind::Fleet(QUOTA), 99, JOBS_OF_MANY);
    world.watch(1).await;
    let many = world.watch(1).await;
    world.kill_all_but(10);
    world.watch(1).await;
    let few = world.watch(1).await;
    let most = world.most() / QUOTA_F;
    let kept = world.leases.read(&format!("embedding rate: {TITAN}")).await.unwrap().unwrap().state;
    assert!(most <= 1.05, "{most}");
    assert!(kept.len() < 1_500, "those who are gone are forgotten: {kept}");
    assert!(many.answered >= 0.56 * QUOTA_F && few.answered >= 0.56 * QUOTA_F, "{many:?} {few:?}");
}

#[tokio::test(start_paused = true)]
async fn a_small_limit_is_kept_by_many_processes() {
    let mut world = World::new(Counted::Windows, 600, 0.0);
    world.start_all(Kind::Fleet(600), 100, JOBS_OF_MANY);
    let (begin, seen) = (world.watch(1).await, world.watch(2).await);
    assert!(begin.most.max(seen.most) <= 630.0, "{begin:?} {seen:?}");
    assert!(seen.answered >= 480.0, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_idle_processes_do_not_use_goes_to_busy_ones_within_seconds() {
    let mut world = World::new(Counted::Bucket, QUOTA, 0.0);
    world.start_all(Kind::Fleet(QUOTA), 9, 0);
    world.start(Kind::Fleet(QUOTA), 200);
    sleep(Duration::from_secs(20)).await;
    let alone = world.watch(1).await;
    assert!(alone.answered >= 0.9 * QUOTA_F, "{alone:?}");
    // Another one becomes busy, and has its half within seconds.
    world.start(Kind::Fleet(QUOTA), 200);
    sleep(Duration::from_secs(20)).await;
    let both = world.watch(1).await;
    assert!(both.answered >= 0.9 * QUOTA_F && both.most <= 1.05 * QUOTA_F, "{both:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_finds_a_smaller_quota_than_its_limit_and_comes_back() {
    for processes in [1, 10] {
        let mut world = World::new(Counted::Bucket, QUOTA, 0.0);
        world.start_all(Kind::Fleet(QUOTA), processes, JOBS);
        world.watch(1).await;
        world.set_quota(QUOTA / 3);
        world.watch(1).await;
        let less = world.watch(2).await;
        assert!(less.refused <= 0.25 && less.answered >= 0.8 * QUOTA_F / 3.0, "{less:?}");
        world.set_quota(QUOTA);
        world.watch(2).await;
        let again = world.watch(1).await;
        assert!(again.answered >= 0.9 * QUOTA_F, "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_table_each_process_has_an_equal_share() {
    let mut world = World::new(Counted::Bucket, QUOTA, 0.0);
    world.start_all(Kind::Fleet(QUOTA), 10, JOBS);
    world.watch(1).await;
    let until = Instant::now() + Duration::from_hours(1);
    world.plan.storm(Storm { operation: Some("WriteLease"), rate: 1.0, cause: Cause::Throttled, until });
    let without = world.watch(2).await;
    assert!(without.most <= 1.05 * QUOTA_F && without.answered >= 0.9 * QUOTA_F, "{without:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_without_a_limit_slows_down_when_it_is_refused() {
    let run = async |kind| {
        let mut world = World::new(Counted::Bucket, 600, 0.0);
        world.start_all(kind, 1, 200);
        world.watch(1).await;
        world.watch(3).await
    };
    let (before, now) = (run(Kind::Rigid(None)).await, run(Kind::Own(None)).await);
    assert!(now.refused < 0.3 * before.refused && now.answered >= 0.9 * before.answered, "{before:?} {now:?}");
}
