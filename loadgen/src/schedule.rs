//! When each job is meant to be sent: decided by the stages, the seed and the job's number alone.
//!
//! A stage has a rate, or one that changes evenly. Arrivals are points on the axis of *jobs expected so far*, at the
//! whole numbers or, for a Poisson process, an exponential step apart; the inverse of the stages' cumulative rate turns
//! each into an instant. No instant depends on when anything was really sent.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Exp1};

/// Highest rate that can be asked for, jobs a second.
pub(crate) const RPS_MAX: f64 = 100_000.0;
/// Most stages of a run: each has its own histograms.
pub(crate) const STAGES_MAX: usize = 100;

/// A length of time with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stage {
    pub duration: Duration,
    /// Jobs a second at the start.
    pub from: f64,
    /// Jobs a second at the end; in between it changes evenly.
    pub to: f64,
}

impl From<nearline_cost::Stage> for Stage {
    fn from(stage: nearline_cost::Stage) -> Self {
        let nearline_cost::Stage { duration, from, to } = stage;
        Self { duration, from, to }
    }
}

impl Stage {
    /// A constant rate.
    pub(crate) fn constant(rps: f64, duration: Duration) -> Self {
        Self { duration, from: rps, to: rps }
    }

    /// The rate in the middle, jobs a second.
    pub(crate) fn mean_rps(&self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    /// How many jobs are expected.
    pub(crate) fn jobs(&self) -> f64 {
        self.mean_rps() * self.duration.as_secs_f64()
    }

    /// When `jobs` are due, from the start of the stage.
    fn instant(&self, jobs: f64) -> Duration {
        // from t + (to - from) / (2 duration) t^2 = jobs, solved without cancellation, also for from = 0.
        let slope = (self.to - self.from) / self.duration.as_secs_f64();
        let root = (self.from * self.from + 2.0 * slope * jobs).max(0.0).sqrt();
        let seconds = if jobs > 0.0 { 2.0 * jobs / (self.from + root) } else { 0.0 };
        Duration::from_secs_f64(seconds).min(self.duration)
    }
}

/// How jobs arrive at a given rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Arrivals {
    /// Evenly spaced.
    #[default]
    Constant,
    /// As from many users who know nothing of each other: exponential gaps.
    Poisson,
}

impl Arrivals {
    /// The name on the command line and in reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }
}

/// All instants of a run.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    stages: Vec<Stage>,
    /// Jobs expected up to the end of each stage.
    jobs: Vec<f64>,
    /// When each stage ends, from the start of the run.
    ends: Vec<Duration>,
    arrivals: Arrivals,
    seed: u64,
}

impl Schedule {
    /// One or more stages of positive length; `seed` decides the gaps of a Poisson process.
    pub(crate) fn new(stages: Vec<Stage>, arrivals: Arrivals, seed: u64) -> Self {
        let (mut total, mut end) = (0.0, Duration::ZERO);
        let mut jobs = Vec::with_capacity(stages.len());
        let mut ends = Vec::with_capacity(stages.len());
        for stage in &stages {
            // A product that should be whole can come out beside it.
            total = ((total + stage.jobs()) * 1e6).round() / 1e6;
            end += stage.duration;
            jobs.push(total);
            ends.push(end);
        }
        Self { stages, jobs, ends, arrivals, seed }
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    pub(crate) fn arrivals(&self) -> Arrivals {
        self.arrivals
    }

    pub(crate) fn duration(&self) -> Duration {
        self.ends.last().copied().unwrap_or_default()
    }

    /// How many jobs are expected; exact for constant arrivals.
    pub(crate) fn jobs(&self) -> u64 {
        self.jobs.last().map_or(0, |jobs| jobs.ceil() as u64)
    }

    /// Highest rate of any stage, jobs a second.
    pub(crate) fn peak(&self) -> f64 {
        self.stages.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max)
    }

    /// The stage that an instant belongs to; the last one for what comes after the end.
    pub(crate) fn stage_at(&self, instant: Duration) -> usize {
        self.ends.partition_point(|end| *end <= instant).min(self.ends.len().saturating_sub(1))
    }

    /// When a stage begins, from the start of the run.
    pub(crate) fn start_of(&self, stage: usize) -> Duration {
        stage.checked_sub(1).map_or(Duration::ZERO, |before| self.ends[before])
    }

    /// Jobs a second asked for at an instant; 0 after the end.
    pub(crate) fn rate_at(&self, instant: Duration) -> f64 {
        if instant >= self.duration() {
            return 0.0;
        }
        let number = self.stage_at(instant);
        let stage = &self.stages[number];
        let share = instant.saturating_sub(self.start_of(number)).div_duration_f64(stage.duration);
        stage.from + (stage.to - stage.from) * share
    }

    /// The intended instant of every job in turn, from the start of the run.
    pub(crate) fn instants(&self) -> impl Iterator<Item = Duration> + Send + use<'_> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let (mut index, mut position) = (0_u64, 0.0_f64);
        let total = self.jobs.last().copied().unwrap_or_default();
        std::iter::from_fn(move || {
            position = match self.arrivals {
                Arrivals::Constant => index as f64,
                Arrivals::Poisson => position + random_step(&mut random),
            };
            index += 1;
            (position < total).then(|| self.instant(position))
        })
    }

    fn instant(&self, jobs: f64) -> Duration {
        let number = self.jobs.partition_point(|end| *end <= jobs).min(self.jobs.len() - 1);
        let before = number.checked_sub(1).map_or(0.0, |before| self.jobs[before]);
        self.start_of(number) + self.stages[number].instant(jobs - before)
    }
}

fn random_step(random: &mut StdRng) -> f64 {
    Exp1.sample(random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(value: f64) -> Duration {
        Duration::from_secs_f64(value)
    }

    fn constant(rps: f64, duration: f64) -> Schedule {
        Schedule::new(vec![Stage::constant(rps, seconds(duration))], Arrivals::Constant, 0)
    }

    fn stages(stages: &[(f64, f64, f64)], arrivals: Arrivals, seed: u64) -> Schedule {
        let stage = |&(duration, from, to): &(f64, f64, f64)| Stage { duration: seconds(duration), from, to };
        Schedule::new(stages.iter().map(stage).collect(), arrivals, seed)
    }

    #[test]
    fn an_hour_at_an_awkward_rate_does_not_drift() {
        let schedule = constant(333.0, 3_600.0);
        assert_eq!(schedule.jobs(), 1_198_800);
        let instants: Vec<Duration> = schedule.instants().collect();
        assert_eq!(instants.len(), 1_198_800);
        for second in [1, 60, 3_599] {
            let off = instants[second * 333].abs_diff(Duration::from_secs(second as u64));
            assert!(off <= Duration::from_nanos(1), "{off:?} off after {second} s");
        }
    }

    #[test]
    fn the_number_of_jobs_is_rate_times_duration() {
        for (rps, duration, jobs) in [
            (100.0, 30.0, 3_000),
            (0.1, 30.0, 3),
            (2_000.0, 0.1, 200),
            (1.0 / 3.0, 9.0, 3),
            (2.5, 1.0, 3),
            (0.5, 1.0, 1),
        ] {
            let schedule = constant(rps, duration);
            assert_eq!((schedule.jobs(), schedule.instants().count()), (jobs, jobs as usize), "{rps} x {duration} s");
        }
    }

    #[test]
    fn stages_follow_each_other_and_a_pause_sends_nothing() {
        let schedule = stages(&[(2.0, 10.0, 10.0), (3.0, 0.0, 0.0), (1.0, 5.0, 5.0)], Arrivals::Constant, 0);
        let instants: Vec<Duration> = schedule.instants().collect();
        assert_eq!((schedule.jobs(), instants.len()), (25, 25));
        assert_eq!((instants[19], instants[20], instants[21]), (seconds(1.9), seconds(5.0), seconds(5.2)));
        assert_eq!([0.0, 1.9, 2.0, 5.0, 99.0].map(|at| schedule.stage_at(seconds(at))), [0, 0, 1, 2, 2]);
        assert_eq!([0.5, 2.5, 5.5, 6.0].map(|at| schedule.rate_at(seconds(at)) as u32), [10, 0, 5, 0]);
        assert_eq!((schedule.duration(), schedule.peak() as u32), (seconds(6.0), 10));
    }

    #[test]
    fn a_ramp_sends_by_the_area_under_it() {
        let schedule = stages(&[(10.0, 0.0, 100.0)], Arrivals::Constant, 0);
        let instants: Vec<Duration> = schedule.instants().collect();
        assert_eq!(instants.len(), 500);
        let within = |from: f64, to: f64| instants.iter().filter(|at| (from..to).contains(&at.as_secs_f64())).count();
        for second in 0..10 {
            let expected = f64::from(second) * 10.0 + 5.0; // the integral of 10 t over the second
            let found = within(f64::from(second), f64::from(second + 1)) as f64;
            assert!((found - expected).abs() <= 1.0, "second {second}: {found} of {expected}");
        }
        assert!((schedule.rate_at(seconds(2.5)) - 25.0).abs() < 1e-9);
    }

    #[test]
    fn poisson_gaps_are_exponential_and_the_seed_decides_them() {
        let run =
            |seed| -> Vec<Duration> { stages(&[(100.0, 200.0, 200.0)], Arrivals::Poisson, seed).instants().collect() };
        let instants = run(1);
        assert_eq!(instants, run(1));
        assert_ne!(instants, run(2));
        // 20,000 expected, standard deviation 141.
        assert!((19_400..20_600).contains(&instants.len()), "{}", instants.len());
        let gaps: Vec<f64> = instants.windows(2).map(|pair| pair[1].abs_diff(pair[0]).as_secs_f64()).collect();
        // Of an exponential distribution 1/e lie above the mean, and the standard deviation is the mean.
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let above = gaps.iter().filter(|gap| **gap > mean).count() as f64 / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((above - 0.368).abs() < 0.02 && (deviation / mean - 1.0).abs() < 0.05, "{above} {}", deviation / mean);
    }

    proptest! {
        #[test]
        fn instants_are_evenly_spaced_and_end_before_the_duration(rps in 0.01..5_000.0, length in 0.01..10.0) {
            let schedule = constant(rps, length);
            let instants: Vec<Duration> = schedule.instants().collect();
            for pair in instants.windows(2) {
                prop_assert!((pair[1].abs_diff(pair[0]).as_secs_f64() - 1.0 / rps).abs() < 3e-9);
            }
            prop_assert!(instants[instants.len() - 1].as_secs_f64() < length + 1e-6);
        }

        #[test]
        fn instants_never_go_back_and_belong_to_a_stage_that_sends(
            shape in proptest::collection::vec((0.1..20.0, 0.0..200.0, 0.0..200.0, any::<bool>()), 1..6),
            poisson in any::<bool>(),
        ) {
            let shape: Vec<(f64, f64, f64)> =
                shape.into_iter().map(|(length, from, to, pause)| if pause { (length, 0.0, 0.0) } else { (length, from, to) }).collect();
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let schedule = stages(&shape, arrivals, 3);
            let instants: Vec<Duration> = schedule.instants().collect();
            prop_assert!(instants.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(instants.iter().all(|at| *at <= schedule.duration()));
            for stage in (0..shape.len()).filter(|stage| shape[*stage].1 + shape[*stage].2 == 0.0) {
                let (start, end) = (schedule.start_of(stage), schedule.start_of(stage) + schedule.stages()[stage].duration);
                prop_assert!(!instants.iter().any(|at| *at > start && *at < end));
            }
        }
    }
}
