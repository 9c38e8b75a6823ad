//! The rate of a process that shares no limit with others.

use std::time::Duration;

use super::adaptive::Adaptive;

/// How fast a process calls a model, as the service refuses calls.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Calls in a second that are allowed; `None`: any number.
    limit: Option<f64>,
    /// The limit that is assumed while there is none and calls are refused.
    found: Option<f64>,
    adaptive: Adaptive,
}

impl Own {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        Self { limit: per_minute.map(|calls| f64::from(calls) / 60.0), ..Self::default() }
    }

    /// Calls in a second that may be made; `None`: any number.
    pub(super) fn per_second(&self) -> Option<f64> {
        self.limit.or(self.found).map(|limit| limit * self.adaptive.used)
    }

    /// Share of the limit that is used.
    pub(super) fn used(&self) -> f64 {
        self.adaptive.used
    }

    /// Draws the conclusions from the calls of some time.
    pub(super) fn round(&mut self, calls: u64, refused: u64, elapsed: Duration) {
        if self.limit.is_none() && self.found.is_none() && self.adaptive.is_refused(calls, refused) {
            // Twice what is called now: by then either the service takes all again, or it was slowed down again.
            self.found = Some(2.0 * calls as f64 / elapsed.as_secs_f64());
            self.adaptive.used = 0.5;
        }
        self.adaptive.round(calls, refused);
        if self.adaptive.used >= 1.0 {
            self.found = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_secs(5);

    #[test]
    fn without_a_limit_one_is_found_while_calls_are_refused() {
        let mut own = Own::new(None);
        own.round(500, 20, ROUND);
        assert_eq!(own.per_second(), None);
        own.round(500, 200, ROUND);
        assert_eq!(own.per_second(), Some(54.0), "a little less than what was taken: 300 calls in 5 s");
        for _ in 0..20 {
            own.round(300, 0, ROUND);
        }
        assert_eq!(own.per_second(), None);
    }

    #[test]
    fn a_limit_is_never_passed() {
        let mut own = Own::new(Some(600));
        assert_eq!(own.per_second(), Some(10.0));
        own.round(50, 50, ROUND);
        assert_eq!(own.per_second(), Some(5.0));
        for _ in 0..20 {
            own.round(50, 0, ROUND);
        }
        assert_eq!(own.per_second(), Some(10.0));
    }
}
