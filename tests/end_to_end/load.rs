//! Sustained traffic through the real `bootstrap`, and the account that `loadgen` gives of it.

use std::time::Duration;

use devstack::stack::StackOptions;
use loadgen::{Args, Stop, View};
use serde_json::Value;

use crate::world::{EXAMPLE_CATALOG, World, example_rows, stderr, until};

const SECOND: Duration = Duration::from_secs(1);

/// A load with these options, checked against the catalog in service.
async fn load(world: &World, options: &str) -> Args {
    let (report, catalog) = (world.path("report.json"), world.path("catalog.json"));
    let inspected = world.nearline(&["catalog", "inspect", "--json", &world.prefix()]).await;
    assert!(inspected.status.success(), "{inspected:?}");
    std::fs::write(&catalog, inspected.stdout).unwrap();
    let mut arguments = vec!["loadgen", "--queue-url", world.stack.queue_url()];
    arguments.extend(["--results-table", world.stack.results_table()]);
    arguments.extend(["--dead-letter-queue-url", world.stack.dead_letter_queue_url()]);
    arguments.extend(["--output", report.to_str().unwrap(), "--catalog-info", catalog.to_str().unwrap()]);
    // Machines that run tests may be too slow for their schedule: what counts here is the account.
    arguments.extend(["--max-lag", "1h"]);
    arguments.extend(options.split_whitespace());
    Args::from_arguments(arguments).unwrap()
}

/// Its exit code and report.
async fn run(world: &World, load: Args) -> (u8, Value) {
    let exit_code = loadgen::run(load, &world.stack.sdk_config(), Stop::default(), View::Lines).await.unwrap();
    (exit_code, serde_json::from_slice(&std::fs::read(world.path("report.json")).unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_of_mixed_traffic_has_exactly_one_right_record() {
    let world = World::with_products(200).await;
    let lambda = world.lambda().await;
    let options = "--rps 40 --duration 5s --duplicates 10% --conflicts 3% --invalid 5% --zipf 1.0 --slo e2e.max<2m";
    let load = load(&world, options).await;
    let (exit_code, report) = run(&world, load).await;
    assert_eq!(exit_code, 0, "{report}");
    let (totals, accounting) = (&report["totals"], &report["accounting"]);
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(number(&totals["sent"]), 200);
    let repeats = number(&accounting["duplicates_sent"]) + number(&accounting["conflicts_sent"]);
    assert_eq!(number(&totals["succeeded"]) + number(&totals["rejected"]), 200 - repeats);
    assert_eq!(totals["rejected"], accounting["invalid_sent"]);
    assert!(number(&accounting["second_looks"]) >= 200 - repeats);
    // Each conflict is dead-lettered, and nothing else is.
    assert_eq!(report["queue"]["after"]["dead_letters"], accounting["conflicts_sent"], "{}", report["notes"]);
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_match_of_a_filtered_job_passes_its_filter() {
    let world = World::start().await;
    let catalog = std::fs::read_to_string(EXAMPLE_CATALOG).unwrap();
    world.write("catalog.csv", catalog.lines().take(201).collect::<Vec<_>>().join("\n"));
    let built = world.build("catalog.csv", "catalog.arrow", &["--attributes", "brand,price,in_stock,tags"]).await;
    assert!(built.status.success(), "{}", stderr(&built));
    world.publish_file(&world.path("catalog.arrow")).await;
    let job = |number| format!(r#"{{"query":"gift number {number}","return":["brand","price","in_stock","tags"]}}"#);
    world.write("jobs.jsonl", (0..20).map(job).collect::<Vec<_>>().join("\n"));
    let filters = [
        r#"{"weight": 2, "filter": {"price": {"$lt": 60}, "in_stock": true}}"#,
        r#"{"filter": {"$or": [{"tags": {"$in": ["sale", "new"]}}, {"brand": {"$exists": false}}]}}"#,
        r#"{"filter": {"price": {"$lt": 0}}}"#,
        r#"{"filter": {"colour": "red"}}"#,
        r#"{"filter": {"in_stock": "yes"}}"#,
        r#"{"filter": null}"#,
    ];
    world.write("filters.jsonl", filters.join("\n"));
    let lambda = world.lambda().await;
    let (jobs, filters) = (world.path("jobs.jsonl"), world.path("filters.jsonl"));
    let files = format!("--jobs {} --filter-file {}", jobs.display(), filters.display());
    let options =
        format!("--rps 40 --duration 5s --duplicates 5% --conflicts 3% --invalid 5% --slo e2e.max<2m {files}");
    let load = load(&world, &options).await;
    let (exit_code, report) = run(&world, load).await;
    assert_eq!(exit_code, 0, "{report}");
    let accounting = &report["accounting"];
    assert_eq!(accounting["attributes_unknown"], 0, "the catalog's attributes are known");
    assert!(accounting["filtered"].as_u64().unwrap() > 50, "{report}");
    // Two of the filters are not answered: no attribute has that name, or that type.
    assert!(report["totals"]["rejected"].as_u64() > accounting["invalid_sent"].as_u64(), "{report}");
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_away_for_a_while_loses_nothing_and_the_gap_is_seen() {
    let world = World::start_with(StackOptions { visibility_timeout: 6 * SECOND, ..StackOptions::default() }).await;
    world.publish(&example_rows(50)).await;
    let mut worker = world.worker();
    let log = || std::fs::read_to_string(world.path("worker.log")).unwrap_or_default();
    until("the worker to poll", || async { log().contains("polling").then_some(()) }).await;
    let away = async {
        tokio::time::sleep(3 * SECOND).await;
        worker.start_kill().unwrap();
        worker.wait().await.unwrap();
        tokio::time::sleep(4 * SECOND).await;
        world.worker()
    };
    let load = load(&world, "--rps 20 --duration 12s --drain-timeout 90s --late-after 1h").await;
    let ((exit_code, report), mut worker) = tokio::join!(run(&world, load), away);
    worker.start_kill().unwrap();
    assert_eq!(exit_code, 0, "{report}");
    assert_eq!((&report["totals"]["succeeded"], &report["totals"]["lost"]), (&240.into(), &0.into()));
    // Jobs that were meant to be sent just after the worker went waited for it, and the series says so where they came.
    let points = report["series"]["points"].as_array().unwrap();
    let worst = |range: std::ops::Range<usize>| {
        points[range].iter().filter_map(|point| point["end_to_end_ms"]["max"].as_f64()).fold(0.0, f64::max)
    };
    assert!(worst(2..10) > 2_000.0, "{points:?}");
    assert!(worst(11..12) < worst(2..10), "those who came after its return hardly waited: {points:?}");
}
