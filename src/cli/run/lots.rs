//! What becomes of each line of a run: which lines are one job, and which cannot have a record.
//!
//! Pure. A line that no record can answer is not sent; the same job twice is sent once; of different jobs under one
//! request id only the first one is sent, as a worker would answer no other.

use std::collections::HashMap;

use nearline_contract::lines::Place;
use nearline_contract::{ErrorCode, receive};
use serde::Serialize;

use super::super::jobs;
use super::super::sending;

/// A job that is sent, or would have been.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) request_id: String,
    pub(super) sha256: String,
    pub(super) body: String,
}

/// What a line has instead of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Failed {
    pub(super) request_id: Option<String>,
    pub(super) status: &'static str,
    pub(super) error: FailedError,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FailedError {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) retryable: bool,
}

impl Failed {
    pub(super) fn new(request_id: Option<&str>, code: &'static str, message: impl Into<String>) -> Self {
        let error = FailedError { code, message: message.into(), retryable: false };
        Self { request_id: request_id.map(str::to_owned), status: "FAILED", error }
    }

    pub(super) fn conflict(request_id: &str) -> Self {
        let message = format!("the request_id `{request_id}` already belongs to another job");
        Self::new(Some(request_id), ErrorCode::RequestIdConflict.as_str(), message)
    }
}

/// A line of the output to be.
#[derive(Debug)]
pub(super) enum Lot {
    /// The record of the job of this number.
    Job(usize),
    /// The same, if it is the record of this job: another one under the same request id was sent.
    Rival { number: usize, sha256: String },
    /// No record.
    Failed(Failed),
}

/// The lots of the lines, in their order, and the jobs that they name.
pub(super) fn sort_out(lines: Vec<jobs::Job>, most_bytes: usize) -> (Vec<Lot>, Vec<Job>) {
    let (mut lots, mut all) = (Vec::with_capacity(lines.len()), Vec::<Job>::new());
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for jobs::Job { place, body } in lines {
        let (request_id, sha256) = match receive(&body) {
            Ok(received) => (received.request_id, received.sha256),
            Err(error) => {
                lots.push(Lot::Failed(Failed::new(None, error.code.as_str(), error.message)));
                continue;
            }
        };
        if let Some(why) = sending::unsendable(&body, most_bytes) {
            lots.push(Lot::Failed(Failed::new(Some(&request_id), "not_sent", why)));
            continue;
        }
        match by_id.get(&request_id) {
            Some(&first) if all[first].sha256 == sha256 => lots.push(Lot::Job(first)),
            Some(&number) => lots.push(Lot::Rival { number, sha256 }),
            None => {
                by_id.insert(request_id.clone(), all.len());
                lots.push(Lot::Job(all.len()));
                all.push(Job { place, request_id, sha256, body });
            }
        }
    }
    (lots, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_lot_and_each_job_is_there_once() {
        let bodies = [
            r#"{"request_id":"a","query":"x"}"#,
            "nope",
            r#"{"request_id":"b","top_k":0}"#,
            r#"{"query":"x", "request_id":"a"}"#,
            r#"{"request_id":"a","query":"y"}"#,
            r#"{"query":"y"}"#,
            "{\"request_id\":\"c\",\"query\":\"\u{ffff}\"}",
        ];
        let lines = bodies.iter().enumerate().map(|(index, body)| jobs::Job {
            place: Place { line: index + 1, element: None },
            body: (*body).to_owned(),
        });
        let (lots, jobs) = sort_out(lines.collect(), 100);
        let said: Vec<String> = lots
            .iter()
            .map(|lot| match lot {
                Lot::Job(number) => format!("{} of line {}", jobs[*number].request_id, jobs[*number].place.line),
                Lot::Rival { number, .. } => format!("rival of line {}", jobs[*number].place.line),
                Lot::Failed(failed) => {
                    format!("{} {}", failed.request_id.as_deref().unwrap_or("-"), failed.error.code)
                }
            })
            .collect();
        let expected = [
            "a of line 1",
            "- invalid_json",
            "b of line 3",
            "a of line 1",
            "rival of line 1",
            "- invalid_request_id",
            "c not_sent",
        ];
        assert_eq!(said, expected);
        assert_eq!(jobs.len(), 2);
    }
}
