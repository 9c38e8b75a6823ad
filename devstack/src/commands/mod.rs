//! The command line. One file a subcommand: its arguments, and a `run` that returns after SIGTERM or SIGINT.
//!
//! Data goes to files, people read stderr. Exit code 0 = done, 1 = failed, with the reason on stderr, 2 = wrong usage.

mod bedrock;
mod demo;
mod environment_file;
mod lambda;
mod proxy;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::DevstackError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

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

/// The two ways of asking a command to end. Heard from when this is made, so also while something still starts.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, DevstackError> {
        let listen = |kind| signal(kind).map_err(|source| DevstackError::Signals { source });
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits until one of them is heard.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Writes a file under another name beside it and renames it, so that readers see all of it or none.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), DevstackError> {
    let failed = |source| DevstackError::File { action: "write", path: path.into(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    std::fs::write(&partial, content).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(|source| {
        let _ = std::fs::remove_file(&partial);
        failed(source)
    })
}
