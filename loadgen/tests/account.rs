//! The binary against a real queue and table, with a worker that is right or wrong as a test wants it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use devstack::stack::{Stack, StackOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

mod worker;
use worker::{Fault, Worker};

/// Longest wait for anything; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(2);
const CATALOG: &str = r#"{"version": "v1", "rows": 2000, "dimension": 3, "model_id": "m", "memory_bytes": 1,
    "categories": [{"name": "tea", "rows": 1000}, {"name": "mugs", "rows": 1000}],
    "attributes": [{"name": "brand", "type": "string", "compares_with": "string", "rows": 2000, "nulls": 0, "distinct": 2,
        "bytes": 1, "examples": ["Assam", "Sencha"]}]}"#;
/// One of two brands, or neither, as often as the other.
const FILTERS: &str = r#"{"weight": 2, "filter": {"brand": "Assam"}}
{"filter": {"brand": {"$in": ["Assam", "Sencha"]}}}
{"weight": 3, "filter": null}"#;

struct World {
    stack: Stack,
    folder: TempDir,
}

impl World {
    async fn start(fifo: bool) -> Self {
        let stack = Stack::start(StackOptions { fifo, ..StackOptions::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("catalog.json"), CATALOG).unwrap();
        std::fs::write(folder.path().join("filters.jsonl"), FILTERS).unwrap();
        Self { stack, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn worker(&self, faults: &[Fault]) -> Worker {
        let stack = &self.stack;
        Worker::start(&stack.sdk_config(), stack.queue_url(), stack.results_table(), stack.bucket(), faults)
    }

    /// Machines that run tests may be too slow for their schedule: only a test of that says what lag is too much.
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        if arguments.starts_with("--") && !arguments.contains("--max-lag") {
            command.args(["--max-lag", "1h"]);
        }
        command.args(arguments.split_whitespace());
        if arguments.starts_with("--") && !arguments.contains("--output") {
            command.args(["--output", "report.json"]);
        }
        command
            .env_clear()
            .envs(self.stack.env())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn loadgen(&self, arguments: &str) -> Output {
        tokio::time::timeout(PATIENCE, self.command(arguments).output()).await.expect("ends in time").unwrap()
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report.json")).unwrap()).unwrap()
    }
}

#[track_caller]
fn exits_with(code: i32, output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

fn count(report: &Value, name: &str) -> u64 {
    report["totals"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {}", report["totals"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_of_traffic_are_accounted_for() {
    let world = World::start(false).await;
    let worker = world.worker(&[Fault::Spill]);
    let load = "--stages 2s:50,1s:50..100,1s:20 --arrivals poisson --zipf 1.0 --duplicates 10% --conflicts 2% \
                --invalid 5% --tenants 3 --top-k 3 --payload-bytes 300..2000 --catalog-info catalog.json \
                --slo e2e.p99<2m,errors<0.1%,lost=0 --recheck-after 1s";
    let output = world.loadgen(load).await;
    exits_with(0, &output);
    let report = world.report();
    let accounting = |name: &str| report["accounting"][name].as_u64().unwrap();
    for kind in ["duplicates_sent", "conflicts_sent", "invalid_sent"] {
        assert!(accounting(kind) > 0, "{report}");
    }
    let distinct = count(&report, "sent") - accounting("duplicates_sent") - accounting("conflicts_sent");
    assert_eq!(accounting("distinct_sent"), distinct);
    assert_eq!(count(&report, "succeeded") + count(&report, "rejected"), distinct, "{}", report["totals"]);
    assert_eq!(count(&report, "rejected"), accounting("invalid_sent"));
    assert!(accounting("second_looks") >= distinct && worker.written() > distinct, "repeated jobs reach the worker");
    assert_eq!((report["valid"].as_bool(), report["slo_passed"].as_bool()), (Some(true), Some(true)));
    assert_eq!(report["stages"].as_array().unwrap().len(), 3);
    assert_eq!(report["requests"]["get_object"], 1);
    assert!(report["cost_usd"]["total"].as_f64().unwrap() > 0.0);

    // The report of a second run, on standard output, is compared with that of the first one.
    let output = world.loadgen(&format!("{load} --output -")).await;
    exits_with(0, &output);
    let second: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("met     e2e.p99<2m"), "the table goes where people read");
    std::fs::write(world.path("second.json"), &output.stdout).unwrap();
    let output = world.loadgen("report second.json --html page.html --compare report.json").await;
    exits_with(0, &output);
    let (table, page) =
        (String::from_utf8_lossy(&output.stdout), std::fs::read_to_string(world.path("page.html")).unwrap());
    let earlier = report["run_id"].as_str().unwrap();
    assert_ne!(second["run_id"], earlier);
    for shown in [&table[..], &page] {
        assert!(
            shown.contains(&format!("compared with run {earlier}")) && shown.contains("stage 2 e2e p99"),
            "{shown}"
        );
    }
    assert!(page.contains("All 3 objectives were met") && page.ends_with("</html>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_a_duplicated_and_a_corrupted_job_are_each_named() {
    let world = World::start(false).await;
    let worker = world.worker(&[Fault::SpillNothing, Fault::Corrupt, Fault::Duplicate, Fault::Lose]);
    let load = "--rps 20 --duration 3s --drain-timeout 4s --catalog-info catalog.json --max-lag 0s";
    let output = world.loadgen(load).await;
    exits_with(3, &output);
    let report = world.report();
    assert_eq!((count(&report, "succeeded"), count(&report, "lost"), count(&report, "wrong")), (56, 1, 3));
    assert_eq!(report["lost_ids"], serde_json::json!([worker.hit(Fault::Lose)]));
    assert_eq!(report["duplicated_ids"], serde_json::json!([worker.hit(Fault::Duplicate)]));
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    for (fault, reason) in [
        (Fault::Corrupt, "category `tea` has 4 matches instead of 5"),
        (Fault::SpillNothing, "NoSuchKey"),
        (Fault::Duplicate, "the record was written a second time"),
    ] {
        let id = worker.hit(fault);
        let wrong = report["wrong_records"].as_array().unwrap();
        let named = wrong
            .iter()
            .find(|wrong| wrong["request_id"] == id.as_str())
            .unwrap_or_else(|| panic!("{fault:?}: {report}"));
        assert!(named["reason"].as_str().unwrap().contains(reason), "{named}");
        assert!(page.contains(&id), "{page}");
    }
    assert!(
        page.contains("MISSED  lost=0  (1 job; from 0:0") && page.contains("INVALID RUN"),
        "an objective missed wins: {page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_sent_and_their_answers_checked() {
    let world = World::start(false).await;
    let _worker = world.worker(&[]);
    let load = "--rps 40 --duration 3s --filter-file filters.jsonl --duplicates 10% --conflicts 3% --invalid 10%";
    let output = world.loadgen(&format!("{load} --catalog-info catalog.json --recheck-after 1s")).await;
    exits_with(0, &output);
    let report = world.report();
    assert_eq!(report["settings"]["filter_file"], "filters.jsonl");
    assert_eq!(count(&report, "rejected"), report["accounting"]["invalid_sent"].as_u64().unwrap());
    let filtered = report["accounting"]["filtered"].as_u64().unwrap();
    assert!(filtered > 20 && filtered < count(&report, "succeeded"), "{report}");
    assert_eq!(report["accounting"]["attributes_unknown"], 0);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains(&format!("note: {filtered} records of jobs with a filter")), "{page}");

    // Without the catalog's attributes it is said that either answer was taken for right.
    let output = world.loadgen(load).await;
    exits_with(0, &output);
    assert!(world.report()["accounting"]["attributes_unknown"].as_u64().unwrap() > 20);
    assert!(String::from_utf8_lossy(&output.stdout).contains("a --catalog-info with `attributes` makes it exact"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_does_not_pass_the_filter_is_named() {
    let world = World::start(false).await;
    let worker = world.worker(&[Fault::Unfiltered]);
    let jobs = r#"{"query": "tea", "filter": {"brand": "Sencha"}, "return": ["brand"]}"#;
    std::fs::write(world.path("jobs.jsonl"), jobs).unwrap();
    let output = world.loadgen("--rps 20 --duration 2s --jobs jobs.jsonl --catalog-info catalog.json").await;
    exits_with(3, &output);
    let report = world.report();
    assert_eq!((count(&report, "succeeded"), count(&report, "wrong")), (39, 1));
    assert_eq!(report["wrong_records"][0]["request_id"], worker.hit(Fault::Unfiltered).as_str());
    let reason = report["wrong_records"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, r#"`tea-0` matches, which does not pass the filter: it has {"brand":"Assam"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_takes_tenants_and_repeated_jobs() {
    let world = World::start(true).await;
    let worker = world.worker(&[]);
    let output = world.loadgen("--rps 30 --duration 3s --duplicates 20% --tenants 5 --recheck-after 1s").await;
    exits_with(0, &output);
    let report = world.report();
    let duplicates = report["accounting"]["duplicates_sent"].as_u64().unwrap();
    assert_eq!((count(&report, "sent"), count(&report, "succeeded")), (90, 90 - duplicates));
    assert!(duplicates > 5 && worker.written() == 90, "the queue must not take repeated jobs for replays of a send");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_all_is_lost_and_a_hangup_and_ctrl_c_still_report() {
    let world = World::start(false).await;
    let mut command = world.command("--rps 50 --duration 10m --drain-timeout 10m");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let interrupt = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let mut asked = 0;
    while let Some(line) = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        let ready = match asked {
            0 => line.contains("pending") && line.contains("asked 50/s"),
            1 => line.contains("waiting for the records"),
            _ => false,
        };
        if ready {
            kill_process(interrupt, if asked == 0 { Signal::HUP } else { Signal::INT }).unwrap();
            asked += 1;
        }
    }
    let output = child.wait_with_output().await.unwrap();
    exits_with(3, &output);
    let report = world.report();
    assert_eq!(count(&report, "lost"), count(&report, "sent"));
    assert!(report["ended_early"] == true && count(&report, "sent") > 10 && count(&report, "sent") < 3_000);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("ended early") && table.contains("is a worker running"), "{table}");
    assert!(report["queue"]["after"]["visible"].as_u64().unwrap() == count(&report, "sent"), "{}", report["queue"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_an_invalid_run_from_a_failure_and_from_wrong_usage() {
    let world = World::start(false).await;
    let _worker = world.worker(&[]);
    exits_with(4, &world.loadgen("--rps 20 --duration 1s --max-lag 0s").await);
    exits_with(0, &world.loadgen("--rps 20 --duration 1s --verify sample=10%").await);
    let unreadable = format!("--rps 20 --duration 1s --dead-letter-queue-url {}-none", world.stack.queue_url());
    let output = world.loadgen(&unreadable).await;
    exits_with(0, &output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("could not be read: dead-letter queue: "));
    assert!(world.report()["queue"]["after"]["visible"].is_number(), "the queue's own depth is known all the same");
    exits_with(2, &world.loadgen("--rps 20").await);
    std::fs::write(world.path("empty.json"), "").unwrap();
    std::fs::write(world.path("bad.jsonl"), "{}\n{\"filter\":{\"a\":{\"$lt\":\"x\"}}}").unwrap();
    exits_with(2, &world.loadgen("--rps 20 --duration 1s --slo e2e.p99<fast").await);
    for (arguments, reason) in [
        ("--rps 1 --duration 1s --results-table no-such-table", "cannot use the table no-such-table"),
        ("--rps 1 --duration 1s --jobs none.jsonl", "cannot read none.jsonl"),
        ("--rps 1 --duration 1s --catalog-info bad.jsonl", "cannot read bad.jsonl"),
        ("report report.json --compare catalog.json", "cannot read catalog.json"),
        ("report empty.json", "cannot read empty.json: it is empty; a run writes its report at its end"),
        (
            "--rps 1 --duration 1s --filter-file bad.jsonl",
            "cannot read bad.jsonl: line 2: filter.a.$lt: must be a number",
        ),
        ("--rps 1 --duration 1s --output nowhere/report.json", "cannot write nowhere/report.json"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        command.args(arguments.split_whitespace()).env_clear().envs(world.stack.env()).current_dir(world.folder.path());
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        exits_with(1, &output);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            message.starts_with("loadgen: ") && message.contains(reason) && message.lines().count() == 1,
            "{message}"
        );
    }
    let none = world.loadgen("--rps 20 --duration 1s --verify none").await;
    exits_with(0, &none);
    assert!(String::from_utf8_lossy(&none.stdout).contains("no record was read"));
}

#[tokio::test]
async fn a_dry_run_needs_nothing_and_prints_what_a_run_costs() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    std::fs::write(folder.path().join("filters.jsonl"), FILTERS).unwrap();
    let arguments = "--profile double-every=5m:100..1600 --dry-run --duplicates 5% --filter-file filters.jsonl";
    command.args(arguments.split_whitespace()).env_clear().current_dir(folder.path());
    let output = command.output().await.unwrap();
    exits_with(0, &output);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.contains("930,000 messages in 25m") && page.contains("SendMessageBatch"), "{page}");
    // Half of 95 %.
    let filtered = page.split(" with a filter").next().unwrap().rsplit(' ').next().unwrap().replace(',', "");
    assert!(filtered.parse::<u64>().unwrap().abs_diff(441_750) < 30_000, "{page}");
}
