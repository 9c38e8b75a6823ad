//! How the processes of a fleet divide a limit among them: in, what is kept of each; out, the share of one.
//!
//! The shares that are kept never add up to more than the limit, as each process writes its own, and only over the state
//! that it has read. One takes what others have given back before; so a newcomer waits until the others have seen it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::adaptive::Adaptive;

/// Shortest time between two renewals of a process.
const PERIOD_MIN: Duration = Duration::from_secs(5);
/// What each process adds to it, so that a large fleet does not write without end.
const PERIOD_BY_PROCESS: Duration = Duration::from_millis(100);
/// Longest time between two renewals.
const PERIOD_MAX: Duration = Duration::from_secs(30);
/// Renewals that may fail before a process counts as gone.
const LEASE_PERIODS: f64 = 3.5;
/// Part of an equal share that an idle process keeps.
const IDLE: f64 = 0.05;
/// How much more a process wants than it uses, so that it can use more.
const HEADROOM: f64 = 1.25;
/// Calls in a round, from which on it may end once each process has reported.
const ROUND_CALLS: u64 = 100;
/// Reports of each process after which a round ends in any case.
const ROUND_REPORTS_MAX: u64 = 6;
/// From so many calls a minute for each process on, one call more of each in a minute does no harm: 4 %.
const ON_BEAT_BELOW: f64 = 25.0;

/// What is kept for a fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shares {
    /// The processes, by names that they give themselves.
    pub(super) processes: BTreeMap<String, Process>,
    /// How much of the limit is used.
    adaptive: Adaptive,
    /// Calls since the round began, and those of them that were refused.
    calls: u64,
    refused: u64,
    /// Reports since the round began.
    reports: u64,
}

/// What is kept for a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Process {
    /// Renewals: others see by it that the process lives.
    pub(super) renewals: u64,
    /// Calls in a minute that it may make.
    share: f64,
    /// Calls in a minute that it could use.
    wanted: f64,
    /// How long the share is its own without another renewal.
    pub(super) lease_seconds: f64,
}

/// What a process has to say at a renewal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    /// Calls since the last one.
    pub(super) calls: u64,
    /// Those that the service refused for their number.
    pub(super) refused: u64,
    /// Calls that wait for their turn.
    pub(super) waiting: usize,
    /// Time since the last one.
    pub(super) elapsed: Duration,
}

impl Shares {
    /// Renews the share of a process.
    pub(super) fn renew(&mut self, name: &str, report: Report, per_minute: f64) {
        let mut process = self.processes.get(name).copied().unwrap_or_default();
        process.wanted = wanted(process.share, report).round();
        self.processes.insert(name.to_owned(), process);
        self.learn(report);
        let limit = per_minute * self.adaptive.used;
        let others: f64 = self.processes.iter().filter(|(other, _)| *other != name).map(|(_, it)| it.share).sum();
        // Down, so that they never add up to more; and three decimals are short to write.
        process.share = (self.fair(name, limit).min(limit - others).max(0.0) * 1e3).floor() / 1e3;
        process.renewals += 1;
        process.lease_seconds = self.period().mul_f64(LEASE_PERIODS).as_secs_f64();
        self.processes.insert(name.to_owned(), process);
    }

    /// Calls in a minute that a process may make.
    pub(super) fn share(&self, name: &str) -> f64 {
        self.processes.get(name).map_or(0.0, |process| process.share)
    }

    /// Time from one renewal of a process to its next.
    pub(super) fn period(&self) -> Duration {
        (PERIOD_BY_PROCESS * self.processes.len() as u32).clamp(PERIOD_MIN, PERIOD_MAX)
    }

    /// What each had if all wanted the same.
    pub(super) fn equal_share(&self, per_minute: f64) -> f64 {
        per_minute * self.adaptive.used / self.processes.len().max(1) as f64
    }

    /// Share of the limit that the fleet uses.
    pub(super) fn used(&self) -> f64 {
        self.adaptive.used
    }

    /// Whether one call more of each process in a minute would be too much.
    pub(super) fn is_crowded(&self, per_minute: f64) -> bool {
        self.equal_share(per_minute) < ON_BEAT_BELOW
    }

    fn learn(&mut self, report: Report) {
        self.calls += report.calls;
        self.refused += report.refused;
        self.reports += 1;
        let each = self.processes.len() as u64;
        // Whoever reports twice first must not be taken for all; after a change of the rate that matters.
        let enough = if self.adaptive.is_settling() { each + each / 2 } else { each };
        // Where nothing is refused, few calls say enough.
        let clear = self.refused == 0 || self.calls >= ROUND_CALLS || self.reports >= each * ROUND_REPORTS_MAX;
        if self.reports >= enough && clear {
            self.adaptive.round(self.calls, self.refused);
            (self.calls, self.refused, self.reports) = (0, 0, 0);
        }
    }

    /// What is fair: no process has less because another wants more, as long as it has not its equal share (max-min).
    /// What is left over is divided equally.
    fn fair(&self, name: &str, limit: f64) -> f64 {
        let count = self.processes.len() as f64;
        let least = IDLE * limit / count;
        let mut wanted: Vec<f64> = self.processes.values().map(|process| process.wanted.max(least)).collect();
        let mine = self.processes.get(name).map_or(0.0, |process| process.wanted.max(least));
        let spare = limit - wanted.iter().sum::<f64>();
        if spare >= 0.0 {
            return mine + spare / count;
        }
        wanted.sort_by(f64::total_cmp);
        let mut left = limit;
        for (before, wanted) in wanted.iter().enumerate() {
            let level = left / (count - before as f64);
            if *wanted >= level {
                return mine.min(level);
            }
            left -= wanted;
        }
        mine
    }
}

/// What a process could use: what it does, and if calls wait at least twice its share, so that a few renewals find it.
fn wanted(share: f64, report: Report) -> f64 {
    let minutes = report.elapsed.as_secs_f64().max(1.0) / 60.0;
    let wanted = HEADROOM * (report.calls as f64 + report.waiting as f64) / minutes;
    if report.waiting > 0 { wanted.max(2.0 * share) } else { wanted }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact by construction")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: f64 = 600.0;

    fn report(calls: u64, waiting: usize) -> Report {
        Report { calls, refused: 0, waiting, elapsed: Duration::from_secs(5) }
    }

    fn shares(shares: &Shares) -> Vec<f64> {
        shares.processes.values().map(|process| process.share).collect()
    }

    #[test]
    fn one_process_has_all_and_those_who_come_wait_until_it_has_given_back() {
        let mut fleet = Shares::default();
        fleet.renew("a", report(50, 10), QUOTA);
        assert_eq!(shares(&fleet), [600.0]);
        fleet.renew("b", report(0, 10), QUOTA);
        assert_eq!(shares(&fleet), [600.0, 0.0]);
        fleet.renew("a", report(50, 10), QUOTA);
        let given_back = shares(&fleet)[0];
        fleet.renew("b", report(0, 10), QUOTA);
        assert_eq!(shares(&fleet), [given_back, 600.0 - given_back]);
        for _ in 0..4 {
            fleet.renew("a", report(50, 10), QUOTA);
            fleet.renew("b", report(50, 10), QUOTA);
        }
        assert_eq!(shares(&fleet), [300.0, 300.0]);
    }

    #[test]
    fn the_share_of_an_idle_process_goes_to_busy_ones_and_comes_back() {
        let mut fleet = Shares::default();
        let busy = |fleet: &mut Shares, name: &str| fleet.renew(name, report(40, 30), QUOTA);
        for _ in 0..3 {
            busy(&mut fleet, "a");
            busy(&mut fleet, "b");
            fleet.renew("idle", report(0, 0), QUOTA);
        }
        busy(&mut fleet, "a");
        busy(&mut fleet, "b");
        let [a, b, idle] = shares(&fleet)[..] else { panic!() };
        assert_eq!((a, b, idle), (295.0, 295.0, 10.0), "a twentieth of an equal share is kept");
        fleet.renew("idle", report(1, 30), QUOTA);
        busy(&mut fleet, "a");
        busy(&mut fleet, "b");
        fleet.renew("idle", report(1, 30), QUOTA);
        assert_eq!(shares(&fleet)[2], 200.0);
    }

    #[test]
    fn all_slow_down_together_when_calls_are_refused() {
        let mut fleet = Shares::default();
        for _ in 0..3 {
            fleet.renew("a", report(25, 30), QUOTA);
            fleet.renew("b", report(25, 30), QUOTA);
        }
        let refused = Report { refused: 22, ..report(25, 30) };
        for _ in 0..6 {
            fleet.renew("a", refused, QUOTA);
            fleet.renew("b", refused, QUOTA);
        }
        assert!(shares(&fleet).iter().all(|&share| share <= 160.0), "{fleet:?}");
        for _ in 0..60 {
            fleet.renew("a", report(25, 30), QUOTA);
            fleet.renew("b", report(25, 30), QUOTA);
        }
        assert_eq!(shares(&fleet), [300.0, 300.0]);
    }

    #[test]
    fn renewals_become_seldom_in_a_large_fleet() {
        let mut fleet = Shares::default();
        let mut periods = Vec::new();
        for number in 1..=400 {
            fleet.renew(&number.to_string(), Report::default(), QUOTA);
            if [1, 50, 100, 400].contains(&number) {
                periods.push(fleet.period().as_secs());
            }
        }
        assert_eq!(periods, [5, 5, 10, 30]);
    }

    proptest! {
        #[test]
        fn shares_never_add_up_to_more_than_the_limit(
            steps in proptest::collection::vec((0..12_u8, 0..400_u64, 0..100_u64, 0..200_usize, any::<bool>()), 1..80)
        ) {
            let mut fleet = Shares::default();
            for (name, calls, refused, waiting, dies) in steps {
                let name = name.to_string();
                if dies {
                    fleet.processes.remove(&name);
                    continue;
                }
                let used = fleet.used();
                let before: f64 = shares(&fleet).iter().sum();
                let report = Report { calls, refused: refused.min(calls), waiting, elapsed: Duration::from_secs(5) };
                fleet.renew(&name, report, QUOTA);
                let after: f64 = shares(&fleet).iter().sum();
                prop_assert!(after <= (QUOTA * fleet.used()).max(before) + 1e-6, "{after} after {before}, {used}");
                prop_assert!(after <= QUOTA + 1e-6);
                prop_assert!(shares(&fleet).iter().all(|share| *share >= 0.0));
            }
        }
    }
}
