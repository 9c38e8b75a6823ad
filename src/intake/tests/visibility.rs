//! Back-off and keeping alive on a queue whose changes of visibility take a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::World;
use crate::fault::{Cause, Fault};
use crate::fault_plan::Moment;
use crate::intake::poller::{self, Loops};
use crate::intake::{Delivery, Failures, MemoryQueue, Outgoing, Queue};
use crate::telemetry::health::Health;

/// A queue whose changes of visibility take a while, and happen even if nobody waits for their answer.
#[derive(Clone)]
struct SlowQueue {
    queue: MemoryQueue,
    changed: Arc<Mutex<Vec<Duration>>>,
}

impl Queue for SlowQueue {
    fn url(&self) -> &str {
        self.queue.url()
    }

    fn is_fifo(&self) -> bool {
        false
    }

    async fn visibility_timeout(&self) -> Result<Duration, Fault> {
        Ok(Duration::from_secs(3))
    }

    async fn receive(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Delivery>, Fault> {
        self.queue.receive(most, wait, visibility).await
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Failures, Fault> {
        self.queue.delete(receipts).await
    }

    async fn change_visibility(&self, changes: &[(&str, Duration)]) -> Result<Failures, Fault> {
        let (changed, after) = (Arc::clone(&self.changed), changes[0].1);
        let change = tokio::spawn(async move {
            sleep(Duration::from_secs(2)).await;
            changed.lock().unwrap().push(after);
        });
        let _ = change.await;
        Ok(Vec::new())
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Failures, Fault> {
        self.queue.send(messages).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_back_off_is_not_undone_by_a_change_of_visibility_that_is_under_way() {
    let world = World::new().await;
    // Two throttled calls with pauses of seconds, so that the visibility is kept alive meanwhile.
    for _ in 0..3 {
        world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    world.send_query("r", "mug");
    let slow = |queue: &MemoryQueue| SlowQueue { queue: queue.clone(), changed: Arc::default() };
    let queue = slow(&world.queue);
    let stop = CancellationToken::new();
    let services = world.services(queue.clone(), slow(&world.dead_letters));
    let process = poller::run(services, world.settings.clone(), Loops::of(1), stop.clone(), Health::default());
    let watch = async {
        let kept_alive = Duration::from_secs(3);
        let last = || queue.changed.lock().unwrap().last().copied();
        while last().is_none_or(|last| last == kept_alive) {
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_millis(2_500)).await; // one that was under way would be done by now
        let changed = queue.changed.lock().unwrap().clone();
        assert!(changed.contains(&kept_alive), "its visibility was kept alive: {changed:?}");
        let back_off = changed.iter().position(|&after| after != kept_alive).unwrap();
        assert_eq!(changed[back_off + 1..].first(), None, "{changed:?}");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(process, watch);
    ended.unwrap();
}
