//! What becomes of a message on its queue, decided from facts alone: no clock is read here and nothing is called.

use std::collections::HashMap;
use std::time::Duration;

use nearline_contract::{ErrorCode, JobError};

use crate::backoff::Backoff;
use crate::fault::{Cause, Fault, Kind};
use crate::worker::Outcome;

/// Waits of a message that is tried again.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), LONGEST_BACKOFF);
/// Longest wait, also after a fault that an operator has to fix.
pub const LONGEST_BACKOFF: Duration = Duration::from_mins(15);
/// Wait for a look at the catalog that was asked for.
const LOOK_WAIT: Duration = Duration::from_secs(5);
/// So long after its start, or after a permanent fault, a process does not hold earlier deliveries against a message:
/// it cannot know which of them were attempts. By its end all that waited for the fault has come back.
pub const GRACE: Duration = LONGEST_BACKOFF.saturating_mul(2);
/// Longest time for an attempt in whichever intake: that of a Lambda function.
pub const ATTEMPT_MAX: Duration = Duration::from_mins(15);
/// Longest time from the loss of a write's answer to its effect.
pub const WRITE_LATE_MAX: Duration = Duration::from_secs(5);
/// Messages whose deliveries are remembered at least.
const REMEMBERED: usize = 50_000;

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is done with: delete it.
    Ack,
    /// It stays on the queue, and comes back after this time.
    Postpone(Duration),
    /// No record can answer it: move it to the dead-letter queue with this reason.
    DeadLetter(JobError),
    /// It is never tried again: move it to the dead-letter queue with this reason, unless its record turns out to exist.
    GiveUp(JobError),
}

/// What is known of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// How often it was received, this time included, by whichever process.
    pub receive_count: u32,
    /// Deliveries to this process that ended as a failed attempt, this one included.
    pub attempts_here: u32,
    /// Deliveries to this process that were no attempt: they only waited, or an operator had to act.
    pub waits_here: u32,
}

impl History {
    /// Whether every delivery was to this process, and has come to its end here.
    pub fn is_whole(self) -> bool {
        self.attempts_here + self.waits_here == self.receive_count
    }
}

/// Decides; the same facts give the same decision.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Attempts after which a job is given up.
    pub max_attempts: u32,
}

impl Policy {
    /// What becomes of a message with this outcome. `calm` is the time since the start of the process or, if that is
    /// less, since the last fault that an operator had to fix. `jitter` is in 0..1.
    pub fn decide(&self, outcome: &Outcome, history: History, calm: Duration, jitter: f64) -> Decision {
        match outcome {
            Outcome::Succeeded | Outcome::Rejected(_) | Outcome::Replayed => Decision::Ack,
            Outcome::DeadLetter(error) => Decision::DeadLetter(error.clone()),
            Outcome::GivenUp { error, .. } => Decision::GiveUp(error.clone()),
            Outcome::Failed(fault) if fault.is_attempt() && attempts(history, calm) >= self.max_attempts => {
                let message = format!("gave up after {} attempts, the last one: {fault}", attempts(history, calm));
                Decision::GiveUp(JobError::new(ErrorCode::AttemptsExhausted, message))
            }
            Outcome::Failed(fault) => Decision::Postpone(postponement(fault, history.receive_count, jitter)),
        }
    }
}

/// How long a message waits after a fault.
pub fn postponement(fault: &Fault, receive_count: u32, jitter: f64) -> Duration {
    match (fault.kind, fault.cause) {
        (Kind::Permanent, _) => BACKOFF.after(u32::MAX, jitter),
        (Kind::Retry, Cause::CatalogUnseen) => LOOK_WAIT,
        // Not all at the same time, and not ever sooner: the queue counts each time that a message comes.
        (Kind::Retry | Kind::JobRefused, _) => {
            let turn = fault.wait.map_or(Duration::ZERO, |wait| wait.min(LONGEST_BACKOFF).mul_f64(1.0 + jitter / 4.0));
            BACKOFF.after(receive_count, jitter).max(turn.min(LONGEST_BACKOFF))
        }
    }
}

/// Attempts that count against a message. What its deliveries to other processes were is not known: as many of them
/// attempts as of those to this one.
fn attempts(history: History, calm: Duration) -> u32 {
    let History { receive_count, attempts_here, waits_here } = history;
    if calm <= GRACE || attempts_here == 0 {
        return attempts_here;
    }
    let share = u64::from(receive_count) * u64::from(attempts_here) / u64::from(attempts_here + waits_here);
    attempts_here.max(u32::try_from(share).unwrap_or(u32::MAX))
}

/// What this process saw of messages that stay, by message id; of so many that the oldest may be forgotten.
#[derive(Debug, Default)]
pub struct Ledger {
    recent: HashMap<String, (u32, u32)>,
    older: HashMap<String, (u32, u32)>,
}

impl Ledger {
    /// Notes how a delivery ended; what is known of its message, this delivery included.
    pub fn note(&mut self, message_id: &str, receive_count: u32, outcome: &Outcome) -> History {
        let (mut attempts, mut waits) =
            self.recent.remove(message_id).or_else(|| self.older.remove(message_id)).unwrap_or_default();
        if let Outcome::Failed(fault) = outcome {
            if fault.is_attempt() {
                attempts += 1;
            } else {
                waits += 1;
            }
            if self.recent.len() >= REMEMBERED {
                self.older = std::mem::take(&mut self.recent);
            }
            self.recent.insert(message_id.to_owned(), (attempts, waits));
        }
        History { receive_count, attempts_here: attempts, waits_here: waits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { max_attempts: 3 };
    const LONG: Duration = Duration::from_hours(24);

    fn failed(cause: Cause) -> Outcome {
        Outcome::Failed(Fault::new(cause, "x"))
    }

    fn gives_up(outcome: &Outcome, history: History, calm: Duration) -> bool {
        matches!(POLICY.decide(outcome, history, calm, 0.5), Decision::GiveUp(_))
    }

    #[test]
    fn a_message_goes_when_its_record_exists_and_stays_when_it_failed() {
        let history = History { receive_count: 9, ..History::default() };
        for outcome in [Outcome::Succeeded, Outcome::Rejected(ErrorCode::Expired), Outcome::Replayed] {
            assert_eq!(POLICY.decide(&outcome, history, LONG, 0.5), Decision::Ack);
        }
        let error = JobError::new(ErrorCode::AttemptsExhausted, "x");
        let given_up = Outcome::GivenUp { error: error.clone(), quiet: Duration::ZERO };
        let given_up = POLICY.decide(&given_up, History::default(), Duration::ZERO, 0.5);
        assert_eq!(given_up, Decision::GiveUp(error), "for good, whatever else is known");
        let error = JobError::new(ErrorCode::InvalidJson, "x");
        let dead = POLICY.decide(&Outcome::DeadLetter(error.clone()), history, LONG, 0.5);
        assert_eq!(dead, Decision::DeadLetter(error));
        let first = History { receive_count: 1, attempts_here: 1, waits_here: 0 };
        let postponed = POLICY.decide(&failed(Cause::Throttled), first, LONG, 1.0);
        assert_eq!(postponed, Decision::Postpone(Duration::from_secs(2)));
    }

    #[test]
    fn a_new_process_does_not_hold_earlier_deliveries_against_a_message() {
        let waited_for_long = History { receive_count: 50, attempts_here: 1, waits_here: 0 };
        assert!(!gives_up(&failed(Cause::Throttled), waited_for_long, Duration::from_secs(1)));
        assert!(gives_up(&failed(Cause::Throttled), waited_for_long, GRACE + Duration::from_secs(1)));
        let tried_here = History { receive_count: 50, attempts_here: 3, waits_here: 0 };
        assert!(gives_up(&failed(Cause::Throttled), tried_here, Duration::from_secs(1)));
    }

    #[test]
    fn a_history_is_whole_when_nobody_else_had_the_message() {
        let whole = History { receive_count: 3, attempts_here: 2, waits_here: 1 };
        assert!(whole.is_whole() && !History { receive_count: 4, ..whole }.is_whole());
    }

    #[test]
    fn what_was_elsewhere_counts_as_what_was_here() {
        // In eight processes: 20 deliveries, of which this one saw two that waited and one that failed.
        let shared = History { receive_count: 20, attempts_here: 1, waits_here: 2 };
        let policy = Policy { max_attempts: 20 };
        let decide = |history| policy.decide(&failed(Cause::Throttled), history, LONG, 0.5);
        assert!(matches!(decide(shared), Decision::Postpone(_)));
        assert!(matches!(decide(History { receive_count: 60, ..shared }), Decision::GiveUp(_)));
        assert!(matches!(decide(History { waits_here: 0, ..shared }), Decision::GiveUp(_)));
    }

    #[test]
    fn only_attempts_count() {
        let mut ledger = Ledger::default();
        for count in 1..=20 {
            for cause in [Cause::NotStarted, Cause::CatalogUnseen, Cause::AccessDenied] {
                let outcome = failed(cause);
                let history = ledger.note(&format!("{cause:?}"), count, &outcome);
                assert!(!gives_up(&outcome, history, LONG), "{cause:?} is no attempt");
            }
        }
        let outcome = failed(Cause::TimedOut);
        let given_up: Vec<bool> =
            (21..=23).map(|count| gives_up(&outcome, ledger.note("NotStarted", count, &outcome), LONG)).collect();
        assert_eq!(given_up, [false, false, true], "20 waits and 3 attempts");
    }

    #[test]
    fn a_job_that_a_service_refuses_is_an_attempt_and_no_fault_of_others() {
        let refused = Outcome::Failed(Fault::new(Cause::Refused, "x").of_job());
        let mut ledger = Ledger::default();
        let given_up: Vec<bool> =
            (1..=3).map(|count| gives_up(&refused, ledger.note("m", count, &refused), LONG)).collect();
        assert_eq!(given_up, [false, false, true]);
    }

    #[test]
    fn a_permanent_fault_waits_longest_and_a_look_at_the_catalog_a_moment() {
        let wait = |cause, jitter| postponement(&Fault::new(cause, "x"), 1, jitter);
        assert_eq!(
            (wait(Cause::AccessDenied, 0.0), wait(Cause::AccessDenied, 1.0)),
            (LONGEST_BACKOFF / 2, LONGEST_BACKOFF)
        );
        assert_eq!(wait(Cause::CatalogUnseen, 0.0), LOOK_WAIT);
        assert_eq!(wait(Cause::Throttled, 0.0), Duration::from_secs(1));
    }

    #[test]
    fn who_waits_for_a_turn_comes_back_when_it_is_due() {
        let wait = |seconds, receive_count, jitter| {
            let fault = Fault::wait("x", Duration::from_secs(seconds));
            postponement(&fault, receive_count, jitter).as_secs()
        };
        assert_eq!((wait(60, 1, 0.0), wait(60, 1, 1.0)), (60, 75));
        assert_eq!(wait(60, 8, 1.0), 256, "and ever more seldom");
        assert_eq!(wait(u64::MAX, 1, 1.0), LONGEST_BACKOFF.as_secs());
    }

    #[test]
    fn the_ledger_forgets_the_oldest_and_what_is_done() {
        let mut ledger = Ledger::default();
        let failed = failed(Cause::Throttled);
        for number in 0..3 * REMEMBERED {
            ledger.note(&number.to_string(), 1, &failed);
        }
        assert!(ledger.recent.len() + ledger.older.len() <= 2 * REMEMBERED);
        assert_eq!(ledger.note("0", 2, &failed).attempts_here, 1, "forgotten");
        assert_eq!(ledger.note(&(3 * REMEMBERED - 1).to_string(), 2, &failed).attempts_here, 2);
        ledger.note("0", 3, &Outcome::Succeeded);
        assert_eq!(ledger.note("0", 4, &failed).attempts_here, 1, "done, and begun anew");
    }
}
