//! The embedding endpoint, with the real SDK client and on the wire.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_bedrockruntime::error::DisplayErrorContext;
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;
use aws_sdk_bedrockruntime::primitives::Blob;
use devstack::bedrock::{BedrockOptions, BedrockServer, Fault};
use devstack::lexical;
use serde_json::{Value, json};

mod http;

const NOVA: &str = "amazon.nova-2-multimodal-embeddings-v1:0";
const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn client(server: &BedrockServer) -> Client {
    let config = aws_sdk_bedrockruntime::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("1", "1", None, None, "test"))
        .http_client(devstack::stack::http_client())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().read_timeout(Duration::from_secs(2)).build())
        .endpoint_url(server.endpoint());
    Client::from_conf(config.build())
}

async fn invoke(client: &Client, model: &str, body: &Value) -> Result<Value, InvokeModelError> {
    let call = client.invoke_model().model_id(model).body(Blob::new(body.to_string()));
    match call.send().await {
        Ok(answer) => Ok(serde_json::from_slice(answer.body().as_ref()).unwrap()),
        Err(error) => Err(error.into_service_error()),
    }
}

fn nova(text: &str) -> Value {
    json!({"schemaVersion": "nova-multimodal-embed-v1", "taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
        "embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 384,
        "text": {"truncationMode": "END", "value": text}}})
}

fn vector(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn every_model_answers_the_lexical_vector_in_its_own_form() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    let client = client(&server);
    let text = "Wireless headphones";

    let answer = invoke(&client, NOVA, &nova(text)).await.unwrap();
    assert_eq!(answer["embeddings"][0]["embeddingType"], "TEXT");
    assert_eq!(vector(&answer["embeddings"][0]["embedding"]), lexical::embed(text, 384));

    let body = json!({"inputText": text, "dimensions": 256, "normalize": true});
    let answer = invoke(&client, &format!("eu.{TITAN}"), &body).await.unwrap();
    assert_eq!(vector(&answer["embedding"]), lexical::embed(text, 256));

    let body = json!({"texts": ["a lamp", text], "input_type": "search_document", "truncate": "END"});
    let answer = invoke(&client, "cohere.embed-multilingual-v3", &body).await.unwrap();
    assert_eq!(vector(&answer["embeddings"][1]), lexical::embed(text, 1024));

    let body = json!({"texts": [text], "input_type": "search_query", "truncate": "RIGHT", "output_dimension": 512,
        "embedding_types": ["float"]});
    let answer = invoke(&client, "global.cohere.embed-v4:0", &body).await.unwrap();
    assert_eq!(vector(&answer["embeddings"]["float"][0]), lexical::embed(text, 512));

    let stats = server.stats();
    assert_eq!((stats.requests, stats.texts, stats.throttled, stats.errors), (4, 5, 0, 0));
}

#[tokio::test]
async fn refusals_are_aws_errors_that_the_sdk_knows() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    let client = client(&server);
    let error = invoke(&client, TITAN, &json!({"inputText": "a", "dimensions": 384})).await.unwrap_err();
    assert!(error.is_validation_exception(), "{}", DisplayErrorContext(&error));
    assert!(error.meta().message().unwrap().contains("must be one of [256, 512, 1024], was 384"));
    let error = invoke(&client, "amazon.other-v1:0", &json!({})).await.unwrap_err();
    assert!(error.is_resource_not_found_exception());
    assert_eq!((server.stats().errors, server.stats().texts), (2, 0));
}

#[tokio::test]
async fn a_set_fault_meets_every_request_until_it_is_taken_back() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    let client = client(&server);
    let ask = async || invoke(&client, NOVA, &nova("lamp")).await;

    server.set_fault(Some(Fault::AccessDenied));
    assert!(ask().await.unwrap_err().is_access_denied_exception());
    server.set_fault(Some(Fault::ExpiredToken));
    assert_eq!(ask().await.unwrap_err().meta().code(), Some("ExpiredTokenException"));
    server.set_fault(Some(Fault::Throttle));
    assert!(ask().await.unwrap_err().is_throttling_exception());
    server.set_fault(Some(Fault::InternalError));
    assert!(ask().await.unwrap_err().is_internal_server_exception());
    server.set_fault(Some(Fault::NoVector));
    assert_eq!(ask().await.unwrap()["embeddings"], json!([]));
    server.set_fault(Some(Fault::WrongLength));
    assert_eq!(vector(&ask().await.unwrap()["embeddings"][0]["embedding"]).len(), 383);
    server.set_fault(Some(Fault::Hang));
    assert!(ask().await.unwrap_err().meta().code().is_none(), "a time-out is no answer of the service");
    server.set_fault(None);
    assert_eq!(vector(&ask().await.unwrap()["embeddings"][0]["embedding"]).len(), 384);
    assert_eq!((server.stats().throttled, server.stats().errors), (1, 3));
}

#[tokio::test]
async fn only_calls_with_a_certain_text_are_refused() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    let client = client(&server);
    server.set_fault(Some(Fault::RefuseTexts("POISON".into())));
    let error = invoke(&client, NOVA, &nova("a lamp of POISON")).await.unwrap_err();
    assert!(error.is_validation_exception(), "{}", DisplayErrorContext(&error));
    assert!(error.meta().message().unwrap().starts_with("Malformed input request"));
    assert!(invoke(&client, NOVA, &nova("a lamp")).await.is_ok());
    let texts = |second| json!({"texts": ["a lamp", second], "input_type": "search_query"});
    let error = invoke(&client, "cohere.embed-v4:0", &texts("POISON")).await.unwrap_err();
    assert!(error.is_validation_exception(), "one bad text refuses its whole call");
    assert!(invoke(&client, "cohere.embed-v4:0", &texts("a chair")).await.is_ok());
    assert_eq!((server.stats().errors, server.stats().texts), (2, 3));
}

#[tokio::test]
async fn a_model_without_on_demand_throughput_refuses_every_call() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    server.set_fault(Some(Fault::RefuseAll));
    let error = invoke(&client(&server), NOVA, &nova("lamp")).await.unwrap_err();
    assert!(error.is_validation_exception(), "{}", DisplayErrorContext(&error));
    let expected = format!("Invocation of model ID {NOVA} with on-demand throughput isn’t supported.");
    assert!(error.meta().message().unwrap().starts_with(&expected), "{error:?}");
    assert_eq!(server.stats().errors, 1);
}

#[tokio::test]
async fn a_proxy_may_answer_a_page_in_the_place_of_the_service() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    server.set_fault(Some(Fault::Html));
    let answer = http::request(&server.endpoint(), "POST", "/model/x/invoke", "", "{}").await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    assert!(answer.body.starts_with("<!DOCTYPE html>"), "{}", answer.body);
    assert_eq!((server.stats().errors, server.stats().texts), (0, 0));
}

#[tokio::test]
async fn random_faults_are_those_that_a_client_should_repeat() {
    let options = BedrockOptions { throttle_rate: 0.3, error_rate: 0.6, seed: 3, ..BedrockOptions::default() };
    let server = BedrockServer::start(options).await.unwrap();
    let client = client(&server);
    let (mut answered, mut throttled, mut failed) = (0, 0, [0; 3]);
    for _ in 0..100 {
        match invoke(&client, NOVA, &nova("lamp")).await {
            Ok(_) => answered += 1,
            Err(error) if error.is_throttling_exception() => throttled += 1,
            Err(error) if error.is_internal_server_exception() => failed[0] += 1,
            Err(error) if error.is_service_unavailable_exception() => failed[1] += 1,
            Err(error) if error.is_model_error_exception() => failed[2] += 1,
            Err(error) => panic!("{}", DisplayErrorContext(error)),
        }
    }
    assert!(
        answered > 10 && throttled > 10 && failed.iter().all(|&count| count > 3),
        "{answered} {throttled} {failed:?}"
    );
    let stats = server.stats();
    assert_eq!((stats.requests, stats.texts, stats.throttled), (100, answered, throttled));
}

#[tokio::test]
async fn requests_wait_for_the_latency_side_by_side() {
    let options = BedrockOptions { latency: Duration::from_millis(200), ..BedrockOptions::default() };
    let server = BedrockServer::start(options).await.unwrap();
    let client = client(&server);
    let started = Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        asked.spawn(async move { invoke(&client, NOVA, &nova("lamp")).await.unwrap() });
    }
    asked.join_all().await;
    assert!((200..1400).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(server.stats().max_in_flight, 8);
}

#[tokio::test]
async fn on_the_wire_the_model_id_is_encoded_and_errors_have_awss_headers() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    let endpoint = server.endpoint();
    let path = "/model/amazon.titan-embed-text-v2%3A0/invoke";
    let answer = http::request(&endpoint, "POST", path, "", r#"{"inputText":"lamp"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(vector(&answer.json()["embedding"]), lexical::embed("lamp", 1024));
    let answer = http::request(&endpoint, "POST", path, "", "{").await;
    assert_eq!((answer.status, answer.headers["x-amzn-errortype"].as_str()), (400, "ValidationException"));
    assert!(answer.json()["message"].as_str().unwrap().starts_with("Malformed input request"));
    let stats = http::request(&endpoint, "GET", "/_devstack/stats", "", "").await.json();
    let expected = json!({"requests": 2, "in_tier": 0, "texts": 1, "throttled": 0, "errors": 1, "max_in_flight": 1, "batch_jobs": 0,
        "batch_records": 0});
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn a_stopped_server_has_closed_its_port_and_hanging_requests() {
    let server = BedrockServer::start(BedrockOptions::default()).await.unwrap();
    server.set_fault(Some(Fault::Hang));
    let endpoint = server.endpoint();
    let path = "/model/x/invoke";
    let hanging = tokio::spawn({
        let endpoint = endpoint.clone();
        async move { http::request(&endpoint, "POST", path, "", "{}").await.status }
    });
    while server.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
    assert_eq!(hanging.await.unwrap(), 503);
    assert!(tokio::net::TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).await.is_err());
}
