//! That a stall shows in the reported times as it does to those who wait: the whole pipeline on a paused clock, against
//! stand-ins that stall for five seconds, compared with the distribution that follows from that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nearline_contract::ResultRecord;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Books, Rules};
use crate::jobs::{Choice, Jobs, Shape, Source};
use crate::latency::Latency;
use crate::schedule::{Arrivals, Schedule, Stage};
use crate::sender::{self, Batcher, Job, Queue, Refused, SendError};
use crate::verify::tests::record;
use crate::verify::{Detail, Found, Judge, LookupError, Records, Verifier, VerifyOptions};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const RPS: f64 = 100.0;
const LENGTH: Duration = Duration::from_mins(1);
/// How long a send and a worker take when nothing stalls.
const SEND: Duration = Duration::from_millis(5);
const WORK: Duration = Duration::from_millis(50);
/// What lingering in a batch and polling add at most.
const COARSENESS: Duration = Duration::from_millis(80);

/// What stands still from the 30th second to the 35th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stalls {
    Queue,
    Worker,
}

/// Queue, worker and table in one.
#[derive(Clone)]
struct StandIn {
    stalls: Stalls,
    start: Instant,
    /// When each record can be seen.
    visible: Arc<Mutex<HashMap<String, (Instant, ResultRecord)>>>,
}

impl StandIn {
    /// When what would be done at `instant` is done.
    fn done(&self, what: Stalls, instant: Instant) -> Instant {
        let (from, to) = (self.start + 30 * SECOND, self.start + 35 * SECOND);
        if self.stalls == what && (from..to).contains(&instant) { to } else { instant }
    }
}

impl Queue for StandIn {
    async fn send(&self, batch: &[Job]) -> Result<Vec<Refused>, SendError> {
        sleep_until(self.done(Stalls::Queue, Instant::now() + SEND)).await;
        let answered = self.done(Stalls::Worker, Instant::now() + WORK);
        let mut visible = self.visible.lock().unwrap();
        for job in batch {
            visible.insert(job.request_id.clone(), (answered, record(&job.body, "2026-11-27T12:00:00Z")));
        }
        Ok(Vec::new())
    }
}

impl Records for StandIn {
    async fn lookup(&self, ids: &[String], _: Detail) -> Result<Found, LookupError> {
        sleep(2 * MS).await;
        let visible = self.visible.lock().unwrap();
        let record = |id: &String| {
            let (_, record) = visible.get(id).filter(|(from, _)| *from <= Instant::now())?;
            Some((id.clone(), Ok(record.clone())))
        };
        Ok(Found { records: ids.iter().filter_map(record).collect(), ..Found::default() })
    }
}

async fn run(stalls: Stalls) -> Books {
    let schedule = Arc::new(Schedule::new(vec![Stage::constant(RPS, LENGTH)], Arrivals::Constant, 0));
    let account = Account::new(schedule, Rules { warmup: Duration::ZERO, late_after: 2 * SECOND });
    let stand_in = StandIn { stalls, start: account.start(), visible: Arc::default() };
    let jobs = Arc::new(Jobs::new("t".into(), Source::Phrases, Shape::plain(0, Choice::Uniform)));
    let stop = CancellationToken::new();
    let (job_sender, job_receiver) = unbounded_channel();
    let (delivery_sender, deliveries) = unbounded_channel();
    let in_flight = Arc::new(Semaphore::new(2_000));
    let pacing = sender::pace(jobs.clone(), in_flight, job_sender, account.clone(), stop.clone());
    let batcher = Batcher::new(job_receiver, 20 * MS);
    let sending = sender::deliver_all(batcher, stand_in.clone(), 4, delivery_sender, account.clone(), stop.clone());
    let options =
        VerifyOptions { share: 1.0, lookups_per_second: 50_000, drain_timeout: 60 * SECOND, recheck_after: SECOND };
    let (_depths, depth) = watch::channel(None);
    let verifier = Verifier::new(stand_in, Judge::new(jobs, None), account.clone(), options, depth);
    let (_, (), drain) = tokio::join!(pacing, sending, verifier.run(deliveries, stop));
    drain.unwrap();
    account.books()
}

/// End-to-end times as they follow from the stall: whoever comes in it waits for its end.
fn expected(own: Duration) -> Latency {
    let mut latency = Latency::default();
    for index in 0..(RPS * LENGTH.as_secs_f64()) as u32 {
        let intended = SECOND * index / RPS as u32;
        let done = intended + own;
        let done = if (30 * SECOND..35 * SECOND).contains(&done) { 35 * SECOND } else { done };
        latency.record(done.saturating_sub(intended));
    }
    latency
}

fn assert_close(found: &Latency, expected: &Latency) {
    assert_eq!(found.count(), expected.count());
    for quantile in [0.5, 0.9, 0.92, 0.95, 0.99, 0.999, 1.0] {
        let (found, expected) = (found.quantile(quantile), expected.quantile(quantile));
        let difference = found.saturating_sub(expected).max(expected.saturating_sub(found));
        assert!(difference <= COARSENESS, "at {quantile}: {found:?} instead of {expected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stalls_raises_the_end_to_end_times_of_all_who_came_meanwhile() {
    let books = run(Stalls::Worker).await;
    let stage = &books.stages[0];
    assert_close(&stage.times.end_to_end, &expected(SEND + WORK));
    // 500 of 6,000 jobs wait between 0 and 5 s, so that 1 % of all wait longer than 4.4 s. A closed loop, whose next job
    // waits for the answer to the one before, would have sent a single one in those 5 s and reported 50 ms.
    let p99 = stage.times.end_to_end.quantile(0.99);
    assert!((4_300 * MS..4_500 * MS).contains(&p99), "{p99:?}");
    let late = stage.totals.late;
    assert!((300..=310).contains(&late), "{late}: those who came in the first three of the five seconds, and polling");
    assert!(stage.times.send.quantile(1.0) < 10 * MS && stage.times.schedule_lag.quantile(1.0) <= 25 * MS);
    let worst = |second: usize| books.series.points()[second].latency.as_ref().unwrap().quantile(1.0).as_secs();
    assert_eq!(
        [29, 30, 31, 32, 33, 34, 35].map(worst),
        [5, 5, 4, 3, 2, 1, 0],
        "it stands where they were meant to come"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stalls_raises_send_and_end_to_end_times_and_not_the_lag() {
    let books = run(Stalls::Queue).await;
    let stage = &books.stages[0];
    let mut times = Latency::default();
    times.merge(&expected(SEND));
    let p99 = stage.times.end_to_end.quantile(0.99);
    assert!(p99.abs_diff(times.quantile(0.99) + WORK) <= COARSENESS, "{p99:?}");
    assert_close(&stage.times.send, &times);
    assert!(stage.times.schedule_lag.quantile(1.0) <= 25 * MS, "the schedule does not wait for the queue");
    assert_eq!((stage.totals.sent, stage.totals.dropped), (6_000, 0));
}
