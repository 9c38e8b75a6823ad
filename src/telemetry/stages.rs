//! Where the time of jobs went, and how much of their work was shared.
//!
//! Each job notes its own. Of a batch the longest time of its jobs counts for each stage: one slow call shows, however
//! many jobs there are. Jobs of a batch are in different stages at the same time, so stages need not add up.

use std::time::Duration;

use tokio::time::Instant;

/// Times by stage, and counts; of one job, or of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// From having been sent to having been received, by the clocks of queue and worker. Earlier attempts included.
    pub wait: Duration,
    /// Asking for records that exist already.
    pub look_up: Stretch,
    /// Until the limits allowed a call of the embedding model.
    pub embed_wait: Stretch,
    /// The call, its repetitions included; or the wait for another job's call for the same text.
    pub embed: Stretch,
    /// Until the scans before it were done, and there was memory for its matches.
    pub scan_wait: Stretch,
    /// Evaluating the filter.
    pub filter: Stretch,
    /// The scan that the job was part of.
    pub scan: Stretch,
    /// Writing the record.
    pub write: Stretch,
    /// Carrying outcomes out on the queue.
    pub settle: Stretch,
    /// Texts that the cache had, or that another job was asking for.
    pub cache_hits: usize,
    /// Texts that were embedded, and for each of them all texts of its call.
    pub texts: Shared,
    /// Queries that were scanned, and for each of them all queries of its scan.
    pub queries: Shared,
    /// Rows that the queries could have matched without their filters; that passed these; that were rescored.
    pub rows: u64,
    /// See [`Stages::rows`].
    pub passed: u64,
    /// See [`Stages::rows`].
    pub rescored: u64,
}

/// The time of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stretch {
    /// How long it took.
    pub took: Duration,
    /// When it first began and when it last ended; `None`: it never did.
    pub within: Option<(Instant, Instant)>,
}

impl Stretch {
    fn add(&mut self, began: Instant, ended: Instant) {
        self.took += ended.saturating_duration_since(began);
        self.widen(Some((began, ended)));
    }

    fn widen(&mut self, other: Option<(Instant, Instant)>) {
        self.within = match (self.within, other) {
            (Some((one, last)), Some((other, end))) => Some((one.min(other), last.max(end))),
            (within, other) => within.or(other),
        };
    }

    /// Takes the longer time.
    fn merge(&mut self, other: &Self) {
        self.took = self.took.max(other.took);
        self.widen(other.within);
    }
}

/// Work that many share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shared {
    /// How many took part.
    pub count: usize,
    /// For each of them, how many took part together.
    pub together: usize,
}

impl Shared {
    /// Notes one that was done together with others, itself counted.
    pub fn note(&mut self, together: usize) {
        self.count += 1;
        self.together += together;
    }

    /// How many take part together, on average over those that do; 0 if there are none.
    pub fn mean(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.together as f64 / self.count as f64 }
    }
}

impl Stages {
    /// Takes the longer times, and adds the counts up.
    pub fn merge(&mut self, other: &Self) {
        self.wait = self.wait.max(other.wait);
        self.look_up.merge(&other.look_up);
        self.embed_wait.merge(&other.embed_wait);
        self.embed.merge(&other.embed);
        self.filter.merge(&other.filter);
        self.scan_wait.merge(&other.scan_wait);
        self.scan.merge(&other.scan);
        self.write.merge(&other.write);
        self.settle.merge(&other.settle);
        self.add_counts(other);
    }

    /// Adds the counts up, and leaves the times as they are.
    pub fn add_counts(&mut self, other: &Self) {
        self.cache_hits += other.cache_hits;
        for (mine, other) in [(&mut self.texts, other.texts), (&mut self.queries, other.queries)] {
            mine.count += other.count;
            mine.together += other.together;
        }
        self.rows += other.rows;
        self.passed += other.passed;
        self.rescored += other.rescored;
    }

    /// The scan with its filter, as one time.
    pub fn scan_and_filter(&self) -> Duration {
        self.filter.took + self.scan.took
    }

    /// The stages by name, but for the wait on the queue.
    pub fn stretches(&self) -> [(&'static str, Stretch); 8] {
        [
            ("look_up", self.look_up),
            ("filter", self.filter),
            ("embed_wait", self.embed_wait),
            ("embed", self.embed),
            ("scan_wait", self.scan_wait),
            ("scan", self.scan),
            ("write", self.write),
            ("settle", self.settle),
        ]
    }

    /// The share of the rows that filters kept from being scanned, from 0 to 1.
    pub fn filtered_share(&self) -> f64 {
        share(self.rows - self.passed.min(self.rows), self.rows)
    }

    /// The share of the rows that passed whose exact scores were computed, from 0 to 1.
    pub fn rescored_share(&self) -> f64 {
        share(self.rescored, self.passed)
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// Adds to the time of a stage until it is dropped: what a deadline cuts off counts, too.
#[derive(Debug)]
pub struct Timer<'a> {
    stretch: &'a mut Stretch,
    since: Instant,
}

impl<'a> Timer<'a> {
    /// Starts now.
    pub fn start(stretch: &'a mut Stretch) -> Self {
        Self { stretch, since: Instant::now() }
    }

    /// So long nothing but waiting went on, which was another stage.
    pub fn waited(&mut self, time: Duration, waiting: &mut Stretch) {
        if !time.is_zero() {
            waiting.add(self.since, self.since + time);
            self.since += time;
        }
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.stretch.add(self.since, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_batch_the_longest_times_count_and_all_counts() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let from = |began: u64, took: u64| Stretch {
            took: ms(took),
            within: Some((start + ms(began), start + ms(began + took))),
        };
        let mut batch = Stages {
            embed: from(0, 10),
            scan: from(10, 3),
            cache_hits: 1,
            rows: 100,
            passed: 100,
            ..Stages::default()
        };
        batch.queries.note(4);
        let mut job =
            Stages { embed: from(5, 90), scan: from(95, 1), rows: 100, passed: 20, rescored: 6, ..Stages::default() };
        job.queries.note(8);
        batch.merge(&job);
        assert_eq!((batch.embed.took, batch.scan.took, batch.cache_hits), (ms(90), ms(3), 1));
        assert_eq!(batch.embed.within, Some((start, start + ms(95))), "from the first beginning to the last end");
        assert_eq!(batch.scan.within, Some((start + ms(10), start + ms(96))));
        assert_eq!((batch.queries.mean(), batch.texts.mean()), (6.0, 0.0));
        assert_eq!((batch.filtered_share(), batch.rescored_share()), (0.4, 0.05));
        assert_eq!((Stages::default().filtered_share(), Stages::default().rescored_share()), (0.0, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_is_cut_off_counts_until_then() {
        let mut stages = Stages::default();
        let hangs = async {
            let _timer = Timer::start(&mut stages.embed);
            std::future::pending::<()>().await;
        };
        assert!(tokio::time::timeout(Duration::from_secs(3), hangs).await.is_err());
        assert_eq!(stages.embed.took, Duration::from_secs(3));
    }
}
