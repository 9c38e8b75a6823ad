//! How much of a limit is used while the service refuses calls: facts of a round in, a share of the limit out.
//!
//! Additive up, multiplicative down. A service also refuses calls for reasons that slowing down does not change, so each
//! way down is a trial: if the share of refused calls does not fall with the rate, the rate goes back to what it was, and
//! that share is taken for what is usual here.

use serde::{Deserialize, Serialize};

/// Way up in a round: from nothing to the whole limit in twenty-five.
const UP: f64 = 0.04;
/// Least share: what finds out when the service takes calls again.
const LEAST: f64 = 0.02;
/// Calls in a round from which something can be said.
const CALLS_MIN: u64 = 20;
/// Refused calls above what is usual that are let pass.
const MARGIN: f64 = 0.05;
/// Above this share refusals are never taken for usual.
const USUAL_MAX: f64 = 0.45;
/// How fast what is usual follows what is seen.
const USUAL_FOLLOWS: f64 = 0.1;
/// Rounds after which it is tried again, as it may have been taken for usual by mistake: five minutes.
const USUAL_ROUNDS: u32 = 60;
/// A trial goes below what the service took, or it would show nothing.
const TRIAL: f64 = 0.9;
/// Part of the refusals that must be left in a trial for them to be usual.
const TRIAL_LEFT: f64 = 0.5;

/// The state between rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Adaptive {
    /// Share of the limit that is used, above 0 to 1.
    pub(super) used: f64,
    /// Share of calls that are refused whatever the rate, and since how many rounds that is known.
    usual: f64,
    usual_rounds: u32,
    trial: Option<Trial>,
    /// Whether the next round still has calls of the rate before.
    settling: bool,
}

/// A way down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Trial {
    /// What was used when it began.
    from: f64,
    /// Share of calls that were refused before its last step. Not known at its begin, as the trouble may have begun in the
    /// middle of a round.
    refused: Option<f64>,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { used: 1.0, usual: 0.0, usual_rounds: 0, trial: None, settling: false }
    }
}

impl Adaptive {
    /// Whether the next round still has calls of the rate before.
    pub(super) fn is_settling(&self) -> bool {
        self.settling
    }

    /// Whether so many refusals say that the rate is too high. Of few calls more may be refused by chance.
    pub(super) fn is_refused(&self, calls: u64, refused: u64) -> bool {
        let slack = MARGIN + 1.0 / (calls.max(1) as f64).sqrt();
        calls >= CALLS_MIN && share(calls, refused) > self.usual + slack
    }

    /// Draws the conclusions from a round.
    pub(super) fn round(&mut self, calls: u64, refused: u64) {
        if std::mem::take(&mut self.settling) {
            return;
        }
        let (share, enough) = (share(calls, refused), calls >= CALLS_MIN);
        let may_be_usual = share <= USUAL_MAX;
        match self.trial {
            Some(Trial { from, refused: Some(before) }) if enough && may_be_usual && share > before * TRIAL_LEFT => {
                (self.used, self.usual, self.usual_rounds) = (from, share, 0);
                (self.trial, self.settling) = (None, true);
            }
            trial if self.is_refused(calls, refused) => {
                let refused = trial.and(may_be_usual.then_some(share));
                self.trial = Some(Trial { from: trial.map_or(self.used, |trial| trial.from), refused });
                self.used = (self.used * (TRIAL * (1.0 - share)).max(0.5)).max(LEAST);
                self.settling = true;
            }
            _ if enough || refused == 0 => {
                (self.used, self.trial) = ((self.used + UP).min(1.0), None);
            }
            _ => {}
        }
        self.usual_rounds += 1;
        if self.usual_rounds >= USUAL_ROUNDS {
            self.usual = 0.0;
        } else if self.usual > 0.0 && enough {
            self.usual = (self.usual + USUAL_FOLLOWS * (share - self.usual)).min(USUAL_MAX);
        }
    }
}

fn share(calls: u64, refused: u64) -> f64 {
    refused as f64 / calls.max(1) as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use super::*;

    /// Rounds against a service that takes `capacity` of the limit and refuses others, and `random` of all anyway.
    fn rounds(adaptive: &mut Adaptive, count: usize, capacity: f64, random: f64) -> Vec<f64> {
        let round = |_| {
            let taken = adaptive.used.min(capacity) * (1.0 - random);
            let calls = (adaptive.used * 1_000.0).ceil() as u64;
            let refused = calls.saturating_sub((taken * 1_000.0).round() as u64);
            adaptive.round(calls, refused);
            adaptive.used
        };
        (0..count).map(round).collect()
    }

    #[test]
    fn it_goes_down_to_what_the_service_takes_and_comes_back() {
        let mut adaptive = Adaptive::default();
        for capacity in [0.6, 0.1] {
            let used = rounds(&mut adaptive, 40, capacity, 0.0).split_off(20);
            let mean = used.iter().sum::<f64>() / 20.0;
            assert!((0.8 * capacity..capacity + 0.12).contains(&mean), "{capacity}: {used:?}");
        }
        assert!(rounds(&mut adaptive, 30, 0.0, 0.0)[29] <= LEAST + 2.0 * UP, "an outage");
        let back = rounds(&mut adaptive, 25, 1.0, 0.0);
        assert_eq!(back[24], 1.0, "{back:?}");
    }

    #[test]
    fn refusals_that_do_not_fall_with_the_rate_do_not_keep_it_down() {
        for random in [0.15, 0.3, 0.35] {
            let mut adaptive = Adaptive::default();
            let used = rounds(&mut adaptive, 100, 1.0, random);
            assert!(used.iter().sum::<f64>() >= 92.0 && used[99] == 1.0, "{random}: {used:?}");
            let used = rounds(&mut adaptive, 40, 0.3, random).split_off(20);
            assert!(used.iter().all(|&used| used < 0.75), "it still sees a limit beside them: {used:?}");
        }
    }

    #[test]
    fn few_calls_say_nothing() {
        let mut adaptive = Adaptive::default();
        adaptive.round(19, 19);
        assert_eq!(adaptive.used, 1.0);
        adaptive.round(20, 20);
        assert_eq!(adaptive.used, 0.5);
    }
}
