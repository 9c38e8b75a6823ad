//! The policy, with jobs in memory on a paused clock.

use std::collections::BTreeMap;
use std::path::Path;

use super::key::to_hex;
use super::*;
use crate::embed::{Embedding, MemoryModels, Model, ModelError};
use crate::fault::{Cause, Fault};
use crate::fault_plan::{FaultPlan, Moment};

const DIMENSION: usize = 256;

fn settings() -> BatchSettings {
    let model = Model::new("amazon.titan-embed-text-v2:0", None, DIMENSION).unwrap();
    let mut settings =
        BatchSettings::new("s3://bucket/batches/", "arn:aws:iam::123456789012:role/batch", model).unwrap();
    settings.records_max = 1_000;
    settings
}

fn key(number: usize) -> Key {
    std::array::from_fn(|at| number.to_le_bytes().get(at).copied().unwrap_or(7))
}

fn texts(numbers: impl Iterator<Item = usize>) -> impl Iterator<Item = (Key, String)> {
    numbers.map(|number| (key(number), format!("text {number}")))
}

/// What a build keeps: vectors, and texts that it has to ask for itself.
#[derive(Default)]
struct Journal {
    vectors: BTreeMap<Key, Embedding>,
    errors: BTreeMap<Key, String>,
}

impl Journal {
    /// One build: `count` texts, without those that are there already.
    async fn build(&mut self, batches: &MemoryBatches, state: &Path, count: usize) -> Result<usize, Fault> {
        let missing: Vec<usize> = (0..count).filter(|&number| !self.vectors.contains_key(&key(number))).collect();
        let each = |key, answer| {
            match answer {
                Ok(embedding) => drop(self.vectors.insert(key, embedding)),
                Err(words) => drop(self.errors.insert(key, words)),
            }
            Ok::<_, Fault>(())
        };
        let texts = texts(missing.into_iter());
        embed_in_batches(batches, &settings(), state, texts, each, |_| ()).await.map(|too_few| too_few.len())
    }
}

#[tokio::test(start_paused = true)]
async fn texts_are_embedded_in_full_jobs_and_a_rest_that_is_too_small_comes_back() {
    let (batches, folder) = (MemoryBatches::default(), tempfile::tempdir().unwrap());
    let (state, mut journal) = (folder.path().join("state"), Journal::default());
    assert_eq!(journal.build(&batches, &state, 1_150).await, Ok(0));
    assert_eq!(batches.jobs(), [1_000, 150]);
    assert_eq!(journal.vectors.len(), 1_150);
    assert!(journal.errors.is_empty() && !state.exists());
    for (number, embedding) in [0, 999, 1_000, 1_149].map(|number| (number, &journal.vectors[&key(number)])) {
        assert_eq!(embedding.vector, MemoryModels::vector(&format!("text {number}"), DIMENSION), "{number}");
    }
    assert_eq!(journal.build(&batches, &state, 1_249).await, Ok(99), "too few for a job");
    assert_eq!(batches.jobs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_killed_at_any_call_goes_on_and_pays_for_no_text_twice() {
    const TEXTS: usize = 250;
    for last_call in 1.. {
        let mut calls_ended = true;
        for takes_effect in [false, true] {
            let plan = FaultPlan::default();
            let batches = MemoryBatches::new(plan.clone());
            let folder = tempfile::tempdir().unwrap();
            let (state, mut journal) = (folder.path().join("state"), Journal::default());
            let (view, ended) = plan.of_process(Some((last_call, takes_effect)));
            let seen = batches.seen_by(view);
            let killed = journal.build(&seen, &state, TEXTS);
            if ended.run_until_cancelled(killed).await.is_none() {
                calls_ended = false;
                assert_eq!(journal.build(&batches, &state, TEXTS).await, Ok(0), "call {last_call}");
            }
            assert_eq!(journal.vectors.len(), TEXTS, "call {last_call}");
            assert!(journal.errors.is_empty() && !state.exists());
            assert!(batches.paid().len() == TEXTS && batches.paid().values().all(|&times| times == 1));
        }
        if calls_ended {
            assert!(last_call > 5, "it was killed at few calls: {last_call}");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_killed_while_it_takes_answers_gets_them_again() {
    let (batches, folder) = (MemoryBatches::default(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    for stop_at in [1, 60, 120] {
        let mut taken = 0;
        let each = |_, _| {
            taken += 1;
            if taken == stop_at { Err(Fault::new(Cause::Internal, "disk full")) } else { Ok(()) }
        };
        let stopped = embed_in_batches(&batches, &settings(), &state, texts(0..120), each, |_| ()).await;
        assert_eq!(stopped.unwrap_err().text, "disk full");
    }
    let mut journal = Journal::default();
    assert_eq!(journal.build(&batches, &state, 120).await, Ok(0));
    assert_eq!((journal.vectors.len(), batches.jobs()), (120, vec![120]));
}

#[tokio::test(start_paused = true)]
async fn transient_faults_and_lost_answers_start_no_second_job() {
    for seed in 0..40 {
        let plan = FaultPlan::default();
        let batches = MemoryBatches::new(plan.clone());
        let folder = tempfile::tempdir().unwrap();
        let (state, mut journal) = (folder.path().join("state"), Journal::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let operations = ["PutObject", "CreateModelInvocationJob", "GetModelInvocationJob", "GetObject"];
        for _ in 0..4 {
            let moment = if rng.bool() { Moment::Before } else { Moment::After };
            let cause = [Cause::Throttled, Cause::TimedOut, Cause::Unavailable][rng.usize(..3)];
            plan.fail_next(operations[rng.usize(..4)], moment, cause);
        }
        assert_eq!(journal.build(&batches, &state, 300).await, Ok(0), "seed {seed}");
        assert_eq!((batches.jobs(), journal.vectors.len()), (vec![300], 300), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_with_errors_and_those_left_out_are_handed_over_as_such() {
    let (batches, folder) = (MemoryBatches::default(), tempfile::tempdir().unwrap());
    let (state, mut journal) = (folder.path().join("state"), Journal::default());
    batches.refuse("text 17");
    batches.leave_out("text 23");
    assert_eq!(journal.build(&batches, &state, 120).await, Ok(0));
    assert_eq!(journal.vectors.len(), 118);
    assert_eq!(journal.errors[&key(17)], "400: refused");
    assert!(journal.errors[&key(23)].contains("without an answer"));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_is_told_with_its_words_and_sent_anew_by_the_next_build() {
    let (batches, folder) = (MemoryBatches::default(), tempfile::tempdir().unwrap());
    let (state, mut journal) = (folder.path().join("state"), Journal::default());
    batches.break_jobs(Some("Failed: the role cannot read the input"));
    let message = journal.build(&batches, &state, 120).await.unwrap_err().to_string();
    for part in
        ["model-invocation-job/000000000000: Failed: the role cannot read the input", "run the same command again"]
    {
        assert!(message.contains(part), "{message}");
    }
    batches.break_jobs(None);
    assert_eq!(journal.build(&batches, &state, 120).await, Ok(0));
    assert_eq!((journal.vectors.len(), batches.jobs().len()), (120, 2));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_is_told_also_if_its_answers_cannot_be_read() {
    let plan = FaultPlan::default();
    let batches = MemoryBatches::new(plan.clone());
    let folder = tempfile::tempdir().unwrap();
    let (state, mut journal) = (folder.path().join("state"), Journal::default());
    batches.break_jobs(Some("Expired: it waited too long"));
    plan.fail_next("GetObject", Moment::Before, Cause::AccessDenied);
    let message = journal.build(&batches, &state, 120).await.unwrap_err().to_string();
    assert!(message.contains("Expired: it waited too long (reading the answers"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_fault_ends_it_at_once_and_the_job_is_started_later() {
    let plan = FaultPlan::default();
    let batches = MemoryBatches::new(plan.clone());
    let folder = tempfile::tempdir().unwrap();
    let (state, mut journal) = (folder.path().join("state"), Journal::default());
    plan.fail_next("CreateModelInvocationJob", Moment::Before, Cause::AccessDenied);
    let message = journal.build(&batches, &state, 120).await.unwrap_err().to_string();
    assert!(message.starts_with("starting a batch job for 120 texts: "), "{message}");
    // A job takes hours, and credentials end before it: nobody should wait another hour for that.
    plan.fail_next("GetModelInvocationJob", Moment::Before, Cause::CredentialsExpired);
    assert_eq!(journal.build(&batches, &state, 120).await.unwrap_err().cause, Cause::CredentialsExpired);
    assert_eq!(journal.build(&batches, &state, 120).await, Ok(0));
    assert_eq!(batches.jobs(), [120]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_cut_says_so() {
    let (batches, folder) = (MemoryBatches::default(), tempfile::tempdir().unwrap());
    let long = |number| if number == 5 { "a".repeat(50_001) } else { format!("text {number}") };
    let texts = (0..100).map(|number| (key(number), long(number)));
    let mut cut = Vec::new();
    let each = |key, answer: Result<Embedding, String>| {
        cut.extend(answer.unwrap().truncated.then_some(key));
        Ok::<_, Fault>(())
    };
    embed_in_batches(&batches, &settings(), &folder.path().join("state"), texts, each, |_| ()).await.unwrap();
    assert_eq!(cut, [key(5)]);
    assert!(batches.paid().contains_key(&"a".repeat(50_000)), "cut to what the model takes");
}

#[test]
fn only_titan_by_its_own_name_or_a_profile_has_batches() {
    let batches = |called: &str, family, dimension| {
        BatchSettings::new("s3://b", "arn", Model::new(called, family, dimension).unwrap()).map(drop)
    };
    let (titan, arn) = ("amazon.titan-embed-text-v2:0", "arn:aws:bedrock:us-east-1:123456789012:");
    assert_eq!(batches(titan, None, 256), Ok(()));
    assert_eq!(batches(&format!("{arn}application-inference-profile/a"), Some(titan), 256), Ok(()));
    let refused = batches("cohere.embed-v4:0", None, 256);
    assert_eq!(refused, Err(ModelError::NoBatches("cohere.embed-v4:0".into())));
    assert!(batches(&format!("{arn}provisioned-model/a"), Some(titan), 256).is_err());
    assert_eq!(to_hex(&[key(0)]).len(), 64);
}
