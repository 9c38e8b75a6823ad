//! The pacer, batches and sends against a queue that answers as a test asks, on a paused clock.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::account::Rules;
use crate::jobs::{Choice, Kind, Shape, Source};
use crate::schedule::{Arrivals, Schedule, Stage};

const MS: Duration = Duration::from_millis(1);

fn job(index: u64, body: usize) -> Job {
    Job {
        request_id: format!("r-{index}"),
        body: "x".repeat(body),
        tenant: None,
        deduplication_id: index.to_string(),
        message: Message { index, kind: Kind::Original },
        intended: Duration::ZERO,
        first_intended: Duration::ZERO,
        ready: Instant::now(),
        _permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    }
}

fn indexes(batch: &[Job]) -> Vec<u64> {
    batch.iter().map(|job| job.message.index).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lone_job_leaves_when_it_has_lingered() {
    let (jobs, receiver) = unbounded_channel();
    let mut batcher = Batcher::new(receiver, 20 * MS);
    let start = Instant::now();
    jobs.send(job(0, 1)).unwrap();
    tokio::spawn(async move {
        for index in 1..4 {
            sleep(8 * MS).await;
            jobs.send(job(index, 1)).unwrap();
        }
    });
    assert_eq!(indexes(&batcher.next().await.unwrap()), [0, 1, 2]);
    assert!((20 * MS..=21 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(indexes(&batcher.next().await.unwrap()), [3]);
    assert!(batcher.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_does_not_linger_and_late_jobs_wait_no_more() {
    let (jobs, receiver) = unbounded_channel();
    let mut batcher = Batcher::new(receiver, 20 * MS);
    (0..15).for_each(|index| jobs.send(job(index, 1)).unwrap());
    let start = Instant::now();
    assert_eq!(batcher.next().await.unwrap().len(), 10);
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(50 * MS).await;
    assert_eq!(indexes(&batcher.next().await.unwrap()), [10, 11, 12, 13, 14]);
    assert_eq!(start.elapsed(), 50 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_batch_stays_within_the_size_that_the_queue_takes() {
    let (jobs, receiver) = unbounded_channel();
    let mut batcher = Batcher::new(receiver, 20 * MS);
    (0..3).for_each(|index| jobs.send(job(index, MESSAGE_MAX_BYTES / 2)).unwrap());
    drop(jobs);
    assert_eq!(indexes(&batcher.next().await.unwrap()), [0, 1]);
    assert_eq!(indexes(&batcher.next().await.unwrap()), [2]);
    assert!(batcher.next().await.is_none());
}

/// Takes `latency` for each call and answers by `answer(request id, calls that the job has been in)`.
#[derive(Clone)]
struct Fake {
    latency: Duration,
    calls: Arc<Mutex<HashMap<String, u32>>>,
    answer: fn(&str, u32) -> Answer,
}

enum Answer {
    Taken,
    Refused { for_good: bool },
    Fails(SendError),
}

impl Queue for Fake {
    async fn send(&self, batch: &[Job]) -> Result<Vec<Refused>, SendError> {
        sleep(self.latency).await;
        let mut refused = Vec::new();
        for (position, job) in batch.iter().enumerate() {
            let mut calls = self.calls.lock().unwrap();
            let call = calls.entry(job.request_id.clone()).or_default();
            *call += 1;
            match (self.answer)(&job.request_id, *call) {
                Answer::Taken => {}
                Answer::Refused { for_good } => refused.push(Refused { position, for_good, reason: "no".into() }),
                Answer::Fails(error) => return Err(error),
            }
        }
        Ok(refused)
    }
}

/// Sends `rps` for `duration` through a fake queue; the books, how each job ended, and the queue.
async fn send(
    rps: f64,
    duration: Duration,
    max_in_flight: usize,
    latency: Duration,
    answer: fn(&str, u32) -> Answer,
) -> (Account, Vec<Delivery>, Fake) {
    let schedule = Schedule::new(vec![Stage::constant(rps, duration)], Arrivals::Constant, 0);
    let rules = Rules { warmup: Duration::ZERO, late_after: MS };
    let account = Account::new(Arc::new(schedule), rules);
    let queue = Fake { latency, calls: Arc::default(), answer };
    let stop = CancellationToken::new();
    let (job_sender, job_receiver) = unbounded_channel();
    let (delivery_sender, mut deliveries) = unbounded_channel();
    let jobs = Arc::new(Jobs::new("t".into(), Source::Phrases, Shape::plain(0, Choice::Uniform)));
    let pacer = pace(jobs, Arc::new(Semaphore::new(max_in_flight)), job_sender, account.clone(), stop.clone());
    let batcher = Batcher::new(job_receiver, 20 * MS);
    tokio::join!(pacer, deliver_all(batcher, queue.clone(), 3, delivery_sender, account.clone(), stop));
    let mut ended = Vec::new();
    while let Some(delivery) = deliveries.recv().await {
        ended.push(delivery);
    }
    (account, ended, queue)
}

#[tokio::test(start_paused = true)]
async fn a_slow_queue_does_not_slow_the_schedule() {
    let (account, ended, _) = send(100.0, 2_000 * MS, 1_000, 5_000 * MS, |_, _| Answer::Taken).await;
    let books = account.books();
    let stage = &books.stages[0];
    assert_eq!((stage.totals.intended, stage.totals.sent, ended.len()), (200, 200, 200));
    assert!(stage.times.schedule_lag.quantile(1.0) <= 25 * MS, "{:?}", stage.times.schedule_lag.percentiles());
    assert!(stage.times.send.quantile(0.0) >= 4_990 * MS);
}

#[tokio::test(start_paused = true)]
async fn jobs_beyond_the_cap_are_dropped_not_queued() {
    let (account, ended, queue) = send(100.0, 1_000 * MS, 30, 60_000 * MS, |_, _| Answer::Taken).await;
    let totals = account.books().totals();
    assert_eq!((totals.intended, totals.sent, totals.dropped), (100, 30, 70));
    assert_eq!((ended.len(), queue.calls.lock().unwrap().len()), (30, 30));
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_part_of_a_batch_is_sent_again() {
    let answer = |id: &str, call| match id {
        "load-t-3" if call == 1 => Answer::Refused { for_good: false },
        _ => Answer::Taken,
    };
    let (account, ended, queue) = send(1_000.0, 10 * MS, 100, MS, answer).await;
    assert_eq!((account.books().totals().sent, account.books().totals().send_failed), (10, 0));
    assert_eq!(ended.len(), 10);
    let calls = queue.calls.lock().unwrap();
    assert_eq!((calls["load-t-3"], calls.values().sum::<u32>()), (2, 11));
    assert_eq!(account.books().accounting.send_retries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_is_given_up_after_the_attempts_or_when_refused_for_good() {
    let answer = |id: &str, _| match id {
        "load-t-0" => Answer::Refused { for_good: false },
        "load-t-1" => Answer::Refused { for_good: true },
        _ => Answer::Taken,
    };
    let (account, ended, queue) = send(1_000.0, 3 * MS, 100, MS, answer).await;
    let totals = account.books().totals();
    assert_eq!((totals.intended, totals.sent, totals.send_failed), (3, 1, 2));
    let failed: Vec<_> = ended.iter().filter(|end| matches!(end, Delivery::Failed { .. })).collect();
    assert_eq!(failed.len(), 2);
    let calls = queue.calls.lock().unwrap();
    assert_eq!((calls["load-t-0"], calls["load-t-1"], calls["load-t-2"]), (3, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_repeated_as_a_whole() {
    let answer = |_: &str, call| match call {
        1 => Answer::Fails(SendError::Retry("throttled".into())),
        _ => Answer::Taken,
    };
    // The fake stops counting at the first job of a failing call, so two jobs need two failing calls.
    let (account, ..) = send(1_000.0, 2 * MS, 100, MS, answer).await;
    assert_eq!((account.books().totals().sent, account.books().totals().send_failed), (2, 0));
    assert_eq!(account.books().send_error.as_deref(), Some("throttled"));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_ends_the_sending() {
    let answer = |_: &str, _| Answer::Fails(SendError::Permanent("no such queue".into()));
    let (account, ended, _) = send(100.0, 60_000 * MS, 100, MS, answer).await;
    let totals = account.books().totals();
    assert!(totals.intended < 10, "{totals:?}");
    assert_eq!((totals.sent, totals.send_failed), (0, totals.intended));
    assert_eq!(ended.len() as u64, totals.intended);
}

#[tokio::test(start_paused = true)]
async fn what_repeats_a_job_counts_from_that_jobs_instant() {
    let shape = Shape { duplicates: 0.5, ..Shape::plain(0, Choice::Uniform) };
    let schedule = Schedule::new(vec![Stage::constant(100.0, 1_000 * MS)], Arrivals::Constant, 0);
    let rules = Rules { warmup: Duration::ZERO, late_after: MS };
    let account = Account::new(Arc::new(schedule), rules);
    let (out, mut jobs) = unbounded_channel();
    let planned = Arc::new(Jobs::new("t".into(), Source::Phrases, shape));
    pace(planned, Arc::new(Semaphore::new(1_000)), out, account, CancellationToken::new()).await;
    let mut repeated = 0;
    while let Some(job) = jobs.recv().await {
        let first = job.message.id_index();
        assert_eq!((job.intended, job.first_intended), (job.message.index as u32 * 10 * MS, first as u32 * 10 * MS));
        assert_eq!(job.request_id, format!("load-t-{first}"));
        repeated += u32::from(first != job.message.index);
    }
    assert!(repeated > 30, "{repeated}");
}
