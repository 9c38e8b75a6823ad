//! Finds the record of every sent job, when it came, and whether it stays as it was.
//!
//! Jobs without a record are looked up at a bounded rate from the moment the queue has them; after the last send for
//! the length of the drain, and then once more, so that no job is called lost on an old look. Records that were right
//! are looked at a second time: one that was written again in between has been worked on twice.

mod catalog;
mod filter;
mod identities;
mod judge;
mod lookup;
mod pending;
mod records;
mod second_look;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub(crate) use self::catalog::CatalogInfo;
use self::identities::{Accepted, Identities};
pub(crate) use self::judge::Judge;
use self::judge::Judged;
pub use self::lookup::Unverified;
use self::lookup::{Answer, Lookups};
use self::pending::{Pending, PendingJobs};
pub use self::records::LookupError;
pub(crate) use self::records::{Detail, Found, LOOKUP_MAX_KEYS, Read, Records};
use self::second_look::{Change, SecondLook, SecondLooks};
use crate::account::{Account, Seen};
use crate::backoff::backoff;
use crate::jobs::{Message, is_sampled};
use crate::sender::Delivery;
use crate::series::QueueDepth;

/// Most requests in one round, side by side.
const LOOKUPS_IN_FLIGHT: usize = 16;
/// Shortest time from the start of one round to that of the next: how fine end-to-end times can be.
const ROUND_MIN: Duration = Duration::from_millis(25);
/// A round takes no more keys than the rate allows in this time, so that looks are spread and not in bursts, unless the
/// round before took longer.
const ROUND_MAX: Duration = Duration::from_millis(100);

/// How records are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerifyOptions {
    /// Share of the request ids whose record is looked for.
    pub share: f64,
    pub lookups_per_second: u32,
    pub drain_timeout: Duration,
    /// From the first look at a record to the second one; zero = no second look.
    pub recheck_after: Duration,
}

/// A queue depth and when it was sampled.
pub(crate) type DepthSample = Option<(Instant, QueueDepth)>;

/// Reads records for one run.
#[derive(Debug)]
pub(crate) struct Verifier<R> {
    lookups: Lookups<R>,
    judge: Judge,
    account: Account,
    options: VerifyOptions,
    depth: watch::Receiver<DepthSample>,
    pending: PendingJobs,
    second_looks: SecondLooks,
    ids: Identities,
    /// Rounds in a row in which nothing was answered.
    failures: u32,
    /// By how much the last round took longer than its share of the rate.
    overrun: Duration,
    /// When the oldest of the pending was last looked for.
    oldest_found: Duration,
}

impl<R: Records> Verifier<R> {
    pub(crate) fn new(
        records: R,
        judge: Judge,
        account: Account,
        options: VerifyOptions,
        depth: watch::Receiver<DepthSample>,
    ) -> Self {
        Self {
            lookups: Lookups::new(records, account.clone(), options.lookups_per_second),
            judge,
            account,
            options,
            depth,
            pending: PendingJobs::default(),
            second_looks: SecondLooks::default(),
            ids: Identities::new(),
            failures: 0,
            overrun: Duration::ZERO,
            oldest_found: Duration::ZERO,
        }
    }

    /// Follows `deliveries` to their end and then drains until every record was seen and what was sent twice is worked
    /// on, for the drain timeout or until `stop`: at the end every sent job is entered as seen or lost. Returns how long
    /// the last record took to come.
    pub(crate) async fn run(
        mut self,
        mut deliveries: UnboundedReceiver<Delivery>,
        stop: CancellationToken,
    ) -> Result<Duration, Unverified> {
        while self.take_in(&mut deliveries) {
            self.round().await;
        }
        let began = Instant::now();
        let mut drained = None;
        while began.elapsed() < self.options.drain_timeout && !stop.is_cancelled() {
            if self.pending.is_empty() {
                let since = *drained.get_or_insert_with(Instant::now);
                if self.settled(since) {
                    break;
                }
            }
            self.round().await;
        }
        let drain = drained.unwrap_or_else(Instant::now) - began;
        self.last_look().await?;
        if !stop.is_cancelled() {
            self.look_again_at_all().await?;
            self.look_for_the_unexpected().await?;
        }
        self.account.looks_left(0);
        self.find_oldest();
        Ok(drain)
    }

    /// Takes in what has been delivered so far; false if no more will come.
    fn take_in(&mut self, deliveries: &mut UnboundedReceiver<Delivery>) -> bool {
        loop {
            match deliveries.try_recv() {
                Ok(Delivery::Sent { message, intended, accepted }) => self.sent(&message, intended, accepted),
                Ok(Delivery::Failed { message, intended }) => {
                    let id_index = message.id_index();
                    self.ids.failed(id_index, id_index == message.index, intended);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// The queue accepted a message.
    fn sent(&mut self, message: &Message, intended: Duration, accepted: Duration) {
        let id_index = message.id_index();
        let looked_for = is_sampled(id_index, self.options.share);
        match self.ids.accepted(id_index, id_index == message.index, looked_for) {
            Accepted::New => {
                self.account.opened(looked_for);
                if looked_for {
                    self.pending.push(Pending::new(id_index, intended, accepted));
                }
            }
            Accepted::Repeats(look) => self.second_looks.push_repeat(look),
            Accepted::Nothing => {}
        }
    }

    /// Whether what was sent twice has been worked on, all records having been seen since `since`.
    fn settled(&self, since: Instant) -> bool {
        if self.second_looks.is_empty() {
            return true;
        }
        let sample = *self.depth.borrow();
        let empty = sample.is_some_and(|(at, depth)| at >= since && depth.total() == 0);
        // Others may use the queue: only what is known to have been sent twice is waited for any longer.
        let worth_waiting = sample.is_some() && self.second_looks.has_repeats();
        empty || !worth_waiting && since.elapsed() >= self.options.recheck_after
    }

    /// Looks up as many as the rate allows and waits until the next round is due.
    async fn round(&mut self) {
        let began = Instant::now();
        let now = self.account.now();
        // After a round that took long there is more to catch up on.
        let most = self.lookups.keys_in(ROUND_MAX + self.overrun).min(LOOKUP_MAX_KEYS * LOOKUPS_IN_FLIGHT);
        let due = self.second_looks.due(now, most);
        // First looks tell how long something took: the others have what they leave, and a little in any case.
        let again = due.min(most.saturating_sub(self.pending.len()).max(most / 8));
        let again = self.second_looks.take(again);
        let at_work = self.depth.borrow().map_or(0, |(_, depth)| depth.in_flight as usize);
        let places = self.pending.choose(most - again.len(), at_work);
        let looked_up = places.len() + again.len();

        let (first_answers, second_answers) = {
            let (pending, account) = (&self.pending, &self.account);
            let lookup = async |ids: Vec<u64>, detail| {
                let ids: Vec<String> = ids.into_iter().map(|id_index| self.judge.request_id(id_index)).collect();
                let answer = self.lookups.once(&ids, detail).await;
                (ids, answer, account.now())
            };
            let first = places
                .chunks(LOOKUP_MAX_KEYS)
                .map(|places| lookup(places.iter().map(|place| pending.at(*place).id_index).collect(), Detail::Whole));
            let second = again
                .chunks(LOOKUP_MAX_KEYS)
                .map(|looks| lookup(looks.iter().map(|look| look.id_index).collect(), Detail::Identity));
            tokio::join!(join_all(first), join_all(second))
        };

        let mut left_over = 0;
        for (places, (ids, Answer { mut records, left }, answered)) in places.chunks(LOOKUP_MAX_KEYS).zip(first_answers)
        {
            left_over += left.len();
            for (place, id) in places.iter().zip(ids) {
                if let Some(record) = records.remove(&id) {
                    let job = self.pending.at(*place);
                    self.pending.seen(*place);
                    self.enter(&job, id, &record, answered);
                } else if !left.contains(&id) {
                    self.pending.absent(*place, now);
                }
            }
        }
        self.pending.tidy();
        for (looks, (ids, Answer { mut records, left }, _)) in again.chunks(LOOKUP_MAX_KEYS).zip(second_answers) {
            left_over += left.len();
            for (look, id) in looks.iter().zip(ids) {
                if left.contains(&id) {
                    self.second_looks.put_back(*look);
                } else {
                    self.look_again(look, &id, records.remove(&id).as_ref());
                }
            }
        }
        if self.account.now() >= self.oldest_found + Duration::from_millis(500) {
            self.find_oldest();
        }
        // Answers to a part are progress: only where nothing is answered the waits grow.
        self.failures = if left_over < looked_up || looked_up == 0 { 0 } else { self.failures + 1 };
        if left_over == 0 {
            self.account.read_error(None);
        }
        let rest = if left_over > 0 { backoff(self.failures.max(1)) } else { Duration::ZERO };
        let share = self.lookups.time_for(looked_up).max(ROUND_MIN);
        self.overrun = began.elapsed().saturating_sub(share);
        sleep_until(began + share + rest).await;
    }

    fn find_oldest(&mut self) {
        self.oldest_found = self.account.now();
        self.account.oldest_pending(self.pending.oldest());
    }

    /// Looks every missing record up once more; a job that still has none is lost.
    async fn last_look(&mut self) -> Result<(), Unverified> {
        let jobs = std::mem::take(&mut self.pending).into_sorted(); // for the list of the lost
        for (done, chunk) in jobs.chunks(LOOKUP_MAX_KEYS).enumerate() {
            let ids = chunk.iter().map(|job| self.judge.request_id(job.id_index)).collect();
            let left = jobs.len() - done * LOOKUP_MAX_KEYS;
            self.account.looks_left(left);
            let mut records = self.lookups.until_answered(ids, Detail::Whole, left).await?;
            let answered = self.account.now();
            for job in chunk {
                let id = self.judge.request_id(job.id_index);
                match records.remove(&id) {
                    Some(record) => self.enter(job, id, &record, answered),
                    None => self.account.lost(id, job.intended()),
                }
            }
        }
        Ok(())
    }

    /// The second looks that are left, and those at the records of what was sent twice.
    async fn look_again_at_all(&mut self) -> Result<(), Unverified> {
        let looks = self.second_looks.take_all();
        for (done, chunk) in looks.chunks(LOOKUP_MAX_KEYS).enumerate() {
            self.account.looks_left(looks.len() - done * LOOKUP_MAX_KEYS);
            let ids = chunk.iter().map(|look| self.judge.request_id(look.id_index)).collect();
            let mut records = self.lookups.until_answered(ids, Detail::Identity, 0).await?;
            for look in chunk {
                let id = self.judge.request_id(look.id_index);
                self.look_again(look, &id, records.remove(&id).as_ref());
            }
        }
        Ok(())
    }

    /// Looks up the ids whose sending was given up: a record shows that the queue had the job after all.
    async fn look_for_the_unexpected(&mut self) -> Result<(), Unverified> {
        let mut failed = self.ids.take_failed();
        failed.retain(|(id_index, _)| is_sampled(*id_index, self.options.share));
        for chunk in failed.chunks(LOOKUP_MAX_KEYS) {
            let ids: Vec<String> = chunk.iter().map(|(id_index, _)| self.judge.request_id(*id_index)).collect();
            let records = self.lookups.until_answered(ids.clone(), Detail::Identity, 0).await?;
            for (id, (_, intended)) in ids.into_iter().zip(chunk) {
                if records.contains_key(&id) {
                    self.account.unexpected(id, *intended);
                }
            }
        }
        Ok(())
    }

    /// A record was seen for the first time.
    fn enter(&mut self, job: &Pending, id: String, read: &Read, answered: Duration) {
        let (id_index, intended) = (job.id_index, job.intended());
        let Judged { verdict, unchecked } = self.judge.judge(id_index, read);
        let due = answered + self.options.recheck_after;
        let look = SecondLook::new(id_index, intended, due, read, &verdict);
        let look = look.filter(|_| !self.options.recheck_after.is_zero());
        let repeated = self.ids.seen(id_index, look);
        if let Some(look) = look {
            self.second_looks.push(look);
            if repeated {
                self.second_looks.push_repeat(look);
            }
        }
        self.account.seen(Seen {
            request_id: id,
            intended,
            verdict,
            unchecked,
            end_to_end: answered.saturating_sub(intended),
            detection: answered.saturating_sub(job.absent()),
            catalog_version: read.as_ref().ok().map(|record| record.catalog_version.clone()),
        });
    }

    /// Compares a record with what it was when it was first seen.
    fn look_again(&mut self, look: &SecondLook, id: &str, record: Option<&Read>) {
        self.account.looked_again(1);
        if let Some(Change { reason, written_again }) = self.second_looks.compare(look, record) {
            self.account.turned_wrong(id, look.intended, &look.before(), reason, written_again);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
