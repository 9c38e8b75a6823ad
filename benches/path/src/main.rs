//! What a job costs on its way from queue to record (`make bench-path`).
//!
//! The worker runs in a process of its own, the real executable; this process stands in for SQS, DynamoDB and Bedrock
//! and does nothing but answer (`sink`). Programs that are compared take turns, case by case: another build, bare calls
//! of the SDK (`floor`), an engine in Python. CPU time is the kernel's account of the process.

mod books;
mod case;
mod catalog;
mod floor;
mod http;
mod measure;
mod program;
mod report;
mod sink;
mod tls;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::case::Case;
use crate::catalog::Files;
use crate::measure::{Run, measure};
use crate::program::Program;
use crate::sink::Manners;
use crate::tls::Tls;

type Fault = Box<dyn Error + Send + Sync>;

/// Measures what a job costs on its way from queue to record.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Command {
    /// The calls of a worker and nothing else; started by the bench.
    #[command(hide = true)]
    Floor { loops: usize, shape: case::Shape },
}

#[derive(clap::Args)]
struct Bench {
    /// The executable that is measured
    #[arg(long, default_value = "target/release/nearline")]
    nearline: PathBuf,
    /// Another build of it, which takes turns with the first
    #[arg(long)]
    against: Option<PathBuf>,
    /// Measure bare SDK calls of the same number and size, too
    #[arg(long)]
    floor: bool,
    /// Python with python_engine/requirements.txt: measure its engine, too
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// Turns of each program for each case; the medians count
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// What is sent and how many batches are in flight: {default,cached,none,idle}@LOOPS; of `all`, every one
    #[arg(long, value_delimiter = ',', default_value = "default@64,cached@64,none@64,idle@16")]
    cases: Vec<String>,
    /// Jobs of a case, instead of so many as take some seconds
    #[arg(long)]
    jobs: Option<usize>,
    /// Milliseconds that the model takes
    #[arg(long, default_value_t = 100)]
    model_ms: u64,
    /// Milliseconds that queue and table take
    #[arg(long, default_value_t = 0)]
    service_ms: u64,
    /// Messages that a receive hands out at most
    #[arg(long, default_value_t = 10)]
    batch: usize,
    /// Speak TLS (needs openssl)
    #[arg(long)]
    tls: bool,
    /// Where catalog and vectors are kept between runs
    #[arg(long, default_value = "target/bench-path")]
    folder: PathBuf,
    /// Every figure, as JSON
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Floor { loops, shape }) => floor::run(loops, shape),
        None => run(&arguments.bench),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("bench-path: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: &Bench) -> Result<(), Fault> {
    let cases = Case::parse_all(&bench.cases)?;
    let files = Files::make(&bench.folder, &bench.nearline)?;
    let mut programs = vec![Program::nearline("nearline", &bench.nearline)];
    programs.extend(bench.against.as_deref().map(|path| Program::nearline("against", path)));
    if bench.floor {
        programs.push(Program::floor()?);
    }
    if let Some(python) = &bench.python {
        programs.extend([Program::python(python, "article"), Program::python(python, "precomputed")]);
    }
    let tls = bench.tls.then(|| Tls::make(&bench.folder)).transpose()?;
    let manners = Manners { model_ms: bench.model_ms, service_ms: bench.service_ms, batch: bench.batch };
    let mut runs: Vec<Run> = Vec::new();
    for case in &cases {
        for pair in 0..bench.pairs {
            let mut turns: Vec<&Program> = programs.iter().filter(|program| program.takes(case)).collect();
            if pair % 2 == 1 {
                turns.reverse();
            }
            for program in turns {
                let run = measure(program, case, bench.jobs, manners, tls.as_ref(), &files)?;
                eprintln!("{}", run.line());
                runs.push(run);
            }
        }
    }
    let scans = program::scans(&programs, &files, bench.pairs)?;
    if let Some(path) = &bench.output {
        fs::write(path, report::json(&runs, &scans)?)?;
    }
    print!("{}", report::table(&cases, &programs, &runs, &scans));
    measure::same_records(&runs)
}
