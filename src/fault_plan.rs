//! How the in-memory services misbehave: by a seed, or as a test says.
//!
//! Each of their calls goes through [`FaultPlan::call`], which may delay it, fail it before its effect, take the effect
//! and lose the answer, or let the effect come late. The same seed gives the same misbehaviour, call by call. A process
//! has a view of its own ([`FaultPlan::of_process`]), which ends with it: nothing that it calls has an effect any more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::fault::{Call, Cause, Fault};

/// Longest delay of a call, in milliseconds: whole ones, as Tokio's paused clock has no others.
const DELAY_MAX_MS: u64 = 40;
/// Longest time from the loss of an answer to an effect that comes late.
const LATE_MAX_MS: u64 = 4_000;
/// Most turns that others have before a call.
const YIELDS_MAX: u8 = 3;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before it had any effect.
    Before,
    /// After its effect: only the answer is lost.
    After,
    /// The answer is lost, and the effect comes some time later.
    Late,
}

/// Calls that fail for a while.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Which calls; `None`: all.
    pub operation: Option<&'static str>,
    /// How many of them, 0 to 1.
    pub rate: f64,
    /// Why.
    pub cause: Cause,
    /// Until when.
    pub until: Instant,
}

/// A plan; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    state: Arc<Mutex<State>>,
    life: Option<Arc<Life>>,
}

#[derive(Debug, Default)]
struct State {
    /// `None`: no call fails but those of the script.
    seeded: Option<Seeded>,
    script: VecDeque<(&'static str, Moment, Cause)>,
    storms: Vec<Storm>,
    faults: BTreeMap<(&'static str, Moment, &'static str), u64>,
    calls: u64,
    digest: u64,
}

#[derive(Debug)]
struct Seeded {
    rng: Rng,
    rate: f64,
}

/// How long a process lives.
#[derive(Debug)]
struct Life {
    /// Calls until its last one, and whether that one still has its effect; `None`: until it is told to end.
    left: Mutex<Option<(u64, bool)>>,
    ended: CancellationToken,
}

/// What becomes of a call.
struct Fate {
    yields: u8,
    delay: Option<Duration>,
    mishap: Option<(Moment, Cause)>,
    late: Duration,
}

impl FaultPlan {
    /// Calls fail at this rate (0 to 1), and are delayed, as the seed decides.
    pub fn seeded(seed: u64, rate: f64) -> Self {
        let seeded = Some(Seeded { rng: Rng::with_seed(seed), rate });
        Self { state: Arc::new(Mutex::new(State { seeded, ..State::default() })), life: None }
    }

    /// The next call of `operation` that the script does not speak of yet fails.
    pub fn fail_next(&self, operation: &'static str, moment: Moment, cause: Cause) {
        self.state().script.push_back((operation, moment, cause));
    }

    /// Forgets the script and the storms.
    pub fn clear(&self) {
        let mut state = self.state();
        state.script.clear();
        state.storms.clear();
    }

    /// Calls fail at another rate from now on.
    pub fn set_rate(&self, rate: f64) {
        if let Some(seeded) = &mut self.state().seeded {
            seeded.rate = rate;
        }
    }

    /// A storm begins.
    pub fn storm(&self, storm: Storm) {
        self.state().storms.push(storm);
    }

    /// The view of a process, and what is cancelled at its end. With `last_call` it ends at that call (from 1), after
    /// its effect if the flag says so.
    #[must_use]
    pub fn of_process(&self, last_call: Option<(u64, bool)>) -> (Self, CancellationToken) {
        let ended = CancellationToken::new();
        let life = Life { left: Mutex::new(last_call), ended: ended.clone() };
        (Self { state: Arc::clone(&self.state), life: Some(Arc::new(life)) }, ended)
    }

    /// Whether something happens that has this probability, times the plan's rate; never without a seed.
    pub fn strikes(&self, probability: f64) -> bool {
        self.state().seeded.as_mut().is_some_and(|seeded| seeded.rng.f64() < probability * seeded.rate)
    }

    /// A number below `end`, 0 without a seed.
    pub fn below(&self, end: usize) -> usize {
        self.state().seeded.as_mut().filter(|_| end > 0).map_or(0, |seeded| seeded.rng.usize(..end))
    }

    /// Faults of calls until now, by operation, moment and cause.
    pub fn faults(&self) -> BTreeMap<(&'static str, Moment, &'static str), u64> {
        self.state().faults.clone()
    }

    /// Calls until now, and a number that two runs share only if they made the same calls with the same fates.
    pub fn calls(&self) -> (u64, u64) {
        let state = self.state();
        (state.calls, state.digest)
    }

    /// Makes a call. One of a process that has ended never returns.
    ///
    /// # Errors
    /// The fault that the plan has for it.
    pub async fn call<T: Send + 'static>(
        &self,
        call: Call,
        effect: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let Fate { yields, delay, mishap, late } = self.fate(call.operation);
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if let Some(delay) = delay {
            sleep(delay).await;
        }
        if let Some(life) = &self.life {
            let takes_effect = life.spend_a_call();
            if life.ended.is_cancelled() {
                if takes_effect {
                    let _ = effect(); // nobody is left to hear of it
                }
                return std::future::pending().await;
            }
        }
        let fault = |cause: Cause| Fault::of(call, cause, "by the plan of faults");
        match mishap {
            None => effect(),
            Some((Moment::Before, cause)) => Err(fault(cause)),
            Some((Moment::After, cause)) => effect().and(Err(fault(cause))),
            Some((Moment::Late, cause)) => {
                tokio::spawn(async move {
                    sleep(late).await;
                    effect()
                });
                Err(fault(cause))
            }
        }
    }

    fn fate(&self, operation: &'static str) -> Fate {
        let mut guard = self.state();
        let state = &mut *guard;
        let now = Instant::now();
        let scripted = state.script.iter().position(|(name, ..)| *name == operation);
        let scripted = scripted.and_then(|at| state.script.remove(at)).map(|(_, moment, cause)| (moment, cause));
        let mut fate = Fate { yields: 0, delay: None, mishap: scripted, late: Duration::ZERO };
        if let Some(Seeded { rng, rate }) = &mut state.seeded {
            fate.yields = rng.u8(0..=YIELDS_MAX);
            fate.delay = Some(Duration::from_millis(rng.u64(1..=DELAY_MAX_MS)));
            fate.late = Duration::from_millis(rng.u64(1..=LATE_MAX_MS));
            let moment = [Moment::Before, Moment::After, Moment::Late][rng.usize(..3)];
            let cause = random_cause(rng);
            state.storms.retain(|storm| storm.until > now);
            let storm = state.storms.iter().find(|storm| storm.operation.is_none_or(|name| name == operation));
            let struck = (rng.f64() < *rate).then_some((moment, cause));
            let caught = storm.filter(|storm| rng.f64() < storm.rate).map(|storm| (Moment::Before, storm.cause));
            fate.mishap = scripted.or(caught).or(struck);
        }
        state.calls += 1;
        let ending = fate.mishap.map_or("", |(_, cause)| cause.as_str());
        for byte in operation.bytes().chain(ending.bytes()) {
            state.digest = (state.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3); // FNV-1a
        }
        if let Some((moment, cause)) = fate.mishap {
            *state.faults.entry((operation, moment, cause.as_str())).or_default() += 1;
        }
        fate
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mostly what passes; now and then what an operator would have to fix.
fn random_cause(rng: &mut Rng) -> Cause {
    const PASSING: [Cause; 6] = [
        Cause::Throttled,
        Cause::TimedOut,
        Cause::Unreachable,
        Cause::Unavailable,
        Cause::InvalidAnswer,
        Cause::CredentialsExpired,
    ];
    if rng.u8(..) < 5 { Cause::AccessDenied } else { PASSING[rng.usize(..PASSING.len())] }
}

impl Life {
    /// Counts a call; whether it has its effect although it is the last one.
    fn spend_a_call(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *left {
            Some((1, takes_effect)) if !self.ended.is_cancelled() => {
                self.ended.cancel();
                *takes_effect
            }
            Some((calls, _)) => {
                *calls = calls.saturating_sub(1).max(1);
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn run(plan: &FaultPlan, calls: usize) -> (usize, Vec<bool>) {
        let effects = Arc::new(AtomicUsize::new(0));
        let mut answers = Vec::new();
        for _ in 0..calls {
            let effects = Arc::clone(&effects);
            let effect = move || {
                effects.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            answers.push(plan.call(Call::new("Memory", "Call", ""), effect).await.is_ok());
        }
        sleep(Duration::from_millis(LATE_MAX_MS)).await;
        (effects.load(Ordering::Relaxed), answers)
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_repeats_itself_and_some_effects_outlive_their_answer() {
        let (effects, answers) = run(&FaultPlan::seeded(7, 0.5), 200).await;
        assert_eq!(run(&FaultPlan::seeded(7, 0.5), 200).await, (effects, answers.clone()));
        let answered = answers.iter().filter(|&&ok| ok).count();
        assert!((50..150).contains(&answered) && answered < effects && effects < 200, "{answered} of {effects}");
        assert_eq!(run(&FaultPlan::default(), 20).await, (20, vec![true; 20]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_has_ended_has_no_effects() {
        for takes_effect in [false, true] {
            let plan = FaultPlan::seeded(1, 0.0);
            let (view, ended) = plan.of_process(Some((3, takes_effect)));
            let effects = Arc::new(AtomicUsize::new(0));
            let calls = async {
                loop {
                    let effects = Arc::clone(&effects);
                    let effect = move || Ok(effects.fetch_add(1, Ordering::Relaxed));
                    view.call(Call::new("Memory", "Call", ""), effect).await.unwrap();
                }
            };
            assert!(ended.run_until_cancelled(calls).await.is_none());
            let after = tokio::time::timeout(Duration::from_secs(9), view.call(Call::new("", "", ""), || Ok(())));
            assert!(after.await.is_err(), "no call returns");
            assert_eq!(effects.load(Ordering::Relaxed), 2 + usize::from(takes_effect));
            assert_eq!(run(&plan, 1).await.1, [true], "others go on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_passes() {
        let plan = FaultPlan::seeded(1, 0.0);
        let until = Instant::now() + Duration::from_mins(1);
        plan.storm(Storm { operation: Some("Call"), rate: 1.0, cause: Cause::Throttled, until });
        assert_eq!(run(&plan, 3).await.1, [false; 3]);
        assert_eq!(plan.faults().get(&("Call", Moment::Before, "throttled")), Some(&3));
        tokio::time::sleep_until(until).await;
        assert_eq!(run(&plan, 3).await.1, [true; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_fails_the_calls_that_it_names() {
        let plan = FaultPlan::default();
        plan.fail_next("Call", Moment::After, Cause::TimedOut);
        plan.fail_next("Other", Moment::Before, Cause::Throttled);
        assert_eq!(run(&plan, 3).await, (3, vec![false, true, true]));
    }
}
