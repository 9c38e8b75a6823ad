//! The stand-in's faults: particular ones that a test switches on, and random ones at a rate.

use axum::http::StatusCode;
use axum::response::Html;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::embedding::Refusal;

/// What every request meets while the fault is set, instead of an embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 403 `AccessDeniedException`: permanent until permissions change.
    AccessDenied,
    /// 403 `ExpiredTokenException`: until newer credentials are fetched.
    ExpiredToken,
    /// HTTP 200 whose answer has no vector.
    NoVector,
    /// HTTP 200 whose vectors have one number less than asked for.
    WrongLength,
    /// 429 `ThrottlingException`.
    Throttle,
    /// 500 `InternalServerException`.
    InternalError,
    /// 400 `ValidationException`, but only for a call with a text that contains this one; of a call with several texts
    /// nobody says which.
    RefuseTexts(String),
    /// 400 `ValidationException` whatever the text, as for a model that is called by its own id and not by a profile's.
    RefuseAll,
    /// HTTP 200 with a page of HTML: a proxy has answered, and not Bedrock.
    Html,
    /// Never answers; ends when the client gives up or the server stops.
    Hang,
}

/// Draws the random faults, in the same order for the same seed.
#[derive(Debug)]
pub(super) struct Dice {
    throttle_rate: f64,
    error_rate: f64,
    random: StdRng,
}

impl Dice {
    pub(super) fn new(throttle_rate: f64, error_rate: f64, seed: u64) -> Self {
        Self { throttle_rate, error_rate, random: StdRng::seed_from_u64(seed) }
    }

    /// What the next request meets, if anything.
    pub(super) fn roll(&mut self) -> Option<Refusal> {
        // Always two draws, so that the errors stay the same when only the throttling rate changes.
        let (throttled, failed) = (self.random.random::<f64>(), self.random.random::<f64>());
        if throttled < self.throttle_rate {
            return Some(throttling());
        }
        if failed >= self.error_rate {
            return None;
        }
        Some(match (failed / self.error_rate * 3.0) as u8 {
            0 => internal_error(),
            1 => Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                "Bedrock is unable to process your request.",
            ),
            _ => Refusal::new(
                StatusCode::FAILED_DEPENDENCY,
                "ModelErrorException",
                "The system encountered an unexpected error during processing. Try your request again.",
            ),
        })
    }
}

pub(super) fn throttling() -> Refusal {
    Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "ThrottlingException",
        "Too many requests, please wait before trying again.",
    )
}

pub(super) fn internal_error() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalServerException",
        "The system encountered an unexpected error during processing. Try your request again.",
    )
}

pub(super) fn access_denied() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
    )
}

pub(super) fn expired_token() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )
}

pub(super) fn malformed_text() -> Refusal {
    Refusal::validation(
        "Malformed input request: expected minLength: 1, actual: 0, please reformat your input and try again.",
    )
}

pub(super) fn no_on_demand_throughput(model_id: &str) -> Refusal {
    Refusal::validation(format!(
        "Invocation of model ID {model_id} with on-demand throughput isn’t supported. Retry your request with the ID or \
         ARN of an inference profile that contains this model."
    ))
}

/// Its words are a guess: what a model says that has no such tier is written nowhere.
pub(super) fn no_such_tier(model_id: &str, tier: &str) -> Refusal {
    Refusal::validation(format!("The service tier {tier} isn't supported for the model {model_id}."))
}

/// What a proxy answers in the place of the service.
pub(super) fn html() -> Html<&'static str> {
    Html("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to use this network.</body></html>")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn faults_come_at_their_rates_and_the_same_for_the_same_seed() {
        let draw = |seed| {
            let mut dice = Dice::new(0.2, 0.3, seed);
            let mut counts = BTreeMap::new();
            for _ in 0..10_000 {
                *counts.entry(dice.roll().map_or("ok", |refusal| refusal.error_type)).or_insert(0) += 1;
            }
            counts
        };
        let counts = draw(7);
        assert_eq!(counts, draw(7));
        assert!((1_900..2_100).contains(&counts["ThrottlingException"]), "{counts:?}");
        for error in ["InternalServerException", "ServiceUnavailableException", "ModelErrorException"] {
            assert!((700..900).contains(&counts[error]), "{counts:?}");
        }
    }

    #[test]
    fn without_rates_nothing_fails() {
        let mut dice = Dice::new(0.0, 0.0, 1);
        assert!((0..1000).all(|_| dice.roll().is_none()));
    }
}
