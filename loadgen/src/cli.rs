//! The command line: every setting with its unit, default and meaning, checked before anything is sent.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory as _, Parser, Subcommand};

use crate::schedule::{Arrivals, Stage};
use crate::slo::{self, Objectives};
use crate::values::{self, Share, Stages};

/// Most messages that may be something else than a job of their own.
const UNUSUAL_MAX: f64 = 0.9;

/// Send search jobs to nearline's queue at a given rate, and account for the record of each one.
///
/// The loop is open: send instants are computed from the start and the rate, and never wait for answers. A job
/// beyond --max-in-flight is dropped and counted, not queued.
#[derive(Debug, Clone, Parser)]
#[command(version, override_usage = USAGE, after_long_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Args,
}

/// What to do, if it is no run.
#[derive(Debug, Clone, Subcommand)]
enum Command {
    Report(ReportArgs),
}

/// Show the report of a run again: as a table, as a page with charts, compared with an earlier run.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// Report that a run wrote with --output
    #[arg(value_name = "REPORT.json")]
    pub(crate) report: PathBuf,

    /// Write an HTML page with charts, which needs no network; `-` is standard output
    #[arg(long, value_name = "PAGE.html")]
    pub(crate) html: Option<PathBuf>,

    /// Report of an earlier run, to say what has changed by more than the noise
    #[arg(long, value_name = "EARLIER.json")]
    pub(crate) compare: Option<PathBuf>,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Task {
    /// To make a load.
    Run(Box<Args>),
    /// To show what became of one.
    Report(ReportArgs),
}

impl Task {
    /// Reads the process's command line. Wrong usage ends the process with exit code 2, and says what is wrong.
    pub fn from_command_line() -> Self {
        CommandLine::parse().checked().unwrap_or_else(|error| error.exit())
    }
}

/// What the command line takes.
#[must_use]
pub fn definition() -> clap::Command {
    CommandLine::command()
}

impl CommandLine {
    fn checked(self) -> Result<Task, clap::Error> {
        match self.command {
            Some(Command::Report(report)) => Ok(Task::Report(report)),
            None => self.run.check().map(|()| Task::Run(Box::new(self.run))),
        }
    }
}

/// A load, and how it is accounted for.
#[derive(Debug, Clone, clap::Args)]
#[command(group = ArgGroup::new("load").required(true).args(["rps", "stages", "profile"]))]
pub struct Args {
    /// Jobs a second; decimals allowed
    #[arg(long, value_name = "R", value_parser = values::rate, requires = "duration", help_heading = "Load")]
    pub(crate) rps: Option<f64>,

    /// How long to send: 30s, 2.5m, 1h30m
    #[arg(long, value_name = "D", value_parser = values::positive_duration, requires = "rps", help_heading = "Load")]
    pub(crate) duration: Option<Duration>,

    /// Rates one after another: `2m:100,5m:100..500,1m:0` holds 100 jobs a second, ramps up to 500, then pauses
    #[arg(long, value_name = "D:R,...", value_parser = values::stages, help_heading = "Load")]
    pub(crate) stages: Option<Stages>,

    /// `double-every=5m:100..1600`: 100 jobs a second for 5 minutes, then 200, and so on. Managed Instances may
    /// throttle a rate that more than doubles within 5 minutes
    #[arg(long, value_name = "P", value_parser = values::profile, help_heading = "Load")]
    pub(crate) profile: Option<Stages>,

    /// Whether jobs are spaced evenly, or arrive as from many independent users
    #[arg(long, value_enum, default_value_t, value_name = "A", help_heading = "Load")]
    pub(crate) arrivals: Arrivals,

    /// Leave the times of jobs sent in the first D out of all distributions; the jobs are still accounted for
    #[arg(long, value_name = "D", default_value = "0s", value_parser = values::duration, help_heading = "Load")]
    pub(crate) warmup: Duration,

    /// Decides which job is sent when, and the gaps of --arrivals poisson; request ids still differ from run to run
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Load")]
    pub(crate) seed: u64,

    /// Jobs to send, one JSON object a line or an array of them, in order and over again; each `request_id` is
    /// replaced. Default: 1.8 million built-in queries
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Traffic")]
    pub(crate) jobs: Option<PathBuf>,

    /// Choose the job of rank r with a weight of 1/r^S; the first line of --jobs is the most popular. Tenants follow
    /// the same law. Default: lines in order, queries and tenants evenly
    #[arg(long, value_name = "S", value_parser = zipf, help_heading = "Traffic")]
    pub(crate) zipf: Option<f64>,

    /// Share of messages that repeat one of the last 10,000 jobs, byte for byte
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = values::share, help_heading = "Traffic")]
    pub(crate) duplicates: Share,

    /// Share of messages that send another job under the request id of one of the last 10,000
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = values::share, help_heading = "Traffic")]
    pub(crate) conflicts: Share,

    /// Share of messages whose job breaks a rule of the contract or names an attribute that no catalog has; each must
    /// be rejected with the code for it
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = values::share, help_heading = "Traffic")]
    pub(crate) invalid: Share,

    /// `top_k` of jobs that do not set it
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=1_000), help_heading = "Traffic")]
    pub(crate) top_k: Option<u16>,

    /// Filters for jobs that have none, one object a line: `{"weight": 3, "filter": {"price": {"$lt": 50}}}`. Weights
    /// default to 1; a line without a filter (or with null) stands for jobs without one; --seed decides which job
    /// gets which
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Traffic")]
    pub(crate) filter_file: Option<PathBuf>,

    /// How many tenants the messages come from, sent as MessageGroupId: fair queues on a standard queue, ordering on
    /// a FIFO queue (where 0 gives each request id a group of its own)
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Traffic")]
    pub(crate) tenants: u32,

    /// Pad messages to this size, or to sizes spread over a range (`500..4000`), by excluding products that do not
    /// exist
    #[arg(long, value_name = "BYTES", value_parser = values::payload_bytes, help_heading = "Traffic")]
    pub(crate) payload_bytes: Option<RangeInclusive<usize>>,

    /// Longest time that a job waits for its batch of ten to fill
    #[arg(long, value_name = "D", default_value = "20ms", value_parser = values::duration, help_heading = "Sending")]
    pub(crate) linger: Duration,

    /// Most jobs handed over and not yet accepted by the queue; a job beyond that is dropped. Each ten of them take a
    /// connection. Default: five seconds at the highest rate, but at least 2,000 and at most 8,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Sending")]
    pub(crate) max_in_flight: Option<u32>,

    /// Attempts to send a job, the first included; after the last one it counts as `send_failed`
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=20))]
    #[arg(help_heading = "Sending")]
    pub(crate) send_attempts: u32,

    /// Which records are read and checked: `all`, `sample=10%` or `none`
    #[arg(long, value_name = "V", default_value = "all", value_parser = values::verify, help_heading = "Accounting")]
    pub(crate) verify: Share,

    /// Output of `nearline catalog inspect --json` for the catalog that will answer: groups, numbers of matches and
    /// the attributes that filters may name are then checked exactly
    #[arg(long, value_name = "FILE.json", help_heading = "Accounting")]
    pub(crate) catalog_info: Option<PathBuf>,

    /// Most records looked up a second; each look-up is a billed read. Too few make the end-to-end times coarse
    /// (`detection` in the report says how coarse). Default: four times the highest rate, but at least 500
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Accounting")]
    pub(crate) lookups_per_second: Option<u32>,

    /// Read each right record again after D, and those of repeated jobs once the queue is empty: one that was written
    /// again is wrong. 0s: no second look
    #[arg(long, value_name = "D", default_value = "5s", value_parser = values::duration, help_heading = "Accounting")]
    pub(crate) recheck_after: Duration,

    /// How long to wait for records after the last send; each one still missing is then looked up once more
    #[arg(long, value_name = "D", default_value = "60s", value_parser = values::duration, help_heading = "Accounting")]
    pub(crate) drain_timeout: Duration,

    /// A record first seen longer than this after its job was meant to be sent is `late`
    #[arg(long, value_name = "D", default_value = "30s", value_parser = values::duration, help_heading = "Accounting")]
    pub(crate) late_after: Duration,

    /// Objectives such as 'e2e.p99<2s,errors<0.1%,lost=0', described below; lost=0 and wrong=0 apply unless these
    /// mention them or errors. May be given several times
    #[arg(long, value_name = "O,...", value_parser = slo::objectives, help_heading = "Verdict")]
    pub(crate) slo: Vec<Objectives>,

    /// A p99 of the schedule lag above this makes the run invalid
    #[arg(long, value_name = "D", default_value = "250ms", value_parser = values::duration, help_heading = "Verdict")]
    pub(crate) max_lag: Duration,

    /// A larger share of jobs that were dropped or failed to be sent makes the run invalid
    #[arg(long, value_name = "P%", default_value = "1%", value_parser = values::share, help_heading = "Verdict")]
    pub(crate) max_dropped: Share,

    /// Write the report as JSON, for `loadgen report` and for programs. `-` is standard output; the table then goes
    /// to standard error
    #[arg(long, value_name = "REPORT.json", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,

    /// Print a line a second instead of showing a screen
    #[arg(long, help_heading = "Output")]
    pub(crate) plain: bool,

    /// Print what the run would do and cost, and send nothing. There is no report then, so not with --output
    #[arg(long, conflicts_with = "output", help_heading = "Output")]
    pub(crate) dry_run: bool,

    /// URL of the job queue
    #[arg(long, env = "NEARLINE_QUEUE_URL", value_name = "NEARLINE_QUEUE_URL", required_unless_present = "dry_run")]
    #[arg(value_parser = values::name, help_heading = "Where")]
    pub(crate) queue_url: Option<String>,

    /// URL of its dead-letter queue, whose depth goes into the report
    #[arg(long, env = "NEARLINE_DEAD_LETTER_QUEUE_URL", value_name = "NEARLINE_DEAD_LETTER_QUEUE_URL")]
    #[arg(value_parser = values::optional_name, help_heading = "Where")]
    dead_letter_queue_url: Option<String>,

    /// Table that holds the records
    #[arg(long, env = "NEARLINE_RESULTS_TABLE", value_name = "NEARLINE_RESULTS_TABLE")]
    #[arg(required_unless_present = "dry_run", value_parser = values::name, help_heading = "Where")]
    pub(crate) results_table: Option<String>,
}

impl Args {
    /// Reads the command line of a run, the program's name first.
    ///
    /// # Errors
    /// Wrong usage, with what is wrong.
    pub fn from_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        match CommandLine::try_parse_from(arguments)?.checked()? {
            Task::Run(args) => Ok(*args),
            Task::Report(_) => Err(CommandLine::command().error(ErrorKind::InvalidSubcommand, "this is not a run")),
        }
    }

    /// Rules that concern more than one argument.
    fn check(&self) -> Result<(), clap::Error> {
        let unusual = self.duplicates.0 + self.conflicts.0 + self.invalid.0;
        let length: Duration = self.stages().iter().map(|stage| stage.duration).sum();
        let fault = if unusual > UNUSUAL_MAX {
            let most = UNUSUAL_MAX * 100.0;
            format!(
                "--duplicates, --conflicts and --invalid together may be at most {most}%: the rest are the jobs to repeat"
            )
        } else if self.warmup >= length {
            "--warmup must be shorter than the run".to_owned()
        } else if self.verify.0 <= 0.0 && self.objectives().need_records() {
            "--slo needs records, which --verify none does not read".to_owned()
        } else {
            return Ok(());
        };
        Err(CommandLine::command().error(ErrorKind::ValueValidation, fault))
    }

    /// The rates in order.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        match (&self.stages, &self.profile, self.rps.zip(self.duration)) {
            (Some(stages), ..) | (_, Some(stages), _) => stages.0.clone(),
            (None, None, Some((rps, duration))) => vec![Stage::constant(rps, duration)],
            (None, None, None) => Vec::new(), // clap requires one of them
        }
    }

    /// All objectives together.
    pub(crate) fn objectives(&self) -> Objectives {
        Objectives(self.slo.iter().flat_map(|objectives| objectives.0.clone()).collect())
    }

    /// The dead-letter queue; an empty setting counts as none.
    pub(crate) fn dead_letter_queue_url(&self) -> Option<String> {
        self.dead_letter_queue_url.clone().filter(|url| !url.is_empty())
    }

    /// Most jobs on their way to the queue, for a highest rate of `peak`.
    pub(crate) fn max_in_flight(&self, peak: f64) -> u32 {
        self.max_in_flight.unwrap_or_else(|| ((peak * 5.0).ceil() as u32).clamp(2_000, 8_000))
    }

    /// Most records looked up a second, for a highest rate of `peak`.
    pub(crate) fn lookups_per_second(&self, peak: f64) -> u32 {
        self.lookups_per_second.unwrap_or_else(|| ((peak * 4.0).ceil() as u32).max(500))
    }
}

fn zipf(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(exponent) if (0.0..=10.0).contains(&exponent) => Ok(exponent),
        _ => Err("must be a number from 0 (evenly) to 10".to_owned()),
    }
}

const USAGE: &str = "\
loadgen <--rps R --duration D | --stages D:R,... | --profile P> [OPTIONS]
       loadgen report REPORT.json [--html PAGE.html] [--compare EARLIER.json]";

/// Lists are narrower than any terminal; what is more than a line is left to clap, which knows how wide it is.
const AFTER_HELP: &str = "\
Region, credentials and endpoints come from the AWS SDK (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...). On a terminal \
a screen shows the run, elsewhere a line a second goes to stderr; the table at the end goes to stdout. Ctrl-C (or \
SIGTERM, or a terminal that hangs up) stops the sending, a second one the waiting; both still report. A third one gives \
up.

Totals. The first four count messages, the others distinct request ids:
  intended     messages whose send instant came
               (= sent + dropped + send_failed)
  sent         accepted by the queue
  dropped      not handed over, because --max-in-flight was reached
  send_failed  not accepted in --send-attempts, or refused for good
  succeeded    with the right record, SUCCEEDED
  rejected     with the right record, REJECTED as job or catalog justify
  wrong        whose record has another job's hash, a status, code, group
               or match that the job cannot have, or was written twice
  lost         accepted by the queue, without a record at the end
  late         whose record was seen later than --late-after; they also
               count as what they are
  unexpected   counted as send_failed, but with a record
Of the request ids that are looked for, each is one of succeeded, rejected, wrong and lost.

Times count from the instant at which a job was meant to be sent:
  schedule_lag  to the start of the request that carries it
  send          from there to the queue's acceptance, retries included
  end_to_end    to the end of the look-up that first saw the record
  detection     the part of end_to_end that polling may have added
A repeated job counts from the instant of its first message.

Objectives: METRIC, one of < <= > >= =, and a value. Metrics are e2e, send and lag with .min, .mean, .max, .p50, .p99, \
.p99.9 and so on, against a duration (60s, 1.5m, 250ms); lost, wrong, late, dropped, send_failed, unexpected, succeeded, \
rejected and errors (lost + wrong + send_failed), against a number of jobs or a percentage: of the request ids looked \
for or, for dropped and send_failed, of the messages intended. In percentiles of times, a job that was not sent or is \
lost counts as the slowest.

The run is invalid if it did not offer the load that was asked for (p99 of schedule_lag above --max-lag, or more than \
--max-dropped of the jobs dropped or failed to be sent), or if the records could not be read at the end.

Exit codes: 0 all objectives met; 1 failed, reason on stderr; 2 wrong usage; 3 an objective missed; 4 the run is \
invalid (3 wins over 4).";

#[cfg(test)]
mod tests;
