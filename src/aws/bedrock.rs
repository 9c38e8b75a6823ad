//! Embedding models on Bedrock: `InvokeModel`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::operation::invoke_model::InvokeModelError;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::ServiceTierType;

use super::direct::{Direct, TakePattern};
use super::errors::fault;
use super::trace::TraceHeader;
use crate::embed::Models;
use crate::fault::{Call, Cause, Fault};

/// Longest wait for a call: an embedding takes tens of milliseconds, a cold model seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The models of Bedrock's runtime.
#[derive(Debug, Clone)]
pub struct BedrockModels {
    client: Client,
    tier: Option<ServiceTierType>,
    /// By what is called: it is in the path.
    called: Arc<Mutex<Vec<(String, Called)>>>,
}

/// What is known of a model that was called.
#[derive(Debug, Clone)]
struct Called {
    /// The calls of the tier that is in use; those of another one have another header.
    direct: Direct,
    in_tier: InTier,
}

/// Whether a model takes calls in the tier that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InTier {
    /// It has taken one.
    Taken,
    /// It has neither taken nor refused one.
    Unknown,
    /// There is none, or the model does not support it and is called without.
    Without,
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
        Self { client: Client::from_conf(config.build()), tier: None, called: Arc::default() }
    }

    /// The same models, called in a service tier; a model that does not have it is called without, from its first refusal
    /// on.
    #[must_use]
    pub fn in_tier(self, tier: Option<&str>) -> Self {
        Self { tier: tier.map(ServiceTierType::from), called: Arc::default(), ..self }
    }
}

impl BedrockModels {
    fn called(&self, model_id: &str) -> Called {
        let mut all = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, called)) = all.iter().find(|(id, _)| id == model_id) {
            return called.clone();
        }
        let in_tier = if self.tier.is_some() { InTier::Unknown } else { InTier::Without };
        let called = Called { direct: Direct::new(CALL_TIMEOUT), in_tier };
        all.push((model_id.to_owned(), called.clone()));
        called
    }

    /// Notes what a model says to the tier; whether that is new.
    fn note(&self, model_id: &str, in_tier: InTier) -> bool {
        let mut all = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, called)) = all.iter_mut().find(|(id, _)| id == model_id) else { return false };
        if called.in_tier == in_tier || called.in_tier == InTier::Without {
            return false;
        }
        if in_tier == InTier::Without {
            called.direct = Direct::new(CALL_TIMEOUT);
        }
        called.in_tier = in_tier;
        true
    }

    async fn call(&self, model_id: &str, body: Vec<u8>, called: Called) -> Result<Vec<u8>, Fault> {
        let direct = called.direct;
        let unanswered = match direct.call(|| body.clone(), |answer| Some(answer.to_vec())).await {
            Ok(answer) => return Ok(answer),
            Err(unanswered) => unanswered,
        };
        let tier = self.tier.clone().filter(|_| called.in_tier != InTier::Without);
        let call = self.client.invoke_model().model_id(model_id).body(Blob::new(body)).set_service_tier(tier);
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

impl Models for BedrockModels {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let called = self.called(model_id);
        let in_tier = called.in_tier;
        if in_tier == InTier::Without {
            return self.call(model_id, body, called).await;
        }
        let refusal = match self.call(model_id, body.clone(), called).await {
            Ok(answer) => {
                self.note(model_id, InTier::Taken);
                return Ok(answer);
            }
            Err(fault) => fault,
        };
        // A refusal may be about the tier or about the text, and only the same call without the tier tells which.
        let about_tier = in_tier == InTier::Unknown || refusal.text.to_ascii_lowercase().contains("tier");
        if !matches!(refusal.cause, Cause::Refused | Cause::AccessDenied) || !about_tier {
            return Err(refusal);
        }
        let without = Called { direct: Direct::new(CALL_TIMEOUT), in_tier: InTier::Without };
        let answer = self.call(model_id, body, without).await?;
        if self.note(model_id, InTier::Without) {
            let tier = self.tier.as_ref().map(ServiceTierType::as_str);
            tracing::warn!(
                event = "service_tier_refused",
                model = model_id,
                tier,
                error = %refusal,
                "the model does not support this service tier: this process continues without it"
            );
        }
        Ok(answer)
    }
}
