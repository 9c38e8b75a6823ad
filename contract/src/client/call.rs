//! Calls that failed, and whether the same call can succeed later.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A call that failed, after the SDK's own attempts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} of {resource} failed: {why}")]
pub struct CallError {
    /// `BatchGetItem`, ...
    pub operation: &'static str,
    /// The queue, table or object.
    pub resource: String,
    /// What the service said, or what stood in the way of asking it.
    pub why: String,
    /// Whether the same call can succeed later: throttling, a fault of the service or of the network. Otherwise somebody
    /// has to change a permission, a name or a setting.
    pub may_pass: bool,
}

impl CallError {
    /// What an error of the SDK means, from a call of `operation` on `resource`.
    pub fn new<E>(operation: &'static str, resource: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        Self { operation, resource: resource.to_owned(), why: why(error), may_pass: may_pass(error) }
    }
}

fn may_pass<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            // Throttling is a 400 of SQS and DynamoDB. What has no code is not from the service.
            let refused = service.err().code().is_some_and(|code| {
                !["Throttl", "LimitExceeded", "ThroughputExceeded", "OverLimit"].iter().any(|word| code.contains(word))
            });
            !(refused && (400..500).contains(&status) && status != 408 && status != 429)
        }
        _ => true, // no answer came
    }
}

/// The service's code and message, or the chain of causes.
fn why<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    if let Some(code) = error.code() {
        return error.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    }
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.dedup();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemError;

    use super::*;

    fn error(status: u16, code: Option<&str>) -> CallError {
        let mut metadata = ErrorMetadata::builder().message("because");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = SdkError::service_error(BatchGetItemError::generic(metadata.build()), response);
        CallError::new("BatchGetItem", "t", &error)
    }

    #[test]
    fn throttling_and_faults_of_the_service_may_pass_and_refusals_do_not() {
        for (status, code) in [
            (400, "ProvisionedThroughputExceededException"),
            (400, "ThrottlingException"),
            (400, "RequestLimitExceeded"),
            (403, "RequestThrottled"),
            (429, "TooMany"),
            (500, "InternalServerError"),
        ] {
            assert!(error(status, Some(code)).may_pass, "{code}");
        }
        assert!(error(200, None).may_pass, "a page of HTML of somebody on the way");
        for code in ["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"] {
            assert!(!error(400, Some(code)).may_pass, "{code}");
        }
        let said = error(400, Some("AccessDeniedException")).to_string();
        assert_eq!(said, "BatchGetItem of t failed: AccessDeniedException: because");
        let silent: SdkError<BatchGetItemError, HttpResponse> = SdkError::timeout_error("too slow");
        let silent = CallError::new("BatchGetItem", "t", &silent);
        assert_eq!((silent.why.as_str(), silent.may_pass), ("request has timed out: too slow", true));
    }
}
