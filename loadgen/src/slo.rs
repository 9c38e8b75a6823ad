//! Objectives: how they are written, whether a run meets them, and when it did not.
//!
//! `METRIC OPERATOR VALUE`, several with commas between them: `e2e.p99<2s,errors<0.1%,lost=0`. That nothing is lost or
//! wrong is an objective of every run, unless its objectives say something else about it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{StageBooks, Totals};
use crate::latency::{Latency, milliseconds};
use crate::series::{Point, Series};
use crate::values;

/// Whether a value stands in a relation to a limit.
type Holds = fn(f64, f64) -> bool;

/// One objective.
#[derive(Debug, Clone)]
pub(crate) struct Objective {
    /// As it was written, without blanks.
    text: String,
    metric: Metric,
    holds: Holds,
    limit: f64,
    unit: Unit,
}

/// Some objectives, as one option has them.
#[derive(Debug, Clone)]
pub(crate) struct Objectives(pub Vec<Objective>);

/// How a run did against an objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Outcome {
    /// As it was written.
    pub objective: String,
    /// What was measured, in `unit`. Absent if there was nothing to measure, and for a time that is that of jobs without
    /// a record.
    pub value: Option<f64>,
    /// What it was compared with, in `unit`.
    pub limit: f64,
    /// What both are in.
    pub unit: Unit,
    /// Whether it was met.
    pub passed: bool,
    /// Whether it holds for every run, without having been asked for.
    pub implied: bool,
    /// When it was missed, as far as that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
}

/// The intervals that miss an objective by themselves, by the instants at which jobs were meant to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Missed {
    /// When the first of them began, from the start of the run.
    pub from_second: f64,
    /// When the last of them ended.
    pub to_second: f64,
    /// How many there are; between the first and the last some may have met it.
    pub intervals: u64,
}

/// What an objective is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// A number of jobs.
    #[serde(rename = "jobs")]
    Jobs,
    /// Of the request ids that are looked for or, of what concerns the sending, of the messages intended.
    #[serde(rename = "%")]
    Percent,
}

#[derive(Debug, Clone, Copy)]
enum Metric {
    Time(Distribution, Statistic),
    Count(&'static Count),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Lag,
    Send,
    EndToEnd,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    Min,
    Mean,
    Max,
    /// In percent.
    Percentile(f64),
}

/// A number of jobs. Each part has a whole of its own: of a sample's faults only the sample is known.
#[derive(Debug)]
struct Count {
    name: &'static str,
    /// Of the request ids that are looked for.
    ids: Option<fn(&Totals) -> u64>,
    /// Of the messages intended.
    messages: Option<fn(&Totals) -> u64>,
    /// Of one interval, where it is known.
    within: fn(&Point) -> u64,
}

const fn of_ids(name: &'static str, ids: fn(&Totals) -> u64, within: fn(&Point) -> u64) -> Count {
    Count { name, ids: Some(ids), messages: None, within }
}

const fn of_messages(name: &'static str, messages: fn(&Totals) -> u64, within: fn(&Point) -> u64) -> Count {
    Count { name, ids: None, messages: Some(messages), within }
}

static COUNTS: [Count; 9] = [
    Count {
        name: ERRORS,
        ids: Some(|totals| totals.lost + totals.wrong),
        messages: Some(|totals| totals.send_failed),
        within: |interval| interval.lost + interval.wrong + interval.send_failed,
    },
    of_ids("lost", |totals| totals.lost, |interval| interval.lost),
    of_ids("wrong", |totals| totals.wrong, |interval| interval.wrong),
    of_messages("dropped", |totals| totals.dropped, |interval| interval.dropped),
    of_messages("send_failed", |totals| totals.send_failed, |interval| interval.send_failed),
    of_ids("late", |totals| totals.late, |interval| interval.late),
    of_ids("succeeded", |totals| totals.succeeded, |_| 0),
    of_ids("rejected", |totals| totals.rejected, |_| 0),
    of_ids("unexpected", |totals| totals.unexpected, |_| 0),
];

/// All that went wrong.
const ERRORS: &str = "errors";
/// Must be 0 in every run, unless its objectives say something else about them.
const IMPLIED: [&str; 2] = ["lost", "wrong"];

/// The longer ones first: `<=` must not be read as `<`.
const OPERATORS: [(&str, Holds); 5] = [
    ("<=", |value, limit| value <= limit),
    (">=", |value, limit| value >= limit),
    ("<", |value, limit| value < limit),
    (">", |value, limit| value > limit),
    ("=", equal),
];

fn equal(value: f64, limit: f64) -> bool {
    (value - limit).abs() < 1e-9
}

/// Reads objectives with commas between them.
pub(crate) fn objectives(text: &str) -> Result<Objectives, String> {
    text.split(',').map(|part| objective(part.trim())).collect::<Result<_, _>>().map(Objectives)
}

fn objective(text: &str) -> Result<Objective, String> {
    let found = OPERATORS.iter().find_map(|(sign, holds)| Some((text.split_once(sign)?, *holds)));
    let Some(((metric, limit), holds)) = found else {
        return Err(format!("`{text}` must be METRIC, one of < <= > >= =, and a value, such as e2e.p99<2s"));
    };
    let (metric, limit) = (metric_named(metric.trim())?, limit.trim());
    let (limit, unit) = match metric {
        Metric::Time(..) => {
            let limit =
                values::duration(limit).map_err(|error| format!("`{text}`: `{limit}` is not a duration ({error})"))?;
            (milliseconds(limit), Unit::Milliseconds)
        }
        Metric::Count(_) => match (values::share(limit), limit.parse::<f64>()) {
            (Ok(share), _) => (share.0 * 100.0, Unit::Percent),
            (_, Ok(number)) if number.is_finite() && number >= 0.0 => (number, Unit::Jobs),
            _ => return Err(format!("`{text}`: `{limit}` must be a number of jobs or a percentage")),
        },
    };
    let text = text.split_whitespace().collect();
    Ok(Objective { text, metric, holds, limit, unit })
}

fn metric_named(text: &str) -> Result<Metric, String> {
    if let Some(count) = COUNTS.iter().find(|count| count.name == text) {
        return Ok(Metric::Count(count));
    }
    let unknown = || {
        format!(
            "there is no metric `{text}`: take e2e, send or lag with .min, .mean, .max or .pNN (e2e.p99, e2e.p99.9), or one of {}",
            COUNTS.each_ref().map(|count| count.name).join(", ")
        )
    };
    let (name, statistic) = text.split_once('.').ok_or_else(unknown)?;
    let distribution = match name {
        "e2e" => Distribution::EndToEnd,
        "send" => Distribution::Send,
        "lag" => Distribution::Lag,
        _ => return Err(unknown()),
    };
    let percentile = |text: &str| text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    let statistic = match statistic {
        "min" => Statistic::Min,
        "mean" => Statistic::Mean,
        "max" => Statistic::Max,
        other => Statistic::Percentile(other.strip_prefix('p').and_then(percentile).ok_or_else(unknown)?),
    };
    Ok(Metric::Time(distribution, statistic))
}

impl Objectives {
    /// Whether any of them needs records to be read.
    pub(crate) fn need_records(&self) -> bool {
        self.0.iter().any(|objective| match objective.metric {
            Metric::Time(distribution, _) => distribution == Distribution::EndToEnd,
            Metric::Count(count) => count.ids.is_some(),
        })
    }

    /// How a run did, by each objective and, if records were to be read, by those that hold for every run.
    pub(crate) fn outcomes(&self, run: &Measured<'_>) -> Vec<Outcome> {
        let named = |name| {
            self.0.iter().any(|objective| matches!(objective.metric, Metric::Count(count) if count.name == name))
        };
        let implied = COUNTS
            .iter()
            .filter(|count| IMPLIED.contains(&count.name) && run.verified_share > 0.0)
            .filter(|count| !named(count.name) && !named(ERRORS))
            .map(|count| Objective {
                text: format!("{}=0", count.name),
                metric: Metric::Count(count),
                holds: equal,
                limit: 0.0,
                unit: Unit::Jobs,
            });
        let asked = self.0.iter().map(|objective| objective.outcome(run, false));
        asked.chain(implied.map(|objective| objective.outcome(run, true))).collect()
    }
}

/// What objectives are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured<'a> {
    pub books: &'a StageBooks,
    /// Request ids that are looked for.
    pub verified: u64,
    /// The share of all that they were to be.
    pub verified_share: f64,
    /// To find when an objective was missed, and from when on times count.
    pub series: Option<(&'a Series, Duration)>,
}

impl Objective {
    fn outcome(&self, run: &Measured<'_>, implied: bool) -> Outcome {
        let value = match (self.metric, self.unit) {
            (Metric::Time(distribution, statistic), _) => run.time(distribution, statistic),
            (Metric::Count(count), Unit::Percent) => run.percent(count),
            (Metric::Count(count), _) => run.count(count),
        };
        let passed = value.is_some_and(|value| (self.holds)(value, self.limit));
        Outcome {
            objective: self.text.clone(),
            value,
            limit: self.limit,
            unit: self.unit,
            passed,
            implied,
            missed: run.series.filter(|_| !passed).and_then(|(series, warmup)| self.missed(series, warmup, run)),
        }
    }

    fn missed(&self, series: &Series, warmup: Duration, run: &Measured<'_>) -> Option<Missed> {
        let start = |index: usize| series.length() * index as u32;
        let from = if matches!(self.metric, Metric::Time(..)) { warmup } else { Duration::ZERO };
        let intervals = series.points().iter().enumerate();
        let missed: Vec<usize> = intervals
            .filter(|(index, interval)| start(*index) >= from && self.missed_in(interval, run.verified_share))
            .map(|(index, _)| index)
            .collect();
        Some(Missed {
            from_second: start(*missed.first()?).as_secs_f64(),
            to_second: start(missed.last()? + 1).as_secs_f64(),
            intervals: missed.len() as u64,
        })
    }

    /// Whether one interval misses it by itself. Of lag and send times an interval has only the longest.
    fn missed_in(&self, interval: &Point, verified_share: f64) -> bool {
        let longest = |time: Option<f64>| time.is_some_and(|time| !(self.holds)(time, self.limit));
        match self.metric {
            Metric::Count(count) => (count.within)(interval) > 0,
            Metric::Time(Distribution::Lag, _) => longest(interval.schedule_lag_max_ms),
            Metric::Time(Distribution::Send, _) => longest(interval.send_max_ms),
            Metric::Time(Distribution::EndToEnd, statistic) => {
                let endless = interval.lost as f64 + interval.dropped as f64 * verified_share;
                match interval.latency.as_ref().and_then(|latency| statistic.of(latency, endless)) {
                    Some(value) => !(self.holds)(value, self.limit),
                    None => endless > 0.0,
                }
            }
        }
    }
}

impl Measured<'_> {
    /// In milliseconds. A job that was not sent, or has no record, took longer than any that has one.
    fn time(&self, distribution: Distribution, statistic: Statistic) -> Option<f64> {
        let totals = &self.books.totals;
        let unsent = (totals.dropped + totals.send_failed) as f64;
        let (latency, endless) = match distribution {
            Distribution::Lag => (&self.books.times.schedule_lag, 0.0),
            Distribution::Send => (&self.books.times.send, unsent),
            Distribution::EndToEnd => (&self.books.times.end_to_end, totals.lost as f64 + unsent * self.verified_share),
        };
        statistic.of(latency, endless)
    }

    fn count(&self, count: &Count) -> Option<f64> {
        let parts = [count.ids, count.messages].into_iter().flatten().map(|part| part(&self.books.totals));
        let known = count.ids.is_none() || self.verified > 0;
        known.then(|| parts.sum::<u64>() as f64)
    }

    fn percent(&self, count: &Count) -> Option<f64> {
        let totals = &self.books.totals;
        [(count.ids, self.verified), (count.messages, totals.intended)]
            .into_iter()
            .filter_map(|(part, all)| Some((part?(totals), all)))
            .map(|(part, all)| (all > 0).then(|| part as f64 / all as f64 * 100.0))
            .sum()
    }
}

impl Statistic {
    /// In milliseconds, of `latency` and `endless` jobs that took longer than any in it; `None` if it is that of one of
    /// these, or of nothing.
    fn of(self, latency: &Latency, endless: f64) -> Option<f64> {
        let percentiles = latency.percentiles();
        match self {
            Self::Min => percentiles.min,
            Self::Mean => percentiles.mean.filter(|_| endless == 0.0),
            Self::Max => percentiles.max.filter(|_| endless == 0.0),
            Self::Percentile(percent) => {
                let count = latency.count() as f64;
                let quantile = percent / 100.0 * (count + endless) / count;
                // A quotient that should be 1 can come out a little above it.
                let measured = count > 0.0 && quantile <= 1.0 + 1e-9;
                measured.then(|| milliseconds(latency.quantile(quantile.min(1.0))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
