use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn hold(minutes: u64, rate: f64) -> Stage {
    Stage { duration: Duration::from_secs(60 * minutes), from: rate, to: rate }
}

fn simulated(stages: &[Stage]) -> Simulation {
    simulate(&Scenario::default(), stages, Scaling::default(), 20, &Prices::default())
}

#[test]
fn a_load_that_fits_waits_for_nothing() {
    let calm = simulated(&[hold(30, 500.0)]);
    // The mapping begins with five invocations at once: the first seconds' jobs wait for more.
    assert_eq!((calm.environments_max, calm.throttled_seconds as u32), (3, 0));
    assert!(calm.backlog_max < 500.0 && calm.max_seconds.unwrap() < 2.0, "{calm:?}");
    assert!((calm.p99_seconds.unwrap() - 0.2).abs() < 1e-9);
    assert!((calm.jobs - 900_000.0).abs() < 1.0 && calm.unanswered.abs() < 1e-6);
}

#[test]
fn a_load_that_doubles_every_five_minutes_is_followed() {
    let stages: Vec<Stage> = [1_000.0, 2_000.0, 4_000.0].map(|rate| hold(8, rate)).into();
    let followed = simulated(&stages);
    assert!(followed.environments_max >= 7, "{followed:?}");
    assert!(followed.p99_seconds.unwrap() < 10.0, "{:?}", followed.p99_seconds);
}

#[test]
fn a_burst_waits_until_environments_have_come_and_is_lost_to_nobody() {
    let mut scenario = Scenario::default();
    scenario.deployment.pollers = Some((20.0, 200.0));
    let burst = simulate(
        &scenario,
        &[hold(10, 100.0), hold(20, 6_000.0), hold(10, 100.0)],
        Scaling::default(),
        40,
        &Prices::default(),
    );
    assert!(burst.backlog_max > 10_000.0 && burst.throttled_seconds > 60.0, "{burst:?}");
    assert!(burst.unanswered < 1e-3);
    let at = |minute: f64| burst.intervals.iter().find(|part| part.to_seconds > minute * 60.0).unwrap();
    // Nothing new before the reaction, the start and the catalog; then twice as many.
    assert_eq!((at(10.5).environments, at(10.5).starting, at(15.5).environments), (3, 0, 6));
    assert!(at(12.0).p50_seconds.unwrap() > 30.0 && at(5.0).p50_seconds.unwrap() < 1.0);
}

#[test]
fn the_published_burst_is_met_within_three_environments() {
    let met = burst(Scaling::default());
    assert_eq!(met.environments, [(5, 3, 6), (10, 10, 12), (15, 16, 16)]);
}

#[test]
fn sixty_requests_on_forty_eight_slots_leave_twelve_waiting() {
    let mut scenario = Scenario::default();
    scenario.workload.jobs_per_batch = Some(1.0);
    scenario.workload.invocation_seconds = 1.0;
    scenario.workload.cpu_seconds = 0.0;
    scenario.deployment.max_concurrency = Some(16.0);
    scenario.deployment.pollers = Some((6.0, 200.0));
    let stage = Stage { duration: Duration::from_secs(1), from: 60.0, to: 60.0 };
    let seconds = run(&scenario, &[stage], Scaling::default(), 3);
    assert!((seconds[0].answered - 48.0).abs() < 1e-9 && (seconds[0].backlog - 12.0).abs() < 1e-9);
}

#[test]
fn environments_go_slowly_and_never_below_the_fewest() {
    let seconds = run(&Scenario::default(), &[hold(40, 2_400.0), hold(90, 10.0)], Scaling::default(), 4);
    let at = |minute: usize| seconds[minute * 60].environments;
    assert_eq!([at(39), at(54), at(56), at(100)], [4, 4, 3, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_job_is_made_or_lost(
        rates in proptest::collection::vec((1_u64..10, 0.0..5_000.0_f64, 0.0..5_000.0_f64), 1..5),
    ) {
        let stages: Vec<Stage> = rates
            .iter()
            .map(|&(minutes, from, to)| Stage { duration: Duration::from_secs(60 * minutes), from, to })
            .collect();
        let scenario = Scenario::default();
        let seconds = run(&scenario, &stages, Scaling::default(), 3);
        let (came, answered): (f64, f64) =
            seconds.iter().fold((0.0, 0.0), |sum, second| (sum.0 + second.rate, sum.1 + second.answered));
        let left = seconds.last().map_or(0.0, |second| second.backlog);
        prop_assert!((came - answered - left).abs() < 1e-6 * came.max(1.0));
        for pair in seconds.windows(301) {
            prop_assert!(pair[300].environments <= 2 * pair[0].environments.max(3), "more than doubled in five minutes");
        }
        for second in &seconds {
            prop_assert!(second.cpu <= 0.85 + 1e-9 && second.slots <= 1.0 + 1e-9);
        }
    }
}
