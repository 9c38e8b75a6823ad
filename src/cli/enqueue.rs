//! `nearline enqueue`: the jobs of a file to the queue, as they are.
//!
//! A job that will be refused is sent all the same, since the record or the dead letter is its answer; what is wrong
//! with it is said here, where the producer sees it first. `--check` sends nothing unless every job is well. One that
//! SQS does not take is left out, and holds up no other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use nearline_contract::lines::Place;
use nearline_contract::{Refusal, receive};

use super::jobs::{self, Job};
use super::output::{CliError, counted};
use super::progress::Progress;
use super::sending::{self, Sendable, Unsent, Why};
use crate::aws::Sdk;
use crate::config::Reader;

/// Refused jobs that are named; the rest is counted.
const REFUSED_SHOWN_MAX: usize = 5;

#[derive(Args)]
pub(super) struct EnqueueArgs {
    /// Jobs: one JSON object a line, or one array of them; `-`: standard input
    #[arg(long, default_value = "-")]
    file: PathBuf,
    /// Send nothing if any job would be refused, by SQS or by a worker
    #[arg(long)]
    check: bool,
    /// Where to write the jobs that could not be sent, for another `enqueue --file`; created only if there are any
    #[arg(long, value_name = "FILE")]
    unsent: Option<PathBuf>,
}

/// What is known of a job before it is sent.
struct Outlook {
    /// Its request id, or something else unique to it.
    group: String,
    /// What will become of it, if it will not be answered.
    refused: Option<String>,
    /// Why SQS would not take it.
    unsendable: Option<String>,
}

impl Outlook {
    fn new(job: &Job, most_bytes: usize) -> Self {
        let unsendable = sending::unsendable(&job.body, most_bytes);
        let (group, refused) = match receive(&job.body) {
            Err(error) => {
                let number = job.place.element.unwrap_or(job.place.line);
                (format!("line-{number}"), Some(format!("will be dead-lettered: {error}")))
            }
            Ok(received) => match received.job {
                Err(Refusal::Invalid(error)) => (received.request_id, Some(format!("will be rejected: {error}"))),
                Err(Refusal::NewerVersion(_)) | Ok(_) => (received.request_id, None),
            },
        };
        Self { group, refused, unsendable }
    }

    fn warning(&self) -> Option<String> {
        self.unsendable.as_ref().map(|why| format!("cannot be sent: {why}")).or_else(|| self.refused.clone())
    }
}

pub(super) async fn run(args: EnqueueArgs) -> Result<(), CliError> {
    let queue_url = Reader::from_process().enqueue()?;
    let jobs = jobs::read(&args.file)?;
    let sdk = Sdk::load().await;
    let (most_bytes, note) = sending::message_limit(&sdk, &queue_url).await?;
    if let Some(note) = note.filter(|_| args.check) {
        eprintln!("{note}");
    }
    let outlooks: Vec<Outlook> = jobs.iter().map(|job| Outlook::new(job, most_bytes)).collect();
    report_refused(&jobs, &outlooks, args.check)?;
    let (mut unsent, mut sendable) = (Vec::new(), Vec::new());
    for (index, (job, outlook)) in jobs.iter().zip(&outlooks).enumerate() {
        match &outlook.unsendable {
            Some(why) => unsent.push(Unsent { index, why: Why::Refused(why.clone()) }),
            None => sendable.push(Sendable { index, body: &job.body, group: &outlook.group }),
        }
    }
    let (progress, mut sent) = (Progress::new("sending", sendable.len()), 0);
    let on_sent = |indices: &[usize]| {
        sent += indices.len();
        progress.set(sent);
        Ok(())
    };
    unsent.extend(sending::send(&sdk.queue(&queue_url), sendable, on_sent).await?);
    progress.finish();
    if unsent.is_empty() {
        eprintln!("{} sent to {queue_url}", counted(sent as u64, "job"));
        return Ok(());
    }
    unsent.sort_by_key(|unsent| unsent.index);
    if let Some(path) = &args.unsent {
        write_unsent(path, &jobs, &unsent)?;
    }
    Err(CliError::Other(summary(&jobs, &unsent, &queue_url, args.unsent.as_deref())))
}

fn report_refused(jobs: &[Job], outlooks: &[Outlook], check: bool) -> Result<(), CliError> {
    let warning = |(job, outlook): (&Job, &Outlook)| Some((job.place, outlook.warning()?));
    let refused: Vec<(Place, String)> = jobs.iter().zip(outlooks).filter_map(warning).collect();
    for (place, reason) in refused.iter().take(REFUSED_SHOWN_MAX) {
        eprintln!("{place} {reason}");
    }
    if refused.len() > REFUSED_SHOWN_MAX {
        eprintln!("and {} more", refused.len() - REFUSED_SHOWN_MAX);
    }
    match refused.first() {
        Some((place, reason)) if check => {
            let count = refused.len();
            Err(CliError::Other(format!(
                "nothing was sent: {count} of {} jobs are refused, the first: {place} {reason}",
                jobs.len()
            )))
        }
        _ => Ok(()),
    }
}

/// What was sent, what was not, and how to send the rest.
fn summary(jobs: &[Job], unsent: &[Unsent], queue_url: &str, file: Option<&Path>) -> String {
    let (total, sent) = (jobs.len(), jobs.len() - unsent.len());
    let places = jobs::list(unsent.iter().map(|unsent| jobs[unsent.index].place));
    let mut text = format!("{sent} of {} sent to {queue_url}; not sent: {places}", counted(total as u64, "job"));
    let reason = unsent.iter().find_map(|unsent| match &unsent.why {
        Why::Refused(why) | Why::Stopped(why) => Some((jobs[unsent.index].place, why)),
        Why::NotTried => None,
    });
    if let Some((place, why)) = reason {
        let _ = write!(text, " ({place}: {why})"); // writing to a String cannot fail
    }
    let _ = match file {
        Some(file) => write!(text, "; they are in {}, for `nearline enqueue --file`", file.display()),
        None => write!(text, "; `--unsent FILE` would write them to a file; sending a job again is harmless"),
    };
    text
}

/// Each job on one line: line ends stand only between the parts of its JSON.
fn write_unsent(path: &Path, jobs: &[Job], unsent: &[Unsent]) -> Result<(), CliError> {
    let line = |unsent: &Unsent| jobs[unsent.index].body.replace(['\n', '\r'], " ") + "\n";
    let text: String = unsent.iter().map(line).collect();
    std::fs::write(path, text).map_err(CliError::io(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_was_sent_and_how_to_send_the_rest() {
        let job = |line| Job { place: Place { line, element: None }, body: "{}".into() };
        let jobs: Vec<Job> = (1..=9).map(job).collect();
        let unsent = [
            Unsent { index: 2, why: Why::Refused("too large".into()) },
            Unsent { index: 7, why: Why::NotTried },
            Unsent { index: 8, why: Why::NotTried },
        ];
        let start = "6 of 9 jobs sent to http://q; not sent: lines 3, 8-9 (line 3: too large); ";
        assert!(summary(&jobs, &unsent, "http://q", None).starts_with(&format!("{start}`--unsent FILE`")));
        let text = summary(&jobs, &unsent, "http://q", Some(Path::new("rest.jsonl")));
        assert_eq!(text, format!("{start}they are in rest.jsonl, for `nearline enqueue --file`"));
    }
}
