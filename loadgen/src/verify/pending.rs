//! Jobs whose record has not been seen, in the order in which the queue took them, and which of them to look up next.
//!
//! While there are few, each is looked up each time. When there are more than the rate allows, half of the looks go to
//! those around the newest finds, for a queue is answered roughly in order; the others go round.

use std::collections::VecDeque;
use std::time::Duration;

/// A job whose record has not been seen: 24 bytes, for there may be millions. Instants are from the start of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) id_index: u64,
    intended_micros: u64,
    absent_micros: u64,
}

/// Marks a job whose record was seen.
const SEEN: u64 = u64::MAX;

impl Pending {
    /// A job that was meant to be sent at `intended` and has no record at `absent`.
    pub(super) fn new(id_index: u64, intended: Duration, absent: Duration) -> Self {
        let micros = |instant: Duration| instant.as_micros() as u64;
        Self { id_index, intended_micros: micros(intended), absent_micros: micros(absent) }
    }

    pub(super) fn intended(&self) -> Duration {
        Duration::from_micros(self.intended_micros)
    }

    /// When it was last known to have no record.
    pub(super) fn absent(&self) -> Duration {
        Duration::from_micros(self.absent_micros)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct PendingJobs {
    jobs: VecDeque<Pending>,
    /// How many of `jobs` are still without a record.
    open: usize,
    /// Where looking round goes on.
    cursor: usize,
    /// Where records are being found.
    front: usize,
}

impl PendingJobs {
    pub(super) fn len(&self) -> usize {
        self.open
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    pub(super) fn push(&mut self, job: Pending) {
        self.jobs.push_back(job);
        self.open += 1;
    }

    /// The earliest intended instant among them. Looks at all of them.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.iter().map(|job| job.intended_micros).min().map(Duration::from_micros)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.jobs.iter().filter(|job| job.id_index != SEEN)
    }

    /// Places of at most `most` jobs to look up now; good until the next [`Self::tidy`].
    pub(super) fn choose(&mut self, most: usize) -> Vec<usize> {
        let places = 0..self.jobs.len();
        if self.open <= most {
            return places.filter(|place| self.is_open(*place)).collect();
        }
        // From a little before the front: those that were overtaken come next.
        let first = self.front.saturating_sub(most / 8);
        let mut chosen: Vec<usize> = (first..places.end).filter(|place| self.is_open(*place)).take(most / 2).collect();
        let around = first..chosen.last().map_or(first, |last| last + 1);
        let round = (self.cursor..places.end).chain(0..self.cursor.min(places.end));
        let others: Vec<usize> =
            round.filter(|place| self.is_open(*place) && !around.contains(place)).take(most - chosen.len()).collect();
        self.cursor = others.last().map_or(self.cursor, |last| last + 1);
        chosen.extend(others);
        chosen
    }

    pub(super) fn at(&self, place: usize) -> Pending {
        self.jobs[place]
    }

    /// The record of the job at `place` was seen.
    pub(super) fn seen(&mut self, place: usize) {
        self.jobs[place].id_index = SEEN;
        self.open -= 1;
    }

    /// The job at `place` had no record when it was looked up at `absent`.
    pub(super) fn absent(&mut self, place: usize, absent: Duration) {
        self.jobs[place].absent_micros = absent.as_micros() as u64;
    }

    /// Ends a round of looks that found the records at the places `found`, and frees the places of those seen.
    pub(super) fn tidy(&mut self, mut found: Vec<usize>) {
        found.sort_unstable();
        if let Some(middle) = found.get(found.len() / 2) {
            self.front = *middle;
        }
        while self.jobs.front().is_some_and(|job| job.id_index == SEEN) {
            self.jobs.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
            self.front = self.front.saturating_sub(1);
        }
        // Those seen behind one that never comes: at most as many places as open jobs are kept for them.
        if self.jobs.len() > 2 * self.open + 1_024 {
            let kept = |end: usize| self.jobs.iter().take(end).filter(|job| job.id_index != SEEN).count();
            (self.cursor, self.front) = (kept(self.cursor), kept(self.front));
            self.jobs.retain(|job| job.id_index != SEEN);
        }
        if self.jobs.capacity() > 4 * self.jobs.len() + 4_096 {
            self.jobs.shrink_to(2 * self.jobs.len());
        }
    }

    fn is_open(&self, place: usize) -> bool {
        self.jobs[place].id_index != SEEN
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn jobs(count: u64) -> PendingJobs {
        let mut jobs = PendingJobs::default();
        (0..count).for_each(|index| jobs.push(Pending::new(index, Duration::from_secs(index), Duration::ZERO)));
        jobs
    }

    fn ids(jobs: &PendingJobs, places: &[usize]) -> HashSet<u64> {
        places.iter().map(|place| jobs.at(*place).id_index).collect()
    }

    #[test]
    fn few_are_looked_up_all_each_time() {
        let mut jobs = jobs(5);
        assert_eq!(jobs.choose(5), [0, 1, 2, 3, 4]);
        jobs.seen(1);
        assert_eq!((jobs.choose(5), jobs.len()), (vec![0, 2, 3, 4], 4));
        jobs.tidy(vec![1]);
        assert_eq!(jobs.choose(9).len(), 4);
    }

    #[test]
    fn of_many_those_around_the_newest_finds_come_often_and_all_in_turn() {
        let mut jobs = jobs(10_000);
        let mut answered = HashSet::new();
        let mut looked_up: HashSet<u64> = HashSet::new();
        // 40 jobs are answered in a round, in order, but for the first hundred, which are lost; 200 looks a round.
        for round in 0..100_u64 {
            let done = 100 + 40 * (round + 1);
            let places = jobs.choose(200);
            assert!(places.len() <= 200);
            looked_up.extend(ids(&jobs, &places));
            let found: Vec<usize> =
                places.into_iter().filter(|place| (100..done).contains(&jobs.at(*place).id_index)).collect();
            for place in &found {
                answered.insert(jobs.at(*place).id_index);
                jobs.seen(*place);
            }
            jobs.tidy(found);
        }
        // Round robin alone would have looked at each job twice in these 100 rounds.
        assert!(answered.len() > 3_900, "{}", answered.len());
        assert!(looked_up.len() > 9_000, "{}", looked_up.len());
        assert_eq!(jobs.oldest(), Some(Duration::ZERO));
        assert_eq!(jobs.len() + answered.len(), 10_000);
        assert!(jobs.jobs.len() <= 2 * jobs.len() + 1_024);
    }
}
