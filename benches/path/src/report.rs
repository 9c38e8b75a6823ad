//! Medians, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use crate::Fault;
use crate::case::Case;
use crate::measure::Run;
use crate::program::{Program, Scan};

/// Every run and scan.
pub(crate) fn json(runs: &[Run], scans: &[Scan]) -> Result<String, Fault> {
    Ok(serde_json::to_string_pretty(&json!({ "runs": runs, "scans": scans }))? + "\n")
}

/// A line for each case and program; ratios are those of the runs of a turn.
pub(crate) fn table(cases: &[Case], programs: &[Program], runs: &[Run], scans: &[Scan]) -> String {
    let mut text = String::from(
        "| case | program | CPU ms/job | to the first | jobs/s | p50 / p90 / p99 ms | deletions a job | MiB ready / peak | start s (CPU) |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for case in cases {
        let of = |program: &Program| -> Vec<&Run> {
            runs.iter().filter(|run| run.case == case.name() && run.program == program.name).collect()
        };
        let first = of(&programs[0]);
        for program in programs {
            let these = of(program);
            if these.is_empty() {
                continue;
            }
            let of = |figure: fn(&Run) -> f64| median(these.iter().map(|run| figure(run)));
            let ratio = median(these.iter().zip(&first).map(|(run, first)| run.cpu_ms / first.cpu_ms));
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {ratio:.2} | {:.0} | {:.1} / {:.1} / {:.1} | {:.3} | {:.0} / {:.0} | {:.2} ({:.2}) |",
                case.name(),
                program.name,
                of(|run| run.cpu_ms),
                of(|run| run.jobs_per_second),
                of(|run| run.p50_ms),
                of(|run| run.p90_ms),
                of(|run| run.p99_ms),
                of(|run| run.deletions),
                of(|run| run.ready_mib),
                of(|run| run.peak_mib),
                of(|run| run.start_seconds),
                of(|run| run.start_cpu_seconds),
            ); // writing to a String cannot fail
        }
    }
    for program in programs {
        for group_by in ["category", "none"] {
            let these = scans.iter().filter(|scan| scan.program == program.name && scan.group_by == group_by);
            let ms = median(these.map(|scan| scan.ms));
            if ms.is_finite() {
                let _ = writeln!(
                    text,
                    "scan of {}, {group_by}: {ms:.3} ms a job on one thread, batches of 64",
                    program.name
                );
            }
        }
    }
    text
}

/// NaN of nothing.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_it() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < 1e-12);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-12);
        assert!(median(std::iter::empty()).is_nan());
    }
}
