//! One thing that was looked at: what was found, and how to fix it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::time::timeout;

use super::super::colour::{BAD, GOOD, QUIET, WARNING, paint};
use crate::fault::{Cause, Fault};

/// Longest wait for the answers of one check: the SDK's own attempts are over by then unless nobody answers.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// What a check came to. The names are stable: they stand in `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// As it must be.
    Ok,
    /// It works, but not as well as it should, or not for long.
    Warning,
    /// Jobs will not be answered.
    Failed,
    /// What it depends on failed, or is not used.
    Skipped,
    /// Nothing harmless shows it.
    NotShown,
}

/// One check. The id is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) status: Status,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Check {
    fn new(id: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self { id, status, found: found.into(), fix: None }
    }

    pub(super) fn ok(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, Status::Ok, found)
    }

    pub(super) fn warning(id: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(id, Status::Warning, found) }
    }

    pub(super) fn failed(id: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(id, Status::Failed, found) }
    }

    pub(super) fn skipped(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, Status::Skipped, why)
    }

    pub(super) fn not_shown(id: &'static str, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..Self::new(id, Status::NotShown, why) }
    }

    /// Failed by a fault; `fix` is for those that only say what is wrong with `what`.
    pub(super) fn failed_by(id: &'static str, what: &str, fault: &Fault, fix: impl Into<String>) -> Self {
        let found = if what.is_empty() { fault.text.clone() } else { format!("{what}: {}", fault.text) };
        let fix = match fault.cause {
            Cause::TimedOut | Cause::Unreachable | Cause::InvalidAnswer => {
                "check the network: routes, VPC endpoints and their policies, proxies, AWS_ENDPOINT_URL".to_owned()
            }
            Cause::Throttled => "try again; if it persists, request a higher quota".to_owned(),
            Cause::Unavailable => "try again; if it persists, check the AWS Health Dashboard".to_owned(),
            _ => fix.into(),
        };
        Self::failed(id, found, fix)
    }

    pub(super) fn is_failed(&self) -> bool {
        self.status == Status::Failed
    }

    /// A line for people, and one below it for the fix.
    pub(super) fn to_text(&self) -> String {
        let (status, style) = match self.status {
            Status::Ok => ("ok", GOOD),
            Status::Warning => ("warning", WARNING),
            Status::Failed => ("FAILED", BAD),
            Status::Skipped => ("skipped", QUIET),
            Status::NotShown => ("not shown", QUIET),
        };
        let status = paint(style, &format!("{status:<9}"));
        let fix = self.fix.as_ref().map_or(String::new(), |fix| format!("\n{:43}-> {fix}", ""));
        format!("{status}  {:<30}  {}{fix}", self.id, self.found)
    }
}

/// Waits no longer than a check may take. On the heap: the SDK's futures are large, and many wait together.
///
/// # Errors
/// The call's own, or that nobody answered.
pub(super) fn within<'a, T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Fault>> + Send + 'a,
) -> BoxFuture<'a, Result<T, Fault>> {
    let call = Box::pin(call);
    let late = move || Fault::new(Cause::TimedOut, format!("no answer within {} s", limit.as_secs()));
    Box::pin(async move { timeout(limit, call).await.unwrap_or_else(|_| Err(late())) })
}
