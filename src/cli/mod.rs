//! The command line: one file for each command.
//!
//! Data goes to stdout, people read stderr. Exit 0: done; 1: failed, with one line on stderr; 2: wrong usage.

mod catalog;
mod colour;
mod cost;
mod dead_letters;
mod doctor;
mod duration;
mod enqueue;
mod interrupt;
mod jobs;
mod numpy;
mod output;
mod page;
mod prepare;
mod probe;
mod progress;
mod queries;
mod result;
mod run;
mod search;
mod sending;
mod shell;
mod status;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, Reader};
use crate::telemetry;
use output::CliError;

/// Search jobs from SQS, ranked results in DynamoDB: exact vector search over a catalog in memory.
#[derive(Parser)]
#[command(name = "nearline", version, after_long_help = config::help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Poll the queue and answer jobs until SIGTERM or Ctrl-C, then finish what is in flight
    Worker(worker::WorkerArgs),
    /// Build, publish, roll back and inspect catalogs
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Search a catalog file directly, without queue or table
    Search(search::SearchArgs),
    /// Put jobs on the queue
    Enqueue(enqueue::EnqueueArgs),
    /// Put jobs on the queue, wait for their records, and write them in the order of the jobs
    Run(run::RunArgs),
    /// Read records
    #[command(subcommand)]
    Result(result::Command),
    /// List and show dead letters, send them back to the job queue, or delete them
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Show how full the queues are and which catalog is current
    ///
    /// Counts are SQS's own: approximate, and up to a minute old. SQS reports neither the age of the oldest message nor
    /// how many come and go; CloudWatch does (ApproximateAgeOfOldestMessage). `make status` also says whether the event
    /// source mapping is on.
    Status(status::StatusArgs),
    /// Show what a load costs a month, line by line, what it needs, and which limit it reaches first
    ///
    /// Prices are AWS's list prices of us-east-1, dated and with their sources (--list-prices). All other assumptions are
    /// options, and are printed with their reasons.
    Cost(Box<cost::CostArgs>),
    /// Ask a worker that has --listen whether it is healthy: a health check for images without a shell
    Probe(probe::ProbeArgs),
    /// Check every setting, permission and resource, and say how to fix what is wrong
    Doctor(doctor::DoctorArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(shell::CompletionsArgs),
    /// Write manual pages
    Man(shell::ManArgs),
}

/// Runs the command of this process's arguments.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(CliError::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            colour::print_error(&error);
            if matches!(error, CliError::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// What the command line takes.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

async fn dispatch(command: Command) -> Result<(), CliError> {
    telemetry::init(Reader::from_process().log()?);
    match command {
        Command::Worker(args) => worker::run(args).await,
        Command::Catalog(command) => catalog::run(command).await,
        Command::Search(args) => search::run(args).await,
        Command::Enqueue(args) => enqueue::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Result(command) => result::run(command).await,
        Command::DeadLetters(command) => dead_letters::run(command).await,
        Command::Status(args) => status::run(args).await,
        Command::Cost(args) => cost::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Completions(args) => shell::completions(&args, definition()),
        Command::Man(args) => shell::man(&args, definition()),
    }
}
