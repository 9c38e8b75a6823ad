//! One program on one case.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use crate::Fault;
use crate::case::{Case, Shape};
use crate::catalog::Files;
use crate::program::{Process, Program};
use crate::sink::{Manners, Sink};
use crate::tls::Tls;

/// Longest time for a start, and for the jobs.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two jobs of an idle worker, more or less.
const IDLE_MS: std::ops::Range<u64> = 20..80;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) program: String,
    pub(crate) case: String,
    pub(crate) jobs: usize,
    /// User and system time of the process for a job.
    pub(crate) cpu_ms: f64,
    pub(crate) jobs_per_second: f64,
    /// From when a job was handed out (of an idle worker: from when it was offered) to its record.
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    /// From the start of the process to its first receive.
    pub(crate) start_seconds: f64,
    pub(crate) start_cpu_seconds: f64,
    /// Resident, once it is ready.
    pub(crate) ready_mib: f64,
    /// Calls that deleted messages, for a job.
    pub(crate) deletions: f64,
    /// Most while jobs were measured.
    pub(crate) peak_mib: f64,
    /// Digests of some records, by job.
    #[serde(skip)]
    samples: BTreeMap<usize, u64>,
}

impl Run {
    pub(crate) fn line(&self) -> String {
        format!(
            "{:<12} {:<18} {:.3} ms of CPU a job, {:.0} jobs/s, p50 {:.1} ms, {:.0} MiB",
            self.case, self.program, self.cpu_ms, self.jobs_per_second, self.p50_ms, self.peak_mib
        )
    }
}

/// Starts the program, waits until it receives, warms it up, and measures.
pub(crate) fn measure(
    program: &Program,
    case: &Case,
    jobs: Option<usize>,
    manners: Manners,
    tls: Option<&Tls>,
    files: &Files,
) -> Result<Run, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure_on(program, case, jobs, manners, tls, files))
}

async fn measure_on(
    program: &Program,
    case: &Case,
    jobs: Option<usize>,
    manners: Manners,
    tls: Option<&Tls>,
    files: &Files,
) -> Result<Run, Fault> {
    let (sink, address) = Sink::start(case.shape, manners, tls, &files.answers).await?;
    let log = files.catalog.with_file_name(format!("{}.log", program.name));
    let started = Instant::now();
    let mut process = program.start(address, tls, case, files, File::create(&log)?)?;
    let what = |text: &str| format!("{}: {text}; see {}", program.name, log.display());
    while sink.books.receives() == 0 {
        if !process.is_running()? || started.elapsed() > PATIENCE {
            return Err(what("it does not start").into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    let (start_seconds, start_cpu) = (started.elapsed(), process.cpu()?);
    let ready_mib = process.memory("VmRSS")?;
    let (warm_up, jobs) = program.jobs(case, jobs);
    let idle = case.shape == Shape::Idle;
    answer(&sink, &mut process, warm_up).await.map_err(|fault| what(&fault.to_string()))?;
    // What loading has left behind and the allocator gives back late is not what jobs take.
    process.forget_peak()?;
    let before = process.cpu()?;
    eprintln!("  process {} is measured", process.id());
    if idle {
        for _ in 0..jobs {
            sleep(Duration::from_millis(fastrand::u64(IDLE_MS))).await;
            answer(&sink, &mut process, 1).await?;
        }
    } else {
        answer(&sink, &mut process, jobs).await.map_err(|fault| what(&fault.to_string()))?;
    }
    let spent = process.cpu()?.saturating_sub(before);
    let mut latencies = sink.books.latencies(warm_up, idle);
    latencies.sort_unstable();
    let percentile = |part: f64| ms(latencies[((latencies.len() - 1) as f64 * part).round() as usize]);
    Ok(Run {
        program: program.name.clone(),
        case: case.name(),
        jobs,
        cpu_ms: ms(spent) / jobs as f64,
        jobs_per_second: jobs as f64 / sink.books.elapsed(warm_up).as_secs_f64(),
        p50_ms: percentile(0.5),
        p90_ms: percentile(0.9),
        p99_ms: percentile(0.99),
        start_seconds: start_seconds.as_secs_f64(),
        start_cpu_seconds: start_cpu.as_secs_f64(),
        ready_mib,
        deletions: sink.books.deletions() as f64 / (warm_up + jobs) as f64,
        peak_mib: process.memory("VmHWM")?,
        samples: sink.books.samples(),
    })
}

/// Offers jobs and waits until all are answered and deleted.
async fn answer(sink: &Sink, process: &mut Process, jobs: usize) -> Result<(), Fault> {
    sink.offer(jobs);
    let until = Instant::now() + PATIENCE;
    while !sink.books.is_done()? {
        if !process.is_running()? || Instant::now() > until {
            return Err("it does not answer all jobs".into());
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Checks that all builds of nearline wrote the same records for the same jobs.
pub(crate) fn same_records(runs: &[Run]) -> Result<(), Fault> {
    let mut seen: BTreeMap<(&str, usize), (u64, &str)> = BTreeMap::new();
    for run in runs.iter().filter(|run| ["nearline", "against"].contains(&run.program.as_str())) {
        for (&job, &digest) in &run.samples {
            let (first, program) = *seen.entry((&run.case, job)).or_insert((digest, &run.program));
            if first != digest {
                return Err(format!("{}: {} and {program} differ in job {job}", run.case, run.program).into());
            }
        }
    }
    eprintln!("{} sampled records are the same in all runs and builds", seen.len());
    Ok(())
}
