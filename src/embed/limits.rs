//! How fast models may be called.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How fast a model may be called by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls in flight at once.
    pub max_concurrency: usize,
    /// Calls started in a minute; `None` = no limit.
    pub requests_per_minute: Option<u32>,
}

/// Spaces calls evenly, so that a minute's allowance is never spent at once.
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pacer {
    pub(super) fn new(requests_per_minute: u32) -> Self {
        Self { interval: Duration::from_mins(1) / requests_per_minute, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this caller's turn. A caller that gives up while waiting leaves its turn unused.
    pub(super) async fn wait(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + self.interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spaced_evenly() {
        let pacer = Pacer::new(600);
        let start = Instant::now();
        for _ in 0..5 {
            pacer.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::from_millis(400));
        tokio::time::advance(Duration::from_secs(10)).await;
        let start = Instant::now();
        pacer.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO, "unused turns are not saved up, and not owed");
    }
}
