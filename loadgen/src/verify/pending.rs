//! Jobs whose record has not been seen, in the order in which the queue took them, and which of them to look up next.
//!
//! While there are few, each is looked up each time. When there are more than the rate allows, most looks go to those
//! around the newest finds, for a queue is answered roughly in order; the others go round.

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
/// From so many finds it is told where records are being found: one that came late or early must not move it.
const FINDS: usize = 64;

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
    /// Intended instants of the newest finds, and their median's place.
    finds: VecDeque<u64>,
    front: usize,
    /// Where looking around the front goes on.
    front_cursor: usize,
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
        let open = self.jobs.iter().filter(|job| job.id_index != SEEN);
        open.map(|job| job.intended_micros).min().map(Duration::from_micros)
    }

    /// Those without a record, by number. Takes no memory beyond what they have.
    pub(super) fn into_sorted(self) -> Vec<Pending> {
        let mut jobs = Vec::from(self.jobs);
        jobs.retain(|job| job.id_index != SEEN);
        jobs.sort_unstable_by_key(|job| job.id_index);
        jobs
    }

    /// Places of at most `most` jobs to look up now, good until the next [`Self::tidy`]; `at_work` is how many jobs are
    /// probably being worked on.
    pub(super) fn choose(&mut self, most: usize, at_work: usize) -> Vec<usize> {
        let places = 0..self.jobs.len();
        if self.open <= most {
            return places.filter(|place| self.is_open(*place)).collect();
        }
        // Those at work lie on both sides of the newest finds: some were overtaken, some overtook.
        let width = (2 * at_work).max(most);
        let near: Vec<usize> = (self.front.saturating_sub(width / 2)..places.end)
            .filter(|place| self.is_open(*place))
            .take(width)
            .collect();
        let next = near.partition_point(|place| *place < self.front_cursor);
        let mut chosen: Vec<usize> = near[next..].iter().chain(&near[..next]).take(most * 3 / 4).copied().collect();
        self.front_cursor = chosen.last().map_or(0, |last| last + 1);
        let around = near.first().copied().unwrap_or_default()..near.last().map_or(0, |last| last + 1);
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
        if self.finds.len() == FINDS {
            self.finds.pop_front();
        }
        self.finds.push_back(self.jobs[place].intended_micros);
    }

    /// The job at `place` had no record when it was looked up at `absent`.
    pub(super) fn absent(&mut self, place: usize, absent: Duration) {
        self.jobs[place].absent_micros = absent.as_micros() as u64;
    }

    /// Ends a round of looks, and frees the places of those seen.
    pub(super) fn tidy(&mut self) {
        while self.jobs.front().is_some_and(|job| job.id_index == SEEN) {
            self.jobs.pop_front();
            for place in [&mut self.cursor, &mut self.front_cursor] {
                *place = place.saturating_sub(1);
            }
        }
        // Those seen behind one that never comes: at most as many places as open jobs are kept for them.
        if self.jobs.len() > 2 * self.open + 1_024 {
            let kept = |end: usize| self.jobs.iter().take(end).filter(|job| job.id_index != SEEN).count();
            (self.cursor, self.front_cursor) = (kept(self.cursor), kept(self.front_cursor));
            self.jobs.retain(|job| job.id_index != SEEN);
        }
        let mut finds: Vec<u64> = self.finds.iter().copied().collect();
        finds.sort_unstable();
        if let Some(middle) = finds.get(finds.len() / 2) {
            // In the order in which the queue took them they are nearly in that of their instants.
            self.front = self.jobs.partition_point(|job| job.intended_micros < *middle);
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

    #[test]
    fn few_are_looked_up_all_each_time() {
        let mut jobs = jobs(5);
        assert_eq!(jobs.choose(5, 0), [0, 1, 2, 3, 4]);
        jobs.seen(1);
        assert_eq!((jobs.choose(5, 0), jobs.len()), (vec![0, 2, 3, 4], 4));
        jobs.tidy();
        assert_eq!(jobs.choose(9, 0).len(), 4);
    }

    #[test]
    fn of_many_those_at_work_are_looked_up_often_and_all_in_turn() {
        let mut jobs = jobs(10_000);
        let mut last_look = vec![0_u64; 10_000];
        let (mut answered, mut gaps) = (0, Vec::new());
        // The first hundred are lost. Of the others 20 are answered in a round, anyhow among the 160 at work.
        let mut at_work: Vec<u64> = (100..260).collect();
        for round in 1..=400_u64 {
            let mut done = HashSet::new();
            for index in 0..20 {
                done.insert(at_work.swap_remove((index * 37 + round as usize * 11) % at_work.len()));
                at_work.push(260 + (round - 1) * 20 + index as u64);
            }
            answered += done.len();
            let waiting: HashSet<u64> = at_work.iter().copied().collect();
            let places = jobs.choose(100, 160);
            assert!(places.len() <= 100);
            let newest = 260 + round * 20;
            let is_done = |id: u64| id >= 100 && id < newest && !waiting.contains(&id);
            for place in places {
                let id = jobs.at(place).id_index;
                if is_done(id) {
                    gaps.push(round - last_look[id as usize].max(1));
                    jobs.seen(place);
                }
                last_look[id as usize] = round;
            }
            jobs.tidy();
        }
        let seen = 10_000 - jobs.len();
        // Round robin alone would take 100 rounds from one look to the next.
        gaps.sort_unstable();
        let (median, most) = (gaps[gaps.len() / 2], gaps[gaps.len() * 95 / 100]);
        assert!(seen + 200 > answered && median <= 6 && most <= 12, "{seen} of {answered}, {median}, {most} rounds");
        assert!(last_look[100 + answered..].iter().all(|round| *round > 0), "all others had their turn");
        assert_eq!(jobs.oldest(), Some(Duration::ZERO));
        assert!(jobs.jobs.len() <= 2 * jobs.len() + 1_024);
    }
}
