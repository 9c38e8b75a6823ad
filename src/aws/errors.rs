//! What an error of the SDK means: the only place that knows error codes and status codes.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::fault::{Call, Cause, Fault};

/// Codes of services, by what they mean. Others mean what their status says.
const CODES: &[(Cause, &[&str])] = &[
    (
        Cause::Throttled,
        &[
            "BandwidthLimitExceeded",
            "KMS.ThrottlingException",
            "KmsThrottled",
            "LimitExceededException",
            "OverLimit",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "ReplicatedWriteConflictException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "ServiceQuotaExceededException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "TransactionConflictException",
        ],
    ),
    (Cause::TimedOut, &["ModelTimeoutException", "RequestTimeout", "RequestTimeoutException"]),
    (
        Cause::Unavailable,
        &[
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "ModelErrorException",
            "ModelNotReadyException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
    (Cause::CredentialsExpired, &["ExpiredToken", "ExpiredTokenException", "RequestExpired"]),
    (
        Cause::AccessDenied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AllAccessDisabled",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidSignatureException",
            "InvalidToken",
            "KMS.AccessDeniedException",
            "KMSAccessDeniedException",
            "KmsAccessDenied",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "OptInRequired",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ],
    ),
    (
        Cause::NotFound,
        &[
            "AWS.SimpleQueueService.NonExistentQueue",
            "KMS.NotFoundException",
            "KmsNotFound",
            "NoSuchBucket",
            "NoSuchKey",
            "NotFound",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
        ],
    ),
    (Cause::Misconfigured, &["AuthorizationHeaderMalformed", "InvalidAddress", "InvalidEndpoint", "PermanentRedirect"]),
];

/// Codes that say who signs is not known, or signs wrongly: no call of theirs is answered, whatever they may do.
const OF_CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Whether a call failed because of the credentials themselves, or because there are none.
pub(super) fn is_of_credentials<E>(error: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => service.err().code().is_some_and(|code| OF_CREDENTIALS.contains(&code)),
        SdkError::DispatchFailure(_) => lacks_credentials(error),
        _ => false,
    }
}

/// Whether a write by condition was refused for its condition: somebody else wrote, is writing (409), or deleted.
pub(super) fn condition_fails<E>(error: &SdkError<E>) -> bool
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(service) = error else { return false };
    let code = service.err().code();
    matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey"))
        || code.is_none() && service.raw().status().as_u16() == 412
}

/// The fault of a call.
pub(super) fn fault<E>(error: &SdkError<E>, call: Call) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(service) = error else { return Fault::of(call, cause_of(error), chain(error)) };
    let (code, message, status) = (service.err().code(), service.err().message(), service.raw().status().as_u16());
    let text = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        // The answer to a HEAD has no body to say more.
        (None, _) => match status {
            403 => "HTTP status 403: access denied".to_owned(),
            301 => "HTTP status 301: it is in another region".to_owned(),
            status => format!("HTTP status {status}"),
        },
    };
    let cause = code.and_then(cause_of_code).unwrap_or_else(|| {
        let has_body = !call.operation.starts_with("Head");
        cause_of_status(status, code.is_some() || !has_body)
    });
    Fault::of(call, cause, text)
}

/// The fault of one entry of a batch.
pub(super) fn entry_fault(call: Call, code: &str, message: Option<&str>, sender_fault: bool) -> Fault {
    let otherwise = if sender_fault { Cause::Refused } else { Cause::Unavailable };
    let text = message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}"));
    Fault::of(call, cause_of_code(code).unwrap_or(otherwise), text)
}

fn cause_of_code(code: &str) -> Option<Cause> {
    CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(cause, _)| *cause)
}

/// What a status means when the code says nothing. `genuine`: the service gave a code, or could not.
fn cause_of_status(status: u16, genuine: bool) -> Cause {
    match status {
        408 => Cause::TimedOut,
        429 => Cause::Throttled,
        424 | 500.. => Cause::Unavailable,
        // A success that could not be read, or a refusal without a reason: somebody on the way.
        200..=299 => Cause::InvalidAnswer,
        _ if !genuine => Cause::InvalidAnswer,
        401 | 403 => Cause::AccessDenied,
        404 => Cause::NotFound,
        301 | 307 => Cause::Misconfigured,
        _ => Cause::Refused,
    }
}

/// What an error means that is not a service's answer.
fn cause_of<E>(error: &SdkError<E>) -> Cause
where
    E: std::error::Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => Cause::Misconfigured,
        SdkError::TimeoutError(_) => Cause::TimedOut,
        SdkError::DispatchFailure(_) if lacks_credentials(error) => Cause::CredentialsExpired,
        SdkError::DispatchFailure(failure) if failure.is_user() => Cause::Misconfigured,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Cause::TimedOut,
        SdkError::DispatchFailure(_) => Cause::Unreachable,
        SdkError::ResponseError(_) => Cause::InvalidAnswer,
        // The enum is not exhaustive.
        _ => Cause::Internal,
    }
}

/// Whether a request could not be signed because nothing gave credentials for it.
fn lacks_credentials(error: &Chained) -> bool {
    causes(error).any(<Chained>::is::<CredentialsError>)
}

/// An error with the chain of its causes.
pub(super) fn chain(error: &Chained) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

type Chained = dyn std::error::Error + 'static;

/// An error, its cause, and so on.
fn causes(error: &Chained) -> impl Iterator<Item = &Chained> {
    std::iter::successors(Some(error), |error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_are_refused_are_for_an_operator_or_for_newer_ones() {
        for code in OF_CREDENTIALS {
            let cause = cause_of_code(code);
            assert!(matches!(cause, Some(Cause::AccessDenied | Cause::CredentialsExpired)), "{code}: {cause:?}");
        }
    }
}
