//! The programs that take jobs, each in a process of its own, and what the kernel says of them.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::case::{Case, Shape};
use crate::catalog::Files;
use crate::tls::Tls;

/// What `/proc` counts CPU time in, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// They take some seconds.
const PYTHON_JOBS: usize = 100;
const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python_engine/engine.py");

/// A program to measure.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Nearline(PathBuf),
    Floor(PathBuf),
    Python { python: PathBuf, norms: &'static str },
}

impl Program {
    pub(crate) fn nearline(name: &str, path: &Path) -> Self {
        Self { name: name.to_owned(), kind: Kind::Nearline(path.to_owned()) }
    }

    pub(crate) fn floor() -> Result<Self, Fault> {
        Ok(Self { name: "floor".to_owned(), kind: Kind::Floor(std::env::current_exe()?) })
    }

    pub(crate) fn python(python: &Path, norms: &'static str) -> Self {
        Self { name: format!("python-{norms}"), kind: Kind::Python { python: python.to_owned(), norms } }
    }

    /// Whether the case is one for this program.
    pub(crate) fn takes(&self, case: &Case) -> bool {
        match self.kind {
            Kind::Nearline(_) => true,
            Kind::Floor(_) => case.shape != Shape::Idle,
            Kind::Python { .. } => case.shape == Shape::Default,
        }
    }

    /// Jobs to warm up with, and to measure.
    pub(crate) fn jobs(&self, case: &Case, set: Option<usize>) -> (usize, usize) {
        match self.kind {
            // It takes 30 to 70 ms for each.
            Kind::Python { .. } => (10, set.unwrap_or(PYTHON_JOBS).min(PYTHON_JOBS)),
            _ => (case.warm_up(), set.unwrap_or(case.jobs())),
        }
    }

    /// Starts the program; its log goes to a file.
    pub(crate) fn start(
        &self,
        address: SocketAddr,
        tls: Option<&Tls>,
        case: &Case,
        files: &Files,
        log: File,
    ) -> Result<Process, Fault> {
        let loops = case.loops.to_string();
        let mut command = match &self.kind {
            Kind::Nearline(path) => {
                let mut command = Command::new(path);
                command.args(["worker", "--concurrency", &loops]);
                command
            }
            Kind::Floor(path) => {
                let mut command = Command::new(path);
                command.args(["floor", &loops, case.shape.name()]);
                command
            }
            Kind::Python { python, norms } => {
                let mut command = Command::new(python);
                // Its pool has the threads; with threads of BLAS in each of them it takes six times as long.
                command.env("OPENBLAS_NUM_THREADS", "1");
                command.arg(ENGINE).args(["--norms", norms, "--rows"]).arg(&files.rows);
                command
            }
        };
        if let Some(tls) = tls {
            command.env("SSL_CERT_FILE", &tls.certificate).env("AWS_CA_BUNDLE", &tls.certificate);
        }
        let endpoint = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        command
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("NEARLINE_QUEUE_URL", format!("{endpoint}/123456789012/jobs"))
            .env("NEARLINE_RESULTS_TABLE", "records")
            .env("NEARLINE_CATALOG", &files.catalog)
            .env("NEARLINE_CATALOG_REFRESH_SECONDS", "0")
            // As many as jobs can be in flight: the model is not what is measured.
            .env("NEARLINE_EMBEDDING_MAX_CONCURRENCY", (case.loops * 10).min(1_000).to_string())
            .stdout(Stdio::null())
            .stderr(log);
        Ok(Process(command.spawn().map_err(|error| format!("{command:?}: {error}"))?))
    }
}

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn is_running(&mut self) -> Result<bool, Fault> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// User and system time.
    pub(crate) fn cpu(&self) -> Result<Duration, Fault> {
        let stat = self.proc("stat")?;
        // The name of the program may have blanks; the 14th and 15th fields are the 12th and 13th after it.
        let after_name = stat.rsplit_once(") ").ok_or("/proc/PID/stat has no name")?.1;
        let ticks = after_name.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
        Ok(Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND))
    }

    /// Memory in MiB: `VmRSS` or, since it was last forgotten, the most of it: `VmHWM`.
    pub(crate) fn memory(&self, field: &str) -> Result<f64, Fault> {
        let status = self.proc("status")?;
        let line = status.lines().find(|line| line.starts_with(field)).ok_or("/proc/PID/status says no memory")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("/proc/PID/status says no memory")?.parse()?;
        Ok(kib / 1024.0)
    }

    pub(crate) fn forget_peak(&self) -> Result<(), Fault> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5")?)
    }

    fn proc(&self, file: &str) -> Result<String, Fault> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// What scans cost a job, in milliseconds of one core, by `nearline search` on the same vectors in batches of 64.
#[derive(Debug, Serialize)]
pub(crate) struct Scan {
    pub(crate) program: String,
    pub(crate) group_by: &'static str,
    pub(crate) ms: f64,
}

/// Scans of each build, in turn.
pub(crate) fn scans(programs: &[Program], files: &Files, rounds: usize) -> Result<Vec<Scan>, Fault> {
    #[derive(Deserialize)]
    struct Figures {
        queries_per_second: f64,
    }
    let mut scans = Vec::new();
    for _ in 0..rounds {
        for program in programs {
            let Kind::Nearline(path) = &program.kind else { continue };
            for (group_by, top_k) in [("category", "5"), ("none", "10")] {
                let mut search = Command::new(path);
                search.args(["search", "--threads", "1", "--batch", "64", "--json", "--top-k", top_k]);
                search.args(["--group-by", group_by, "--catalog"]).arg(&files.catalog);
                let output = search.arg("--queries").arg(&files.queries).stderr(Stdio::inherit()).output()?;
                let figures: Figures = serde_json::from_slice(&output.stdout)?;
                scans.push(Scan { program: program.name.clone(), group_by, ms: 1e3 / figures.queries_per_second });
            }
        }
    }
    Ok(scans)
}
