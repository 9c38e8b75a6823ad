//! The time of day, as the one thing that can be told otherwise: in simulations it follows Tokio's clock, and may step.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::time::Instant;

/// Tells the time of day. Spans of time are measured with [`Instant`], never with this.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Simulated>>);

#[derive(Debug)]
struct Simulated {
    epoch: OffsetDateTime,
    started: Instant,
    step_ms: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows `epoch` now and moves with Tokio's, which tests pause.
    pub fn simulated(epoch: OffsetDateTime) -> Self {
        Self(Some(Arc::new(Simulated { epoch, started: Instant::now(), step_ms: AtomicI64::new(0) })))
    }

    /// Now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        match &self.0 {
            None => OffsetDateTime::now_utc(),
            Some(simulated) => {
                let step = Duration::milliseconds(simulated.step_ms.load(Ordering::Relaxed));
                simulated.epoch + simulated.started.elapsed() + step
            }
        }
    }

    /// Steps a simulated clock, also backwards, as a correction of the machine's clock would.
    pub fn step(&self, by: Duration) {
        if let Some(simulated) = &self.0 {
            simulated.step_ms.fetch_add(by.whole_milliseconds() as i64, Ordering::Relaxed);
        }
    }
}

/// ISO 8601 in UTC, always to the millisecond, so that text order is time order.
pub fn iso8601(time: OffsetDateTime) -> String {
    let utc = time.to_offset(UtcOffset::UTC);
    let (hour, minute, second, millisecond) = utc.time().as_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z", utc.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_iso_8601_to_the_millisecond() {
        let at = |nanoseconds| iso8601(OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap());
        assert_eq!(at(1_795_435_200_123_456_789), "2026-11-23T12:00:00.123Z");
        assert_eq!(at(1_795_435_200_000_000_000), "2026-11-23T12:00:00.000Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_moves_with_tokios_and_steps() {
        let clock = Clock::simulated(OffsetDateTime::UNIX_EPOCH);
        tokio::time::advance(std::time::Duration::from_mins(1)).await;
        assert_eq!(clock.clone().now().unix_timestamp(), 60);
        clock.step(Duration::seconds(-50));
        assert_eq!(clock.now().unix_timestamp(), 10);
    }
}
