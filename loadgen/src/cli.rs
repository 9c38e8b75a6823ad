//! The command line: every setting with its unit, default and meaning, checked before anything is sent.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::NonEmptyStringValueParser;

use crate::schedule::RPS_MAX;

/// Sends search jobs to nearline's queue at a constant rate and accounts for every one of their records.
///
/// The loop is open: send instants are computed from the start and the rate, and never wait for answers. A job that
/// would pass --max-in-flight is dropped and counted instead of being queued.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Jobs a second; decimals allowed
    #[arg(long, value_name = "R", value_parser = rate)]
    pub rps: f64,

    /// How long to send: 30s, 2.5m, 1h30m
    #[arg(long, value_name = "D", value_parser = positive_duration)]
    pub duration: Duration,

    /// Jobs to send, one JSON object a line, from the first line on and over again; each `request_id` is replaced.
    /// Default: built-in phrases
    #[arg(long, value_name = "FILE.jsonl")]
    pub jobs: Option<PathBuf>,

    /// Decides which built-in phrase is sent when. Request ids differ in every run all the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Longest time that a job waits for others to fill its batch of ten
    #[arg(long, value_name = "D", default_value = "20ms", value_parser = humantime::parse_duration)]
    pub linger: Duration,

    /// Most jobs handed over and not yet accepted by the queue; a job beyond them is dropped
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_in_flight: u32,

    /// Attempts at sending a job, the first included; then it counts as `send_failed`
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub send_attempts: u32,

    /// Most records looked up a second; each look-up is a billed read. Too few make the end-to-end times coarse
    /// (the report's `detection` says how coarse). Default: four times --rps, but at least 500
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub lookups_per_second: Option<u32>,

    /// How long to wait for records after the last send; then each missing one is looked up once more
    #[arg(long, value_name = "D", default_value = "60s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,

    /// A record first seen longer than this after its job's intended instant is `late`
    #[arg(long, value_name = "D", default_value = "30s", value_parser = humantime::parse_duration)]
    pub late_after: Duration,

    /// Where to write the report as JSON
    #[arg(long, value_name = "REPORT.json")]
    pub output: Option<PathBuf>,

    /// The queue
    #[arg(long, env = "NEARLINE_QUEUE_URL", value_name = "NEARLINE_QUEUE_URL")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub queue_url: String,

    /// The table of the records
    #[arg(long, env = "NEARLINE_RESULTS_TABLE", value_name = "NEARLINE_RESULTS_TABLE")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub results_table: String,
}

impl Args {
    /// Most records looked up a second.
    pub(crate) fn lookups_per_second(&self) -> u32 {
        self.lookups_per_second.unwrap_or_else(|| ((self.rps * 4.0).ceil() as u32).max(500))
    }
}

const AFTER_HELP: &str = "\
Region, credentials and endpoints are those of the AWS SDK (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...).
Progress goes to stderr each second. Ctrl-C ends the sending, a second one the waiting; both still report. A third
one gives up.

Totals (intended = sent + dropped + send_failed; sent = succeeded + rejected + wrong + lost):
  intended     jobs whose send instant came
  sent         accepted by the queue
  dropped      not handed over, because --max-in-flight was reached
  send_failed  not accepted in --send-attempts, or refused for good
  succeeded    distinct jobs with a right record, SUCCEEDED
  rejected     distinct jobs with a right record, REJECTED, as their fields or the catalog justify
  wrong        jobs whose record has another job's hash, or a status or error code that the job cannot have
  lost         sent jobs without a record at the end of the drain
  late         records seen later than --late-after; they also count as what they are
  unexpected   jobs counted as send_failed that have a record all the same (the answer to the send was lost)

Times: `schedule_lag` is from a job's intended instant to the start of the request that carries it (lingering
included), `send` from there to the queue's acceptance (retries included), `end_to_end` from the intended instant to
the end of the look-up that first saw the record, and `detection` from the look-up before that one: the part of
end_to_end that polling may have added.

The run is invalid if the load asked for was not offered: p99 of schedule_lag above 250 ms, or more than 1 % of the
jobs dropped or failed to be sent.

Exit codes: 0 nothing lost or wrong; 1 failed, reason on stderr; 2 wrong usage; 3 something lost or wrong; 4 the run
is invalid (3 wins over 4).";

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rps) if rps > 0.0 && rps <= RPS_MAX => Ok(rps),
        _ => Err(format!("must be a number above 0 and at most {RPS_MAX}")),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than 0s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const SETTINGS: [&str; 5] = ["loadgen", "--queue-url", "http://q", "--results-table", "t"];

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(SETTINGS.iter().chain(arguments))
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_take_units_and_decimals() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2.5m", 150_000),
            ("0.25s", 250),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(positive_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_duration_or_rate_without_sense_is_wrong_usage() {
        for arguments in [
            ["--rps", "10", "--duration", "0s"],
            ["--rps", "10", "--duration", "30"],
            ["--rps", "10", "--duration", "soon"],
            ["--rps", "0", "--duration", "1s"],
            ["--rps", "NaN", "--duration", "1s"],
            ["--rps", "inf", "--duration", "1s"],
        ] {
            assert_eq!(parse(&arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
    }

    #[test]
    fn lookups_follow_the_rate_unless_set() {
        let args = |more: &[&str]| parse(&[&["--duration", "1s"], more].concat()).unwrap();
        assert_eq!(args(&["--rps", "0.5"]).lookups_per_second(), 500);
        assert_eq!(args(&["--rps", "1000"]).lookups_per_second(), 4_000);
        assert_eq!(args(&["--rps", "1000", "--lookups-per-second", "7"]).lookups_per_second(), 7);
    }
}
