//! The batches of a process: each is reported once, with all that is known of it.
//!
//! A batch of which something stays on the queue or was dead-lettered has its own line. At high rates those that went
//! well share a line a second: its numbers are their sums, so that metrics made of lines stay exact, and its times are
//! those of the slowest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::done::Done;
use super::{event, observers};
use crate::trace;

/// Batches that went well share a line for so long.
const WINDOW: Duration = Duration::from_secs(1);

/// Tells of batches; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Batches {
    /// Whether several may share a line: not where the process may be frozen between two of them.
    merges: bool,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    last: Option<Instant>,
    /// What the next line tells, and of how many.
    pending: Option<(Done, usize)>,
}

impl Batches {
    /// Tells of batches, of which so many may be worked on at once.
    pub fn new(at_once: usize) -> Self {
        Self { merges: at_once > 1, ..Self::default() }
    }

    /// Tells of one. Must be called on a Tokio runtime, once for each.
    pub fn tell(&self, mut done: Done) {
        done.trace = trace::root();
        observers::batch(&done);
        if !self.merges || !done.went_well() {
            event::batch(&done, 1);
            return;
        }
        let now = Instant::now();
        let mut lines = self.lines();
        let last = lines.last;
        match (&mut lines.pending, last) {
            (Some((pending, count)), _) => {
                pending.merge(done);
                *count += 1;
            }
            (None, Some(last)) if now < last + WINDOW => {
                lines.pending = Some((done, 1));
                drop(lines);
                let batches = self.clone();
                tokio::spawn(async move {
                    sleep_until(last + WINDOW).await;
                    batches.flush();
                });
            }
            (None, _) => {
                lines.last = Some(now);
                drop(lines);
                event::batch(&done, 1);
            }
        }
    }

    /// Tells what waits for its line.
    pub fn flush(&self) {
        let mut lines = self.lines();
        if let Some((done, count)) = lines.pending.take() {
            lines.last = Some(Instant::now());
            drop(lines);
            event::batch(&done, count);
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::event::Batch;
    use super::super::stages::{Stages, Stretch};
    use super::super::tests::Lines as Logged;
    use super::*;

    fn done(duration_ms: u64, batch: Batch) -> Done {
        let embed = Stretch { took: Duration::from_millis(duration_ms), ..Stretch::default() };
        let stages = Stages { embed, cache_hits: 1, ..Stages::default() };
        Done { batch, stages, duration: Duration::from_millis(duration_ms), ..Done::default() }
    }

    fn succeeded(count: usize) -> Batch {
        Batch { messages: count, succeeded: count, ..Batch::default() }
    }

    fn numbers(lines: &[Value], field: &str) -> Vec<f64> {
        lines.iter().map(|line| line[field].as_f64().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn at_high_rates_batches_that_went_well_share_a_line_which_adds_up() {
        let logged = Logged::default();
        let _guard = logged.collect();
        let batches = Batches::new(8);
        for duration_ms in [5, 7, 90, 8] {
            batches.tell(done(duration_ms, succeeded(10)));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let failed = Batch { messages: 3, succeeded: 1, retried: 2, ..Batch::default() };
        batches.tell(done(4, failed));
        tokio::time::sleep(WINDOW).await;
        let lines = logged.read();
        assert_eq!(numbers(&lines, "batches"), [1.0, 1.0, 3.0], "what failed waits for nobody");
        assert_eq!(numbers(&lines, "succeeded"), [10.0, 1.0, 30.0]);
        assert_eq!(numbers(&lines, "cache_hits"), [1.0, 1.0, 3.0]);
        assert_eq!(numbers(&lines, "duration_ms"), [5.0, 4.0, 90.0], "the slowest stands for them");
        assert_eq!(numbers(&lines, "embed_ms"), [5.0, 4.0, 90.0]);
        tokio::time::sleep(WINDOW).await;
        batches.tell(done(1, succeeded(1)));
        assert_eq!(logged.read().len(), 4, "at low rates each has its own at once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_line_is_told_at_the_end() {
        let logged = Logged::default();
        let _guard = logged.collect();
        let batches = Batches::new(8);
        batches.tell(done(1, succeeded(1)));
        batches.tell(done(2, succeeded(2)));
        assert_eq!(logged.read().len(), 1);
        batches.flush();
        batches.flush();
        assert_eq!(numbers(&logged.read(), "succeeded"), [1.0, 2.0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_may_be_frozen_tells_of_each_at_once() {
        let logged = Logged::default();
        let _guard = logged.collect();
        let batches = Batches::new(1);
        (0..3).for_each(|_| batches.tell(done(1, succeeded(1))));
        assert_eq!(logged.read().len(), 3);
    }
}
