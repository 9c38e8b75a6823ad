//! What DynamoDB answers about records, through the real SDK; what is read is written back and read again.

use std::sync::{Arc, LazyLock, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use nearline::aws::Sdk;
use nearline::fault::{Cause, Fault};
use nearline::results::Records;
use nearline_contract::ResultRecord;
use tokio::runtime::{Builder, Runtime};

use crate::trial::measured;

thread_local! {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
}

/// A service that answers with what was put into it, and keeps what it was sent.
#[derive(Debug, Clone, Default)]
struct Canned {
    answer: Arc<Mutex<Vec<u8>>>,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        *self.sent.lock().unwrap() = request.body().bytes().unwrap_or_default().to_vec();
        let answer = self.answer.lock().unwrap().clone();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), answer.into())))
    }
}

impl Canned {
    fn records(&self) -> impl Records + use<> {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("key", "secret", None, None, "fuzz");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()));
        Sdk::from_config(config.build()).records("t", None)
    }
}

/// The bytes are an item in DynamoDB's JSON.
pub(crate) fn try_bytes(bytes: &[u8]) {
    RUNTIME.with(|runtime| {
        let (service, item) = (Canned::default(), String::from_utf8_lossy(bytes));
        let records = service.records();
        *service.answer.lock().unwrap() = format!(r#"{{"Item":{item}}}"#).into_bytes();
        let (read, memory) = measured(|| runtime.block_on(records.get("r")));
        assert!(memory.bytes_total < 256 * item.len() as u64 + (1 << 20), "{memory:?} for {} bytes", item.len());
        match read {
            Ok(Some(record)) => {
                let written = runtime.block_on(written(&service, &records, &record));
                assert_eq!(written.as_ref(), Ok(&Some(record)));
            }
            Ok(None) => {}
            Err(fault) => {
                assert!(matches!(fault.cause, Cause::InvalidAnswer | Cause::Misconfigured), "{fault}");
                assert!(fault.text.len() < 2_000, "{} bytes: {fault}", fault.text.len());
            }
        }
        *service.answer.lock().unwrap() = format!(r#"{{"Responses":{{"t":[{item}]}}}}"#).into_bytes();
        match runtime.block_on(records.look_up(&["r"], true)) {
            Ok(found) => assert!(found.found.len() <= 1 && found.unprocessed.is_empty(), "{found:?}"),
            Err(fault) => assert_eq!(fault.cause, Cause::InvalidAnswer, "{fault}"),
        }
    });
}

/// The record as it is read after it was written.
async fn written(
    service: &Canned,
    records: &impl Records,
    record: &ResultRecord,
) -> Result<Option<ResultRecord>, Fault> {
    *service.answer.lock().unwrap() = b"{}".to_vec();
    records.put(record, 0).await?;
    let sent: serde_json::Value = serde_json::from_slice(&service.sent.lock().unwrap()).unwrap();
    *service.answer.lock().unwrap() = serde_json::json!({"Item": sent["Item"]}).to_string().into_bytes();
    records.get("r").await
}
