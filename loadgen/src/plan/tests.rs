//! Plans of small and large runs.

use super::*;
use crate::jobs::{Choice, Filters, Shape, Source};
use crate::schedule::{Arrivals, Stage};

/// What `check` says of the plan of a run.
fn plan<T>(stages: Vec<Stage>, shape: Shape, check: impl FnOnce(&Plan<'_>) -> T) -> T {
    let jobs = Jobs::new("dry".into(), Source::Phrases, shape);
    let options = PlanOptions {
        linger: Duration::from_millis(20),
        lookups_per_second: 4_000,
        verified_share: 1.0,
        second_look: true,
        fifo: false,
        dead_letter_queue: true,
        catalog: None,
    };
    check(&Plan::new(&Schedule::new(stages, Arrivals::Constant, 0), &jobs, options))
}

/// How many requests of an operation there are, and how many are billed.
fn requests(plan: &Plan<'_>, operation: &str) -> (u64, u64) {
    let row = plan.requests.iter().find(|row| row.operation.starts_with(operation)).unwrap();
    (row.requests, row.billed)
}

#[test]
fn requests_follow_from_rate_linger_and_sizes() {
    let hour = Duration::from_hours(1);
    let plain = || Shape::plain(0, Choice::Uniform);
    plan(vec![Stage::constant(1_000.0, hour)], plain(), |fast| {
        assert_eq!(requests(fast, "SendMessageBatch"), (360_000, 360_000));
        assert_eq!(requests(fast, "GetQueueAttributes").0, 7_200);
        assert!(requests(fast, "InvokeModel").0 <= 3_600_000);
        assert!(fast.cost_usd() > 1.0, "{fast}");
    });
    // 10 messages of 100 bytes: one message lingers 20 ms for two others at 100 a second.
    let sends = |rate, shape| plan(vec![Stage::constant(rate, hour)], shape, |plan| requests(plan, "SendMessageBatch"));
    assert_eq!(sends(100.0, plain()).0, 120_000);
    let large = Shape { payload_bytes: Some(20_000..=20_000), ..plain() };
    assert_eq!(sends(1_000.0, large), (360_000, 4 * 360_000), "200,000 bytes are four times 64 KiB");
}

#[test]
fn built_in_queries_that_the_cache_has_lost_are_embedded_again() {
    let hours = |hours| vec![Stage::constant(1_000.0, Duration::from_hours(hours))];
    let plain = || Shape::plain(0, Choice::Uniform);
    let texts = plan(hours(1), plain(), |plan| requests(plan, "InvokeModel").0);
    assert!((3_500_000..3_600_000).contains(&texts), "{texts} of 3.6 million, of 1.8 million different ones");
    // 50 million jobs: as if all texts stayed once embedded, this was $2.99.
    plan(hours(14), plain(), |plan| {
        let row = plan.requests.iter().find(|row| row.operation.starts_with("InvokeModel")).unwrap();
        let of_fifty_million = row.cost_usd * 50e6 / plan.schedule.jobs() as f64;
        assert!((75.0..90.0).contains(&of_fifty_million), "{of_fifty_million}");
    });
}

#[test]
fn a_few_jobs_in_turn_are_embedded_once_each() {
    let lines: Vec<String> = (0..200).map(|n| format!(r#"{{"request_id":"a","query":"q{n}"}}"#)).collect();
    let jobs = Jobs::new("dry".into(), Source::from_lines(lines.join("\n")).unwrap(), Shape::plain(0, Choice::InTurn));
    assert!((embedded(&jobs, 1e6, 10.0, None) - 200.0).abs() < 1e-9);
}

#[test]
fn the_page_has_stages_kinds_and_a_sum() {
    let minute = Duration::from_mins(1);
    let filters = Filters::from_lines("{\"filter\":{\"brand\":\"x\"}}\n{\"weight\":3}").unwrap();
    let shape = Shape { duplicates: 0.05, invalid: 0.1, filters: Some(filters), ..Shape::plain(0, Choice::Uniform) };
    let ramp = Stage { duration: minute, from: 100.0, to: 300.0 };
    plan(vec![Stage::constant(100.0, minute), ramp], shape, |plan| {
        let page = plan.to_string();
        let filtered = plan.expected(plan.sample.filtered);
        let filters = format!("{} with a filter", number(filtered as f64));
        for part in
            ["18,000 messages in 2m", "at 100 to 300     /s", "12,000 messages", "USD", "pass each filter", &filters]
        {
            assert!(page.contains(part), "no {part:?} in\n{page}");
        }
        let [duplicates, invalid] = [plan.sample.repeated, plan.sample.invalid].map(|part| plan.expected(part));
        assert!(duplicates.abs_diff(900) < 200 && invalid.abs_diff(1_800) < 250, "{page}");
        assert!(filtered.abs_diff(3_825) < 450, "a quarter of 85 % of 18,000: {filtered}");
    });
}
