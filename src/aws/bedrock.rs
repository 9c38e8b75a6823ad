//! Embedding models on Bedrock: `InvokeModel`.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;
use aws_sdk_bedrockruntime::primitives::Blob;

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
}

impl BedrockModels {
    /// Models that are called once for each call: the SDK's own attempts would go past the limits that are kept here.
    pub fn new(config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).build();
        let config = aws_sdk_bedrockruntime::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::disabled())
            .interceptor(TraceHeader);
        Self { client: Client::from_conf(config.build()) }
    }
}

impl Models for BedrockModels {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let call = self.client.invoke_model().model_id(model_id).body(Blob::new(body));
        let call = call.content_type("application/json").accept("application/json");
        match call.send().await {
            Ok(answer) => Ok(answer.body.into_inner()),
            Err(error) => {
                let refused = error.as_service_error().is_some_and(InvokeModelError::is_validation_exception);
                let fault = fault(&error, Call::new("Bedrock", "InvokeModel", model_id));
                Err(if refused { fault.of_job() } else { fault })
            }
        }
    }
}
