//! The report as one file for a browser: nothing in it is loaded from elsewhere.

use std::fmt::{Result, Write as _};

use super::chart::{Chart, Line};
use super::schema::{Point, PointLatency, Report};
use super::text::{escaped, number};
use crate::account::LISTED_MAX;
use crate::latency::Percentiles;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl Report {
    /// The page.
    pub(crate) fn html(&self) -> String {
        let mut page = String::new();
        self.write_html(&mut page).expect("writing to a String cannot fail");
        page
    }

    fn write_html(&self, page: &mut String) -> Result {
        writeln!(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(
            page,
            "<title>loadgen run {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
            escaped(&self.run_id)
        )?;
        self.write_head(page)?;
        self.write_tiles(page)?;
        writeln!(page, "<h2>Over time</h2>")?;
        writeln!(
            page,
            "<p class=\"muted\">Minutes from the start. Times stand at the instant at which a job was meant to be sent, \
             rates and depths where they happened. Dotted lines part the stages.</p>"
        )?;
        self.charts().iter().try_for_each(|chart| write!(page, "{chart}"))?;
        self.write_latencies(page)?;
        self.write_stages_html(page)?;
        self.write_objectives(page)?;
        self.write_lists_html(page)?;
        let settings = serde_json::to_string_pretty(&serde_json::json!({
            "settings": self.settings, "environment": self.environment, "accounting": self.accounting,
            "catalogs": self.catalogs, "requests": self.requests, "cost_usd": self.cost_usd, "generator": self.generator,
        }));
        let settings = settings.expect("a report has only string keys and finite numbers");
        writeln!(
            page,
            "<details><summary>Settings, requests and cost</summary><pre>{}</pre></details>",
            escaped(&settings)
        )?;
        writeln!(page, "<script>\n{SCRIPT}</script>\n</body>\n</html>")
    }

    fn write_head(&self, page: &mut String) -> Result {
        writeln!(page, "<h1>{}</h1>", escaped(&self.asked()))?;
        let place = self.environment.endpoint_url.as_ref().or(self.environment.region.as_ref());
        writeln!(
            page,
            "<p class=\"muted\">Run {} of {}, {}, {:.1} s of sending and {:.1} s of drain{}</p>",
            escaped(&self.run_id),
            escaped(&self.started_at),
            escaped(place.map_or("no region", String::as_str)),
            self.sending_seconds,
            self.drain_seconds,
            if self.ended_early { ", ended early" } else { "" }
        )?;
        writeln!(page, "<ul class=\"verdicts\">")?;
        for (good, yes, no) in
            [(self.slo_passed, "Objectives met", "Objectives missed"), (self.valid, "Valid run", "Invalid run")]
        {
            writeln!(page, "<li class=\"{}\">{}</li>", if good { "good" } else { "bad" }, if good { yes } else { no })?;
        }
        writeln!(page, "</ul>")?;
        for reason in &self.invalid_reasons {
            writeln!(page, "<p class=\"bad\">{}</p>", escaped(reason))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(page, "<p>Note: {}.</p>", escaped(note)))
    }

    fn write_tiles(&self, page: &mut String) -> Result {
        writeln!(page, "<dl class=\"tiles\">")?;
        for (name, count, bad) in self.totals.named() {
            let class = if bad && count > 0 { " class=\"bad\"" } else { "" };
            writeln!(page, "<div><dt>{name}</dt><dd{class}>{}</dd></div>", number(count as f64))?;
        }
        writeln!(page, "</dl>")
    }

    fn charts(&self) -> [Chart; 4] {
        let points = &self.series.points;
        let each = self.series.interval_seconds;
        let per_second = |count: u64| Some(count as f64 / each);
        let line = |name, class, value: &dyn Fn(&Point) -> Option<f64>| Line {
            name,
            class,
            values: points.iter().map(value).collect(),
        };
        let e2e = |part: fn(&PointLatency) -> f64| move |point: &Point| point.end_to_end_ms.as_ref().map(part);
        let chart = |title, unit, logarithmic, lines| Chart {
            title,
            unit,
            logarithmic,
            instants: points.iter().map(|point| point.second).collect(),
            marks: self.stages.iter().skip(1).map(|stage| stage.start_seconds).collect(),
            lines,
        };
        [
            chart(
                "End-to-end time",
                " ms",
                true,
                vec![
                    line("max", "grey", &e2e(|latency| latency.max)),
                    line("p99", "p99", &e2e(|latency| latency.p99)),
                    line("p90", "p90", &e2e(|latency| latency.p90)),
                    line("p50", "p50", &e2e(|latency| latency.p50)),
                ],
            ),
            chart(
                "Jobs a second",
                "",
                false,
                vec![
                    line("asked for", "grey", &|point| Some(point.asked_rps)),
                    line("sent", "blue", &|point| per_second(point.sent)),
                    line("completed", "teal", &|point| per_second(point.completed)),
                    line("dropped or failed", "orange", &|point| {
                        (point.dropped + point.send_failed > 0)
                            .then(|| (point.dropped + point.send_failed) as f64 / each)
                    }),
                ],
            ),
            chart(
                "Backlog, jobs",
                "",
                false,
                vec![
                    line("sent, no record seen", "blue", &|point| Some(point.pending as f64)),
                    line("waiting on the queue", "orange", &|point| {
                        point.queue.map(|queue| (queue.visible + queue.delayed) as f64)
                    }),
                    line("received, not deleted", "teal", &|point| point.queue.map(|queue| queue.in_flight as f64)),
                    line("dead letters", "grey", &|point| point.queue?.dead_letters.map(|count| count as f64)),
                ],
            ),
            chart(
                "Longest schedule lag and send time",
                " ms",
                true,
                vec![
                    line("schedule lag", "blue", &|point| point.schedule_lag_max_ms),
                    line("send", "orange", &|point| point.send_max_ms),
                ],
            ),
        ]
    }

    fn write_latencies(&self, page: &mut String) -> Result {
        writeln!(page, "<h2>Times, ms</h2>\n<div class=\"scroll\"><table><thead><tr><th></th><th>count</th>")?;
        writeln!(page, "{}</tr></thead>", Percentiles::COLUMNS.map(|head| format!("<th>{head}</th>")).concat())?;
        for (name, meaning, latency) in self.latency_ms.named() {
            write!(page, "<tr><td title=\"{meaning}\">{name}</td><td>{}</td>", number(latency.count as f64))?;
            latency.columns().iter().try_for_each(|value| cell(page, *value))?;
            writeln!(page, "</tr>")?;
        }
        writeln!(page, "</table></div>")
    }

    fn write_stages_html(&self, page: &mut String) -> Result {
        if self.stages.len() < 2 {
            return Ok(());
        }
        writeln!(page, "<h2>Stages</h2>\n<div class=\"scroll\"><table><thead><tr><th>jobs/s</th><th>seconds</th>")?;
        for head in ["intended", "sent", "dropped", "lost", "wrong", "lag p99", "e2e p50", "e2e p99", "e2e max"] {
            write!(page, "<th>{head}</th>")?;
        }
        writeln!(page, "</tr></thead>")?;
        for stage in &self.stages {
            let settings = &stage.settings;
            write!(page, "<tr><td>{}</td><td>{}</td>", settings.rate(), number(settings.duration_seconds))?;
            let totals = &stage.totals;
            for count in [totals.intended, totals.sent, totals.dropped, totals.lost, totals.wrong] {
                write!(page, "<td>{}</td>", number(count as f64))?;
            }
            let (lag, e2e) = (&stage.latency_ms.schedule_lag, &stage.latency_ms.end_to_end);
            [lag.p99, e2e.p50, e2e.p99, e2e.max].iter().try_for_each(|value| cell(page, *value))?;
            writeln!(page, "</tr>")?;
        }
        writeln!(page, "</table></div>")
    }

    fn write_objectives(&self, page: &mut String) -> Result {
        writeln!(
            page,
            "<h2>Objectives</h2>\n<div class=\"scroll\"><table><thead><tr><th>objective</th><th>measured</th>"
        )?;
        writeln!(page, "<th></th></tr></thead>")?;
        for outcome in &self.slo {
            let unit = if outcome.unit == "jobs" { "" } else { &outcome.unit };
            let value = outcome.value.map_or("no such value".to_owned(), |value| format!("{} {unit}", number(value)));
            let (class, verdict) = if outcome.passed { ("good", "met") } else { ("bad", "missed") };
            writeln!(
                page,
                "<tr><td>{}</td><td>{value}</td><td class=\"{class}\">{verdict}</td></tr>",
                escaped(&outcome.objective)
            )?;
        }
        writeln!(page, "</table></div>")
    }

    fn write_lists_html(&self, page: &mut String) -> Result {
        let more = |count: u64| if count > LISTED_MAX as u64 { ", the first of them" } else { "" };
        if self.totals.wrong > 0 {
            writeln!(page, "<h2>Wrong{}</h2>\n<div class=\"scroll\"><table>", more(self.totals.wrong))?;
            for wrong in &self.wrong_records {
                let (id, reason) = (escaped(&wrong.request_id), escaped(&wrong.reason));
                writeln!(page, "<tr><td>{id}</td><td class=\"wrap\">{reason}</td></tr>")?;
            }
            writeln!(page, "</table></div>")?;
        }
        for (name, count, ids) in self.id_lists() {
            if count > 0 {
                writeln!(page, "<h2>{name}{}</h2>\n<pre>{}</pre>", more(count), escaped(&ids.join("\n")))?;
            }
        }
        Ok(())
    }
}

fn cell(page: &mut String, value: Option<f64>) -> Result {
    write!(page, "<td>{}</td>", value.map_or("-".to_owned(), number))
}
