//! What probes and gauges are told of a polling worker.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{HOUR, World};
use crate::fault::Cause;
use crate::fault_plan::Moment;
use crate::intake::poller::{self, Loops};
use crate::telemetry::health::Health;

/// Waits until the answer begins so.
async fn until(health: &Health, expected: Option<&str>) {
    let asked = async {
        while !match (health.not_ready(), expected) {
            (Some(why), Some(expected)) => why.starts_with(expected),
            (why, expected) => why == expected,
        } {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let now = || health.not_ready();
    timeout(HOUR, asked).await.unwrap_or_else(|_| panic!("waited in vain for {expected:?}, is {:?}", now()));
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_ready_while_it_receives() {
    let world = World::new().await;
    let (health, stop) = (Health::default(), CancellationToken::new());
    assert!(health.not_ready().is_some_and(|why| why.starts_with("starting")) && health.watched().is_none());
    let services = world.services(world.queue.clone(), world.dead_letters.clone());
    let process = poller::run(services, world.settings.clone(), Loops::of(1), stop.clone(), health.clone());
    let watch = async {
        until(&health, None).await;
        let serving = health.watched().unwrap().serving();
        assert_eq!((serving.rows, serving.dimension, serving.model.as_deref()), (20, 256, Some(super::MODEL)));
        // A queue that fails.
        for _ in 0..3 {
            world.plan.fail_next("ReceiveMessage", Moment::Before, Cause::Unavailable);
        }
        until(&health, Some("the queue")).await;
        until(&health, None).await;
        // A fault for an operator.
        for _ in 0..2 {
            world.plan.fail_next("PutItem", Moment::Before, Cause::AccessDenied);
        }
        world.send_query("r", "mug");
        until(&health, Some("receiving is paused")).await;
        world.settled(1).await;
        until(&health, None).await;
        assert_eq!(health.watched().unwrap().batches_in_flight(), 0);
        stop.cancel();
        assert_eq!(health.not_ready(), Some("draining"));
    };
    let (ended, ()) = tokio::join!(process, watch);
    ended.unwrap();
    assert_eq!(health.not_ready(), Some("draining"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_slow_batch_no_longer_than_it_may_take() {
    for (batch_timeout, at_most) in [(60, 95), (poller::BATCH_TIMEOUT.as_secs(), 335)] {
        let mut world = World::new().await;
        world.settings.embedding.requests_per_minute = Some(1); // ten texts wait for ten minutes
        for number in 0..10 {
            world.send_query(&format!("r{number}"), &format!("mug {number}"));
        }
        let stop = CancellationToken::new();
        let services = world.services(world.queue.clone(), world.dead_letters.clone());
        let loops = Loops { count: 1, batch_timeout: Duration::from_secs(batch_timeout) };
        let process = poller::run(services, world.settings.clone(), loops, stop.clone(), Health::default());
        let drained = async {
            sleep(Duration::from_secs(2)).await;
            stop.cancel();
            Instant::now()
        };
        let (ended, stopped) = tokio::join!(process, drained);
        ended.unwrap();
        let waited = stopped.elapsed().as_secs();
        assert!((batch_timeout - 5..at_most).contains(&waited), "{waited} s with {batch_timeout} s for a batch");
        assert!(!world.records.all().is_empty() && !world.queue.all().is_empty(), "what was late is not lost");
    }
}
