//! The command line. One file a subcommand: its arguments, and a `run` that returns after SIGTERM or SIGINT.
//!
//! Data goes to files, people read stderr. Exit code 0 = done, 1 = failed, with the reason on stderr, 2 = wrong usage.

mod bedrock;
mod demo;
mod environment_file;
mod lambda;
mod proxy;
mod stop;
mod up;
mod whole_file;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::DevstackError;

/// Stand-ins for AWS on one machine: SQS, DynamoDB, S3, Bedrock embeddings, Lambda Managed Instances
///
/// Everything listens on 127.0.0.1 and ends with the command, even if that is killed. DEVSTACK_LOG sets what is logged
/// (default: warn).
#[derive(Parser)]
#[command(name = "devstack", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(up::Arguments),
    Lambda(lambda::Arguments),
    Bedrock(bedrock::Arguments),
    Proxy(proxy::Arguments),
    Demo(demo::Arguments),
}

/// Runs the command of this process's arguments.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("DEVSTACK_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let done = match cli.command {
        Command::Up(arguments) => up::run(arguments).await,
        Command::Lambda(arguments) => lambda::run(arguments).await,
        Command::Bedrock(arguments) => bedrock::run(arguments).await,
        Command::Proxy(arguments) => proxy::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devstack: {error}");
            ExitCode::from(if matches!(error, DevstackError::Option(_)) { 2 } else { 1 })
        }
    }
}

/// What the command line takes.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}
