//! The waits between attempts, at sending as at reading.

use std::time::Duration;

/// Longest wait after the first failure; doubled for each further one.
const MIN: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const MAX: Duration = Duration::from_secs(5);

/// The wait after failure number `failures`: doubling, and random in its upper half so that retries spread out.
pub(crate) fn backoff(failures: u32) -> Duration {
    let wait = MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX);
    wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn backoff_doubles_up_to_its_bound_with_jitter() {
        for (failures, most) in [(1, 100), (2, 200), (5, 1_600), (7, 5_000), (4_000, 5_000)] {
            let wait = backoff(failures);
            assert!((most * MS / 2..=most * MS).contains(&wait), "{failures}: {wait:?}");
        }
    }
}
