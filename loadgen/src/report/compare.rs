//! What has changed since an earlier run, and whether it is more than the runs vary by themselves.
//!
//! Each stage's end-to-end times are known for ten parts of it. Of a percentile the differences between like parts of the
//! two runs are taken, so that what both runs do in the course of a stage cancels out; their mean counts as a difference
//! if it is more than two of its standard errors.

use std::fmt;

use super::schema::{Report, StageReport};
use crate::latency::Percentiles;
use crate::text::{number, time};

/// How many standard errors a difference must have.
const ERRORS_MIN: f64 = 2.0;
/// Fewer parts than this say nothing about how much they vary.
const PARTS_MIN: usize = 3;

type Statistic = fn(&Percentiles) -> Option<f64>;

/// The differences between two runs.
pub(crate) struct Comparison {
    pub(super) title: String,
    /// What makes the two hard to compare.
    pub(super) remarks: Vec<String>,
    /// What is compared, before, now, and what to think of it.
    pub(super) rows: Vec<[String; 4]>,
}

impl Comparison {
    /// The differences of `now` from `before`.
    pub(crate) fn new(before: &Report, now: &Report) -> Self {
        let differing = [
            ("loads", before.settings.load() == now.settings.load()),
            ("look-ups", before.settings.lookups_per_second == now.settings.lookups_per_second),
            ("catalogs", before.catalogs.keys().eq(now.catalogs.keys())),
            ("environments", before.environment == now.environment),
        ];
        let differing = differing.into_iter().filter(|(_, same)| !same);
        let mut remarks: Vec<String> = differing
            .map(|(what, _)| format!("the {what} of the two runs differ: read the figures with that in mind"))
            .collect();
        let runs = [("the earlier run", before), ("this run", now)];
        remarks.extend(
            runs.into_iter()
                .filter(|(_, report)| !report.valid)
                .map(|(what, _)| format!("{what} is invalid: it did not offer the load that was asked for")),
        );
        let pairs = before.totals.named().into_iter().zip(now.totals.named());
        let mut rows: Vec<[String; 4]> = pairs
            .filter(|((_, before, bad), (_, now, _))| *bad && before != now)
            .map(|((name, before, _), (_, now, _))| row(name, number(before as f64), number(now as f64)))
            .collect();
        let throughput = |report: &Report| number(report.totals.sent as f64 / report.sending_seconds.max(1e-9));
        rows.push(row("sent, jobs/s", throughput(before), throughput(now)));
        if before.settings.stages.len() == now.settings.stages.len() {
            let stages = before.stages.iter().zip(&now.stages).enumerate();
            rows.extend(stages.flat_map(|(number, (before, now))| stage(number, before, now)));
        } else {
            remarks
                .push("end-to-end times are compared stage by stage, and these runs have different stages".to_owned());
        }
        Self { title: format!("compared with run {} of {}", before.run_id, before.started_at), remarks, rows }
    }
}

/// For a terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(page, "{}", self.title)?;
        self.remarks.iter().try_for_each(|remark| writeln!(page, "  {remark}"))?;
        for [what, before, now, verdict] in &self.rows {
            writeln!(page, "{}", format!("  {what:<20} {before:>10} -> {now:>10}  {verdict}").trim_end())?;
        }
        Ok(())
    }
}

fn row(what: &str, before: String, now: String) -> [String; 4] {
    [what.to_owned(), before, now, String::new()]
}

fn stage(number: usize, before: &StageReport, now: &StageReport) -> [[String; 4]; 3] {
    let statistics: [(&str, Statistic); 3] =
        [("p50", |part| part.p50), ("p95", |part| part.p95), ("p99", |part| part.p99)];
    statistics.map(|(name, statistic)| {
        let whole = |stage: &StageReport| statistic(&stage.latency_ms.end_to_end);
        let parts = |stage: &StageReport| stage.parts_ms.iter().map(statistic).collect::<Vec<_>>();
        let verdict = if whole(before).is_some() && whole(now).is_some() {
            verdict(&parts(before), &parts(now))
        } else {
            "not measured in both".to_owned()
        };
        let text = |stage| whole(stage).map_or("-".to_owned(), time);
        [format!("stage {} e2e {name}", number + 1), text(before), text(now), verdict]
    })
}

/// The mean and its standard error; `None` for too few values.
fn estimate(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (values.len() >= PARTS_MIN).then(|| (mean, (variance / count).sqrt()))
}

fn verdict(before: &[Option<f64>], now: &[Option<f64>]) -> String {
    let pairs: Vec<(f64, f64)> = before.iter().zip(now).filter_map(|(before, now)| before.zip(*now)).collect();
    let differences: Vec<f64> = pairs.iter().map(|(before, now)| now - before).collect();
    let Some((difference, error)) = estimate(&differences) else {
        return "too short to tell from noise".to_owned();
    };
    let noise = ERRORS_MIN * error;
    let base = pairs.iter().map(|(before, _)| before).sum::<f64>() / pairs.len() as f64;
    let percent = |part: f64| part / base.max(f64::MIN_POSITIVE) * 100.0;
    let size = format!("{:+.1} % ± {:.1} %", percent(difference), percent(noise));
    match (difference.abs() > noise, difference > 0.0) {
        (false, _) => format!("{size}: within the noise"),
        (true, true) => format!("{size}: SLOWER"),
        (true, false) => format!("{size}: faster"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    fn with_parts(values: &[f64]) -> Report {
        let mut report = report();
        let part = |value: &f64| Percentiles {
            p50: Some(*value),
            p95: Some(*value),
            p99: Some(*value),
            ..Percentiles::default()
        };
        report.stages[0].parts_ms = values.iter().map(part).collect();
        report
    }

    fn line<'a>(page: &'a str, part: &str) -> &'a str {
        page.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part} in\n{page}"))
    }

    #[test]
    fn a_difference_counts_only_if_it_is_more_than_the_runs_vary() {
        let steady = with_parts(&[100.0, 101.0, 99.0, 100.0, 100.5]);
        for (values, expected) in [
            ([100.0, 102.0, 98.0, 101.0, 100.0], "within the noise"),
            ([120.0, 121.0, 119.0, 120.0, 120.5], "SLOWER"),
            ([80.0, 81.0, 79.0, 80.0, 80.5], "faster"),
            ([20.0, 300.0, 50.0, 200.0, 30.0], "within the noise"),
            ([100.0, 101.0, 99.0, 100.0, 100.5], "within the noise"),
        ] {
            let page = Comparison::new(&steady, &with_parts(&values)).to_string();
            assert!(line(&page, "e2e p99").contains(expected), "{page}");
        }
        // In a stage whose rate rises both runs get slower: only the difference between them counts.
        let (rising, slower) = (with_parts(&[10.0, 50.0, 200.0, 800.0]), with_parts(&[13.0, 54.0, 203.0, 804.0]));
        assert!(line(&Comparison::new(&rising, &slower).to_string(), "e2e p99").contains("SLOWER"));
        let page = Comparison::new(&steady, &with_parts(&[100.0, 300.0])).to_string();
        assert!(line(&page, "e2e p99").contains("too short to tell"), "{page}");
    }

    #[test]
    fn what_makes_two_runs_differ_is_said_first() {
        let before = report();
        let mut now = report();
        now.settings.stages[0].to_rps *= 2.0;
        now.totals.lost += 7;
        now.valid = true;
        let page = Comparison::new(&before, &now).to_string();
        assert!(
            page.contains("the loads of the two runs differ") && page.contains("the earlier run is invalid"),
            "{page}"
        );
        assert!(!page.contains("this run is invalid") && !page.contains("catalogs of the two"), "{page}");
        assert!(line(&page, "lost").ends_with("1 ->          8"), "{page}");
    }
}
