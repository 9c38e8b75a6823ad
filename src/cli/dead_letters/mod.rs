//! `nearline dead-letters`: what is in the dead-letter queue, back to the job queue with it, or away.
//!
//! Each command is a walk through the queue (`walk`); reasons are those that the worker gave (`intake::Letter`).

pub(super) mod confirm;
mod drop;
mod find;
mod known;
mod list;
mod looked;
mod resend;
mod selection;
mod show;
#[cfg(test)]
mod tests;
mod wait;
mod walk;

use clap::Subcommand;
use time::OffsetDateTime;

use self::walk::Walk;
use super::interrupt;
use super::output::{CliError, json, print};
use crate::aws::Sdk;
use crate::config::Reader;
use crate::intake::{Inspect, Queue};

pub(super) use wait::whereabouts;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Count dead letters by reason, with the oldest, the newest and an example of each
    ///
    /// SQS cannot show messages without receiving them: each look counts as a receive of each letter, and hides it from
    /// others until the command ends, or for a minute or so longer if it is killed. What could not be seen is reported.
    List(list::ListArgs),
    /// Show one dead letter, with its body
    Show(show::ShowArgs),
    /// Send dead letters back to the job queue, as new messages that count from their first attempt
    ///
    /// Each is deleted once its job is on the queue. If it is stopped half-way nothing is lost; a job that is then in
    /// both queues is answered once, as its second message is a replay. Without --code, --id or --all, letters that
    /// would only be dead-lettered again are left out.
    Resend(resend::ResendArgs),
    /// Delete dead letters for good: those with --code or --id, or --all
    Drop(drop::DropArgs),
}

pub(super) async fn run(command: Command) -> Result<(), CliError> {
    let now = OffsetDateTime::now_utc();
    match command {
        Command::List(args) => {
            let queue = &dead_letter_queue().await?;
            list::run(begin(queue, now).await?, queue, args).await
        }
        Command::Show(args) => show::run(begin(&dead_letter_queue().await?, now).await?, args).await,
        Command::Resend(args) => resend_command(args).await,
        Command::Drop(args) => drop_command(args).await,
    }
}

async fn dead_letter_queue() -> Result<impl Inspect, CliError> {
    let url = Reader::from_process().dead_letters()?;
    Ok(Sdk::load_usable().await?.queue(&url))
}

async fn begin<Q: Inspect>(queue: &Q, now: OffsetDateTime) -> Result<Walk<'_, Q>, CliError> {
    let stop =
        interrupt::token(|| eprintln!("stopping: releasing the letters that were read (Ctrl-C again: quit now)"))?;
    let walk = Walk::begin(queue, stop, now).await?;
    if let Some(redrive) = walk.state().ok().and_then(|state| state.redrive.as_ref()) {
        let (url, most, target) = (queue.url(), redrive.max_receive_count, &redrive.target);
        eprintln!(
            "{url} has its own redrive policy: each look counts as a receive, and after {most} of them a letter moves \
             to {target}"
        );
    }
    Ok(walk)
}

async fn resend_command(args: resend::ResendArgs) -> Result<(), CliError> {
    let (dead, jobs) = Reader::from_process().resend()?;
    let sdk = Sdk::load_usable().await?;
    let (queue, jobs) = (&sdk.queue(&dead), &sdk.queue(&jobs));
    if !args.yes && confirm::can_ask() {
        let (about, which) = (about(queue).await?, args.selection.words());
        let (rate, to) = (args.rate, jobs.url());
        confirm::ask(&format!("Resend the dead letters{which} of {dead} ({about} in all) to {to}, {rate} a second?"))?;
    }
    let walk = begin(queue, OffsetDateTime::now_utc()).await?;
    let (tally, looked) = resend::resend(walk, jobs, &args).await;
    if args.json {
        print(&json(&tally.report(queue.url(), jobs.url(), &looked))?)?;
    }
    done(&looked, tally.summary(jobs.url(), &looked))
}

async fn drop_command(args: drop::DropArgs) -> Result<(), CliError> {
    let dead = Reader::from_process().dead_letters()?;
    if !args.yes && !confirm::can_ask() {
        let text = "dead-letters drop deletes for good: it asks on a terminal, and needs --yes elsewhere";
        return Err(CliError::Usage(text.to_owned()));
    }
    let queue = &Sdk::load_usable().await?.queue(&dead);
    if !args.yes {
        let (about, which) = (about(queue).await?, args.selection.words());
        let all = if args.all { "all " } else { "" };
        confirm::ask(&format!("Delete {all}the dead letters{which} of {dead} ({about} in all) for good?"))?;
    }
    let walk = begin(queue, OffsetDateTime::now_utc()).await?;
    let (tally, looked) = drop::drop_letters(walk, &args).await;
    if args.json {
        print(&json(&tally.report(queue.url(), &looked))?)?;
    }
    done(&looked, tally.summary(queue.url(), &looked))
}

/// How many there are, for a question.
async fn about(queue: &impl Inspect) -> Result<String, CliError> {
    Ok(format!("about {}", queue.state().await?.total()))
}

fn done(looked: &looked::Looked, summary: Result<String, CliError>) -> Result<(), CliError> {
    for warning in looked.warnings() {
        eprintln!("{warning}");
    }
    eprintln!("{}", summary?);
    Ok(())
}
