//! Batch inference, from the policy through the SDK to jobs that read and write objects.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use devstack::bedrock::BatchOptions;
use devstack::stack::Stack;
use nearline::aws::BedrockBatches;
use nearline::embed::batch::{BatchSettings, Batches, JobState, Key, NewJob, embed_in_batches};
use nearline::embed::{Embedding, Model};
use nearline::fault::Fault;

use crate::world::World;

const TEXTS: usize = 150;

fn batches(stack: &Stack) -> BedrockBatches {
    // Bedrock's control plane is not where S3 is: the SDK reads that from the environment, which tests share.
    let bedrock = stack.sdk_config().into_builder().endpoint_url(stack.bedrock().endpoint()).build();
    BedrockBatches::new(&bedrock, aws_sdk_s3::Client::new(&stack.sdk_config()))
}

fn settings(stack: &Stack, called: &str, family: Option<&str>) -> BatchSettings {
    let model = Model::new(called, family, 256).unwrap();
    let prefix = format!("s3://{}/batches", stack.bucket());
    BatchSettings::new(&prefix, "arn:aws:iam::123456789012:role/nearline-batch", model).unwrap()
}

async fn embed(
    batches: &BedrockBatches,
    settings: &BatchSettings,
    state: &Path,
) -> Result<BTreeMap<Key, Result<Embedding, String>>, Fault> {
    let mut found = BTreeMap::new();
    let texts = (0..TEXTS).map(|number| ([number as u8; 32], format!("blue lamp number {number}")));
    let each = |key, answer| {
        found.insert(key, answer);
        Ok::<_, Fault>(())
    };
    let too_few = embed_in_batches(batches, settings, state, texts, each, |_| ()).await?;
    assert!(too_few.is_empty());
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_job_gives_the_vectors_that_single_calls_give() {
    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    let world = World::start().await;
    let (stack, state) = (&world.stack, world.path("state"));
    let batches = batches(stack);
    let refused = BatchOptions { refused: Some("number 77".into()), ..BatchOptions::default() };
    stack.bedrock().set_batch_options(refused);
    let found = embed(&batches, &settings(stack, TITAN, None), &state).await.unwrap();
    assert_eq!(found.len(), TEXTS);
    for (key, answer) in &found {
        let text = format!("blue lamp number {}", key[0]);
        match answer {
            Ok(embedding) => assert_eq!(embedding.vector, devstack::lexical::embed(&text, 256), "{text}"),
            Err(words) => assert!(key[0] == 77 && words.starts_with("400: Malformed input request"), "{words}"),
        }
    }
    let stats = stack.bedrock().stats();
    assert_eq!((stats.batch_jobs, stats.batch_records, stats.requests), (1, TEXTS as u64 - 1, 0));
    assert!(!state.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_killed_waits_for_the_job_that_it_started() {
    const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let world = World::start().await;
    let (stack, state) = (&world.stack, world.path("state"));
    let (batches, settings) = (batches(stack), settings(stack, PROFILE, Some("amazon.titan-embed-text-v2:0")));
    stack.bedrock().set_batch_options(BatchOptions { delay: Duration::from_secs(3), ..BatchOptions::default() });
    let killed = async {
        while stack.bedrock().stats().batch_jobs == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = embed(&batches, &settings, &state) => panic!("it ended before the job: {ended:?}"),
        () = killed => {}
    }
    let found = embed(&batches, &settings, &state).await.unwrap();
    assert_eq!((found.len(), found.values().filter(|answer| answer.is_ok()).count()), (TEXTS, TEXTS));
    assert_eq!(stack.bedrock().stats().batch_jobs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_told_in_its_own_words() {
    let world = World::start().await;
    let (stack, state) = (&world.stack, world.path("state"));
    let batches = batches(stack);
    let failure = Some("The role has no access to the output.".to_owned());
    stack.bedrock().set_batch_options(BatchOptions { failure, ..BatchOptions::default() });
    let settings = settings(stack, "amazon.titan-embed-text-v2:0", None);
    let message = embed(&batches, &settings, &state).await.unwrap_err().to_string();
    assert!(message.contains("Failed: The role has no access to the output."), "{message}");
    assert!(message.contains("run the same command again"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_start_is_the_same_job_and_a_job_of_too_few_records_fails() {
    let world = World::start().await;
    let (stack, file) = (&world.stack, world.path("input.jsonl"));
    let batches = batches(stack);
    std::fs::write(&file, "{\"recordId\":\"a\",\"modelInput\":{\"inputText\":\"lamp\"}}\n").unwrap();
    let uri = |name: &str| format!("s3://{}/{name}", stack.bucket());
    batches.upload(&uri("input.jsonl"), &file).await.unwrap();
    let job = NewJob {
        token: "a1".into(),
        model_id: "amazon.titan-embed-text-v2:0".into(),
        role_arn: "arn:aws:iam::123456789012:role/nearline-batch".into(),
        input: uri("input.jsonl"),
        output: uri("output/"),
    };
    let arn = batches.start(&job).await.unwrap();
    assert_eq!(batches.start(&job).await.unwrap(), arn);
    assert_eq!(stack.bedrock().stats().batch_jobs, 1);
    let status = loop {
        match batches.status(&arn).await.unwrap().state {
            JobState::Running => tokio::time::sleep(Duration::from_millis(50)).await,
            ended => break ended,
        }
    };
    assert_eq!(status, JobState::Broken("Failed: The input has 1 records, a job 100 to 50000.".into()));
    assert!(batches.answers(&uri("output/nothing")).await.unwrap().is_none());
    let cohere = NewJob { token: "b2".into(), model_id: "cohere.embed-v4:0".into(), ..job };
    assert!(batches.start(&cohere).await.unwrap_err().text.contains("isn't supported for cohere.embed-v4:0"));
}
