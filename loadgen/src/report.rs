//! The outcome of a run: JSON for programs, a table for people, one line a second while it goes.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::account::{Books, LISTED_MAX, Percentiles, Totals, Wrong};

/// Version of the JSON report.
const FORMAT_VERSION: u32 = 1;

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    pub rps: f64,
    pub duration_seconds: f64,
    /// The jobs file; absent for the built-in phrases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<String>,
    pub seed: u64,
    pub linger_seconds: f64,
    pub max_in_flight: u32,
    pub send_attempts: u32,
    pub lookups_per_second: u32,
    pub drain_timeout_seconds: f64,
    pub late_after_seconds: f64,
    pub queue_url: String,
    pub results_table: String,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub format_version: u32,
    /// Part of every request id of the run.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub settings: Settings,
    pub totals: Totals,
    /// Whether the load that was asked for was offered.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// Whether a signal or an error ended the sending before its time.
    pub ended_early: bool,
    /// From the start to the queue's last answer.
    pub sending_seconds: f64,
    /// From there to the last record, or the end of waiting for it.
    pub drain_seconds: f64,
    pub latency_ms: Latencies,
    /// At most the first hundred.
    pub lost_ids: Vec<String>,
    /// At most the first hundred.
    pub wrong_records: Vec<Wrong>,
    /// The last reason for which a job was not sent at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_error: Option<String>,
}

/// Distributions in milliseconds; `loadgen --help` defines each.
#[derive(Debug, Serialize)]
pub(crate) struct Latencies {
    pub schedule_lag: Percentiles,
    pub send: Percentiles,
    pub end_to_end: Percentiles,
    pub detection: Percentiles,
}

/// When a run took place.
#[derive(Debug)]
pub(crate) struct Times {
    /// RFC 3339, UTC.
    pub started_at: String,
    pub sending: Duration,
    pub drain: Duration,
    pub ended_early: bool,
}

impl Report {
    pub(crate) fn new(run_id: String, settings: Settings, times: Times, books: Books) -> Self {
        let invalid_reasons = books.faults_of_the_run();
        Self {
            format_version: FORMAT_VERSION,
            run_id,
            started_at: times.started_at,
            settings,
            totals: books.totals,
            valid: invalid_reasons.is_empty(),
            invalid_reasons,
            ended_early: times.ended_early,
            sending_seconds: times.sending.as_secs_f64(),
            drain_seconds: times.drain.as_secs_f64(),
            latency_ms: Latencies {
                schedule_lag: books.schedule_lag.percentiles(),
                send: books.send.percentiles(),
                end_to_end: books.end_to_end.percentiles(),
                detection: books.detection.percentiles(),
            },
            lost_ids: books.lost_ids,
            wrong_records: books.wrong,
            send_error: books.send_error,
        }
    }

    /// A page for a terminal.
    pub(crate) fn table(&self) -> String {
        let mut page = String::new();
        self.write_table(&mut page).expect("writing to a String cannot fail");
        page
    }

    fn write_table(&self, page: &mut String) -> std::fmt::Result {
        let totals = &self.totals;
        let seconds = self.sending_seconds.max(f64::MIN_POSITIVE);
        let early = if self.ended_early { ", ended early" } else { "" };
        writeln!(page, "run {}: {} jobs/s asked{early}", self.run_id, self.settings.rps)?;
        writeln!(
            page,
            "sent {} of {} jobs in {seconds:.1} s ({:.1} jobs/s), then drained for {:.1} s\n",
            totals.sent,
            totals.intended,
            totals.sent as f64 / seconds,
            self.drain_seconds
        )?;
        for (name, count) in [
            ("intended", totals.intended),
            ("sent", totals.sent),
            ("dropped", totals.dropped),
            ("send failed", totals.send_failed),
            ("succeeded", totals.succeeded),
            ("rejected", totals.rejected),
            ("lost", totals.lost),
            ("wrong", totals.wrong),
            ("late", totals.late),
            ("unexpected", totals.unexpected),
        ] {
            writeln!(page, "  {name:<12} {count:>10}")?;
        }
        writeln!(page, "\n  {:<12} {:>10} {:>10} {:>10} {:>10} {:>10}", "ms", "count", "p50", "p95", "p99", "max")?;
        let latencies = &self.latency_ms;
        for (name, latency) in [
            ("schedule lag", &latencies.schedule_lag),
            ("send", &latencies.send),
            ("end to end", &latencies.end_to_end),
            ("detection", &latencies.detection),
        ] {
            write!(page, "  {name:<12} {:>10}", latency.count)?;
            for value in [latency.p50, latency.p95, latency.p99, latency.max] {
                let value = value.map_or("-".to_owned(), |value| format!("{value:.1}"));
                write!(page, " {value:>10}")?;
            }
            writeln!(page)?;
        }
        if let Some(reason) = &self.send_error {
            writeln!(page, "\nlast trouble with sending: {reason}")?;
        }
        let more = |count: u64| if count > LISTED_MAX as u64 { " (the first of them)" } else { "" };
        if totals.wrong > 0 {
            writeln!(page, "\nwrong{}:", more(totals.wrong))?;
            self.wrong_records
                .iter()
                .try_for_each(|wrong| writeln!(page, "  {}: {}", wrong.request_id, wrong.reason))?;
        }
        if totals.lost > 0 {
            writeln!(page, "\nlost{}:", more(totals.lost))?;
            self.lost_ids.iter().try_for_each(|id| writeln!(page, "  {id}"))?;
        }
        if !self.valid {
            writeln!(page, "\nINVALID RUN: the load that was asked for was not offered")?;
            self.invalid_reasons.iter().try_for_each(|reason| writeln!(page, "  {reason}"))?;
        }
        Ok(())
    }
}

/// The state of a run `elapsed` after its start, in one line.
pub(crate) fn progress(elapsed: Duration, books: &Books) -> String {
    let totals = &books.totals;
    let mut line = format!(
        "{:>4} s  intended {}  sent {}  dropped {}  send_failed {}  succeeded {}  rejected {}  wrong {}  pending {}",
        elapsed.as_secs(),
        totals.intended,
        totals.sent,
        totals.dropped,
        totals.send_failed,
        totals.succeeded,
        totals.rejected,
        totals.wrong,
        totals.pending()
    );
    for (name, latency) in [("lag", &books.schedule_lag), ("e2e", &books.end_to_end)] {
        if let Some(p99) = latency.percentiles().p99 {
            let _ = write!(line, "  {name} p99 {p99:.0} ms"); // writing to a String cannot fail
        }
    }
    if let Some(error) = &books.read_error {
        let _ = write!(line, "  records cannot be read: {error}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::jobs::Verdict;

    fn report() -> Report {
        let ms = Duration::from_millis;
        let account = Account::new(ms(100));
        (0..4).for_each(|_| account.intended());
        account.dropped();
        (0..3).for_each(|_| account.sent(ms(4)));
        account.seen("load-a-0".into(), Verdict::Succeeded, ms(250), ms(30));
        account.seen("load-a-1".into(), Verdict::Wrong("because".into()), ms(20), ms(20));
        account.lost("load-a-2".into());
        let settings = Settings {
            rps: 2.0,
            duration_seconds: 2.0,
            jobs: None,
            seed: 0,
            linger_seconds: 0.02,
            max_in_flight: 1,
            send_attempts: 4,
            lookups_per_second: 500,
            drain_timeout_seconds: 60.0,
            late_after_seconds: 0.1,
            queue_url: "q".into(),
            results_table: "t".into(),
        };
        let started_at = "2026-11-23T12:00:00Z".into();
        let times = Times { started_at, sending: ms(2_000), drain: ms(60_000), ended_early: false };
        Report::new("a".into(), settings, times, account.books())
    }

    #[test]
    fn the_json_has_whole_totals_and_the_verdict_at_its_top() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(
            json["totals"],
            serde_json::json!({"intended": 4, "sent": 3, "dropped": 1, "send_failed": 0, "succeeded": 1, "rejected": 0,
                "lost": 1, "wrong": 1, "late": 1, "unexpected": 0})
        );
        assert_eq!(json["valid"], false);
        assert_eq!(json["lost_ids"], serde_json::json!(["load-a-2"]));
        assert_eq!(json["wrong_records"], serde_json::json!([{"request_id": "load-a-1", "reason": "because"}]));
        assert_eq!(json["latency_ms"]["end_to_end"]["count"], 2);
        assert!(json["latency_ms"]["schedule_lag"]["p99"].is_null());
    }

    #[test]
    fn the_table_names_what_went_wrong() {
        let table = report().table();
        for part in
            ["lost                  1", "  load-a-1: because", "  load-a-2", "INVALID RUN", "1 jobs were dropped"]
        {
            assert!(table.contains(part), "no {part:?} in\n{table}");
        }
    }
}
