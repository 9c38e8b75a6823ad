//! How the in-memory services misbehave: by a seed, or as a test says.
//!
//! Each of their calls goes through [`FaultPlan::call`], which may delay it, fail it before its effect, or take the
//! effect and lose the answer. The same seed gives the same misbehaviour, call by call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use crate::fault::{Call, Cause, Fault};

/// Longest delay of a call, in milliseconds: whole ones, as Tokio's paused clock has no others.
const DELAY_MAX_MS: u64 = 40;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before it had any effect.
    Before,
    /// After its effect: only the answer is lost.
    After,
}

/// A plan; clones share it.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// `None`: no call fails but those of the script.
    seeded: Option<Seeded>,
    script: VecDeque<(&'static str, Moment, Cause)>,
}

#[derive(Debug)]
struct Seeded {
    rng: Rng,
    rate: f64,
}

impl FaultPlan {
    /// Calls fail at this rate (0 to 1), and are delayed, as the seed decides.
    pub fn seeded(seed: u64, rate: f64) -> Self {
        let seeded = Seeded { rng: Rng::with_seed(seed), rate };
        Self(Arc::new(Mutex::new(State { seeded: Some(seeded), script: VecDeque::new() })))
    }

    /// The next call of `operation` that the script does not speak of yet fails.
    pub fn fail_next(&self, operation: &'static str, moment: Moment, cause: Cause) {
        self.state().script.push_back((operation, moment, cause));
    }

    /// Forgets the script.
    pub fn clear(&self) {
        self.state().script.clear();
    }

    /// Whether something happens that has this probability, times the plan's rate; never without a seed.
    pub fn strikes(&self, probability: f64) -> bool {
        self.state().seeded.as_mut().is_some_and(|seeded| seeded.rng.f64() < probability * seeded.rate)
    }

    /// A number below `end`, 0 without a seed.
    pub fn below(&self, end: usize) -> usize {
        self.state().seeded.as_mut().filter(|_| end > 0).map_or(0, |seeded| seeded.rng.usize(..end))
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The fault that the plan has for it.
    pub async fn call<T>(&self, call: Call, effect: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let (delay, mishap) = self.next(call.operation);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let fault = |cause: Cause| Fault::of(call, cause, "by the plan of faults");
        match mishap {
            Some((Moment::Before, cause)) => Err(fault(cause)),
            Some((Moment::After, cause)) => effect().and(Err(fault(cause))),
            None => effect(),
        }
    }

    fn next(&self, operation: &str) -> (Option<Duration>, Option<(Moment, Cause)>) {
        const CAUSES: [Cause; 5] =
            [Cause::Throttled, Cause::TimedOut, Cause::Unreachable, Cause::Unavailable, Cause::InvalidAnswer];
        let mut state = self.state();
        let scripted = state.script.iter().position(|(name, ..)| *name == operation);
        let scripted = scripted.and_then(|at| state.script.remove(at)).map(|(_, moment, cause)| (moment, cause));
        let Some(Seeded { rng, rate }) = &mut state.seeded else { return (None, scripted) };
        let delay = Duration::from_millis(rng.u64(1..=DELAY_MAX_MS));
        let moment = if rng.bool() { Moment::Before } else { Moment::After };
        let struck = (rng.f64() < *rate).then(|| (moment, CAUSES[rng.usize(..CAUSES.len())]));
        (Some(delay), scripted.or(struck))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(plan: &FaultPlan, calls: usize) -> (usize, Vec<bool>) {
        let mut effects = 0;
        let mut answers = Vec::new();
        for _ in 0..calls {
            let effect = || {
                effects += 1;
                Ok(())
            };
            answers.push(plan.call(Call::new("Memory", "Call", ""), effect).await.is_ok());
        }
        (effects, answers)
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_repeats_itself_and_some_effects_outlive_their_answer() {
        let (effects, answers) = run(&FaultPlan::seeded(7, 0.5), 200).await;
        assert_eq!(run(&FaultPlan::seeded(7, 0.5), 200).await, (effects, answers.clone()));
        let answered = answers.iter().filter(|&&ok| ok).count();
        assert!((50..150).contains(&answered) && answered < effects && effects < 200, "{answered} of {effects}");
        assert_eq!(run(&FaultPlan::default(), 20).await, (20, vec![true; 20]));
    }

    #[tokio::test]
    async fn a_script_fails_the_calls_that_it_names() {
        let plan = FaultPlan::default();
        plan.fail_next("Call", Moment::After, Cause::TimedOut);
        plan.fail_next("Other", Moment::Before, Cause::Throttled);
        assert_eq!(run(&plan, 3).await, (3, vec![false, true, true]));
    }
}
