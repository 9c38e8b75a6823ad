//! The verifier against a table whose records appear, change and vanish at set instants, on a paused clock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use nearline_contract::{ResultRecord, receive};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::account::tests::account;
use crate::account::{Books, Totals};
use crate::jobs::{Choice, Jobs, Kind, Message, Shape, Source};

const MS: Duration = Duration::from_millis(1);
const ALWAYS: Duration = Duration::ZERO;

/// A table whose records appear at set instants.
#[derive(Default)]
struct Table {
    /// Request id -> from when it can be read, and what it is then; the last one that can be read counts.
    records: HashMap<String, Vec<(Duration, Option<ResultRecord>)>>,
    /// Answers this many keys of a request and leaves the others unprocessed.
    takes: Option<usize>,
    /// Fails every look-up from the first to the second time after the start.
    outage: Option<(Duration, Duration)>,
}

/// The table, its creation, and when each request was made with how many keys.
#[derive(Clone)]
struct Fake(Arc<Table>, Instant, Arc<Mutex<Vec<(Duration, usize)>>>);

impl Records for Fake {
    async fn lookup(&self, ids: &[String], _: Detail) -> Result<Found, LookupError> {
        let now = self.1.elapsed();
        self.2.lock().unwrap().push((now, ids.len()));
        assert!(ids.len() <= LOOKUP_MAX_KEYS);
        if self.0.outage.is_some_and(|(from, to)| (from..to).contains(&now)) {
            return Err(LookupError("down".into()));
        }
        let (taken, left) = ids.split_at(self.0.takes.unwrap_or(ids.len()).min(ids.len()));
        let visible = |id: &String| {
            let states = self.0.records.get(id)?;
            states.iter().rev().find(|(from, _)| *from <= now)?.1.clone().map(Ok)
        };
        let records = taken.iter().filter_map(|id| Some((id.clone(), visible(id)?))).collect();
        Ok(Found { records, unprocessed: left.to_vec(), reason: None })
    }
}

fn jobs() -> Arc<Jobs> {
    Arc::new(Jobs::new("t".into(), Source::Phrases, Shape::plain(0, Choice::Uniform)))
}

pub(crate) fn record(job: &str, created_at: &str) -> ResultRecord {
    serde_json::from_value(serde_json::json!({
        "request_id": "r", "format_version": 1, "status": "SUCCEEDED", "results": [], "catalog_version": "v1",
        "job_sha256": receive(job).unwrap().sha256, "created_at": created_at, "expires_at": 1_800_000_000,
    }))
    .unwrap()
}

fn right_record(index: u64) -> ResultRecord {
    record(&jobs().job(index), "2026-11-27T12:00:00Z")
}

/// The right records of jobs `indexes`, visible from `from` after the start.
fn right(
    indexes: impl IntoIterator<Item = u64>,
    from: Duration,
) -> HashMap<String, Vec<(Duration, Option<ResultRecord>)>> {
    let states = |index| (format!("load-t-{index}"), vec![(from, Some(right_record(index)))]);
    indexes.into_iter().map(states).collect()
}

fn table(records: HashMap<String, Vec<(Duration, Option<ResultRecord>)>>) -> Table {
    Table { records, ..Table::default() }
}

fn options() -> VerifyOptions {
    let (share, lookups_per_second) = (1.0, 1_000);
    VerifyOptions { share, lookups_per_second, drain_timeout: 10_000 * MS, recheck_after: 5_000 * MS }
}

struct Outcome {
    books: Books,
    drain: Result<Duration, Unverified>,
    took: Duration,
    calls: Vec<(Duration, usize)>,
}

/// Verifies what `deliveries` say, all of it sent at the start, with a queue of depth `depth`.
async fn verify_with(table: Table, deliveries: &[Delivery], options: VerifyOptions, depth: u64) -> Outcome {
    let account = account(1.0, 3_600, 5_000 * MS);
    let fake = Fake(Arc::new(table), Instant::now(), Arc::default());
    let (sender, receiver) = unbounded_channel();
    for delivery in deliveries {
        sender.send(*delivery).unwrap();
    }
    drop(sender);
    let in_an_hour = Instant::now() + Duration::from_hours(1);
    let sample = QueueDepth { visible: depth, ..QueueDepth::default() };
    let (_sampler, samples) = watch::channel(Some((in_an_hour, sample)));
    let verifier = Verifier::new(fake.clone(), Judge::new(jobs(), None), account.clone(), options, samples);
    let drain = verifier.run(receiver, CancellationToken::new()).await;
    let calls = fake.2.lock().unwrap().clone();
    Outcome { books: account.books(), drain, took: account.now(), calls }
}

fn sent(message: Message) -> Delivery {
    Delivery::Sent { message, intended: Duration::ZERO, accepted: Duration::ZERO }
}

fn original(index: u64) -> Message {
    Message { index, kind: Kind::Original }
}

/// Verifies jobs `0..count`, and `failed` further ones that were not sent.
async fn verify(table: Table, count: u64, failed: u64) -> Outcome {
    let failures =
        (count..count + failed).map(|index| Delivery::Failed { message: original(index), intended: Duration::ZERO });
    let deliveries: Vec<Delivery> = (0..count).map(|index| sent(original(index))).chain(failures).collect();
    verify_with(table, &deliveries, options(), 0).await
}

fn totals(outcome: &Outcome) -> Totals {
    outcome.books.totals()
}

#[tokio::test(start_paused = true)]
async fn each_record_has_its_own_time_as_good_as_polling_gives() {
    let mut records = right([0], 300 * MS);
    records.extend(right([1], 6_000 * MS));
    let outcome = verify(table(records), 2, 0).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 2, late: 1, ..Totals::default() });
    let stage = &outcome.books.stages[0];
    for (quantile, visible) in [(0.0, 300 * MS), (1.0, 6_000 * MS)] {
        let seen = stage.times.end_to_end.quantile(quantile) + MS; // a histogram keeps three digits
        assert!(seen >= visible && seen <= visible + ROUND_MIN + 10 * MS, "{seen:?} for {visible:?}");
    }
    assert!(stage.times.detection.quantile(1.0) <= ROUND_MIN + 2 * MS);
    assert!(outcome.drain.unwrap() < 6_100 * MS, "the drain ends with the last record");
    assert_eq!(outcome.books.accounting.second_looks, 2);
    assert!(outcome.took < 6_100 * MS, "an empty queue ends the waiting for second looks");
}

#[tokio::test(start_paused = true)]
async fn lost_and_corrupted_records_are_named() {
    let mut records = right((0..100).filter(|index| *index != 17), MS);
    records.get_mut("load-t-42").unwrap()[0].1.as_mut().unwrap().job_sha256 = "0".repeat(64);
    let outcome = verify(table(records), 100, 0).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 98, wrong: 1, lost: 1, ..Totals::default() });
    assert_eq!(outcome.books.lost_ids, ["load-t-17"]);
    assert_eq!(outcome.books.wrong[0].request_id, "load-t-42");
    assert!(outcome.drain.unwrap() >= 10_000 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_written_again_or_vanishes_is_named() {
    let mut records = right(0..10, MS);
    let again = record(&jobs().job(3), "2026-11-27T12:00:02Z");
    records.get_mut("load-t-3").unwrap().push((2_000 * MS, Some(again)));
    records.get_mut("load-t-4").unwrap().push((2_000 * MS, None));
    records.extend(right([10], 9_000 * MS)); // keeps the drain going, so that second looks come in their turn
    let outcome = verify(table(records), 11, 0).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 9, wrong: 2, late: 1, ..Totals::default() });
    assert_eq!((outcome.books.accounting.duplicated, outcome.books.accounting.second_looks), (1, 11));
    assert_eq!(outcome.books.duplicated_ids, ["load-t-3"]);
    let reasons: Vec<&str> = outcome.books.wrong.iter().map(|wrong| &wrong.reason[..]).collect();
    assert!(reasons[0].contains("is now of 2026-11-27T12:00:02Z") && reasons[1].contains("was deleted"), "{reasons:?}");
    let early = outcome.calls.iter().filter(|(at, _)| *at < 5_000 * MS && *at > 100 * MS).all(|(_, keys)| *keys == 1);
    assert!(early, "second looks wait until they are due");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_twice_counts_once_and_is_looked_at_when_the_queue_is_empty() {
    let mut records = right(0..3, MS);
    let again = record(&jobs().job(1), "later");
    records.get_mut("load-t-1").unwrap().push((8_000 * MS, Some(again)));
    let repeated = |index, of| sent(Message { index, kind: Kind::Duplicate { of } });
    // The second of a job can be accepted before the first; a job whose first message failed counts by its second.
    let failed = Delivery::Failed { message: original(2), intended: Duration::ZERO };
    let deliveries = [sent(original(0)), repeated(3, 1), sent(original(1)), repeated(4, 0), failed, repeated(5, 2)];
    let outcome = verify_with(table(records), &deliveries, options(), 1).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 2, wrong: 1, ..Totals::default() });
    assert_eq!((outcome.books.accounting.distinct_sent, outcome.books.accounting.verified), (3, 3));
    assert_eq!(outcome.books.duplicated_ids, ["load-t-1"], "found though it was rewritten long after the second look");
    assert!(outcome.took >= 10_000 * MS, "the queue was never empty");
    assert!(outcome.drain.unwrap() < 100 * MS, "all records were there at once");
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_all_that_is_looked_for() {
    let deliveries: Vec<Delivery> = (0..1_000).map(|index| sent(original(index))).collect();
    let options = VerifyOptions { share: 0.1, ..options() };
    let outcome = verify_with(table(right(0..1_000, MS)), &deliveries, options, 0).await;
    let accounting = outcome.books.accounting;
    assert_eq!(accounting.distinct_sent, 1_000);
    assert!((60..140).contains(&accounting.verified), "{accounting:?}");
    assert_eq!(totals(&outcome), Totals { succeeded: accounting.verified, ..Totals::default() });
    assert_eq!(outcome.books.pending(), 0);

    let none = VerifyOptions { share: 0.0, ..options };
    let outcome = verify_with(Table::default(), &deliveries, none, 0).await;
    assert_eq!((totals(&outcome), outcome.calls.len()), (Totals::default(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_record_of_the_last_moment_is_not_lost() {
    // One round takes 100 of these, so a job's last look in turn can be 3 s old at the end of the drain.
    let outcome = verify(table(right(0..3_000, 9_999 * MS)), 3_000, 0).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 3_000, late: 3_000, ..Totals::default() });
}

#[tokio::test(start_paused = true)]
async fn lookups_keep_to_the_rate() {
    let outcome = verify(Table::default(), 5_000, 0).await;
    let keys: usize = outcome.calls.iter().map(|(_, keys)| keys).sum();
    let rate = keys as f64 / outcome.calls.last().unwrap().0.as_secs_f64();
    assert!((900.0..1_050.0).contains(&rate), "{rate} keys a second");
}

#[tokio::test(start_paused = true)]
async fn unprocessed_keys_are_asked_for_again_more_slowly() {
    let outcome = verify(Table { takes: Some(25), ..table(right(0..60, MS)) }, 60, 0).await;
    assert_eq!(totals(&outcome).succeeded, 60);
    let gaps: Vec<Duration> = outcome.calls.windows(2).map(|pair| pair[1].0.abs_diff(pair[0].0)).collect();
    assert!(gaps.iter().take(2).all(|gap| *gap > 50 * MS), "{:?}", outcome.calls);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_table_delays_and_loses_nothing() {
    let outage = Some((ALWAYS, 4_000 * MS));
    let outcome = verify(Table { outage, ..table(right(0..500, MS)) }, 500, 0).await;
    assert_eq!((totals(&outcome).succeeded, &outcome.books.read_error), (500, &None));
    assert!(outcome.drain.is_ok());
    let rounds: HashSet<Duration> =
        outcome.calls.iter().filter(|(at, _)| *at < 4_000 * MS).map(|(at, _)| *at).collect();
    assert!(rounds.len() < 12, "{} rounds in 4 s", rounds.len());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_stays_down_gives_no_verdict() {
    let outage = Some((ALWAYS, Duration::MAX));
    let outcome = verify(Table { outage, ..Table::default() }, 3, 0).await;
    assert_eq!(outcome.drain, Err(Unverified { pending: 3, cause: LookupError("down".into()) }));
    assert_eq!(totals(&outcome).lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_job_that_failed_to_be_sent_is_unexpected() {
    let outcome = verify(table(right([0, 2], MS)), 1, 3).await;
    assert_eq!(totals(&outcome), Totals { succeeded: 1, unexpected: 1, ..Totals::default() });
    assert_eq!(outcome.books.unexpected_ids, ["load-t-2"]);
}
