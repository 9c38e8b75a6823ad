//! Plans of small and large runs.

use super::*;
use crate::jobs::{Choice, Filters, Shape, Source};
use crate::schedule::Arrivals;

fn plan(stages: Vec<Stage>, shape: Shape) -> Plan {
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
    Plan::new(&Schedule::new(stages, Arrivals::Constant, 0), &jobs, options)
}

fn requests(plan: &Plan, operation: &str) -> (u64, u64) {
    let row = plan.requests.iter().find(|row| row.operation.starts_with(operation)).unwrap();
    (row.requests, row.billed)
}

#[test]
fn requests_follow_from_rate_linger_and_sizes() {
    let hour = Duration::from_hours(1);
    let fast = plan(vec![Stage::constant(1_000.0, hour)], Shape::plain(0, Choice::Uniform));
    assert_eq!((fast.messages, requests(&fast, "SendMessageBatch")), (3_600_000, (360_000, 360_000)));
    assert_eq!(requests(&fast, "GetQueueAttributes").0, 7_200);
    // 10 messages of 100 bytes: one message lingers 20 ms for two others at 100 a second.
    let slow = plan(vec![Stage::constant(100.0, hour)], Shape::plain(0, Choice::Uniform));
    assert_eq!(requests(&slow, "SendMessageBatch").0, 120_000);
    let large = Shape { payload_bytes: Some(20_000..=20_000), ..Shape::plain(0, Choice::Uniform) };
    let large = plan(vec![Stage::constant(1_000.0, hour)], large);
    assert_eq!(requests(&large, "SendMessageBatch"), (360_000, 4 * 360_000), "200,000 bytes are four times 64 KiB");
    let total: f64 = fast.requests.iter().map(|row| row.cost_usd).sum();
    assert!((fast.cost_usd - total).abs() < 1e-9 && total > 1.0, "{total}");
}

#[test]
fn built_in_queries_that_the_cache_has_lost_are_embedded_again() {
    let hours = |hours| plan(vec![Stage::constant(1_000.0, Duration::from_hours(hours))], Shape::plain(0, Choice::Uniform));
    let texts = requests(&hours(1), "InvokeModel").0;
    assert!((3_500_000..3_600_000).contains(&texts), "{texts} of 3.6 million, of 1.8 million different ones");
    // 50 million jobs: as if all texts stayed once embedded, this was $2.99.
    let plan = hours(14);
    let row = plan.requests.iter().find(|row| row.operation.starts_with("InvokeModel")).unwrap();
    let of_fifty_million = row.cost_usd * 50e6 / plan.messages as f64;
    assert!((75.0..90.0).contains(&of_fifty_million), "{of_fifty_million}");
}

#[test]
fn a_few_jobs_in_turn_are_embedded_once_each() {
    let lines: String = (0..200).map(|n| format!("{{\"request_id\":\"a\",\"query\":\"q{n}\"}}\n")).collect();
    let jobs = Jobs::new("dry".into(), Source::from_lines(lines).unwrap(), Shape::plain(0, Choice::InTurn));
    assert!((embedded(&jobs, 1e6, 10.0, None) - 200.0).abs() < 1e-9);
}

#[test]
fn the_page_has_stages_kinds_and_a_sum() {
    let minute = Duration::from_mins(1);
    let shape = Shape { duplicates: 0.05, invalid: 0.005, ..Shape::plain(0, Choice::Uniform) };
    let ramp = Stage { duration: minute, from: 100.0, to: 300.0 };
    let plan = plan(vec![Stage::constant(100.0, minute), ramp], shape);
    let page = plan.to_string();
    for part in ["18,000 messages in 2m", "at 100 to 300     /s", "12,000 messages", "nothing is sent", "USD"] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
    assert!(plan.duplicates.abs_diff(900) < 200 && plan.invalid.abs_diff(90) < 60, "{page}");
}

#[test]
fn jobs_with_a_filter_are_counted_and_their_records_estimated() {
    let minute = Duration::from_mins(1);
    let filters = Filters::from_lines("{\"filter\":{\"brand\":\"x\"}}\n{\"weight\":3}").unwrap();
    let shape = Shape { filters: Some(filters), invalid: 0.1, ..Shape::plain(0, Choice::Uniform) };
    let plan = plan(vec![Stage::constant(100.0, minute)], shape);
    assert!(plan.filtered.abs_diff(1_350) < 150, "a quarter of 90 % of 6,000: {}", plan.filtered);
    let page = plan.to_string();
    assert!(
        page.contains(&format!("{} with a filter", number(plan.filtered as f64))) && page.contains("pass each filter"),
        "{page}"
    );
}
