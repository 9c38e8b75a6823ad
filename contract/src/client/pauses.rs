//! Pauses that double, with jitter, so that many that began together do not continue in step.

use std::time::Duration;

/// From the first to the longest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Pauses {
    /// The pause of this number (from 1): doubled each time, then between half and the whole of it.
    pub(super) fn number(self, number: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << number.saturating_sub(1).min(31)).min(self.longest);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let pauses = Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(2) };
        for (number, most) in [(1, 100), (2, 200), (5, 1_600), (6, 2_000), (u32::MAX, 2_000)] {
            let millis = pauses.number(number).as_millis();
            assert!((most / 2..=most).contains(&millis), "{number}: {millis}");
        }
    }
}
