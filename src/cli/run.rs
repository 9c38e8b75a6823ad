//! `nearline run`: the jobs of a file to the queue, and their records into another, a line for each, in order.
//!
//! What is answered already is not sent. What was sent is kept in `OUTPUT.sent`, so that a run that was killed resumes
//! where it was; the records themselves are the rest of its state. The output appears when it is whole.

mod journal;
mod lots;

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, stream};
use nearline_contract::{ResultRecord, Status};
use tokio::time::Instant;

use self::journal::Journal;
use self::lots::{Failed, Job, Lot, sort_out};
use super::duration::{within, written};
use super::jobs;
use super::output::{CliError, json};
use super::progress::Progress;
use super::sending::{self, Sendable, Why};
use crate::aws::Sdk;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::Reader;
use crate::fault::Fault;
use crate::intake::Queue;
use crate::results::{Records, Results};
use crate::under_way::UnderWay;

/// Records that are looked for at once.
const LOOKED_FOR: usize = 1_000;
/// Records that are read at once.
const READS_IN_FLIGHT: usize = 16;
/// Times a record is read before its fault ends the run.
const READ_ATTEMPTS: u32 = 5;
/// Pauses between looks, and between reads that failed.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

#[derive(Args)]
pub(super) struct RunArgs {
    /// Jobs: one JSON object a line, or one array of them; `-`: standard input
    jobs: PathBuf,
    /// Where to write the records: one a line, in the order of the jobs. Run again to resume after a kill
    #[arg(long)]
    output: PathBuf,
    /// Longest wait without a new record, such as 90s or 2h; a bare number counts seconds
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = within(1..=1_209_600))]
    timeout: Duration,
}

/// What is known of a job.
enum State {
    /// It has no record yet.
    Open,
    /// It has one.
    Answered,
    /// It will have none.
    Failed(Failed),
}

/// A run on its way.
struct Run<'a, Q, R> {
    queue: &'a Q,
    results: &'a Results<R>,
    jobs: Vec<Job>,
    states: Vec<State>,
}

pub(super) async fn run(args: RunArgs) -> Result<(), CliError> {
    let settings = Reader::from_process().run()?;
    let output = &args.output;
    if output.as_os_str() == "-" || *output == args.jobs {
        return Err(CliError::Other(format!("--output {}: must be a file other than the input", output.display())));
    }
    let lines = jobs::read(&args.jobs)?;
    let sdk = Sdk::load().await;
    let (most_bytes, _) = sending::message_limit(&sdk, &settings.queue_url).await?;
    let (lots, jobs) = sort_out(lines, most_bytes);
    let target = format!("{} {}", settings.queue_url, settings.results.table);
    let mut journal = Journal::open(beside(output, "sent"), &target)?;
    let records = sdk.records(&settings.results.table, settings.results.bucket.as_deref());
    let results = &Results::new(records, settings.results.results, Clock::system());
    let queue = &sdk.queue(&settings.queue_url);
    let states = jobs.iter().map(|_| State::Open).collect();
    let mut run = Run { queue, results, jobs, states };
    run.look_around().await?;
    run.send(&mut journal).await?;
    let open = run.wait(args.timeout).await?;
    if !open.is_empty() {
        // They may have been lost; if not, they will be replays.
        journal.forget(open.iter().map(|&number| run.jobs[number].request_id.as_str()), &target)?;
        return Err(CliError::Other(run.unanswered(&open, args.timeout)));
    }
    let tally = run.write(&lots, output).await?;
    journal.remove()?;
    tally.report(output, lots.len())
}

/// A file beside the output.
fn beside(output: &Path, extension: &str) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

impl<Q: Queue, R: Records> Run<'_, Q, R> {
    /// Finds the jobs that have a record from before.
    async fn look_around(&mut self) -> Result<(), CliError> {
        let numbers: Vec<usize> = (0..self.jobs.len()).collect();
        let (progress, mut looked) = (Progress::new("looking for records", numbers.len()), 0);
        for numbers in numbers.chunks(LOOKED_FOR) {
            self.look(numbers).await?;
            looked += numbers.len();
            progress.set(looked);
        }
        progress.finish();
        Ok(())
    }

    /// Looks for the records of some jobs; how many have theirs now.
    async fn look(&mut self, numbers: &[usize]) -> Result<usize, CliError> {
        let ids: Vec<&str> = numbers.iter().map(|&number| self.jobs[number].request_id.as_str()).collect();
        let found = self.results.look_up(&ids, &UnderWay::default()).await;
        let mut news = 0;
        for &number in numbers {
            let job = &self.jobs[number];
            self.states[number] = match found.get(&job.request_id) {
                Some(Ok(_)) => State::Answered, // whichever job it is of
                Some(Err(fault)) if fault.is_permanent() => return Err(fault.clone().into()),
                Some(Err(_)) | None => continue, // the next look tells
            };
            news += 1;
        }
        Ok(news)
    }

    fn is_open(&self, number: usize) -> bool {
        matches!(self.states[number], State::Open)
    }

    /// Sends what has no record and was not sent before.
    async fn send(&mut self, journal: &mut Journal) -> Result<(), CliError> {
        let is_new =
            |&(number, job): &(usize, &Job)| self.is_open(number) && !journal.has(&job.request_id, &job.sha256);
        let new = self.jobs.iter().enumerate().filter(is_new);
        let new = new.map(|(index, job)| Sendable { index, body: &job.body, group: &job.request_id });
        let new: Vec<Sendable<'_>> = new.collect();
        let (total, mut sent) = (new.len(), 0);
        let progress = Progress::new("sending", total);
        let jobs = &self.jobs;
        let unsent = sending::send(self.queue, new, |indices| {
            sent += indices.len();
            progress.set(sent);
            let noted = indices.iter().map(|&index| &jobs[index]);
            journal.note(noted.map(|job| (job.request_id.as_str(), job.sha256.as_str())))
        });
        let unsent = unsent.await?;
        progress.finish();
        for unsent in unsent {
            match unsent.why {
                Why::Refused(why) => {
                    let id = self.jobs[unsent.index].request_id.as_str();
                    self.states[unsent.index] = State::Failed(Failed::new(Some(id), "not_sent", why));
                }
                Why::Stopped(why) => {
                    let hint = "run the same command again to continue";
                    return Err(CliError::Other(format!("{sent} of {total} jobs were sent: {why} ({hint})")));
                }
                Why::NotTried => {}
            }
        }
        Ok(())
    }

    /// Waits until every job has its record, or for as long as none comes; the numbers of those that have none then.
    async fn wait(&mut self, longest: Duration) -> Result<Vec<usize>, CliError> {
        let mut open: VecDeque<usize> = (0..self.jobs.len()).filter(|&number| self.is_open(number)).collect();
        let (total, progress) = (self.jobs.len(), Progress::new("waiting for records", self.jobs.len()));
        let (mut last_news, mut idle_looks, mut looked_for) = (Instant::now(), 0, 0);
        while !open.is_empty() {
            progress.set(total - open.len());
            let numbers: Vec<usize> = open.drain(..open.len().min(LOOKED_FOR)).collect();
            let news = self.look(&numbers).await?;
            open.extend(numbers.iter().filter(|&&number| self.is_open(number)));
            if news > 0 {
                (last_news, idle_looks, looked_for) = (Instant::now(), 0, 0);
            } else {
                (idle_looks, looked_for) = (idle_looks + 1, looked_for + numbers.len());
            }
            // Each of them was looked for since.
            if last_news.elapsed() >= longest && looked_for >= open.len() {
                break;
            }
            if !open.is_empty() {
                PAUSES.sleep(idle_looks.max(1)).await;
            }
        }
        progress.finish();
        let mut open: Vec<usize> = open.into();
        open.sort_unstable();
        Ok(open)
    }

    fn unanswered(&self, open: &[usize], timeout: Duration) -> String {
        let (count, total) = (open.len(), self.jobs.len());
        let places = jobs::list(open.iter().map(|&number| self.jobs[number].place));
        format!(
            "{count} of {total} jobs have no record, {} after the last one came: {places}. Is a worker running, or are \
             they in the dead-letter queue? Run the same command again to resend them and continue",
            written(timeout)
        )
    }

    /// Writes a line for each lot, and puts the file in its place once it is whole.
    async fn write(&self, lots: &[Lot], output: &Path) -> Result<Tally, CliError> {
        let partial = beside(output, "partial");
        let what = partial.display().to_string();
        let mut sink = BufWriter::new(std::fs::File::create(&partial).map_err(CliError::io(&what))?);
        let (mut tally, progress) = (Tally::default(), Progress::new("writing records", lots.len()));
        let mut lines = stream::iter(lots).map(|lot| self.line(lot)).buffered(READS_IN_FLIGHT);
        let mut written = 0;
        while let Some(line) = lines.next().await {
            let line = line?;
            tally.count(&line);
            let text = match &line {
                Line::Record(record) => json(record)?,
                Line::Failed(failed) => json(failed)?,
            };
            writeln!(sink, "{text}").map_err(CliError::io(&what))?;
            written += 1;
            progress.set(written);
        }
        progress.finish();
        sink.flush().map_err(CliError::io(&what))?;
        std::fs::rename(&partial, output).map_err(CliError::io(output.display().to_string()))?;
        Ok(tally)
    }

    async fn line(&self, lot: &Lot) -> Result<Line, CliError> {
        let (number, sha256) = match lot {
            Lot::Failed(failed) => return Ok(Line::Failed(failed.clone())),
            Lot::Job(number) => (*number, &self.jobs[*number].sha256),
            Lot::Rival { number, sha256 } => (*number, sha256),
        };
        if let State::Failed(failed) = &self.states[number] {
            return Ok(Line::Failed(failed.clone()));
        }
        let job = &self.jobs[number];
        Ok(match self.read(&job.request_id).await? {
            Some(record) if record.job_sha256 == *sha256 => Line::Record(Box::new(record)),
            Some(_) => Line::Failed(Failed::conflict(&job.request_id)),
            None => {
                let message = "its record expired or was deleted before it could be read: run again";
                Line::Failed(Failed::new(Some(&job.request_id), "no_record", message))
            }
        })
    }

    async fn read(&self, id: &str) -> Result<Option<ResultRecord>, Fault> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.results.get(id).await {
                Err(fault) if fault.is_transient() && attempt < READ_ATTEMPTS => PAUSES.sleep(attempt).await,
                answer => return answer,
            }
        }
    }
}

/// A line of the output.
enum Line {
    Record(Box<ResultRecord>),
    Failed(Failed),
}

/// What became of the jobs.
#[derive(Default)]
struct Tally {
    succeeded: usize,
    rejected: usize,
    failed: usize,
    first: Option<Failed>,
}

impl Tally {
    fn count(&mut self, line: &Line) {
        match line {
            Line::Record(record) if record.status == Status::Succeeded => self.succeeded += 1,
            Line::Record(_) => self.rejected += 1,
            Line::Failed(failed) => {
                self.failed += 1;
                self.first.get_or_insert_with(|| failed.clone());
            }
        }
    }

    /// A job without a record is a failure of the run, although its output is whole.
    fn report(self, output: &Path, total: usize) -> Result<(), CliError> {
        let Self { succeeded, rejected, failed, first } = self;
        let text = format!("{}: {total} jobs, {succeeded} succeeded, {rejected} rejected", output.display());
        let Some(first) = first else {
            eprintln!("{text}");
            return Ok(());
        };
        let error = format!("{}: {}", first.error.code, first.error.message);
        Err(CliError::Other(format!("{text}, {failed} without a record, the first: {error}")))
    }
}
