//! What has changed since an earlier run, and whether it is more than the runs vary by themselves.
//!
//! Each stage's end-to-end times are known for ten parts of it. Of a percentile the differences between like parts of the
//! two runs are taken, so that what both runs do in the course of a stage cancels out; their mean counts as a difference
//! if it is more than two of its standard errors.

use std::fmt::{Result, Write as _};

use super::schema::{Report, StageReport};
use crate::latency::Percentiles;

/// How many standard errors a difference must have.
const ERRORS_MIN: f64 = 2.0;
/// Fewer parts than this say nothing about how much they vary.
const PARTS_MIN: usize = 3;

type Statistic = fn(&Percentiles) -> Option<f64>;

/// The differences of `now` from `before`, for people.
pub(crate) fn compare(before: &Report, now: &Report) -> String {
    let mut page = String::new();
    write_comparison(&mut page, before, now).expect("writing to a String cannot fail");
    page
}

fn write_comparison(page: &mut String, before: &Report, now: &Report) -> Result {
    writeln!(page, "compared with run {} of {}", before.run_id, before.started_at)?;
    for (what, same) in [
        ("loads", before.settings.load() == now.settings.load()),
        ("look-ups", before.settings.lookups_per_second == now.settings.lookups_per_second),
        ("catalog", before.catalogs.keys().eq(now.catalogs.keys())),
        ("environment", before.environment == now.environment),
    ] {
        if !same {
            writeln!(page, "  the {what} of the two runs differ: read the figures with that in mind")?;
        }
    }
    for (what, report) in [("the earlier run", before), ("this run", now)] {
        if !report.valid {
            writeln!(page, "  {what} is invalid: its times are not those of the load that was asked for")?;
        }
    }
    let counts = |report: &Report| {
        let totals = &report.totals;
        [totals.lost, totals.wrong, totals.late, totals.dropped, totals.send_failed, totals.unexpected]
    };
    let names = ["lost", "wrong", "late", "dropped", "send failed", "unexpected"];
    for (name, (before, now)) in names.into_iter().zip(counts(before).into_iter().zip(counts(now))) {
        if before != now {
            writeln!(page, "  {name:<24} {before:>10} -> {now:>10}")?;
        }
    }
    let throughput = |report: &Report| report.totals.sent as f64 / report.sending_seconds.max(f64::MIN_POSITIVE);
    writeln!(page, "  {:<24} {:>10.1} -> {:>10.1}", "sent, jobs/s", throughput(before), throughput(now))?;
    if before.settings.stages.len() != now.settings.stages.len() {
        return writeln!(page, "  end-to-end times are compared stage by stage, which cannot be done here");
    }
    for (number, (before, now)) in before.stages.iter().zip(&now.stages).enumerate() {
        write_stage(page, number, before, now)?;
    }
    Ok(())
}

fn write_stage(page: &mut String, number: usize, before: &StageReport, now: &StageReport) -> Result {
    let statistics: [(&str, Statistic); 3] =
        [("p50", |part| part.p50), ("p95", |part| part.p95), ("p99", |part| part.p99)];
    for (name, statistic) in statistics {
        let whole = |stage: &StageReport| statistic(&stage.latency_ms.end_to_end);
        let parts = |stage: &StageReport| stage.parts_ms.iter().map(statistic).collect::<Vec<_>>();
        let label = format!("stage {} e2e {name}, ms", number + 1);
        let Some((old, new)) = whole(before).zip(whole(now)) else {
            writeln!(page, "  {label:<24} not measured in both")?;
            continue;
        };
        let verdict = verdict(&parts(before), &parts(now));
        writeln!(page, "  {label:<24} {old:>10.1} -> {new:>10.1}  {verdict}")?;
    }
    Ok(())
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
            let page = compare(&steady, &with_parts(&values));
            assert!(line(&page, "e2e p99").contains(expected), "{page}");
        }
        // In a stage whose rate rises both runs get slower: only the difference between them counts.
        let (rising, slower) = (with_parts(&[10.0, 50.0, 200.0, 800.0]), with_parts(&[13.0, 54.0, 203.0, 804.0]));
        assert!(line(&compare(&rising, &slower), "e2e p99").contains("SLOWER"));
        let page = compare(&steady, &with_parts(&[100.0, 300.0]));
        assert!(line(&page, "e2e p99").contains("too short to tell"), "{page}");
    }

    #[test]
    fn what_makes_two_runs_differ_is_said_first() {
        let before = report();
        let mut now = report();
        now.settings.stages[0].to_rps *= 2.0;
        now.totals.lost += 7;
        now.valid = true;
        let page = compare(&before, &now);
        assert!(
            page.contains("the loads of the two runs differ") && page.contains("the earlier run is invalid"),
            "{page}"
        );
        assert!(!page.contains("this run is invalid") && !page.contains("catalog of the two"), "{page}");
        assert!(line(&page, "lost").ends_with("1 ->          8"), "{page}");
    }
}
