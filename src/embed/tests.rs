//! The embedder with models in memory, on a paused clock.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::fault::{Cause, Fault, Kind};
use crate::fault_plan::{FaultPlan, Moment};
use crate::telemetry::stages::Stages;
use crate::under_way::UnderWay;

const NOVA: &str = "amazon.nova-2-multimodal-embeddings-v1:0";
const COHERE: &str = "cohere.embed-v4:0";

fn embedder(models: &MemoryModels, id: &str, requests_per_minute: Option<u32>) -> Embedder {
    let limits = Limits { requests_per_minute, ..Limits::default() };
    Embedder::start(models.clone(), limits, Model::new(id, None, 256).unwrap(), Purpose::Query)
}

async fn embed_all(embedder: &Embedder, texts: &[String]) -> Vec<Result<Vec<f32>, EmbedError>> {
    let embed = |text: &String| {
        let text = text.clone();
        async move { embedder.embed(&text, &UnderWay::default()).await.map(|embedding| embedding.vector.clone()) }
    };
    join_all(texts.iter().map(embed)).await
}

#[tokio::test(start_paused = true)]
async fn a_refused_text_is_told_from_a_refused_model_also_after_a_start() {
    let models = MemoryModels::default();
    models.refuse("POISON");
    let embedder = embedder(&models, NOVA, None);
    let refused = embedder.embed("POISON", &UnderWay::default()).await.unwrap_err();
    assert!(matches!(refused, EmbedError::Refused(_)), "{refused:?}");
    assert_eq!(models.calls(), 3, "two refusals, and a harmless text between them");
    assert!(embedder.embed("mug", &UnderWay::default()).await.is_ok());

    models.refuse("");
    let refused = embed_all(&embedder, &["mug 2".to_owned()]).await.remove(0).unwrap_err();
    assert!(matches!(refused, EmbedError::Refused(_)), "it has answered a moment ago: {refused:?}");
    tokio::time::advance(Duration::from_secs(61)).await;
    let EmbedError::Fault(fault) = embedder.embed("cup", &UnderWay::default()).await.unwrap_err() else { panic!() };
    assert_eq!((fault.kind, fault.cause), (Kind::Permanent, Cause::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_be_called_costs_two_calls_whatever_the_batch() {
    let models = MemoryModels::default();
    models.refuse("");
    let embedder = embedder(&models, COHERE, None);
    let texts: Vec<String> = (0..96).map(|number| format!("mug {number}")).collect();
    // The first text goes alone, before others wait.
    let first = embed_all(&embedder, &texts[..1]).await.remove(0).unwrap_err();
    let alone = models.calls();
    let rest = embed_all(&embedder, &texts).await;
    for refused in rest.into_iter().map(Result::unwrap_err).chain([first]) {
        assert!(matches!(&refused, EmbedError::Fault(fault) if fault.is_permanent()), "{refused:?}");
    }
    assert!(models.calls() - alone <= 4, "{} calls for 96 texts", models.calls() - alone);
}

#[tokio::test(start_paused = true)]
async fn a_refused_text_does_not_fail_those_that_share_its_call() {
    let models = MemoryModels::default();
    models.refuse("POISON");
    let embedder = embedder(&models, COHERE, None);
    let texts: Vec<String> = ["mug", "POISON", "cup", "tea"].map(String::from).to_vec();
    let found = embed_all(&embedder, &texts).await;
    for (text, found) in texts.iter().zip(found) {
        match text.as_str() {
            "POISON" => assert!(matches!(found, Err(EmbedError::Refused(_)))),
            _ => assert_eq!(found.unwrap(), MemoryModels::vector(text, 256)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_keep_the_pace_when_throttled() {
    let plan = FaultPlan::default();
    for _ in 0..4 {
        plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
    }
    let models = MemoryModels::new(plan);
    let embedder = embedder(&models, NOVA, Some(1)); // one call a minute
    let started = Instant::now();
    let throttled = embedder.embed("mug", &UnderWay::default()).await.unwrap_err();
    assert!(matches!(throttled, EmbedError::Fault(fault) if fault.cause == Cause::Throttled));
    assert_eq!((models.calls(), started.elapsed().as_secs() / 60), (3, 2), "each attempt waits for its turn");
    assert!(embedder.embed("mug", &UnderWay::default()).await.is_ok(), "the fourth is throttled, the fifth is not");
    assert_eq!((models.calls(), started.elapsed().as_secs() / 60), (5, 4));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_turn_is_no_attempt() {
    let embedder = embedder(&MemoryModels::default(), NOVA, Some(1));
    embedder.embed("mug", &UnderWay::default()).await.unwrap();
    let under_way = UnderWay::default();
    let waits = tokio::time::timeout(Duration::from_secs(30), embedder.embed("cup", &under_way));
    assert!(waits.await.is_err());
    assert!(!under_way.late().is_attempt());
}

#[tokio::test(start_paused = true)]
async fn an_embedder_outlives_the_catalogs_that_share_its_model() {
    let models = MemoryModels::default();
    let embedders = Embedders::new(models.clone(), Limits { max_concurrency: 2, ..Limits::default() });
    let model = |id| Model::new(id, None, 256).unwrap();
    embedders.of_queries(&model(NOVA)).embed("mug", &UnderWay::default()).await.unwrap();
    embedders.of_queries(&model(NOVA)).embed("mug", &UnderWay::default()).await.unwrap();
    assert_eq!(models.calls(), 1, "the cache survived");
    let other = embedders.of_queries(&model(COHERE));
    other.embed("mug", &UnderWay::default()).await.unwrap();
    embedders.of_queries(&model(NOVA)).embed("mug", &UnderWay::default()).await.unwrap();
    assert_eq!(models.calls(), 3, "one that nobody used has ended");
}

/// Models that take their time.
struct Slow(Duration);

impl Models for Slow {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        tokio::time::sleep(self.0).await;
        MemoryModels::default().invoke(model_id, body).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_model_is_told_from_limits_that_are_too_low() {
    let limits = Limits { max_concurrency: 1, ..Limits::default() };
    let slow = Slow(Duration::from_millis(300));
    let embedder = Embedder::start(slow, limits, Model::new(NOVA, None, 256).unwrap(), Purpose::Query);
    let noted = async |text: &str| {
        let mut stages = Stages::default();
        embedder.embed_noting(text, &UnderWay::default(), &mut stages).await.unwrap();
        (stages.embed_wait.took.as_millis(), stages.embed.took.as_millis(), stages.cache_hits, stages.texts.count)
    };
    let (mug, cup, again) = tokio::join!(noted("mug"), noted("cup"), noted("mug"));
    assert_eq!(mug, (0, 300, 0, 1));
    assert_eq!(cup, (300, 300, 0, 1), "one call at a time");
    assert_eq!(again, (0, 300, 1, 0), "the first one's call serves both");
    assert_eq!(noted("cup").await, (0, 0, 1, 0));
    let waits = tokio::time::timeout(Duration::from_millis(200), async {
        let mut stages = Stages::default();
        let asked = async { embedder.embed_noting("pot", &UnderWay::default(), &mut stages).await.is_ok() };
        let cut_off = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert!(cut_off.is_err());
        (stages.embed.took.as_millis(), embedder.calls_in_flight())
    });
    assert_eq!(waits.await.unwrap(), (100, 1), "what is cut off counts until then");
}
