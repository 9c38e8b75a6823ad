//! Whose credentials sign the calls, and whether AWS takes them at all.

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::error::SdkError;

use super::client::Sdk;
use super::errors::{fault, is_of_credentials};
use crate::fault::{Call, Cause, Fault};

/// What a service says of the one who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Who it is: an ARN, or words if it only said that it takes the signature.
    Known(String),
    /// The credentials are refused, or there are none: no call can work.
    Refused(Fault),
    /// It said nothing about them.
    Unknown(Fault),
}

impl Caller {
    fn of<E>(error: &SdkError<E>, call: Call) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let fault = fault(error, call);
        let is_refused = is_of_credentials(error) || fault.cause == Cause::CredentialsExpired;
        if is_refused { Self::Refused(fault) } else { Self::Unknown(fault) }
    }
}

/// Asks STS, which tells everyone who they are: no policy of the caller's can forbid it.
pub async fn caller(sdk: &Sdk) -> Caller {
    match sdk.sts().get_caller_identity().send().await {
        Ok(answer) => Caller::Known(answer.arn.unwrap_or_else(|| "STS gives no name for them".to_owned())),
        Err(error) => Caller::of(&error, Call::new("STS", "GetCallerIdentity", "")),
    }
}

/// Asks a queue, for where STS cannot be reached: a network without a way out may have no endpoint for it.
pub async fn taken_by_sqs(sdk: &Sdk, queue_url: &str) -> Caller {
    match sdk.sqs().get_queue_attributes().queue_url(queue_url).send().await {
        Ok(_) => Caller::Known("SQS takes them".to_owned()),
        Err(error) => match Caller::of(&error, Call::new("SQS", "GetQueueAttributes", queue_url)) {
            // Who may not do this is known.
            Caller::Unknown(fault) if fault.cause == Cause::AccessDenied => Caller::Known("SQS knows them".to_owned()),
            other => other,
        },
    }
}
