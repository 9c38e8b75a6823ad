//! The report as a page for a terminal.

use std::fmt;

use super::miss::measured;
use super::schema::{Report, StageReport};
use crate::account::LISTED_MAX;
use crate::text::{count, duration, number, time};

/// Most ids of each list.
const IDS_MAX: usize = 10;

/// A page for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.ended_early { ", ended early" } else { "" };
        writeln!(page, "run {}: {}{early}\n{}\n", self.run_id, self.asked(), self.happened())?;
        self.write_totals(page)?;
        self.write_times(page)?;
        self.write_queue(page)?;
        self.write_lists(page)?;
        self.notes.iter().try_for_each(|note| writeln!(page, "\nnote: {note}"))?;
        for (what, reason) in [("sending", &self.send_error), ("reading records", &self.read_error)] {
            if let Some(reason) = reason {
                writeln!(page, "\nlast error while {what}: {reason}")?;
            }
        }
        let generator = &self.generator;
        let each = generator.cpu_ms_per_job.map_or("-".to_owned(), |each| format!("{each:.3} ms of CPU a job"));
        let memory = generator.max_resident_bytes as f64 / f64::from(1 << 20);
        let cost = self.cost_usd.total;
        writeln!(page, "\ngenerator: {each}, {memory:.0} MiB; its own requests: ${cost:.4} at list prices")?;
        self.write_verdict(page)
    }
}

impl Report {
    /// The load in a few words.
    pub(super) fn asked(&self) -> String {
        match &self.settings.stages[..] {
            [stage] => format!("{} jobs/s for {}", stage.rate(), duration(stage.duration_seconds)),
            stages => {
                let peak = stages.iter().flat_map(|stage| [stage.from_rps, stage.to_rps]).fold(0.0, f64::max);
                format!("{} stages of up to {} jobs/s", stages.len(), number(peak))
            }
        }
    }

    /// What became of it, in a few words.
    pub(super) fn happened(&self) -> String {
        let (totals, seconds) = (&self.totals, self.sending_seconds);
        let rate = number(totals.sent as f64 / seconds.max(f64::MIN_POSITIVE));
        let (sent, asked) = (number(totals.sent as f64), count(totals.intended, "job"));
        let (took, drain) = (duration(seconds), duration(self.drain_seconds));
        format!("sent {sent} of {asked} in {took} ({rate} jobs/s), then drained for {drain}")
    }

    fn write_totals(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounting = &self.accounting;
        let repeats = (accounting.duplicates_sent, accounting.conflicts_sent, accounting.invalid_sent);
        for (name, total, _) in self.totals.named() {
            let remark = match name {
                "sent" if repeats != (0, 0, 0) => {
                    let (duplicates, conflicts) = (count(repeats.0, "duplicate"), count(repeats.1, "conflict"));
                    format!("of them {duplicates}, {conflicts}, {} invalid", repeats.2)
                }
                "send failed" if accounting.send_retries > 0 => {
                    format!("failed attempts were repeated {}", count(accounting.send_retries, "time"))
                }
                "succeeded" => {
                    let looked_for = count(accounting.verified, "request id");
                    format!("of {looked_for} looked for, {} sent", number(accounting.distinct_sent as f64))
                }
                "wrong" if accounting.duplicated > 0 => {
                    format!("of them {} written more than once", accounting.duplicated)
                }
                _ => String::new(),
            };
            writeln!(page, "{}", format!("  {name:<12} {:>12}  {remark}", number(total as f64)).trim_end())?;
        }
        Ok(())
    }

    fn write_times(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(page, Self::TIME_HEADS, self.time_rows())?;
        if self.stages.len() > 1 {
            write_table(page, Self::STAGE_HEADS, self.stages.iter().map(StageReport::cells))?;
        }
        Ok(())
    }

    fn write_queue(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oldest = self.series.points.iter().filter_map(|point| point.oldest_pending_seconds).max_by(f64::total_cmp);
        let oldest = oldest
            .map_or(String::new(), |age| format!("; the oldest job without a record was {} old", time(age * 1_000.0)));
        let depth = |depth: Option<u64>| depth.map_or("unknown".to_owned(), |depth| number(depth as f64));
        let after = depth(self.queue.after.map(|depth| depth.total()));
        let dead = self.queue.after.and_then(|depth| depth.dead_letters);
        let dead = dead.map_or(String::new(), |dead| format!("; {}", count(dead, "dead letter")));
        writeln!(page, "\nqueue: at most {}, {after} at the end{dead}{oldest}", count(self.queue.peak, "message"))
    }

    /// The first of each list: a terminal is no place for a hundred ids.
    fn write_lists(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count, entries) in self.lists() {
            let shown = &entries[..entries.len().min(IDS_MAX)];
            if count > 0 {
                writeln!(page, "\n{name}:")?;
            }
            shown.iter().try_for_each(|entry| writeln!(page, "  {entry}"))?;
            if count > shown.len() as u64 {
                let more = number((count - shown.len() as u64) as f64);
                writeln!(page, "  and {more} more; --output lists the first {LISTED_MAX}")?;
            }
        }
        Ok(())
    }

    fn write_verdict(&self, page: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(page)?;
        for outcome in &self.slo {
            let verdict = if outcome.passed { "met   " } else { "MISSED" };
            let when = outcome.missed.map_or(String::new(), |missed| format!("; {}", self.when(&missed)));
            writeln!(page, "{verdict}  {}  ({}{when})", outcome.objective, measured(outcome))?;
        }
        if let Some((heading, facts)) = self.meanwhile() {
            writeln!(page, "\n{heading}:")?;
            facts.iter().try_for_each(|fact| writeln!(page, "  {fact}"))?;
        }
        if !self.valid {
            writeln!(page, "\nINVALID RUN")?;
            self.invalid_reasons.iter().try_for_each(|reason| writeln!(page, "  {reason}"))?;
        }
        Ok(())
    }
}

fn write_table<const N: usize>(
    page: &mut fmt::Formatter<'_>,
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> fmt::Result {
    writeln!(page)?;
    for row in std::iter::once(heads.map(str::to_owned)).chain(rows) {
        write!(page, "  {:<20}", row[0])?;
        row[1..].iter().try_for_each(|cell| write!(page, " {cell:>9}"))?;
        writeln!(page)?;
    }
    Ok(())
}
