//! Who else sees what is logged: the ways out for numbers and traces, chosen when the process starts.
//!
//! Without any, a batch costs one atomic load more. An observer must not block: it is called by those who work.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::metrics::{METRICS, Source};

static OBSERVERS: OnceLock<Vec<Box<dyn Observer>>> = OnceLock::new();

/// How often observers are given the time to write what they have gathered.
pub const PERIOD: Duration = Duration::from_secs(10);

/// A batch that is done.
#[derive(Debug, Clone, Copy)]
pub struct Done<'a> {
    /// The fields of its event that are numbers.
    pub numbers: &'a [(&'static str, f64)],
    /// When it was there.
    pub began: SystemTime,
    /// When it was settled.
    pub ended: SystemTime,
    /// What happened in between.
    pub stages: &'a [Stage],
    /// X-Ray's headers of the traces that its messages were sent in, as far as they are known.
    pub traces: &'a [&'a str],
}

/// A stage of a batch: from its first beginning to its last end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// What it is called.
    pub name: &'static str,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
}

impl<'a> Done<'a> {
    /// One that has no times and no traces.
    #[cfg(test)]
    pub(super) fn of_numbers(numbers: &'a [(&'static str, f64)]) -> Self {
        let now = SystemTime::UNIX_EPOCH;
        Self { numbers, began: now, ended: now, stages: &[], traces: &[] }
    }

    /// One of its numbers.
    pub fn number(&self, field: &str) -> Option<f64> {
        self.numbers.iter().find(|(name, _)| *name == field).map(|(_, number)| *number)
    }
}

/// Sees each batch once, and each line that metrics count.
pub trait Observer: Send + Sync + 'static {
    /// A batch is done.
    fn batch(&self, done: &Done<'_>);

    /// A line was logged that this one of [`METRICS`] counts.
    fn line(&self, metric: usize);

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
pub fn any() -> bool {
    !all().is_empty()
}

/// Shows a batch to all.
pub(super) fn batch(done: &Done<'_>) {
    all().iter().for_each(|observer| observer.batch(done));
}

/// Shows a line to all, for each metric that counts it.
pub(super) fn line(level: &str, event: Option<&str>) {
    for (metric, counted) in METRICS.iter().enumerate() {
        let counts = match counted.source {
            Source::Batch(_) => false,
            Source::Events(ids) => event.is_some_and(|event| ids.contains(&event)),
            Source::Level(counted) => counted == level,
        };
        if counts {
            all().iter().for_each(|observer| observer.line(metric));
        }
    }
}

/// The ids of events that are counted.
pub(super) fn counted() -> impl Iterator<Item = &'static str> {
    METRICS.iter().flat_map(|metric| match metric.source {
        Source::Events(ids) => ids,
        Source::Batch(_) | Source::Level(_) => &[],
    }).copied()
}

/// Gives observers the time to write, for as long as it is polled.
pub async fn tick() {
    while any() {
        tokio::time::sleep(PERIOD).await;
        all().iter().for_each(|observer| observer.tick());
    }
}

/// Lets observers write what they have gathered. Blocks.
pub fn flush() {
    all().iter().for_each(|observer| observer.flush());
}
