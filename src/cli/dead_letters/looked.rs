//! What of a dead-letter queue was looked at, and what was not.

use std::time::Duration;

use serde::Serialize;

use crate::fault::Fault;
use crate::intake::QueueState;

/// For how long letters are hidden at a time, if so many are held: a minute, and more if there are so many that prolonging
/// them would take most of the calls. Half of it is left when it is prolonged.
pub(super) fn hidden_for(held: usize) -> Duration {
    const FEW: Duration = Duration::from_mins(1);
    const MORE_FOR_EACH: Duration = Duration::from_millis(10);
    FEW + MORE_FOR_EACH.saturating_mul(u32::try_from(held).unwrap_or(u32::MAX))
}

/// The end of a walk.
#[derive(Debug)]
pub(in crate::cli) struct Looked {
    /// Letters that were looked at.
    pub(super) seen: usize,
    /// Whether the queue had no more of them in the end.
    pub(super) walked_through: bool,
    pub(super) is_fifo: bool,
    /// How often a letter was received at most, this time included.
    pub(super) most_received: u32,
    /// Letters that could not be given back, and why.
    pub(super) still_hidden: Option<(usize, Fault)>,
    /// How full the queue was at the beginning.
    pub(super) state: Result<QueueState, Fault>,
}

/// The same for programs.
#[derive(Debug, Serialize)]
pub(super) struct LookedJson {
    looked_at: usize,
    /// Letters in the queue when the walk began, by its own approximate count.
    approximate_total: Option<u64>,
    /// Whether all of them were looked at.
    complete: bool,
}

impl Looked {
    pub(super) fn to_json(&self) -> LookedJson {
        let total = self.state.as_ref().ok().map(QueueState::total);
        LookedJson { looked_at: self.seen, approximate_total: total, complete: self.is_complete() }
    }

    fn is_complete(&self) -> bool {
        self.walked_through && self.state.as_ref().is_ok_and(|state| state.total() <= self.seen as u64)
    }

    /// What was looked at, and why that may not be all.
    pub(in crate::cli) fn sentence(&self) -> String {
        let seen = self.seen;
        let state = match &self.state {
            Ok(state) => state,
            Err(fault) => return format!("looked at {seen}; the total is unknown: {fault}"),
        };
        let sentence = format!("looked at {seen} of about {}", state.total());
        let missing = state.total().saturating_sub(seen as u64);
        if missing == 0 || !self.walked_through {
            return sentence;
        }
        let held = state.in_flight.min(missing);
        let mut whys = Vec::new();
        if held > 0 {
            whys.push(format!("{held} were in flight: held by another reader, or by one that was killed"));
        }
        if state.delayed > 0 {
            whys.push(format!("{} are delayed", state.delayed));
        }
        if missing > held + state.delayed {
            whys.push(if self.is_fifo {
                "a FIFO queue hides the rest of a message group while its first ten messages are held".to_owned()
            } else {
                "SQS counts are approximate, and it may not have returned them all: run this again".to_owned()
            });
        }
        format!("{sentence}; {}", whys.join("; "))
    }

    /// What the operator should know besides, a sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some((count, fault)) = &self.still_hidden {
            warnings.push(format!(
                "{count} dead letters could not be released, and reappear by themselves within {} s: {fault}",
                hidden_for(self.seen).as_secs()
            ));
        }
        if let Some(redrive) = self.state.as_ref().ok().and_then(|state| state.redrive.as_ref())
            && self.most_received >= redrive.max_receive_count
        {
            let (most, target) = (redrive.max_receive_count, &redrive.target);
            warnings.push(format!(
                "some dead letters have been received {} times: the redrive policy of their queue moves them to \
                 {target} on the next receive (maxReceiveCount {most})",
                self.most_received
            ));
        }
        warnings
    }
}
