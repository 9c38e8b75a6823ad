//! Where work of the processor runs: scans on a pool of their own, indexing beside them at low priority.
//!
//! Async threads never compute for long. A simulation on a paused clock runs everything inline, as such a clock does
//! not see threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::task::spawn_blocking;

use crate::fault::{Cause, Fault};

/// The niceness of threads that work in the background: a tenth of the weight of others.
#[cfg(target_os = "linux")]
const BACKGROUND_NICENESS: i32 = 10;

/// Whether somebody waits for the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Nothing else can run.
    Foreground,
    /// Scans go first.
    Background,
}

/// Why long work has no result.
#[derive(Debug, thiserror::Error)]
pub enum LongError {
    /// It panicked, which a malformed file can make a reader do.
    #[error("{0}")]
    Panicked(String),
    /// The machine has no threads left for it now.
    #[error("no threads could be started: {0}")]
    NoThreads(#[from] ThreadPoolBuildError),
}

/// Runs work of the processor.
#[derive(Debug, Clone)]
pub enum Compute {
    /// On this pool, and on others as large.
    Threads(Arc<ThreadPool>),
    /// Where it is asked for.
    Inline,
}

impl Compute {
    /// A pool of so many threads, or of one for each processor.
    ///
    /// # Errors
    /// The threads could not be started.
    pub fn threads(count: Option<usize>) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().thread_name(|number| format!("search-{number}"));
        Ok(Self::Threads(Arc::new(pool.num_threads(count.unwrap_or(0)).build()?)))
    }

    /// Threads that scan.
    pub fn thread_count(&self) -> usize {
        match self {
            Self::Threads(pool) => pool.current_num_threads(),
            Self::Inline => 1,
        }
    }

    /// Runs a scan here and now.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Threads(pool) => pool.install(work),
            Self::Inline => work(),
        }
    }

    /// Runs a scan. The flag tells it when nobody is waiting for it any more, so that its threads are free for the next one.
    ///
    /// # Errors
    /// It panicked.
    pub async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        match self {
            Self::Inline => Ok(work(&AtomicBool::new(false))),
            Self::Threads(pool) => {
                let pool = Arc::clone(pool);
                let dropped = SetOnDrop(Arc::default());
                let cancelled = Arc::clone(&dropped.0);
                let scan = spawn_blocking(move || pool.install(|| work(&cancelled)));
                scan.await.map_err(|panic| Fault::new(Cause::Internal, format!("search: {panic}")))
            }
        }
    }

    /// Runs what takes seconds: reading, hashing and indexing a catalog. In the background it has threads of its own,
    /// of low priority, that end with it.
    ///
    /// # Errors
    /// [`LongError`].
    pub async fn run_long<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LongError> {
        let pool = match (self, priority) {
            (Self::Inline, _) => return Ok(work()),
            (Self::Threads(pool), Priority::Foreground) => Arc::clone(pool),
            (Self::Threads(pool), Priority::Background) => {
                let background = ThreadPoolBuilder::new()
                    .num_threads(pool.current_num_threads())
                    .thread_name(|number| format!("index-{number}"))
                    .start_handler(|_| lower_priority());
                Arc::new(background.build()?)
            }
        };
        spawn_blocking(move || pool.install(work)).await.map_err(|panic| LongError::Panicked(panic.to_string()))
    }
}

/// Of the calling thread; on other systems it would be the whole process's.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(BACKGROUND_NICENESS) {
        tracing::debug!(%error, "a background thread keeps its priority");
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_scan_that_nobody_waits_for_is_told_so() {
        let (starts, started) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let compute = Compute::threads(Some(1)).unwrap();
        let mut waiting = Box::pin(compute.scan(move |cancelled| {
            starts.send(cancelled.load(Ordering::Relaxed)).unwrap();
            let patience = Instant::now() + Duration::from_secs(20);
            while !cancelled.load(Ordering::Relaxed) && Instant::now() < patience {
                std::thread::yield_now();
            }
            ends.send(cancelled.load(Ordering::Relaxed)).unwrap();
        }));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(started.await, Ok(false), "somebody waits");
        drop(waiting);
        assert_eq!(ended.await, Ok(true));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_own_work() {
        let compute = Compute::threads(Some(1)).unwrap();
        assert!(compute.scan(|_| panic!("bad luck")).await.unwrap_err().text.contains("panic"));
        assert!(compute.run_long(Priority::Background, || panic!("bad luck")).await.is_err());
        assert_eq!(compute.scan(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn scans_do_not_wait_for_work_in_the_background() {
        let compute = Compute::threads(Some(1)).unwrap();
        let (scanned, release) = std::sync::mpsc::channel();
        // With one pool for both, this would wait for a scan that waits for it.
        let indexing = compute.run_long(Priority::Background, move || release.recv_timeout(Duration::from_secs(20)));
        let scan = async {
            let found = compute.scan(|_| 7).await;
            scanned.send(()).unwrap();
            found
        };
        let (indexed, found) = tokio::join!(indexing, scan);
        assert_eq!((indexed.unwrap(), found), (Ok(()), Ok(7)));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn work_in_the_background_has_low_priority() {
        let compute = Compute::threads(Some(1)).unwrap();
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let foreground = compute.run_long(Priority::Foreground, niceness).await.unwrap();
        let background = compute.run_long(Priority::Background, niceness).await.unwrap();
        assert_eq!(background, (foreground + BACKGROUND_NICENESS).min(19));
    }
}
