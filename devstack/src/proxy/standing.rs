//! Faults that every call of a kind meets until they are taken back: what an operator has to notice, and to end.

use std::sync::{PoisonError, RwLock};

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use super::call::{Call, Service};

/// What calls meet, and which: all of a service, or those of an operation, or those whose path has a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingFault {
    /// Whose calls.
    pub service: Service,
    /// The operation, as AWS writes it; all of them if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// A part of the path that these calls have, such as a model's id; all of them if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What they meet.
    pub fault: Standing,
}

/// What a call meets for as long as a fault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The service refuses: a permission is missing
    AccessDenied,
    /// The service throttles the call
    Throttle,
    /// The call reaches the service so many milliseconds late
    DelayMs(u64),
}

/// Those that stand now.
#[derive(Debug, Default)]
pub(super) struct StandingFaults(RwLock<Vec<StandingFault>>);

impl StandingFaults {
    pub(super) fn set(&self, faults: Vec<StandingFault>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    pub(super) fn all(&self) -> Vec<StandingFault> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first one that fits.
    pub(super) fn of(&self, call: &Call, uri: &Uri) -> Option<Standing> {
        let faults = self.0.read().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|fault| fault.fits(call, uri)).map(|fault| fault.fault)
    }
}

impl StandingFault {
    fn fits(&self, call: &Call, uri: &Uri) -> bool {
        self.service == call.service
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.path.as_ref().is_none_or(|part| uri.path().contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stands_for_the_calls_that_it_names() {
        let json = r#"[{"service": "dynamodb", "operation": "PutItem", "fault": "throttle"},
            {"service": "bedrock", "path": "/model/us.", "fault": {"delay_ms": 20}}]"#;
        let faults = StandingFaults::default();
        faults.set(serde_json::from_str(json).unwrap());
        let of = |service, operation: &str, path: &'static str| {
            faults.of(&Call { service, operation: operation.into() }, &Uri::from_static(path))
        };
        assert_eq!(of(Service::DynamoDb, "PutItem", "/"), Some(Standing::Throttle));
        assert_eq!(of(Service::DynamoDb, "BatchGetItem", "/"), None);
        assert_eq!(of(Service::Bedrock, "InvokeModel", "/model/us.a/invoke"), Some(Standing::DelayMs(20)));
        assert_eq!(of(Service::Bedrock, "InvokeModel", "/model/a/invoke"), None);
        faults.set(Vec::new());
        assert_eq!(of(Service::DynamoDb, "PutItem", "/"), None);
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        for json in [r#"{"service": "dynamodb", "operations": "PutItem", "fault": "throttle"}"#, r#"{"service": "s3"}"#]
        {
            assert!(serde_json::from_str::<StandingFault>(json).is_err(), "{json}");
        }
    }
}
