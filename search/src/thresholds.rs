//! The thresholds of a query that the threads of a search share (elsewhere: the minimum competitive score). They only
//! rise; a thread that hears of one late rescores some rows more.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::query::PreparedQuery;
use crate::top_k::{ordered, unordered};

/// For each group of a query the best threshold that some thread has reached: at least top_k rows score that much.
pub(crate) struct SharedThresholds(Vec<AtomicU32>);

impl SharedThresholds {
    pub(crate) fn new(query: &PreparedQuery<'_>) -> Self {
        Self((0..query.groups.len()).map(|group| AtomicU32::new(ordered(query.floor(group)))).collect())
    }

    /// Tells the other threads of a group's threshold, and returns theirs if it is higher.
    pub(crate) fn exchange(&self, group: usize, threshold: f32) -> f32 {
        let known = unordered(self.0[group].load(Ordering::Relaxed));
        if known < threshold {
            self.0[group].fetch_max(ordered(threshold), Ordering::Relaxed);
        }
        known.max(threshold)
    }
}
