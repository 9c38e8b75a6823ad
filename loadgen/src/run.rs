//! One run from the checked settings to its exit code: connects the schedule, the sender, the verifier and the report.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Books};
use crate::aws::{self, AccessError, DynamoTable, SqsQueue};
use crate::cli::Args;
use crate::jobs::{Jobs, JobsError};
use crate::report::{self, Report, Settings, Times};
use crate::schedule::Schedule;
use crate::sender::{self, Batcher};
use crate::verify::{Unverified, Verifier};

/// Something kept the run from its end.
pub(crate) const EXIT_FAILED: u8 = 1;
/// Jobs were lost, or have wrong records.
const EXIT_NOT_ACCOUNTED_FOR: u8 = 3;
/// The load that was asked for was not offered.
const EXIT_INVALID: u8 = 4;

/// What a shell reports for a program that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

/// What keeps a run from its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The jobs file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    JobsFile {
        /// As given.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The jobs file holds something that cannot be sent.
    #[error("cannot use {}: {cause}", path.display())]
    Jobs {
        /// As given.
        path: PathBuf,
        /// Which line, and why.
        cause: JobsError,
    },
    /// Checked before the run as well: a report must not be lost for want of a folder.
    #[error("cannot write the report {}: {cause}", path.display())]
    Output {
        /// As given.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// No signals on this system.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The queue or the table cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The queue refused a request for good while the run went on; there is a report all the same.
    #[error("the sending ended early, the queue refused a batch for good: {0}")]
    Refused(String),
    /// The records cannot be read.
    #[error(transparent)]
    Unverified(#[from] Unverified),
}

/// Runs the load that `args` describe and reports on it.
pub(crate) async fn run(args: Args) -> Result<ExitCode, RunError> {
    let run_id = format!("{:016x}", rand::random::<u64>());
    let jobs = Arc::new(read_jobs(&args, run_id.clone())?);
    let mut output = args.output.clone().map(ReportFile::open).transpose()?;
    let config = aws::sdk_config().await;
    let queue = SqsQueue::open(&config, &args.queue_url).await?;
    let table = DynamoTable::open(&config, &args.results_table).await?;

    let account = Account::new(args.late_after);
    let stop = Stop::default();
    tokio::spawn(stop.clone().on_signals(Signals::listen().map_err(RunError::Signals)?));
    let started_at = OffsetDateTime::now_utc().format(&Rfc3339).expect("the present has a year of four digits");
    let began = Instant::now();
    let progress = tokio::spawn(show_progress(account.clone(), began));

    let (job_sender, job_receiver) = unbounded_channel();
    let (delivery_sender, deliveries) = unbounded_channel();
    let schedule = Schedule::constant(args.rps, args.duration);
    let in_flight = Arc::new(Semaphore::new(args.max_in_flight as usize));
    let pacer = tokio::spawn(sender::pace(
        schedule,
        jobs.clone(),
        in_flight,
        job_sender,
        account.clone(),
        stop.sending.clone(),
    ));
    let batcher = Batcher::new(job_receiver, args.linger);
    let sending = tokio::spawn({
        let (account, stop) = (account.clone(), stop.sending.clone());
        async move {
            sender::deliver_all(batcher, queue, args.send_attempts, delivery_sender, account, stop).await;
            began.elapsed()
        }
    });
    let verifier = Verifier::new(table, jobs, account.clone(), args.lookups_per_second());
    let verifying = tokio::spawn(verifier.run(deliveries, args.drain_timeout, stop.waiting.clone()));
    joined(pacer).await;
    let sending = joined(sending).await;
    let drain = joined(verifying).await;
    progress.abort();
    let drain = drain?;

    let books = account.books();
    let (exit_code, refusal) = (exit_code(&books), books.sending_ended.clone());
    let times = Times { started_at, sending, drain, ended_early: books.totals.intended < schedule.len() };
    let report = Report::new(run_id, settings(&args), times, books);
    if let Some(output) = &mut output {
        output.write(&report)?;
    }
    io::stdout().write_all(report.table().as_bytes()).map_err(RunError::Stdout)?;
    refusal.map_or(Ok(ExitCode::from(exit_code)), |cause| Err(RunError::Refused(cause)))
}

/// What the task returned; its panic becomes the caller's.
async fn joined<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn exit_code(books: &Books) -> u8 {
    if !books.all_accounted_for() {
        EXIT_NOT_ACCOUNTED_FOR
    } else if !books.faults_of_the_run().is_empty() {
        EXIT_INVALID
    } else {
        0
    }
}

fn read_jobs(args: &Args, run_id: String) -> Result<Jobs, RunError> {
    let Some(path) = &args.jobs else { return Ok(Jobs::phrases(run_id, args.seed)) };
    let text = std::fs::read_to_string(path).map_err(|cause| RunError::JobsFile { path: path.clone(), cause })?;
    Jobs::from_lines(run_id, &text).map_err(|cause| RunError::Jobs { path: path.clone(), cause })
}

fn settings(args: &Args) -> Settings {
    Settings {
        rps: args.rps,
        duration_seconds: args.duration.as_secs_f64(),
        jobs: args.jobs.as_ref().map(|path| path.display().to_string()),
        seed: args.seed,
        linger_seconds: args.linger.as_secs_f64(),
        max_in_flight: args.max_in_flight,
        send_attempts: args.send_attempts,
        lookups_per_second: args.lookups_per_second(),
        drain_timeout_seconds: args.drain_timeout.as_secs_f64(),
        late_after_seconds: args.late_after.as_secs_f64(),
        queue_url: args.queue_url.clone(),
        results_table: args.results_table.clone(),
    }
}

/// Where the JSON goes: opened before the run, so that an earlier report stays as it is until there is a new one.
#[derive(Debug)]
struct ReportFile {
    path: PathBuf,
    file: File,
}

impl ReportFile {
    fn open(path: PathBuf) -> Result<Self, RunError> {
        match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(cause) => Err(RunError::Output { path, cause }),
        }
    }

    fn write(&mut self, report: &Report) -> Result<(), RunError> {
        let mut json = serde_json::to_vec_pretty(report).expect("a report has only string keys and finite numbers");
        json.push(b'\n');
        // Only a regular file has a length to cut: /dev/stdout is a fair place for a report.
        let regular = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let cut = if regular { self.file.set_len(0) } else { Ok(()) };
        cut.and_then(|()| self.file.write_all(&json))
            .map_err(|cause| RunError::Output { path: self.path.clone(), cause })
    }
}

/// How a run is ended before its time.
#[derive(Debug, Clone, Default)]
struct Stop {
    sending: CancellationToken,
    waiting: CancellationToken,
}

impl Stop {
    /// The first signal ends the sending, the second one the waiting, the third one the program.
    async fn on_signals(self, mut signals: Signals) {
        signals.next().await;
        eprintln!("loadgen: no more jobs are sent; waiting for the records of those that were (Ctrl-C again to stop)");
        self.sending.cancel();
        signals.next().await;
        eprintln!("loadgen: looking each missing record up once more (Ctrl-C again to give up without a report)");
        self.waiting.cancel();
        signals.next().await;
        std::process::exit(EXIT_INTERRUPTED);
    }
}

/// SIGINT and SIGTERM alike.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn show_progress(account: Account, began: Instant) {
    let second = Duration::from_secs(1);
    let mut ticks = interval_at(began + second, second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        eprintln!("{}", report::progress(began.elapsed(), &account.books()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(intended: u64, sent: u64) -> Account {
        let account = Account::new(Duration::MAX);
        (0..intended).for_each(|_| account.intended());
        (0..sent).for_each(|_| account.sent(Duration::ZERO));
        account
    }

    #[test]
    fn a_lost_job_outweighs_an_invalid_run() {
        assert_eq!(exit_code(&account(10, 10).books()), 0);
        let invalid = account(10, 9);
        invalid.dropped();
        assert_eq!(exit_code(&invalid.books()), EXIT_INVALID);
        invalid.lost("a".into());
        assert_eq!(exit_code(&invalid.books()), EXIT_NOT_ACCOUNTED_FOR);
    }
}
