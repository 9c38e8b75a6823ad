//! The command line: starts the stand-ins and runs them until SIGTERM or SIGINT.
//!
//! Data goes to files, people read stderr. Exit code 0 = done, 1 = failed, with the reason on stderr, 2 = wrong usage.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use devstack::DevstackError;
use tracing_subscriber::EnvFilter;

/// Stand-ins for AWS on one machine: SQS, DynamoDB, S3, Bedrock embeddings, Lambda Managed Instances
///
/// Everything listens on 127.0.0.1 and ends with the command, even if that is killed. DEVSTACK_LOG sets what is logged
/// (default: warn).
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(commands::up::Arguments),
    Lambda(commands::lambda::Arguments),
    Bedrock(commands::bedrock::Arguments),
    Proxy(commands::proxy::Arguments),
    Demo(commands::demo::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("DEVSTACK_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let done = match cli.command {
        Command::Up(arguments) => commands::up::run(arguments).await,
        Command::Lambda(arguments) => commands::lambda::run(arguments).await,
        Command::Bedrock(arguments) => commands::bedrock::run(arguments).await,
        Command::Proxy(arguments) => commands::proxy::run(arguments).await,
        Command::Demo(arguments) => commands::demo::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("devstack: {error}");
            ExitCode::from(if matches!(error, DevstackError::Option(_)) { 2 } else { 1 })
        }
    }
}
