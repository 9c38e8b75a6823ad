//! Embedding models on Bedrock: `InvokeModel`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;
use aws_sdk_bedrockruntime::primitives::Blob;

use super::direct::{Direct, TakePattern};
use super::errors::fault;
use super::trace::TraceHeader;
use crate::embed::Models;
use crate::fault::{Call, Fault};

/// Longest wait for a call: an embedding takes tens of milliseconds, a cold model seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The models of Bedrock's runtime.
#[derive(Debug, Clone)]
pub struct BedrockModels {
    client: Client,
    /// By what is called: it is in the path.
    direct: Arc<Mutex<Vec<(String, Direct)>>>,
}

impl BedrockModels {
    /// Models that are called once for each call: the SDK's own attempts would go past the limits that are kept here.
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).build();
        let config = aws_sdk_bedrockruntime::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .interceptor(TraceHeader)
            .interceptor(TakePattern);
        Self { client: Client::from_conf(config.build()), direct: Arc::default() }
    }
}

impl BedrockModels {
    fn direct(&self, model_id: &str) -> Direct {
        let mut all = self.direct.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, direct)) = all.iter().find(|(called, _)| called == model_id) {
            return direct.clone();
        }
        let direct = Direct::new(CALL_TIMEOUT);
        all.push((model_id.to_owned(), direct.clone()));
        direct
    }
}

impl Models for BedrockModels {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let direct = self.direct(model_id);
        let unanswered = match direct.call(|| body.clone(), |answer| Some(answer.to_vec())).await {
            Ok(answer) => return Ok(answer),
            Err(unanswered) => unanswered,
        };
        let call = self.client.invoke_model().model_id(model_id).body(Blob::new(body));
        let call = call.content_type("application/json").accept("application/json");
        match direct.by_sdk(unanswered, call.send()).await {
            Ok(answer) => Ok(answer.body.into_inner()),
            Err(error) => {
                let refused = error.as_service_error().is_some_and(InvokeModelError::is_validation_exception);
                let fault = fault(&error, Call::new("Bedrock", "InvokeModel", model_id));
                Err(if refused { fault.of_job() } else { fault })
            }
        }
    }
}
