//! The function as Lambda sees it: who it is, how much one invocation may carry, and why one has no answer.

use std::time::Duration;

use aws_config::SdkConfig;
use serde_json::json;

/// An event or an answer may have 6 MB.
pub(super) const PAYLOAD_LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// The name for direct invocations.
pub const FUNCTION_NAME: &str = "nearline";

/// Why an invocation has no answer. On AWS this is an answer with `X-Amz-Function-Error`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The function said so itself.
    #[error("the function returned an error: {payload}")]
    Unhandled {
        /// The JSON that it reported.
        payload: String,
    },
    /// The deadline passed; the function may still be working on it.
    #[error("invocation {request_id} timed out after {} s", timeout.as_secs_f64())]
    TimedOut {
        /// The invocation.
        request_id: String,
        /// The function timeout.
        timeout: Duration,
    },
    /// The process ended in the middle of it.
    #[error("invocation {request_id}: the runtime exited: {reason}")]
    Exited {
        /// The invocation.
        request_id: String,
        /// How it ended.
        reason: String,
    },
    /// All slots stayed taken. On AWS a direct caller hears of it by HTTP status 429.
    #[error("no slot of the function became free within {} s", waited.as_secs_f64())]
    Throttled {
        /// How long it waited.
        waited: Duration,
    },
    /// The answer is larger than Lambda passes on.
    #[error("the response of {bytes} bytes is larger than {PAYLOAD_LIMIT_BYTES}")]
    ResponseTooLarge {
        /// The answer's size.
        bytes: usize,
    },
}

impl FunctionError {
    pub(super) fn exited(request_id: &str, reason: &str) -> Self {
        Self::Exited { request_id: request_id.into(), reason: reason.into() }
    }

    /// The JSON that Lambda answers with.
    pub fn payload(&self) -> String {
        let (error_type, message) = match self {
            Self::Unhandled { payload } => return payload.clone(),
            Self::TimedOut { request_id, timeout } => (
                "Sandbox.Timedout",
                format!("RequestId: {request_id} Error: Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            ),
            Self::Exited { request_id, reason } => {
                ("Runtime.ExitError", format!("RequestId: {request_id} Error: Runtime exited with error: {reason}"))
            }
            Self::Throttled { .. } => ("TooManyRequestsException", "Rate Exceeded.".into()),
            Self::ResponseTooLarge { bytes } => (
                "Function.ResponseSizeTooLarge",
                format!(
                    "Response payload size ({bytes} bytes) exceeded maximum allowed ({PAYLOAD_LIMIT_BYTES} bytes)."
                ),
            ),
        };
        json!({"errorType": error_type, "errorMessage": message}).to_string()
    }
}

/// The function's identity, as Lambda would report it.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) arn: String,
    pub(super) account: String,
}

impl Function {
    pub(super) fn new(sdk: &SdkConfig, queue_url: &str) -> Self {
        let region = sdk.region().map_or("us-east-1", |region| region.as_ref());
        // A queue's URL ends in /ACCOUNT/NAME.
        let account = queue_url.rsplit('/').nth(1).filter(|account| account.len() == 12).unwrap_or("000000000000");
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{FUNCTION_NAME}:1");
        // A published version: Managed Instances run nothing else.
        Self { name: FUNCTION_NAME, version: "1", arn, account: account.into() }
    }

    /// A name, with or without a qualifier, or an ARN.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let name = name.strip_prefix("arn:aws:lambda:").map_or(name, |arn| arn.splitn(4, ':').nth(3).unwrap_or(arn));
        name.split(':').next() == Some(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_answers_to_its_name_in_all_forms() {
        let sdk = SdkConfig::builder().build();
        let function = Function::new(&sdk, "http://127.0.0.1:4566/123456789012/jobs");
        assert_eq!(function.arn, "arn:aws:lambda:us-east-1:123456789012:function:nearline:1");
        for name in ["nearline", "nearline:1", "nearline:live", &function.arn] {
            assert!(function.is_named(name), "{name}");
        }
        assert!(!function.is_named("other"));
        assert!(!function.is_named("arn:aws:lambda:us-east-1:123456789012:function:other"));
    }

    #[test]
    fn a_timeout_is_worded_as_lambdas() {
        let error = FunctionError::TimedOut { request_id: "r".into(), timeout: Duration::from_secs(3) };
        let payload: serde_json::Value = serde_json::from_str(&error.payload()).unwrap();
        assert_eq!(payload["errorMessage"], "RequestId: r Error: Task timed out after 3.00 seconds");
    }
}
