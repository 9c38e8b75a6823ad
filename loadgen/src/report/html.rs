//! The report as one file for a browser: nothing in it is loaded from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Across, Chart, Line};
use super::compare::Comparison;
use super::miss::measured;
use super::schema::{Report, StageReport};
use crate::series::{Point, PointLatency};
use crate::slo::{Outcome, Unit};
use crate::text::{count, number, tick, time};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of a run, beside an earlier one if there is one.
pub(crate) fn page(report: &Report, earlier: Option<&Report>) -> String {
    let comparison = earlier.map(|earlier| Comparison::new(earlier, report));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "loadgen run " (report.run_id) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(report))
                (verdict(report))
                (figures(report))
                h2 { "How long jobs took" }
                p.muted { "From the instant at which a job was meant to be sent until its record was seen, by percentile." }
                (distribution(report, earlier).figure())
                h2 { "Over time" }
                p.muted {
                    "From the start of the run. Times stand at the instant at which a job was meant to be sent, rates and \
                     depths where they happened."
                    @if report.stages.len() > 1 { " Dotted lines separate the stages." }
                }
                @for chart in over_time(report) { (chart.figure()) }
                h2 { "Times" }
                (table(&Report::TIME_HEADS, report.time_rows().into_iter()))
                @if report.stages.len() > 1 {
                    h2 { "Stages" }
                    (table(&Report::STAGE_HEADS, report.stages.iter().map(StageReport::cells)))
                }
                @if let Some(comparison) = comparison {
                    h2 { (comparison.title) }
                    @for remark in &comparison.remarks { p { (remark) "." } }
                    (table(&["", "before", "now", ""], comparison.rows.into_iter()))
                }
                (lists(report))
                details { summary { "Settings, requests and cost" } pre { (settings(report)) } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report) -> Markup {
    let place = report.environment.endpoint_url.as_ref().or(report.environment.region.as_ref());
    html! {
        h1 { (report.asked()) @if report.ended_early { ", ended early" } }
        p.muted {
            "Run " (report.run_id) " of " (report.started_at) ", " (place.map_or("no region", String::as_str)) ": "
            (report.happened()) "."
        }
    }
}

/// What a reader has to know first: what was missed, when, and what else happened then.
fn verdict(report: &Report) -> Markup {
    let (missed, all) = (report.slo.iter().filter(|outcome| !outcome.passed).count(), report.slo.len());
    let title = match (report.slo_passed, missed, all) {
        (true, _, 0) => "No objectives were set".to_owned(),
        (true, _, 1) => "The objective was met".to_owned(),
        (true, _, all) => format!("All {all} objectives were met"),
        // The records could not be read.
        (false, 0, _) => "It is not known whether the objectives were met".to_owned(),
        (false, missed, all) => {
            format!("Missed {missed} of {all} {}", if all == 1 { "objective" } else { "objectives" })
        }
    };
    html! {
        section.verdict.bad[!report.slo_passed || !report.valid] {
            h2 { (if report.slo_passed { "✓ " } else { "✗ " }) (title) }
            ul { @for outcome in &report.slo { (judged(report, outcome)) } }
            @if let Some((heading, facts)) = report.meanwhile() {
                h3 { (heading) }
                ul { @for fact in facts { li { (fact) } } }
            }
            @if !report.valid {
                h2 { "✗ Invalid run: it did not offer the load that was asked for" }
                ul { @for reason in &report.invalid_reasons { li { (reason) } } }
            }
        }
        @for note in &report.notes { p { "Note: " (note) } }
    }
}

fn judged(report: &Report, outcome: &Outcome) -> Markup {
    html! {
        li {
            @if outcome.passed { "✓ met " } @else { strong { "✗ missed " } }
            code { (outcome.objective) } ": " (measured(outcome))
            @if let Some(missed) = outcome.missed { "; " (report.when(&missed)) }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let e2e = &report.latency_ms.end_to_end;
    let missed = report.slo.iter().any(|outcome| !outcome.passed && outcome.objective.starts_with("e2e."));
    let value = |value: Option<f64>| value.map_or("-".to_owned(), time);
    html! {
        dl.tiles {
            div.large.bad[missed] { dt { "p99, end to end" } dd { (value(e2e.p99)) } }
            div { dt { "p50" } dd { (value(e2e.p50)) } }
            div { dt { "longest" } dd { (value(e2e.max)) } }
            @for (name, count, bad) in report.totals.named() {
                div.bad[bad && count > 0] { dt { (name) } dd { (number(count as f64)) } }
            }
        }
    }
}

fn distribution(report: &Report, earlier: Option<&Report>) -> Chart {
    let points = &report.end_to_end_by_percentile;
    let mut lines = vec![Line { name: "this run", values: points.iter().map(|point| Some(point.ms)).collect() }];
    let earlier = earlier.map(|earlier| &earlier.end_to_end_by_percentile);
    if let Some(earlier) = earlier.filter(|points| !points.is_empty()) {
        let at = |percentile: f64| {
            earlier.iter().find(|point| point.percentile.to_bits() == percentile.to_bits()).map(|point| point.ms)
        };
        let values = points.iter().map(|point| at(point.percentile)).collect();
        lines.push(Line { name: "the earlier run", values });
    }
    let percentiles: Vec<f64> = points.iter().map(|point| point.percentile).collect();
    Chart {
        title: "End-to-end time by percentile",
        logarithmic: true,
        tick,
        label: time,
        across: Across::percentiles(&percentiles),
        lines,
        limits: limits(report, &["e2e."]),
    }
}

/// Objectives about times, of these metrics.
fn limits(report: &Report, metrics: &[&str]) -> Vec<(String, f64)> {
    let concerned = |outcome: &&Outcome| {
        outcome.unit == Unit::Milliseconds && metrics.iter().any(|metric| outcome.objective.starts_with(metric))
    };
    report.slo.iter().filter(concerned).map(|outcome| (outcome.objective.clone(), outcome.limit)).collect()
}

fn over_time(report: &Report) -> [Chart; 5] {
    let (points, each) = (&report.series.points, report.series.interval_seconds);
    let instants: Vec<f64> = points.iter().map(|point| point.second).collect();
    let marks: Vec<f64> = report.stages.iter().skip(1).map(|stage| stage.start_seconds).collect();
    let across = Across::time(&instants, &marks, report.missed_span());
    let line = |name, value: &dyn Fn(&Point) -> Option<f64>| Line { name, values: points.iter().map(value).collect() };
    let e2e = |part: fn(&PointLatency) -> f64| move |point: &Point| point.end_to_end_ms.as_ref().map(part);
    let per_second = |count: u64| Some(count as f64 / each);
    // What earlier runs left there is none of this one's.
    let earlier = report.queue.before.and_then(|depth| depth.dead_letters).unwrap_or_default();
    let times = |title, lines, metrics: &[&str]| Chart {
        title,
        logarithmic: true,
        tick,
        label: time,
        across: across.clone(),
        lines,
        limits: limits(report, metrics),
    };
    let numbers = |title, lines| Chart {
        title,
        logarithmic: false,
        tick: number,
        label: number,
        across: across.clone(),
        lines,
        limits: Vec::new(),
    };
    [
        times(
            "End-to-end time",
            vec![
                line("p50", &e2e(|latency| latency.p50)),
                line("p99", &e2e(|latency| latency.p99)),
                line("p90", &e2e(|latency| latency.p90)),
                line("longest", &e2e(|latency| latency.max)),
            ],
            &["e2e."],
        ),
        numbers(
            "Jobs a second",
            vec![
                line("completed", &|point| per_second(point.completed)),
                line("dropped or failed", &|point| {
                    per_second(point.dropped + point.send_failed).filter(|rate| *rate > 0.0)
                }),
                line("sent", &|point| per_second(point.sent)),
                line("asked for", &|point| Some(point.asked_rps)),
            ],
        ),
        numbers(
            "Backlog, jobs",
            vec![
                line("sent, no record seen", &|point| Some(point.pending as f64)),
                line("waiting on the queue", &|point| point.queue.map(|queue| (queue.visible + queue.delayed) as f64)),
                line("held by workers", &|point| point.queue.map(|queue| queue.in_flight as f64)),
            ],
        ),
        numbers(
            "Dead letters and failed attempts of this run",
            vec![
                line("dead letters so far", &|point| {
                    point.queue?.dead_letters.map(|count| count.saturating_sub(earlier) as f64)
                }),
                line("failed attempts", &|point| Some(point.errors as f64)),
            ],
        ),
        times(
            "Longest schedule lag and send time",
            vec![line("schedule lag", &|point| point.schedule_lag_max_ms), line("send", &|point| point.send_max_ms)],
            &["lag.", "send."],
        ),
    ]
}

fn table<const N: usize>(heads: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for head in heads { th { (head) } } } }
                @for row in rows { tr { @for cell in row { td { (cell) } } } }
            }
        }
    }
}

fn lists(report: &Report) -> Markup {
    html! {
        @for (name, all, entries) in report.lists() {
            @if all > 0 {
                details {
                    summary {
                        (count(all, "job")) " " (name) @if all > entries.len() as u64 { ", the first " (entries.len()) }
                    }
                    pre { (entries.join("\n")) }
                }
            }
        }
    }
}

fn settings(report: &Report) -> String {
    let settings = serde_json::json!({
        "settings": report.settings, "environment": report.environment, "accounting": report.accounting,
        "catalogs": report.catalogs, "requests": report.requests, "cost_usd": report.cost_usd, "generator": report.generator,
    });
    serde_json::to_string_pretty(&settings).expect("a report has only string keys and finite numbers")
}
