//! Exponential back-off with jitter: the one rule for every pause before another attempt.

use std::time::Duration;

/// Pauses that double with each failure in a row, up to a longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The pause after so many failures in a row (from 1), without jitter.
    pub fn step(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// As [`step`](Self::step), between half and the whole of it: `jitter` is in 0..1.
    pub fn after(&self, failures: u32, jitter: f64) -> Duration {
        self.step(failures).mul_f64(0.5 + jitter / 2.0)
    }

    /// Sleeps for a jittered pause after so many failures.
    pub async fn sleep(&self, failures: u32) {
        tokio::time::sleep(self.after(failures, fastrand::f64())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(15));
        let millis = |failures, jitter| backoff.after(failures, jitter).as_millis();
        let longest = [1, 2, 3, 9, 10, u32::MAX].map(|count| millis(count, 1.0));
        assert_eq!(longest, [2_000, 4_000, 8_000, 512_000, 900_000, 900_000]);
        assert_eq!([0, 1, 2, 10].map(|count| millis(count, 0.0)), [1_000, 1_000, 2_000, 450_000]);
    }
}
