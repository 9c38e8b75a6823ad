//! Who else sees what is logged: exporters of numbers and traces, chosen when the process starts.
//!
//! Without any, a batch costs one atomic load more. An observer must not block: the work itself calls it.

use std::sync::OnceLock;
use std::time::Duration;

use super::done::Done;

static OBSERVERS: OnceLock<Vec<Box<dyn Observer>>> = OnceLock::new();

/// How often observers are given the time to write what they have gathered.
pub const PERIOD: Duration = Duration::from_secs(10);

/// Sees each batch once, and each line that metrics count.
pub trait Observer: Send + Sync + 'static {
    /// A batch is done.
    fn batch(&self, done: &Done);

    /// A line was logged of which this one of [`METRICS`](super::metrics::METRICS) counts so many.
    fn line(&self, metric: usize, count: u64);

    /// Called about every [`PERIOD`].
    fn tick(&self) {}

    /// The process ends: whatever was gathered goes out now, or never. May block for some seconds.
    fn flush(&self) {}
}

/// Sets who observes, for the whole process and once.
pub fn set(observers: Vec<Box<dyn Observer>>) {
    // A second call (several commands in one process) keeps the first ones.
    let _ = OBSERVERS.set(observers);
}

fn all() -> &'static [Box<dyn Observer>] {
    OBSERVERS.get().map_or(&[], Vec::as_slice)
}

/// Whether anybody observes.
pub(super) fn any() -> bool {
    !all().is_empty()
}

/// Shows a batch to all.
pub(super) fn batch(done: &Done) {
    for observer in all() {
        observer.batch(done);
    }
}

/// Shows a line to all.
pub(super) fn line(metric: usize, count: u64) {
    for observer in all() {
        observer.line(metric, count);
    }
}

/// Gives observers the time to write, for as long as it is polled.
pub async fn tick() {
    while any() {
        tokio::time::sleep(PERIOD).await;
        for observer in all() {
            observer.tick();
        }
    }
}

/// Lets observers write what they have gathered. Blocks.
pub fn flush() {
    for observer in all() {
        observer.flush();
    }
}
