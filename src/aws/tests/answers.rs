//! A whole AWS of canned answers, by the name of what is asked.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat, SdkBody};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};

use super::super::client::Sdk;

/// What a service says.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    refuses: Option<&'static str>,
    hangs: bool,
}

impl Answer {
    /// A success.
    pub(crate) fn with(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into(), refuses: None, hangs: false }
    }

    /// A refusal, in the words of whichever service is asked.
    pub(crate) fn refusal(status: u16, code: &'static str) -> Self {
        Self { status, refuses: Some(code), ..Self::with("") }
    }

    /// Access denied, as every service says it.
    pub(crate) fn denied() -> Self {
        Self::refusal(403, "AccessDeniedException")
    }

    /// None, ever.
    pub(crate) fn never() -> Self {
        Self { hangs: true, ..Self::with("") }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With the date of so many seconds from now.
    pub(crate) fn dated(self, seconds: i64) -> Self {
        let date = DateTime::from_secs(DateTime::from(SystemTime::now()).secs() + seconds);
        self.header("date", date.fmt(DateTimeFormat::HttpDate).unwrap())
    }
}

/// What is asked gets the answer of its name: `GetQueueAttributes jobs`, `PutItem`, `GET prefix/current.json`.
pub(crate) fn sdk_answering(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Sdk, Asked) {
    let asked = Asked::default();
    let connector = SharedHttpConnector::new(Canned { answer: Arc::new(answer), asked: asked.clone() });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    (Sdk::from_config(config.build()), asked)
}

/// All that was asked, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Canned {
    answer: Arc<dyn Fn(&str) -> Answer + Send + Sync>,
    asked: Asked,
}

impl std::fmt::Debug for Canned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canned")
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let name = name(&request);
        let Answer { status, mut headers, mut body, refuses, hangs } = (self.answer)(&name);
        if let Some(code) = refuses {
            let error = format!("<Error><Code>{code}</Code><Message>because</Message></Error>");
            body = match name.split(' ').next().unwrap_or_default() {
                "HEAD" => String::new(),
                "GET" | "PUT" => error,
                "GetCallerIdentity" => format!("<ErrorResponse>{error}</ErrorResponse>"),
                _ => {
                    headers.push(("x-amzn-errortype", code.to_owned()));
                    format!(r#"{{"__type":"com.amazonaws#{code}","message":"because"}}"#)
                }
            }
            .into_bytes();
        }
        self.asked.0.lock().unwrap().push(name);
        if hangs {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn name(request: &HttpRequest) -> String {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let uri: http::Uri = request.uri().parse().unwrap();
    let queue = serde_json::from_str::<serde_json::Value>(&body).ok();
    let queue = queue.and_then(|body| Some(body["QueueUrl"].as_str()?.rsplit('/').next()?.to_owned()));
    match request.headers().get("x-amz-target") {
        Some(target) => {
            let operation = target.rsplit('.').next().unwrap();
            queue.map_or(operation.to_owned(), |queue| format!("{operation} {queue}"))
        }
        None if body.starts_with("Action=") => body["Action=".len()..].split('&').next().unwrap().to_owned(),
        None if uri.path().starts_with("/model/") => "InvokeModel".to_owned(),
        None => format!("{} {}", request.method(), uri.path().trim_matches('/')).trim_end().to_owned(),
    }
}
