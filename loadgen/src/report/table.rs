//! The report as a page for a terminal.

use std::fmt;

use super::schema::{Latencies, Report, StageReport};
use super::text::number;
use crate::account::LISTED_MAX;
use crate::latency::Percentiles;

/// A page for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.ended_early { ", ended early" } else { "" };
        writeln!(page, "run {}: {}{early}", self.run_id, self.asked())?;
        let seconds = self.sending_seconds.max(f64::MIN_POSITIVE);
        writeln!(
            page,
            "sent {} of {} jobs in {seconds:.1} s ({:.1} jobs/s), then drained for {:.1} s\n",
            self.totals.sent,
            self.totals.intended,
            self.totals.sent as f64 / seconds,
            self.drain_seconds
        )?;
        self.write_totals(page)?;
        write_latencies(page, &self.latency_ms)?;
        if self.stages.len() > 1 {
            self.write_stages(page)?;
        }
        self.write_queue(page)?;
        self.write_lists(page)?;
        for note in &self.notes {
            writeln!(page, "\nnote: {note}")?;
        }
        if let Some(reason) = &self.send_error {
            writeln!(page, "\nlast trouble with sending: {reason}")?;
        }
        if let Some(reason) = &self.read_error {
            writeln!(page, "\nlast trouble with reading records: {reason}")?;
        }
        let generator = &self.generator;
        let each = generator.cpu_ms_per_job.map_or("-".to_owned(), |each| format!("{each:.3} ms of CPU a job"));
        let memory = generator.max_resident_bytes as f64 / f64::from(1 << 20);
        writeln!(
            page,
            "\ngenerator: {each}, {memory:.0} MiB; its own requests: ${:.4} at list prices",
            self.cost_usd.total
        )?;
        self.write_verdict(page)
    }
}

impl Report {
    /// The load in a few words.
    pub(crate) fn asked(&self) -> String {
        match &self.settings.stages[..] {
            [stage] => format!("{} jobs/s asked for {} s", stage.rate(), number(stage.duration_seconds)),
            stages => {
                let peak = stages.iter().flat_map(|stage| [stage.from_rps, stage.to_rps]).fold(0.0, f64::max);
                format!("{} stages of up to {} jobs/s asked", stages.len(), number(peak))
            }
        }
    }

    fn write_totals(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (totals, accounting) = (&self.totals, &self.accounting);
        let repeats = match (accounting.duplicates_sent, accounting.conflicts_sent, accounting.invalid_sent) {
            (0, 0, 0) => String::new(),
            (duplicates, conflicts, invalid) => {
                format!("of them {duplicates} duplicates, {conflicts} conflicts, {invalid} invalid")
            }
        };
        let distinct = format!("of {} request ids looked for, {} sent", accounting.verified, accounting.distinct_sent);
        let again = match accounting.send_retries {
            0 => String::new(),
            count => format!("{count} times a message was sent again after a failed attempt"),
        };
        let duplicated = match accounting.duplicated {
            0 => String::new(),
            count => format!("of them {count} written more than once"),
        };
        for (name, count, _) in totals.named() {
            let remark = match name {
                "sent" => &repeats[..],
                "send failed" => &again,
                "succeeded" => &distinct,
                "wrong" => &duplicated,
                _ => "",
            };
            writeln!(page, "{}", format!("  {name:<12} {count:>10}  {remark}").trim_end())?;
        }
        Ok(())
    }

    fn write_stages(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            page,
            "\n  {:<24} {:>9} {:>9} {:>7} {:>7} {:>9} {:>10} {:>10} {:>10}",
            "stage", "intended", "sent", "lost", "wrong", "lag p99", "e2e p50", "e2e p99", "e2e max"
        )?;
        for stage in &self.stages {
            let StageReport { settings, totals, latency_ms, .. } = stage;
            let name = format!("{} s at {}", number(settings.duration_seconds), settings.rate());
            let (lag, e2e) = (&latency_ms.schedule_lag, &latency_ms.end_to_end);
            writeln!(
                page,
                "  {name:<24} {:>9} {:>9} {:>7} {:>7} {:>9} {:>10} {:>10} {:>10}",
                totals.intended,
                totals.sent,
                totals.lost,
                totals.wrong,
                milliseconds(lag.p99),
                milliseconds(e2e.p50),
                milliseconds(e2e.p99),
                milliseconds(e2e.max)
            )?;
        }
        Ok(())
    }

    fn write_queue(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ages = self.series.points.iter().filter_map(|point| point.oldest_pending_seconds);
        let oldest = ages.max_by(f64::total_cmp);
        let after = self.queue.after.map_or("unknown".to_owned(), |depth| depth.total().to_string());
        write!(page, "\nqueue: at most {} messages, {after} at the end", self.queue.peak)?;
        if let Some(dead) = self.queue.after.and_then(|depth| depth.dead_letters) {
            write!(page, "; {dead} dead letters")?;
        }
        match oldest {
            Some(oldest) => writeln!(page, "; the oldest unanswered job was {oldest:.1} s old"),
            None => writeln!(page),
        }
    }

    fn write_lists(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = |count: u64| if count > LISTED_MAX as u64 { " (the first of them)" } else { "" };
        if self.totals.wrong > 0 {
            writeln!(page, "\nwrong{}:", more(self.totals.wrong))?;
            self.wrong_records
                .iter()
                .try_for_each(|wrong| writeln!(page, "  {}: {}", wrong.request_id, wrong.reason))?;
        }
        for (name, count, ids) in self.id_lists() {
            if count > 0 {
                writeln!(page, "\n{name}{}:", more(count))?;
                ids.iter().try_for_each(|id| writeln!(page, "  {id}"))?;
            }
        }
        Ok(())
    }

    fn write_verdict(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(page)?;
        for outcome in &self.slo {
            let value =
                outcome.value.map_or(
                    "no such value: see dropped, send failed, lost".to_owned(),
                    |value| match &outcome.unit[..] {
                        "jobs" => format!("{value}"),
                        unit => format!("{value:.3} {unit}"),
                    },
                );
            let verdict = if outcome.passed { "met   " } else { "MISSED" };
            writeln!(page, "{verdict}  {}  ({value})", outcome.objective)?;
        }
        if !self.valid {
            writeln!(page, "\nINVALID RUN")?;
            self.invalid_reasons.iter().try_for_each(|reason| writeln!(page, "  {reason}"))?;
        }
        Ok(())
    }
}

fn write_latencies(page: &mut fmt::Formatter<'_>, latencies: &Latencies) -> fmt::Result {
    let heads = Percentiles::COLUMNS.map(|head| format!("{head:>10}")).join(" ");
    writeln!(page, "\n  {:<12} {:>10} {heads}", "ms", "count")?;
    for (name, _, latency) in latencies.named() {
        write!(page, "  {name:<12} {:>10}", latency.count)?;
        for value in latency.columns() {
            write!(page, " {:>10}", milliseconds(value))?;
        }
        writeln!(page)?;
    }
    Ok(())
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}
