//! Models in memory, for tests and simulations: the wire formats of all families, vectors made of the text.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::models::Models;
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;

/// Answers every model id, in the family that the body is of; clones share their state.
#[derive(Debug, Clone, Default)]
pub struct MemoryModels {
    plan: FaultPlan,
    refused: Arc<Mutex<Vec<String>>>,
    calls: Arc<AtomicUsize>,
}

impl MemoryModels {
    /// Models that misbehave by `plan`, whose operation is `InvokeModel`.
    pub fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// The same models, as a process sees them that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// Refuses bodies with a text that contains `part` from now on; with an empty one every body.
    pub fn refuse(&self, part: &str) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(part.to_owned());
    }

    /// Calls until now.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// The vector of a text: the same for the same text, not zero.
    pub fn vector(text: &str, dimension: usize) -> Vec<f32> {
        let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        });
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..dimension).map(|_| next()).collect()
    }

    fn answer(&self, call: &Call, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let refusal =
            |text: &str| Fault::of(call.clone(), Cause::Refused, format!("ValidationException: {text}")).of_job();
        let body: Value = serde_json::from_slice(body).map_err(|error| refusal(&error.to_string()))?;
        let nova = &body["singleEmbeddingParams"];
        let texts: Vec<&str> = match &body["texts"] {
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
            _ => body["inputText"].as_str().or(nova["text"]["value"].as_str()).into_iter().collect(),
        };
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.iter().any(|part| texts.iter().any(|text| text.contains(part))) {
            return Err(refusal("malformed input request"));
        }
        let dimension = [&body["dimensions"], &body["output_dimension"], &nova["embeddingDimension"]];
        let dimension = dimension.into_iter().find_map(Value::as_u64).unwrap_or(1_024) as usize;
        let vectors: Vec<Vec<f32>> = texts.iter().map(|text| Self::vector(text, dimension)).collect();
        let answer = if body["texts"].is_array() {
            json!({"embeddings": vectors})
        } else if nova.is_object() {
            json!({"embeddings": [{"embeddingType": "TEXT", "embedding": vectors[0]}]})
        } else {
            json!({"embedding": vectors[0]})
        };
        Ok(answer.to_string().into_bytes())
    }
}

impl Models for MemoryModels {
    async fn invoke(&self, model_id: &str, body: Vec<u8>) -> Result<Vec<u8>, Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call::new("Memory", "InvokeModel", model_id);
        let models = self.clone();
        self.plan.call(call.clone(), move || models.answer(&call, &body)).await.map_err(Fault::of_job)
    }
}
