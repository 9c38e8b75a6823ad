//! Runs a target: first on the files that are kept, then on damaged copies of them until the time is up.
//!
//! An input that fails is made smaller, kept as a file and named: copied into the corpus it stays a test.

use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::damage::{damage, damaged};

/// Cases between two looks at the clock.
const CASES: u32 = 64;
/// No input may take longer, even unoptimised and beside other work.
const INPUT_TIME_MAX: Duration = Duration::from_secs(5);

/// What is done with bytes, and where examples of them are.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Files beside those in the target's own folder.
    pub(crate) more_seeds: &'static [&'static str],
    /// Panics if the bytes are not dealt with as they should be.
    pub(crate) try_bytes: fn(&[u8]),
}

impl Target {
    pub(crate) fn run(&self) {
        let started = Instant::now();
        let seeds = self.seeds();
        assert!(!seeds.is_empty(), "{} has no corpus", self.name);
        for (path, bytes) in &seeds {
            println!("{}", path.display());
            self.try_in_time(bytes);
        }
        let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
        let several = (any::<prop::sample::Index>(), prop::collection::vec(damage(), 1..6));
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let mut inputs = 0;
        while started.elapsed() < seconds() {
            // A runner counts its cases over all its runs.
            let outcome = TestRunner::new(config.clone()).run(&several, |(seed, several)| {
                self.try_in_time(&damaged(seed.get::<Vec<u8>>(&seeds), &several, &seeds));
                Ok(())
            });
            if let Err(TestError::Fail(reason, (seed, several))) = outcome {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", self.name));
                std::fs::write(&path, damaged(seed.get::<Vec<u8>>(&seeds), &several, &seeds)).unwrap();
                panic!("{}: {reason}; the input is {}", self.name, path.display());
            }
            inputs += CASES;
        }
        println!("{}: {inputs} inputs in {:.1} s", self.name, started.elapsed().as_secs_f64());
    }

    fn try_in_time(&self, bytes: &[u8]) {
        let started = Instant::now();
        (self.try_bytes)(bytes);
        let (took, length) = (started.elapsed(), bytes.len());
        assert!(took < INPUT_TIME_MAX, "{length} bytes took {took:?}");
    }

    /// Small inputs to begin with, and those that once failed.
    fn seeds(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = std::fs::read_dir(root.join("tests/fuzz/corpus").join(self.name)).unwrap();
        let own = own.map(|entry| entry.unwrap().path());
        let paths = own.chain(self.more_seeds.iter().map(|file| root.join(file)));
        let mut files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        files.sort();
        files
    }
}

/// How long each target is tried.
fn seconds() -> Duration {
    let seconds = std::env::var("FUZZ_SECONDS").unwrap_or_else(|_| "1".into());
    Duration::from_secs(seconds.parse().expect("FUZZ_SECONDS is a whole number"))
}

/// What `work` returns, and the memory that it took in this thread.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut done = None;
    // A panic must not pass through the one who measures.
    let memory = measure(|| done = Some(catch_unwind(std::panic::AssertUnwindSafe(work))));
    match done.unwrap() {
        Ok(done) => (done, memory),
        Err(panic) => resume_unwind(panic),
    }
}
