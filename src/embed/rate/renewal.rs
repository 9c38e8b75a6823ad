//! Renews a process's share of the fleet's limit, as long as the process calls the model.
//!
//! No time of day is compared: a process holds its share by its own clock from before the write that renewed it, and
//! counts another as gone when, by its own clock, that one has not renewed for the lease since it was last seen to. So
//! clocks may show any time, as long as they go equally fast.
//!
//! When nothing can be read or written, embedding continues: with the share at first, then with no more than an equal
//! share, then with just that. The step between lets those who had more give way before those who had less go up.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::leases::{Leases, Version};
use super::pace::Pace;
use super::pacer::Rate;
use super::shares::Shares;
use crate::embed::limits::Limits;
use crate::fault::{Cause, Fault};

/// Longest time for a renewal.
const RENEWAL_TIME: Duration = Duration::from_secs(4);
/// Times that a renewal begins again because another process has written meanwhile.
const CONFLICTS_MAX: u32 = 5;
/// Longest pause before that.
const CONFLICT_PAUSE: Duration = Duration::from_millis(600);
/// Periods without a renewal after which a process has at most an equal share, and after which it has that.
const GIVES_WAY_AFTER: u32 = 2;
const ON_ITS_OWN_AFTER: u32 = 3;
/// How many processes there may be, if none was ever seen.
const UNSEEN: f64 = 10.0;

/// The pace of a model's calls in this process: with a part in the fleet, if a limit is set for it. Must be called on a
/// Tokio runtime; what is started ends with the pace.
pub(in crate::embed) fn start(model: &str, limits: Limits, leases: Option<&Arc<dyn Leases>>) -> Arc<Pace> {
    let (Some(per_minute), Some(leases)) = (limits.fleet_requests_per_minute, leases) else {
        return Arc::new(Pace::own(model, limits));
    };
    let renewal = Renewal::new(model, per_minute, Arc::clone(leases));
    let pace = Arc::new(Pace::following(model, limits, renewal.rate_before()));
    tokio::spawn(renewal.run(Arc::downgrade(&pace)));
    pace
}

/// A process's part in the fleet.
#[derive(Debug)]
struct Renewal {
    leases: Arc<dyn Leases>,
    /// What the fleet's state is kept under.
    kept_as: String,
    /// This process.
    name: String,
    per_minute: f64,
    /// As it was last written by this process.
    shares: Shares,
    share: f64,
    /// Since when the share is held.
    renewed: Instant,
    /// Renewals of others, and when each was first seen.
    seen: HashMap<String, (u64, Instant)>,
    is_on_its_own: bool,
}

impl Renewal {
    /// Of this process, for the calls of a model.
    fn new(model: &str, per_minute: u32, leases: Arc<dyn Leases>) -> Self {
        Self {
            leases,
            kept_as: format!("embedding rate: {model}"),
            name: format!("{:016x}", fastrand::u64(..)),
            per_minute: f64::from(per_minute),
            shares: Shares::default(),
            share: 0.0,
            renewed: Instant::now(),
            seen: HashMap::new(),
            is_on_its_own: false,
        }
    }

    /// The rate until the first renewal: calls wait for it.
    fn rate_before(&self) -> Rate {
        Rate { per_second: 0.0, soon_per_second: self.equal_share() / 60.0, on_beat: false }
    }

    /// Renews until the pace is dropped.
    async fn run(mut self, pace: Weak<Pace>) {
        while let Some(pace) = pace.upgrade() {
            let late = |_| Err(Fault::new(Cause::TimedOut, format!("no answer within {RENEWAL_TIME:?}")));
            let renewed = timeout(RENEWAL_TIME, self.renew(&pace)).await.unwrap_or_else(late);
            let pause = match renewed {
                Ok(()) => self.shares.period().mul_f64(0.8 + 0.2 * fastrand::f64()),
                Err(fault) => {
                    self.fall_back(&pace, &fault);
                    self.shares.period().mul_f64(0.1 + 0.2 * fastrand::f64())
                }
            };
            drop(pace);
            sleep(pause).await;
        }
    }

    async fn renew(&mut self, pace: &Pace) -> Result<(), Fault> {
        for _ in 0..CONFLICTS_MAX {
            let began = Instant::now();
            let kept = self.leases.read(&self.kept_as).await?;
            let number = kept.as_ref().map_or(0, |kept| kept.number);
            // If somebody has deleted it, all that is known is what it was.
            let mut shares = kept.map_or(Ok(self.shares.clone()), |kept| self.shares_of(&kept))?;
            self.remove_gone(&mut shares);
            let report = pace.report();
            shares.renew(&self.name, report, self.per_minute);
            let share = shares.share(&self.name);
            // Others may have what this process gives back as soon as it is written.
            self.share = self.share.min(share);
            self.follow(pace);
            let state =
                serde_json::to_string(&shares).map_err(|error| Fault::new(Cause::Internal, error.to_string()))?;
            if self.leases.write(&self.kept_as, &Version { number: number + 1, state }).await? {
                pace.reported(report);
                (self.shares, self.share, self.renewed) = (shares, share, began);
                self.follow(pace);
                if std::mem::take(&mut self.is_on_its_own) {
                    tracing::info!(event = "fleet_limit_shared", "the fleet's limit is shared again");
                }
                return Ok(());
            }
            sleep(CONFLICT_PAUSE.mul_f64(fastrand::f64())).await;
        }
        Err(Fault::new(Cause::Throttled, "other processes have written each time"))
    }

    fn shares_of(&self, kept: &Version) -> Result<Shares, Fault> {
        serde_json::from_str(&kept.state).map_err(|error| {
            let text = format!("the item `{}` cannot be read: {error}; delete it", self.kept_as);
            Fault::new(Cause::Misconfigured, text)
        })
    }

    /// Removes processes whose lease has run out.
    fn remove_gone(&mut self, shares: &mut Shares) {
        let now = Instant::now();
        let seen = std::mem::take(&mut self.seen);
        shares.processes.retain(|name, process| {
            let since = match seen.get(name) {
                Some(&(renewals, since)) if renewals == process.renewals => since,
                _ => now,
            };
            let holds = *name == self.name || (now - since).as_secs_f64() < process.lease_seconds;
            if holds {
                self.seen.insert(name.clone(), (process.renewals, since));
            }
            holds
        });
    }

    /// Goes on without the others.
    fn fall_back(&mut self, pace: &Pace, fault: &Fault) {
        let (age, period) = (self.renewed.elapsed(), self.shares.period());
        if age < period * GIVES_WAY_AFTER {
            return;
        }
        let equal = self.equal_share();
        self.share = if age < period * ON_ITS_OWN_AFTER { self.share.min(equal) } else { equal };
        self.follow(pace);
        if age >= period * ON_ITS_OWN_AFTER && !self.is_on_its_own {
            self.is_on_its_own = true;
            let (cause, requests_per_minute) = (fault.cause.as_str(), equal.round());
            tracing::warn!(
                event = "fleet_limit_unshared",
                cause,
                error = %fault,
                requests_per_minute,
                "the fleet's limit cannot be shared: this process continues with an equal share of it"
            );
        }
    }

    fn equal_share(&self) -> f64 {
        if self.shares.processes.is_empty() {
            self.per_minute / UNSEEN
        } else {
            self.shares.equal_share(self.per_minute)
        }
    }

    fn follow(&self, pace: &Pace) {
        let on_beat = self.shares.is_crowded(self.per_minute);
        pace.follow(self.share, self.equal_share(), on_beat, self.shares.used());
    }
}
