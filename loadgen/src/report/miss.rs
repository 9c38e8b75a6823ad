//! Which objectives were missed, by how much and when, and what else happened then.
//!
//! What is seen from here: answers, the backlog, dead letters, failed requests of loadgen's own, its schedule, the load
//! and the catalog. What the worker went through is in its own log and metrics, for which times are given in UTC, too.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::schema::Report;
use crate::series::Point;
use crate::slo::{Missed, Outcome, Unit};
use crate::text::{clock, count, duration, number, time, was};

/// A pause of the answers is worth a word from this length on, in seconds.
const PAUSE_MIN: f64 = 2.0;
const PAUSES_MAX: usize = 3;

/// What was measured for an objective, and how far beyond the limit that is.
pub(super) fn measured(outcome: &Outcome) -> String {
    let Some(value) = outcome.value else {
        return "no value: jobs that were not sent or have no record count as the slowest".to_owned();
    };
    let text = match outcome.unit {
        Unit::Milliseconds => time(value),
        Unit::Jobs => count(value as u64, "job"),
        Unit::Percent => format!("{value:.3} %"),
    };
    match value / outcome.limit {
        _ if outcome.passed => text,
        ratio if !ratio.is_finite() => text,
        ratio if ratio >= 2.0 => format!("{text}, {ratio:.1} times the limit"),
        ratio if ratio >= 1.0 => format!("{text}, {:.1} % above the limit", (ratio - 1.0) * 100.0),
        ratio => format!("{text}, {:.1} % below the limit", (1.0 - ratio) * 100.0),
    }
}

impl Report {
    /// When an objective was missed: `from 0:30 to 0:52 (12:00:30 to 12:00:52 UTC)`.
    pub(super) fn when(&self, missed: &Missed) -> String {
        let Missed { from_second, to_second, intervals } = *missed;
        let (span, all) = (to_second - from_second, intervals as f64 * self.series.interval_seconds);
        let part = if all < span { format!("in {} of the {} ", duration(all), duration(span)) } else { String::new() };
        format!("{part}{}", self.span(from_second, to_second))
    }

    fn span(&self, from: f64, to: f64) -> String {
        let utc = |second: f64| {
            let start = OffsetDateTime::parse(&self.started_at, &Rfc3339).ok()?;
            let (hour, minute, second) = (start + time::Duration::seconds_f64(second.round())).to_hms();
            Some(format!("{hour:02}:{minute:02}:{second:02}"))
        };
        let utc = utc(from).zip(utc(to)).map_or(String::new(), |(from, to)| format!(" ({from} to {to} UTC)"));
        format!("from {} to {}{utc}", clock(from), clock(to))
    }

    /// From the first to the last interval in which an objective was missed.
    pub(super) fn missed_span(&self) -> Option<(f64, f64)> {
        let missed = || self.slo.iter().filter_map(|outcome| outcome.missed);
        let from = missed().map(|missed| missed.from_second).min_by(f64::total_cmp)?;
        Some((from, missed().map(|missed| missed.to_second).max_by(f64::total_cmp)?))
    }

    /// What happened from the first miss until the last of the jobs concerned was answered: a heading, and sentences.
    pub(super) fn meanwhile(&self) -> Option<(String, Vec<String>)> {
        let (from, to) = self.missed_span()?;
        let (points, each) = (&self.series.points, self.series.interval_seconds);
        let concerned = points.iter().filter(|point| point.second >= from && point.second < to);
        let answered = |point: &Point| match point.end_to_end_ms {
            _ if point.lost > 0 => f64::INFINITY,
            Some(latency) => point.second + each + latency.max / 1_000.0,
            None => point.second + each,
        };
        let end = points.last().map_or(to, |last| last.second + each);
        let until = concerned.map(answered).fold(to, f64::max).min(end);
        let within: Vec<&Point> = points.iter().filter(|point| point.second >= from && point.second < until).collect();
        let before = points.iter().rfind(|point| point.second < from);
        let mut facts: Vec<String> = [
            pauses(&within, each),
            backlog(&within, before.map_or(0, |point| point.pending)),
            self.dead_letters(&within, before),
            errors(&within),
            self.own_trouble(&within),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (number, stage) in self.stages.iter().enumerate().skip(1) {
            if stage.start_seconds >= from - each && stage.start_seconds < until {
                let at = clock(stage.start_seconds);
                facts.push(format!("stage {} began at {at}: {} jobs/s", number + 1, stage.settings.rate()));
            }
        }
        for (version, seen) in self.catalogs.iter().filter(|_| self.catalogs.len() > 1) {
            if seen.first_seen_seconds >= from && seen.first_seen_seconds < until {
                facts.push(format!("catalog {version} first answered at {}", clock(seen.first_seen_seconds)));
            }
        }
        if facts.is_empty() {
            facts.push("nothing else that loadgen can see; check the worker's log and metrics".to_owned());
        }
        Some((format!("What happened {}", self.span(from, until)), facts))
    }

    fn dead_letters(&self, within: &[&Point], before: Option<&Point>) -> Option<String> {
        let before = before.and_then(|point| point.queue).or(self.queue.before)?.dead_letters?;
        let most = within.iter().filter_map(|point| point.queue?.dead_letters).max()?;
        let grown = most.saturating_sub(before);
        (grown > 0).then(|| format!("the dead-letter queue grew by {}", count(grown, "message")))
    }

    fn own_trouble(&self, within: &[&Point]) -> Option<String> {
        let unsent: u64 = within.iter().map(|point| point.dropped + point.send_failed).sum();
        let lag = within.iter().filter_map(|point| point.schedule_lag_max_ms).fold(0.0, f64::max);
        let behind = lag > self.settings.max_lag_seconds * 1_000.0;
        let behind = behind.then(|| format!("loadgen itself was up to {} behind its schedule", time(lag)));
        let unsent = (unsent > 0).then(|| format!("{} not sent", was(unsent, "job")));
        let troubles: Vec<String> = behind.into_iter().chain(unsent).collect();
        (!troubles.is_empty()).then(|| troubles.join(", and "))
    }
}

/// The longest pauses of the answers, in their order.
fn pauses(within: &[&Point], each: f64) -> Option<String> {
    let silent = |point: &&Point| point.completed == 0 && point.pending > 0;
    let mut pauses: Vec<&[&Point]> = within.split(|point| !silent(point)).collect();
    pauses.retain(|pause| pause.len() as f64 * each >= PAUSE_MIN);
    pauses.sort_by_key(|pause| std::cmp::Reverse(pause.len()));
    pauses.truncate(PAUSES_MAX);
    pauses.sort_by(|one, other| one[0].second.total_cmp(&other[0].second));
    let text =
        |pause: &&[&Point]| format!("for {} from {} on", duration(pause.len() as f64 * each), clock(pause[0].second));
    let texts: Vec<String> = pauses.iter().map(text).collect();
    (!texts.is_empty()).then(|| format!("nothing was answered {}", texts.join(", ")))
}

fn backlog(within: &[&Point], before: u64) -> Option<String> {
    let peak = within.iter().max_by_key(|point| point.pending)?;
    if peak.pending < 2 * before.max(5) {
        return None;
    }
    let (from, to) = (number(before as f64), count(peak.pending, "job"));
    let depths = || within.iter().filter_map(|point| point.queue);
    let waiting = depths().map(|queue| queue.visible + queue.delayed).max();
    let queue = waiting.zip(depths().map(|queue| queue.in_flight).max()).map_or(String::new(), |(waiting, held)| {
        let (waiting, held) = (count(waiting, "message"), number(held as f64));
        format!("; at most {waiting} waited on the queue, and workers held at most {held}")
    });
    Some(format!("the backlog grew from {from} to {to} without a record at {}{queue}", clock(peak.second)))
}

fn errors(within: &[&Point]) -> Option<String> {
    let errors: u64 = within.iter().map(|point| point.errors).sum();
    let last = within.iter().rev().find_map(|point| point.last_error.as_deref())?;
    Some(format!("{} to send or to look up failed; the last error: {last}", count(errors, "attempt")))
}
