//! Stops receiving after a fault that needs an operator, except for one probe at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::backoff::Backoff;
use crate::worker::{Outcome, Processed};

/// Pauses before one message is let through as a probe.
const PAUSES: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_mins(2));

/// Shared by all who receive.
#[derive(Debug)]
pub(super) struct Breaker {
    open: AtomicBool,
    /// Probes in a row that met the fault; held by the one who probes.
    failures: Mutex<u32>,
}

/// Leave to receive.
#[derive(Debug)]
pub(super) enum Permit<'a> {
    /// A full batch.
    Batch,
    /// One message, to see whether the fault was fixed.
    Probe(MutexGuard<'a, u32>),
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { open: AtomicBool::new(false), failures: Mutex::new(1) }
    }

    /// Whether only probes may receive.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until there is leave to receive.
    pub(super) async fn permit(&self) -> Permit<'_> {
        if !self.open.load(Ordering::Acquire) {
            return Permit::Batch;
        }
        let failures = self.failures.lock().await;
        if !self.open.load(Ordering::Acquire) {
            return Permit::Batch;
        }
        tokio::time::sleep(PAUSES.step(*failures)).await;
        Permit::Probe(failures)
    }

    /// Learns from what was received by leave of `permit`.
    pub(super) fn report(&self, permit: Permit<'_>, processed: &[Processed]) {
        let any = |is: fn(&Outcome) -> bool| processed.iter().any(|processed| is(&processed.outcome));
        let permanent = any(|outcome| matches!(outcome, Outcome::Failed(fault) if fault.is_permanent()));
        let answered = any(|outcome| matches!(outcome, Outcome::Succeeded | Outcome::Rejected(_)));
        if permanent && !self.open.swap(true, Ordering::AcqRel) {
            tracing::error!(event = "receiving_paused", "receiving is paused until a probe message succeeds");
        }
        // A probe that neither met the fault nor wrote a record has shown nothing, and the next one comes soon.
        if let Permit::Probe(mut failures) = permit {
            if permanent {
                *failures += 1;
                return;
            }
            *failures = 1;
            if answered {
                self.open.store(false, Ordering::Release);
                tracing::info!(event = "receiving_resumed", "a probe message succeeded: receiving resumes");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::fault::{Cause, Fault};

    fn processed(outcome: Outcome) -> [Processed; 1] {
        [Processed { job: None, outcome }]
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_probes_one_at_a_time_ever_slower_until_one_succeeds() {
        let breaker = Breaker::new();
        let denied = processed(Outcome::Failed(Fault::new(Cause::AccessDenied, "access denied")));
        breaker.report(breaker.permit().await, &denied);
        let start = Instant::now();
        let probe = breaker.permit().await;
        assert!(matches!(probe, Permit::Probe(_)) && start.elapsed() == PAUSES.step(1));
        let longest = PAUSES.step(u32::MAX);
        assert!(tokio::time::timeout(longest, breaker.permit()).await.is_err(), "a second loop waits");
        breaker.report(probe, &denied);
        let start = Instant::now();
        let probe = breaker.permit().await;
        assert_eq!(start.elapsed(), PAUSES.step(1) * 2);
        breaker.report(probe, &processed(Outcome::Replayed));
        let probe = breaker.permit().await;
        assert!(matches!(probe, Permit::Probe(_)), "a replay shows nothing");
        breaker.report(probe, &processed(Outcome::Succeeded));
        assert!(matches!(breaker.permit().await, Permit::Batch));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_a_service_refuses_does_not_open_it() {
        let breaker = Breaker::new();
        let refused = processed(Outcome::Failed(Fault::new(Cause::Refused, "too large").of_job()));
        breaker.report(breaker.permit().await, &refused);
        assert!(matches!(breaker.permit().await, Permit::Batch));
    }
}
