//! `nearline enqueue`: lines of a file to the queue, as they are.
//!
//! A line that will be refused is sent all the same, since the record or the dead letter is its answer; what is wrong
//! with it is said here, where the producer sees it first. `--check` sends nothing unless every line is well.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use nearline_contract::{Refusal, receive};

use super::output::CliError;
use super::progress::Progress;
use crate::aws::Sdk;
use crate::backoff::Backoff;
use crate::config::Reader;
use crate::intake::{BATCH_MAX, MESSAGE_MAX_BYTES, Outgoing, Queue};

/// Calls in flight at once.
const CALLS_IN_FLIGHT: usize = 8;
/// Times a message is sent that SQS refused for a reason of its own.
const ATTEMPTS: u32 = 5;
/// Pauses between them.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// Refused lines that are named; the rest is counted.
const REFUSED_SHOWN_MAX: usize = 5;

#[derive(Args)]
pub(super) struct EnqueueArgs {
    /// Jobs, one JSON object a line; `-`: standard input
    #[arg(long, default_value = "-")]
    file: PathBuf,
    /// Send nothing if a line will be refused
    #[arg(long)]
    check: bool,
}

/// A line of the file, and its number.
struct Line {
    number: usize,
    text: String,
}

pub(super) async fn run(args: EnqueueArgs) -> Result<(), CliError> {
    let queue_url = Reader::from_process().enqueue()?;
    let lines = read(&args)?;
    if lines.is_empty() {
        return Err(CliError::Other(format!("{} has no jobs", args.file.display())));
    }
    report_refused(&lines, args.check)?;
    let queue = Sdk::load().await.queue(&queue_url);
    let (total, progress) = (lines.len(), Progress::new("sending", lines.len()));
    let mut sent = 0;
    // A FIFO queue keeps the order in which it is sent to, so one call at a time.
    let calls_in_flight = if queue.is_fifo() { 1 } else { CALLS_IN_FLIGHT };
    let run = fastrand::u64(..);
    let mut calls =
        stream::iter(batches(lines)).map(|batch| send(&queue, run, batch)).buffer_unordered(calls_in_flight);
    while let Some(count) = calls.try_next().await? {
        sent += count;
        progress.set(sent);
    }
    progress.finish();
    eprintln!("{total} jobs sent to {queue_url}");
    Ok(())
}

fn read(args: &EnqueueArgs) -> Result<Vec<Line>, CliError> {
    let what = args.file.display().to_string();
    let source: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(&args.file).map_err(CliError::io(&what))?)
    };
    let mut lines = Vec::new();
    for (index, text) in BufReader::new(source).lines().enumerate() {
        let (number, text) = (index + 1, text.map_err(CliError::io(&what))?);
        if text.len() > MESSAGE_MAX_BYTES {
            return Err(CliError::Other(format!(
                "{what}, line {number}: is {} bytes; SQS allows at most {MESSAGE_MAX_BYTES}",
                text.len()
            )));
        }
        if !text.trim().is_empty() {
            lines.push(Line { number, text });
        }
    }
    Ok(lines)
}

fn report_refused(lines: &[Line], check: bool) -> Result<(), CliError> {
    let refusal = |line: &Line| match receive(&line.text) {
        Err(error) => Some((line.number, format!("will be dead-lettered: {error}"))),
        Ok(received) => match received.job {
            Err(Refusal::Invalid(error)) => Some((line.number, format!("will be rejected: {error}"))),
            Err(Refusal::NewerVersion(_)) | Ok(_) => None,
        },
    };
    let refused: Vec<(usize, String)> = lines.iter().filter_map(refusal).collect();
    for (number, reason) in refused.iter().take(REFUSED_SHOWN_MAX) {
        eprintln!("line {number} {reason}");
    }
    if refused.len() > REFUSED_SHOWN_MAX {
        eprintln!("and {} more lines", refused.len() - REFUSED_SHOWN_MAX);
    }
    match refused.first() {
        Some((number, reason)) if check => {
            let count = refused.len();
            Err(CliError::Other(format!(
                "nothing was sent: {count} lines are refused, the first: line {number} {reason}"
            )))
        }
        _ => Ok(()),
    }
}

/// Lines in order, as many together as one call takes.
fn batches(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut batches: Vec<Vec<Line>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MAX && bytes + line.text.len() <= MESSAGE_MAX_BYTES => {
                bytes += line.text.len();
                batch.push(line);
            }
            _ => {
                bytes = line.text.len();
                batches.push(vec![line]);
            }
        }
    }
    batches
}

async fn send(queue: &impl Queue, run: u64, batch: Vec<Line>) -> Result<usize, CliError> {
    let (count, mut numbers) = (batch.len(), batch.iter().map(|line| line.number).collect::<Vec<_>>());
    let mut messages: Vec<Outgoing> =
        batch.into_iter().map(|line| message(line, queue.is_fifo().then_some(run))).collect();
    for attempt in 1.. {
        let failures = queue.send(&messages).await?;
        let Some((first, fault)) = failures.first() else { break };
        if !fault.is_transient() || attempt == ATTEMPTS {
            return Err(CliError::Other(format!("line {} was not sent: {fault}", numbers[*first])));
        }
        (messages, numbers) =
            failures.iter().map(|(position, _)| (messages[*position].clone(), numbers[*position])).unzip();
        PAUSES.sleep(attempt).await;
    }
    Ok(count)
}

/// `run`: of a FIFO queue, so that only a call that is repeated is taken for a duplicate.
fn message(line: Line, run: Option<u64>) -> Outgoing {
    let fifo = run.map(|run| {
        // Order matters only among messages of one request id.
        let group = receive(&line.text).map_or_else(|_| format!("line-{}", line.number), |job| job.request_id);
        (group, format!("{run:016x}-{}", line.number))
    });
    let (group, deduplication_id) = fifo.unzip();
    Outgoing { body: line.text, attributes: Vec::new(), group, deduplication_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_ten_lines_or_one_mebibyte() {
        let line = |number: usize, bytes: usize| Line { number, text: "x".repeat(bytes) };
        let sizes = |lines: Vec<Line>| batches(lines).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..25).map(|number| line(number, 10)).collect()), [10, 10, 5]);
        assert_eq!(sizes((0..3).map(|number| line(number, MESSAGE_MAX_BYTES / 2)).collect()), [2, 1]);
        assert_eq!(sizes(vec![line(0, MESSAGE_MAX_BYTES), line(1, 1)]), [1, 1]);
    }
}
