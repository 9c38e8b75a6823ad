//! Waiting for what a harness counts.

use std::time::{Duration, Instant};

use devstack::lambda::{LambdaHarness, LambdaStats};

/// Waits until the counts are as the condition wants them.
pub(crate) async fn until(harness: &LambdaHarness, condition: impl Fn(&LambdaStats) -> bool) -> LambdaStats {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let stats = harness.stats();
        if condition(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "still {stats:?} after 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
