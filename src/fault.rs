//! What went wrong outside, classified once: worth another attempt, for an operator to fix, or the fault of one job.
//!
//! Every call to a service ends in a [`Fault`]; nothing further up looks at status codes or texts again. [`Cause`] is
//! for programs (logs, metrics, decisions), the text for people.

use std::fmt;
use std::time::Duration;

/// What a fault means for the message whose work met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The message stays on the queue and comes back after a back-off that grows.
    Retry,
    /// The message waits as long as it may, and is never given up: an operator has to act.
    Permanent,
    /// A service refuses this one job: as [`Kind::Retry`], but it says nothing about other jobs.
    JobRefused,
}

/// Why a call failed. The names are stable: they stand in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The service, or a limit of it, asks for fewer calls.
    Throttled,
    /// No answer came in time, or the deadline came while a call was under way.
    TimedOut,
    /// There was no connection, or it broke.
    Unreachable,
    /// The service failed by its own account.
    Unavailable,
    /// An answer that is not the service's, or lacks what the service always sends.
    InvalidAnswer,
    /// Credentials have expired, or nothing gives any; newer ones are fetched.
    CredentialsExpired,
    /// The caller may not do this.
    AccessDenied,
    /// A queue, table, bucket, key or model does not exist.
    NotFound,
    /// The service does not take the request.
    Refused,
    /// The client cannot make the call: a setting, a region, an endpoint, or a model of another shape.
    Misconfigured,
    /// The deadline came before a service was called: the work only waited for its turn.
    NotStarted,
    /// The answer depends on a catalog that this process may not have seen yet.
    CatalogUnseen,
    /// A job of a newer version than this worker knows.
    NewerVersion,
    /// A part of this process failed.
    Internal,
}

impl Cause {
    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::InvalidAnswer => "invalid_answer",
            Self::CredentialsExpired => "credentials_expired",
            Self::AccessDenied => "access_denied",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Misconfigured => "misconfigured",
            Self::NotStarted => "not_started",
            Self::CatalogUnseen => "catalog_unseen",
            Self::NewerVersion => "newer_version",
            Self::Internal => "internal",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Throttled
            | Self::TimedOut
            | Self::Unreachable
            | Self::Unavailable
            | Self::InvalidAnswer
            | Self::CredentialsExpired
            | Self::NotStarted
            | Self::CatalogUnseen
            | Self::NewerVersion
            | Self::Internal => Kind::Retry,
            Self::AccessDenied | Self::NotFound | Self::Refused | Self::Misconfigured => Kind::Permanent,
        }
    }
}

/// A call to a service: which, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The service, as AWS writes it: `SQS`.
    pub service: &'static str,
    /// The operation, as AWS writes it: `ReceiveMessage`.
    pub operation: &'static str,
    /// Queue, table, object or model.
    pub target: String,
}

impl Call {
    /// A call of an operation on a target.
    pub fn new(service: &'static str, operation: &'static str, target: impl Into<String>) -> Self {
        Self { service, operation, target: target.into() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.service, self.operation, self.target)
    }
}

/// A failure of something nearline depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What it means.
    pub kind: Kind,
    /// Why, for programs.
    pub cause: Cause,
    /// The call that failed; `None`: a part of this process.
    pub call: Option<Call>,
    /// Why, for people: the service's code and message, or the chain of causes.
    pub text: String,
    /// How long the work would have to wait for its turn, if that is known.
    pub wait: Option<Duration>,
}

impl Fault {
    /// A fault of a part of this process, or one that stands for no single call.
    pub fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { kind: cause.kind(), cause, call: None, text: text.into(), wait: None }
    }

    /// A fault of a call.
    pub fn of(call: Call, cause: Cause, text: impl Into<String>) -> Self {
        Self { call: Some(call), ..Self::new(cause, text) }
    }

    /// Work that has not begun, as its turn comes after the deadline: in about so long.
    pub fn wait(text: impl Into<String>, wait: Duration) -> Self {
        Self { wait: Some(wait), ..Self::new(Cause::NotStarted, text) }
    }

    /// The same fault, as one of the job that the call was made for, if it is the request that was refused.
    #[must_use]
    pub fn of_job(mut self) -> Self {
        if self.cause == Cause::Refused {
            self.kind = Kind::JobRefused;
        }
        self
    }

    /// The same fault, with what was being done in front.
    #[must_use]
    pub fn context(mut self, doing: &str) -> Self {
        self.text = format!("{doing}: {self}");
        self.call = None;
        self
    }

    /// Whether an operator has to act.
    pub fn is_permanent(&self) -> bool {
        self.kind == Kind::Permanent
    }

    /// Whether another attempt may succeed without anybody's help.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Retry
    }

    /// Whether a command that a person has started does well to wait: a worker gets new credentials in time, a person has
    /// to fetch them.
    pub fn may_pass(&self) -> bool {
        self.is_transient() && self.cause != Cause::CredentialsExpired
    }

    /// Whether the work was attempted: waiting for a turn, a deadline or a check of the catalog is not an attempt, and what
    /// an operator has to fix is nothing that more attempts would change.
    pub fn is_attempt(&self) -> bool {
        match self.kind {
            Kind::Retry => !matches!(self.cause, Cause::NotStarted | Cause::CatalogUnseen),
            Kind::JobRefused => true,
            Kind::Permanent => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            Some(call) => write!(f, "{call}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for Fault {}
