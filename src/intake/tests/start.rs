//! What a start finds out, and what does not prevent it.

use tokio_util::sync::CancellationToken;

use super::{HOUR, World};
use crate::fault::Cause;
use crate::fault_plan::Moment;
use crate::intake::poller::{self, Loops};
use crate::intake::{MemoryLambda, lambda};
use crate::telemetry::health::Health;

#[tokio::test(start_paused = true)]
async fn a_queue_or_a_table_that_does_not_exist_ends_the_start() {
    let world = World::new().await;
    let services = || world.services(world.queue.clone(), world.dead_letters.clone());
    let (settings, stop) = (world.settings.clone(), CancellationToken::new());
    let lambda = || {
        let invocations = MemoryLambda::new(world.queue.clone(), 10, HOUR, world.clock.clone());
        lambda::run(services(), settings.clone(), invocations, 1, stop.clone())
    };
    for cause in [Cause::NotFound, Cause::AccessDenied] {
        world.plan.fail_next("Check", Moment::Before, cause);
        let refused =
            poller::run(services(), settings.clone(), Loops::of(1), stop.clone(), Health::default()).await.unwrap_err();
        assert!(refused.to_string().starts_with("checking NEARLINE_RESULTS_TABLE: "), "{refused}");
        world.plan.fail_next("Check", Moment::Before, cause);
        assert!(lambda().await.unwrap_err().to_string().contains("NEARLINE_RESULTS_TABLE"));
    }
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::NotFound);
    assert!(lambda().await.unwrap_err().to_string().starts_with("checking NEARLINE_QUEUE_URL: "));
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::NotFound);
    assert!(poller::run(services(), settings.clone(), Loops::of(1), stop.clone(), Health::default()).await.is_err());
    stop.cancel();
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::AccessDenied);
    lambda().await.expect("a role that may not ask for a queue's attributes can serve");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_does_not_prevent_a_start() {
    let world = World::new().await;
    world.send_query("r", "mug");
    world.plan.fail_next("Check", Moment::Before, Cause::Throttled);
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::Unreachable);
    world.plan.fail_next("GetQueueAttributes", Moment::Before, Cause::TimedOut);
    world.run(HOUR).await;
    assert_eq!(world.records.all().len(), 1);
    assert!(world.queue.all().is_empty());
}
