//! The kinds of faults, and which calls can meet which.

use std::fmt;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

use super::call::{Call, Service};

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
#[non_exhaustive]
pub enum FaultKind {
    /// The call reaches the service late
    DelayBefore,
    /// The answer arrives late
    DelayAfter,
    /// The connection is reset, and nothing has happened
    ResetBefore,
    /// The connection is reset after the call has taken effect
    ResetAfter,
    /// A 500 or 503 of the service, and nothing has happened
    Error,
    /// A 500 or 503 of the service after the call has taken effect
    ErrorAfter,
    /// The service throttles the call
    Throttle,
    /// The answer's body ends before the length that its head promises
    TruncatedBody,
    /// The answer's body arrives in small pieces with pauses
    SlowBody,
    /// Something in between answers 200 with a page of HTML
    Html,
    /// SQS ReceiveMessage: one of the messages is visible again at once, so that it is delivered twice
    Redelivery,
    /// SQS batch calls: one entry fails
    FailedEntry,
    /// DynamoDB BatchGetItem: some keys are left unprocessed
    UnprocessedKeys,
}

impl FaultKind {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Whether this can happen to a call of this operation.
    pub(super) fn fits(self, call: &Call) -> bool {
        match self {
            Self::Redelivery => call.is(Service::Sqs, "ReceiveMessage"),
            Self::FailedEntry => call.has_entries(),
            Self::UnprocessedKeys => call.is(Service::DynamoDb, "BatchGetItem"),
            Self::TruncatedBody | Self::SlowBody => !call.operation.starts_with("Head"),
            _ => true,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no kind is skipped").get_name())
    }
}

impl Serialize for FaultKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
