//! Look-ups, writes and reads against records in memory, on a paused clock.

use std::time::Duration;

use nearline_contract::{ErrorCode, Group, JobError, Match, ResultRecord, Status};
use time::OffsetDateTime;

use super::*;
use crate::clock::Clock;
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};
use crate::under_way::UnderWay;

fn record(id: &str) -> ResultRecord {
    ResultRecord {
        request_id: id.into(),
        format_version: 1,
        status: Status::Succeeded,
        results: Some(vec![Group { category: None, matches: vec![] }]),
        results_uri: None,
        error: None,
        catalog_version: "v1".into(),
        model_id: None,
        job_sha256: "00".into(),
        created_at: "2026-11-23T12:00:00.000Z".into(),
        expires_at: 1_000,
        metadata: [].into(),
        query_truncated: false,
    }
}

fn results(records: &MemoryRecords) -> Results<MemoryRecords> {
    let settings = Settings { ttl: Duration::from_mins(1) };
    Results::new(records.clone(), settings, Clock::simulated(OffsetDateTime::UNIX_EPOCH))
}

async fn write(results: &Results<MemoryRecords>, record: &ResultRecord) -> Written {
    results.write(record.clone(), &UnderWay::default()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_answered_in_parts_is_asked_on_as_long_as_it_makes_progress() {
    let records = MemoryRecords::default().answering_in_turn(vec![1]);
    let results = results(&records);
    let ids: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    for id in &ids {
        write(&results, &record(id)).await;
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let found = results.look_up(&ids, &UnderWay::default()).await;
    assert!(ids.iter().all(|&id| found[id].is_ok()), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_without_progress_fails_only_what_it_did_not_find() {
    let plan = FaultPlan::default();
    let records = MemoryRecords::new(plan.clone()).answering_in_turn(vec![1]);
    let results = results(&records);
    write(&results, &record("a")).await;
    plan.fail_next("BatchGetItem", Moment::Before, Cause::Unreachable);
    let failed = results.look_up(&["a", "b"], &UnderWay::default()).await;
    assert!(failed["a"].is_err() && failed["b"].is_err(), "the first round failed: {failed:?}");

    // The first round answers for one of them, and no other round ever makes progress.
    let stuck = MemoryRecords::new(FaultPlan::default()).answering_in_turn(vec![1, 0]);
    let results = self::results(&stuck);
    write(&results, &record("a")).await;
    let found = results.look_up(&["a", "b"], &UnderWay::default()).await;
    assert!(found["a"].is_ok(), "what was found is kept: {found:?}");
    let fault = found["b"].as_ref().unwrap_err();
    assert_eq!((fault.cause, fault.is_transient()), (Cause::Throttled, true));
}

#[tokio::test(start_paused = true)]
async fn expired_records_count_as_none_for_look_ups_and_writes() {
    let records = MemoryRecords::default();
    let results = results(&records);
    write(&results, &record("r")).await;
    let other = ResultRecord { job_sha256: "11".into(), expires_at: 5_000, ..record("r") };
    assert_eq!(write(&results, &other).await, Written::Conflict);
    tokio::time::advance(Duration::from_secs(1_001)).await;
    assert!(results.look_up(&["r"], &UnderWay::default()).await.is_empty());
    assert_eq!(write(&results, &other).await, Written::New);
    assert_eq!(records.all()["r"].job_sha256, "11");
}

#[tokio::test(start_paused = true)]
async fn a_retryable_rejection_gives_way_to_the_same_job_on_another_catalog_alone() {
    let error = JobError::new(ErrorCode::UnknownCategory, "no such category");
    let rejected = ResultRecord { status: Status::Rejected, results: None, error: Some(error.into()), ..record("r") };
    let prior = Prior::of(&rejected);
    let record = |version: &str, sha256: &str| ResultRecord {
        catalog_version: version.into(),
        job_sha256: sha256.into(),
        ..record("r")
    };
    assert!(prior.gives_way_to(&record("v2", "00"), 0));
    assert!(!prior.gives_way_to(&record("v1", "00"), 0), "the same catalog would answer the same");
    assert!(!prior.gives_way_to(&record("v2", "11"), 0), "another job");
    assert!(!Prior::of(&record("v1", "00")).gives_way_to(&record("v2", "00"), 0), "an answer is final");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_a_replay_of_itself() {
    let plan = FaultPlan::default();
    let records = MemoryRecords::new(plan.clone());
    let results = results(&records);
    plan.fail_next("PutItem", Moment::After, Cause::TimedOut);
    assert!(results.write(record("r"), &UnderWay::default()).await.is_err());
    assert_eq!(write(&results, &record("r")).await, Written::Replay);
}

#[tokio::test(start_paused = true)]
async fn results_that_are_too_large_are_uploaded_first_and_read_back() {
    let plan = FaultPlan::default();
    let records = MemoryRecords::new(plan.clone());
    let results = results(&records);
    let found = Match { product_id: "p".repeat(400), score: 0.5, category: None, title: None, attributes: [].into() };
    let large =
        ResultRecord { results: Some(vec![Group { category: None, matches: vec![found; 1_000] }]), ..record("r") };
    plan.fail_next("PutObject", Moment::Before, Cause::Unreachable);
    assert!(results.write(large.clone(), &UnderWay::default()).await.is_err());
    assert!(records.all().is_empty(), "no record without its results");
    assert_eq!(write(&results, &large).await, Written::New);
    let kept = results.get_unresolved("r").await.unwrap().unwrap();
    assert!(kept.results.is_none() && records.all_results().contains_key(kept.results_uri.as_deref().unwrap()));
    assert_eq!(results.get("r").await.unwrap().unwrap().results, large.results);
}
