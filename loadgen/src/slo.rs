//! Objectives: how they are written, and whether a run meets them.
//!
//! `METRIC OPERATOR VALUE`, several with commas between them: `e2e.p99<2s,errors<0.1%,lost=0`. That nothing is lost or
//! wrong is an objective of every run, unless its objectives say something else about it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{StageBooks, Totals};
use crate::latency::Latency;
use crate::values;

/// One objective.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objective {
    metric: Metric,
    operator: Operator,
    limit: Limit,
}

/// Some objectives, as one option has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objectives(pub Vec<Objective>);

/// How a run did against an objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Outcome {
    /// As it was written.
    pub objective: String,
    /// What was measured: milliseconds, a number of jobs, or a percentage. Absent if there was nothing to measure, and for
    /// a time that is that of jobs without a record.
    pub value: Option<f64>,
    /// What `value` is in: `ms`, `jobs` or `%`.
    pub unit: String,
    /// Whether it was met.
    pub passed: bool,
    /// Whether it holds for every run, without having been asked for.
    pub implied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Metric {
    Time(Distribution, Statistic),
    Count(Count),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Errors,
    Dropped,
    SendFailed,
    Succeeded,
    Rejected,
    Lost,
    Wrong,
    Late,
    Unexpected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Time(Duration),
    Jobs(f64),
    /// In percent of the request ids that are looked for or, of what concerns the sending, of the messages intended.
    Percent(f64),
}

const COUNTS: [(&str, Count); 9] = [
    ("errors", Count::Errors),
    ("dropped", Count::Dropped),
    ("send_failed", Count::SendFailed),
    ("succeeded", Count::Succeeded),
    ("rejected", Count::Rejected),
    ("lost", Count::Lost),
    ("wrong", Count::Wrong),
    ("late", Count::Late),
    ("unexpected", Count::Unexpected),
];
const DISTRIBUTIONS: [(&str, Distribution); 3] =
    [("e2e", Distribution::EndToEnd), ("send", Distribution::Send), ("lag", Distribution::Lag)];
/// The longer ones first: `<=` must not be read as `<`.
const OPERATORS: [(&str, Operator); 5] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Below),
    (">", Operator::Above),
    ("=", Operator::Equal),
];

/// Reads objectives with commas between them.
pub(crate) fn objectives(text: &str) -> Result<Objectives, String> {
    text.split(',').map(|part| objective(part.trim())).collect::<Result<_, _>>().map(Objectives)
}

fn objective(text: &str) -> Result<Objective, String> {
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((text.split_once(sign)?, *operator)));
    let Some(((metric, limit), operator)) = found else {
        return Err(format!("`{text}` must be METRIC, one of < <= > >= =, and a value, such as e2e.p99<2s"));
    };
    let (metric, limit) = (metric.trim(), limit.trim());
    let metric = metric_named(metric)?;
    let limit = match metric {
        Metric::Time(..) => Limit::Time(
            values::duration(limit).map_err(|error| format!("`{text}`: `{limit}` is not a duration ({error})"))?,
        ),
        Metric::Count(_) => match (values::share(limit), limit.parse::<f64>()) {
            (Ok(share), _) => Limit::Percent(share.0 * 100.0),
            (_, Ok(number)) if number.is_finite() && number >= 0.0 => Limit::Jobs(number),
            _ => return Err(format!("`{text}`: `{limit}` must be a number of jobs or a percentage")),
        },
    };
    Ok(Objective { metric, operator, limit })
}

fn metric_named(text: &str) -> Result<Metric, String> {
    if let Some((_, count)) = COUNTS.iter().find(|(name, _)| *name == text) {
        return Ok(Metric::Count(*count));
    }
    let unknown = || {
        format!(
            "there is no metric `{text}`: take e2e, send or lag with .min, .mean, .max or .pNN (e2e.p99, e2e.p99.9), or one of {}",
            COUNTS.map(|(name, _)| name).join(", ")
        )
    };
    let (name, statistic) = text.split_once('.').ok_or_else(unknown)?;
    let (_, distribution) = DISTRIBUTIONS.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
    let percentile = |text: &str| text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    let statistic = match statistic {
        "min" => Statistic::Min,
        "mean" => Statistic::Mean,
        "max" => Statistic::Max,
        other => Statistic::Percentile(other.strip_prefix('p').and_then(percentile).ok_or_else(unknown)?),
    };
    Ok(Metric::Time(*distribution, statistic))
}

impl Objectives {
    /// Whether any of them needs records to be read.
    pub(crate) fn need_records(&self) -> bool {
        self.0.iter().any(|objective| match objective.metric {
            Metric::Time(distribution, _) => distribution == Distribution::EndToEnd,
            Metric::Count(count) => !count.is_of_the_sending(),
        })
    }

    /// How a run did, by each objective and, if records were to be read, by those that hold for every run.
    pub(crate) fn outcomes(&self, run: &Measured<'_>) -> Vec<Outcome> {
        let named = |count| self.0.iter().any(|objective| objective.metric == Metric::Count(count));
        let implied = [Count::Lost, Count::Wrong]
            .into_iter()
            .filter(|count| run.verified_share > 0.0 && !named(*count) && !named(Count::Errors))
            .map(|count| Objective {
                metric: Metric::Count(count),
                operator: Operator::Equal,
                limit: Limit::Jobs(0.0),
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
}

impl Objective {
    fn outcome(&self, run: &Measured<'_>, implied: bool) -> Outcome {
        let (value, limit, unit) = match (self.metric, self.limit) {
            (Metric::Time(distribution, statistic), Limit::Time(limit)) => {
                (run.time(distribution, statistic), limit.as_secs_f64() * 1_000.0, "ms")
            }
            (Metric::Count(count), Limit::Percent(limit)) => (run.percent(count), limit, "%"),
            (Metric::Count(count), Limit::Jobs(limit)) => (run.count(count), limit, "jobs"),
            (Metric::Time(..), Limit::Jobs(_) | Limit::Percent(_)) | (Metric::Count(_), Limit::Time(_)) => {
                unreachable!("a limit is read as what its metric is measured in")
            }
        };
        let passed = value.is_some_and(|value| self.operator.holds(value, limit));
        Outcome { objective: self.to_string(), value, unit: unit.to_owned(), passed, implied }
    }
}

impl Measured<'_> {
    /// In milliseconds. A job that was not sent, or has no record, took longer than any that has one.
    fn time(&self, distribution: Distribution, statistic: Statistic) -> Option<f64> {
        let latency = distribution.of(self.books);
        let totals = &self.books.totals;
        let unsent = (totals.dropped + totals.send_failed) as f64;
        let endless = match distribution {
            Distribution::Lag => 0.0,
            Distribution::Send => unsent,
            Distribution::EndToEnd => totals.lost as f64 + unsent * self.verified_share,
        };
        let percentiles = latency.percentiles();
        match statistic {
            Statistic::Min => percentiles.min,
            Statistic::Mean => percentiles.mean.filter(|_| endless == 0.0),
            Statistic::Max => percentiles.max.filter(|_| endless == 0.0),
            Statistic::Percentile(percent) => {
                let count = latency.count() as f64;
                let quantile = percent / 100.0 * (count + endless) / count;
                // A quotient that should be 1 can come out a little above it.
                let measured = count > 0.0 && quantile <= 1.0 + 1e-9;
                measured.then(|| latency.quantile(quantile.min(1.0)).as_secs_f64() * 1_000.0)
            }
        }
    }

    fn count(&self, count: Count) -> Option<f64> {
        let known = count.is_of_the_sending() || self.verified > 0;
        known.then(|| count.of(&self.books.totals) as f64)
    }

    fn percent(&self, count: Count) -> Option<f64> {
        let totals = &self.books.totals;
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64 * 100.0);
        match count {
            // Each part by what it is a part of: of a sample's faults only the sample is known.
            Count::Errors => {
                let faulty = share(totals.lost + totals.wrong, self.verified)?;
                Some(faulty + share(totals.send_failed, totals.intended)?)
            }
            count if count.is_of_the_sending() => share(count.of(totals), totals.intended),
            count => share(count.of(totals), self.verified),
        }
    }
}

impl Distribution {
    fn of(self, run: &StageBooks) -> &Latency {
        match self {
            Self::Lag => &run.schedule_lag,
            Self::Send => &run.send,
            Self::EndToEnd => &run.end_to_end,
        }
    }
}

impl Count {
    fn is_of_the_sending(self) -> bool {
        matches!(self, Self::Dropped | Self::SendFailed)
    }

    fn of(self, totals: &Totals) -> u64 {
        match self {
            Self::Errors => totals.lost + totals.wrong + totals.send_failed,
            Self::Dropped => totals.dropped,
            Self::SendFailed => totals.send_failed,
            Self::Succeeded => totals.succeeded,
            Self::Rejected => totals.rejected,
            Self::Lost => totals.lost,
            Self::Wrong => totals.wrong,
            Self::Late => totals.late,
            Self::Unexpected => totals.unexpected,
        }
    }
}

impl Operator {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => (value - limit).abs() < 1e-9,
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.metric {
            Metric::Count(count) => {
                let name = COUNTS.iter().find(|(_, known)| *known == count).map_or("", |(name, _)| name);
                f.write_str(name)?;
            }
            Metric::Time(distribution, statistic) => {
                let name = DISTRIBUTIONS.iter().find(|(_, known)| *known == distribution).map_or("", |(name, _)| name);
                match statistic {
                    Statistic::Min => write!(f, "{name}.min")?,
                    Statistic::Mean => write!(f, "{name}.mean")?,
                    Statistic::Max => write!(f, "{name}.max")?,
                    Statistic::Percentile(percent) => write!(f, "{name}.p{percent}")?,
                }
            }
        }
        let sign = OPERATORS.iter().find(|(_, known)| *known == self.operator).map_or("", |(sign, _)| sign);
        match self.limit {
            Limit::Time(time) => write!(f, "{sign}{}", humantime::format_duration(time)),
            Limit::Jobs(jobs) => write!(f, "{sign}{jobs}"),
            Limit::Percent(percent) => write!(f, "{sign}{}%", (percent * 1e9).round() / 1e9),
        }
    }
}

#[cfg(test)]
mod tests;
