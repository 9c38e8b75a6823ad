//! Reports of a small run in which everything goes wrong once.

use std::path::Path;
use std::time::Duration;

use super::build::faults;
use super::*;
use crate::account::tests::{account, seen};
use crate::account::{Account, Seen, Unchecked, Verdict};
use crate::jobs::Kind;
use crate::prices::Cost;
use crate::requests::Requests;
use crate::series::QueueDepth;
use crate::slo::objectives;

const MS: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    Settings {
        stages: vec![StageSettings { duration_seconds: 2.0, from_rps: 2.0, to_rps: 2.0 }],
        verified_share: 1.0,
        max_lag_seconds: 0.25,
        max_dropped: 0.01,
        ..Settings::default()
    }
}

fn eventful() -> Account {
    let account = account(2.0, 2, 100 * MS);
    for index in 0..4 {
        let at = 500 * MS * index;
        account.intended(at);
        if index == 3 {
            account.dropped(at);
        } else {
            account.send_began(at, MS);
            account.sent(at, Kind::Original, 4 * MS);
            account.opened(true);
        }
    }
    account.seen(seen("load-a-0", Verdict::Succeeded, 250 * MS));
    account.seen(seen("load-a-1", Verdict::Wrong("a <b> of \"c\"".into()), 20 * MS));
    account.lost("load-a-2".into(), 1_000 * MS);
    account.queue(Some(QueueDepth { visible: 3, dead_letters: Some(1), ..QueueDepth::default() }), None);
    account.queue(Some(QueueDepth { dead_letters: Some(2), ..QueueDepth::default() }), None);
    account
}

pub(crate) fn report() -> Report {
    report_of(&eventful(), None)
}

fn report_of(account: &Account, unverified: Option<&str>) -> Report {
    report_with(account, unverified, "e2e.p50<2s")
}

fn report_with(account: &Account, unverified: Option<&str>, slo: &str) -> Report {
    let run = Run {
        id: "a".into(),
        environment: Environment { region: Some("us-east-1".into()), ..Environment::default() },
        settings: settings(),
        started_at: "2026-11-23T12:00:00Z".into(),
        sending: 2_000 * MS,
        drain: 60_000 * MS,
        ended_early: false,
        requests: Requests::default(),
        cost: Cost::default(),
        cpu: 2 * MS,
        max_resident_bytes: 1 << 20,
        unverified: unverified.map(Into::into),
        expected_catalog: None,
    };
    Report::new(run, account.schedule(), &objectives(slo).unwrap(), &account.books())
}

#[test]
fn the_json_has_whole_totals_and_the_verdicts_at_its_top() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(
        json["totals"],
        serde_json::json!({"intended": 4, "sent": 3, "dropped": 1, "send_failed": 0, "succeeded": 1, "rejected": 0,
            "lost": 1, "wrong": 1, "late": 1, "unexpected": 0})
    );
    assert_eq!((&json["valid"], &json["slo_passed"]), (&false.into(), &false.into()));
    assert_eq!(json["lost_ids"], serde_json::json!(["load-a-2"]));
    assert_eq!(json["wrong_records"][0]["request_id"], "load-a-1");
    assert_eq!(json["latency_ms"]["end_to_end"]["count"], 2);
    assert_eq!(json["stages"][0]["totals"], json["totals"]);
    assert_eq!(json["series"]["points"][0]["intended"], 2);
    assert_eq!(json["generator"]["cpu_ms_per_job"], 0.5);
    let read: Report = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), json, "what is written can be read back");
}

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/loadgen-report.schema.json");
    let generated = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == generated, "docs/schemas/loadgen-report.schema.json is stale: run `make docs`");
}

#[test]
fn the_table_names_what_went_wrong() {
    let table = report().to_string();
    for part in [
        "lost                    1",
        "  load-a-1: a <b> of \"c\"",
        "  load-a-2",
        "INVALID RUN",
        "1 job was dropped",
        "met     e2e.p50<2s  (250 ms)",
        "MISSED  lost=0  (1 job; from 0:01 to 0:02 (12:00:01 to 12:00:02 UTC))",
        "What happened from 0:00 to 0:02 (12:00:00 to 12:00:02 UTC):\n  the dead-letter queue grew by 1 message\n  1 job was not sent\n",
        "the queue held 3 messages before the run",
        "the dead-letter queue grew by 1 message, 0 conflicts were sent",
    ] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
}

#[test]
fn what_was_not_checked_about_filters_is_counted_and_said_once() {
    let account = account(2.0, 2, 100 * MS);
    for (counts, attributes) in [(true, true), (false, true), (true, false), (true, true)] {
        account.opened(true);
        let unchecked = Unchecked { counts, attributes };
        account.seen(Seen { unchecked, ..seen("load-a-0", Verdict::Succeeded, MS) });
    }
    let report = report_of(&account, None);
    assert_eq!((report.accounting.filtered, report.accounting.attributes_unknown), (3, 3));
    let page = report.to_string();
    for part in ["note: 3 records of jobs with a filter", "note: 3 records of jobs that name attributes"] {
        assert_eq!(page.matches(part).count(), 1, "{page}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["notes"].to_string().contains("how many products pass it is not known"), "{}", json["notes"]);
}

#[test]
fn a_report_from_before_there_were_filters_can_be_read() {
    let mut json = serde_json::to_value(report()).unwrap();
    for name in ["filtered", "attributes_unknown"] {
        json["accounting"].as_object_mut().unwrap().remove(name).unwrap();
    }
    assert_eq!(serde_json::from_value::<Report>(json).unwrap().accounting, report().accounting);
}

#[test]
fn the_page_is_self_contained_and_escapes_what_it_shows() {
    let page = page(&report(), Some(&report()));
    assert!(page.contains("a &lt;b&gt; of &quot;c&quot;") && !page.contains("a <b> of"));
    assert_eq!(page.matches("<figure>").count(), 6);
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for open in ["<table", "<figure", "<svg", "<div", "<details", "<script"] {
        let close = open.replace('<', "</");
        assert_eq!(page.matches(open).count(), page.matches(&close).count(), "{open}");
    }
}

#[test]
fn a_run_whose_records_could_not_be_read_is_not_valid() {
    let account = account(2.0, 2, 100 * MS);
    account.intended(Duration::ZERO);
    account.opened(true);
    account.sending_ended("no such queue".into());
    account.read_error(Some("slow down".into()));
    account.read_error(None);
    let report = report_of(&account, Some("cannot tell what became of 1 jobs"));
    let reasons = report.invalid_reasons.join("; ");
    assert!(reasons.contains("no such queue") && reasons.contains("cannot tell what became of 1 jobs"), "{reasons}");
    assert!(!report.slo_passed && report.read_error.as_deref() == Some("slow down"));
}

#[test]
fn a_run_is_invalid_above_one_percent_of_unsent_jobs() {
    let account = account(100.0, 2, MS);
    (0..200).for_each(|_| account.intended(Duration::ZERO));
    account.dropped(Duration::ZERO);
    account.send_failed(Duration::ZERO);
    assert_eq!(faults(&account.books().overall(), &settings()), [""; 0], "2 of 200 are 1 %");
    account.dropped(Duration::ZERO);
    assert_eq!(
        faults(&account.books().overall(), &settings()),
        ["2 jobs were dropped and 1 failed to be sent, more than 1 % of 200"]
    );
    let lenient = Settings { max_dropped: 0.02, ..settings() };
    assert_eq!(faults(&account.books().overall(), &lenient), [""; 0]);
}

#[test]
fn a_run_is_invalid_when_the_lag_is_above_the_limit_at_the_99th_percentile() {
    let account = account(100.0, 2, MS);
    account.intended(Duration::ZERO);
    (0..198).for_each(|_| account.send_began(Duration::ZERO, 20 * MS));
    (0..2).for_each(|_| account.send_began(Duration::ZERO, 900 * MS));
    assert_eq!(faults(&account.books().overall(), &settings()), [""; 0]);
    account.send_began(Duration::ZERO, 900 * MS);
    assert!(faults(&account.books().overall(), &settings())[0].contains("900 ms, more than 250 ms"));
    let lenient = Settings { max_lag_seconds: 1.0, ..settings() };
    assert_eq!(faults(&account.books().overall(), &lenient), [""; 0]);
}

/// A worker that dies after ten seconds of thirty and comes back ten seconds later.
async fn with_a_dead_worker() -> Report {
    let account = account(10.0, 30, 60_000 * MS);
    let second = Duration::from_secs(1);
    let queue = |visible, dead| Some(QueueDepth { visible, in_flight: 2, delayed: 0, dead_letters: Some(dead) });
    account.queue(queue(0, 7), None);
    for index in 0..30_u32 {
        for tenth in 0..10 {
            let at = second * index + 100 * MS * tenth;
            account.intended(at);
            account.send_began(at, MS);
            account.sent(at, Kind::Original, MS);
            account.opened(true);
            if !(10..20).contains(&index) {
                account.seen(Seen { intended: at, ..seen("x", Verdict::Succeeded, 40 * MS) });
            }
        }
        if index == 20 {
            for tenth in 0..100 {
                let at = second * 10 + 100 * MS * tenth;
                account.seen(Seen {
                    intended: at,
                    ..seen("x", Verdict::Succeeded, (second * 20).saturating_sub(at) + 500 * MS)
                });
            }
        }
        if index == 15 {
            account.send_error("ThrottlingException: Rate exceeded".into());
        }
        account.queue(
            queue(if (10..20).contains(&index) { 10 * u64::from(index - 9) } else { 0 }, 7 + u64::from(index > 18)),
            None,
        );
        tokio::time::advance(second / 2).await;
        account.tick();
        tokio::time::advance(second / 2).await;
    }
    report_with(&account, None, "e2e.p99<2s,e2e.p50<9s")
}

#[tokio::test(start_paused = true)]
async fn a_miss_says_by_how_much_and_when_and_what_else_happened() {
    let report = with_a_dead_worker().await;
    let table = report.to_string();
    let verdict = &table[table.find("MISSED").unwrap()..];
    assert_eq!(
        verdict,
        "MISSED  e2e.p99<2s  (10.2 s, 5.1 times the limit; from 0:10 to 0:19 (12:00:10 to 12:00:19 UTC))\n\
         met     e2e.p50<9s  (40.0 ms)\n\
         met     lost=0  (0 jobs)\n\
         met     wrong=0  (0 jobs)\n\n\
         What happened from 0:10 to 0:22 (12:00:10 to 12:00:22 UTC):\n  \
         nothing was answered for 10s from 0:10 on\n  \
         the backlog grew from 0 to 100 jobs without a record at 0:19; at most 100 messages waited on the queue, and workers held at most 2\n  \
         the dead-letter queue grew by 1 message\n  \
         1 attempt to send or to look up failed; the last error: ThrottlingException: Rate exceeded\n"
    );
    let page = page(&report, None);
    for part in [
        "Missed 1 of 4 objectives",
        "5.1 times the limit; from 0:10 to 0:19 (12:00:10 to 12:00:19 UTC)",
        "nothing was answered for 10s",
        "<dt>p99, end to end</dt><dd>10.2 s</dd>",
        "class=\"limit\"",
        "class=\"shade\"",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let dead = page.split("dead letters so far").last().unwrap();
    assert!(dead.contains("\"1\"") && !dead.contains("\"7\""), "what earlier runs left does not count");
}

#[test]
fn a_run_that_nobody_answered_asks_for_a_worker() {
    let account = account(2.0, 2, 100 * MS);
    account.opened(true);
    account.lost("x".into(), Duration::ZERO);
    let report = report_of(&account, None);
    for shown in [report.to_string(), page(&report, None)] {
        assert!(shown.contains("is a worker running"), "{shown}");
    }
    assert_eq!(report.notes[0], crate::text::NOTHING_ANSWERED);
}
