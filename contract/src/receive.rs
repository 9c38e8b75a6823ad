//! From the body of a message to a job, with every rule checked that needs no catalog.
//!
//! A body that no record can answer (an `Err`) is told from a job that gets a rejected record. The hash and the
//! metadata are there for both kinds of job, as their records need them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::envelope;
use crate::error::{ErrorCode, JobError};
use crate::fields::Fields;
use crate::hash;
use crate::job::{SearchJob, TITLE};
use crate::limits::{JOB_VERSION, REQUEST_ID_MAX_CHARS, TOP_K_DEFAULT};

/// A message whose record can be written, whatever the job in it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedJob {
    /// Key of the record.
    pub request_id: String,
    /// Identity of the job, see [`hash::job_sha256`].
    pub sha256: String,
    /// Metadata for the record; empty if the job's own is not valid.
    pub metadata: BTreeMap<String, String>,
    /// The job, or why it cannot be run.
    pub job: Result<SearchJob, Refusal>,
}

/// Why a received job is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The job breaks a rule: its record says which.
    Invalid(JobError),
    /// A `version` above [`JOB_VERSION`]: left on the queue for a newer worker.
    NewerVersion(u64),
}

/// Reads the body of a message.
///
/// # Errors
/// [`ErrorCode::InvalidJson`] or [`ErrorCode::InvalidRequestId`]: no record can be written for such a body.
pub fn receive(body: &str) -> Result<ReceivedJob, JobError> {
    let invalid_json = |error: serde_json::Error| {
        let why = envelope::name_text(body).map_or_else(|| error.to_string(), str::to_owned);
        JobError::new(ErrorCode::InvalidJson, format!("the message is not a JSON job: {why}"))
    };
    let value = hash::parse_unique(body).map_err(invalid_json)?;
    let Value::Object(object) = &value else {
        return Err(JobError::new(ErrorCode::InvalidJson, envelope::name_other(&value)));
    };
    let request_id = request_id(object)?;
    let sha256 = hash::job_sha256(&value).map_err(invalid_json)?;
    let fields = Fields::new(object, body);
    let metadata = fields.metadata().unwrap_or_default();
    let job = match fields.version() {
        Ok(version) if version > JOB_VERSION => Err(Refusal::NewerVersion(version)),
        Ok(_) => read_job(request_id.clone(), &fields).map_err(Refusal::Invalid),
        Err(error) => Err(Refusal::Invalid(error)),
    };
    Ok(ReceivedJob { request_id, sha256, metadata, job })
}

fn request_id(object: &Map<String, Value>) -> Result<String, JobError> {
    let invalid = |was: &str| {
        let message = format!("request_id must be 1 to {REQUEST_ID_MAX_CHARS} visible ASCII characters, {was}");
        JobError::new(ErrorCode::InvalidRequestId, message)
    };
    match object.get("request_id") {
        None | Some(Value::Null) => Err(match envelope::name(object) {
            Some(what) => JobError::new(ErrorCode::InvalidRequestId, format!("request_id is missing: {what}")),
            None => invalid("was missing"),
        }),
        Some(Value::String(id)) if id.is_empty() => Err(invalid("was empty")),
        Some(Value::String(id)) if !id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(invalid("had a space, a control character or a non-ASCII character"))
        }
        Some(Value::String(id)) if id.len() > REQUEST_ID_MAX_CHARS => Err(invalid(&format!("had {}", id.len()))),
        Some(Value::String(id)) => Ok(id.clone()),
        Some(_) => Err(invalid("was not a string")),
    }
}

fn read_job(request_id: String, fields: &Fields<'_>) -> Result<SearchJob, JobError> {
    fields.check_names()?;
    let mut returned = fields.return_columns()?;
    let return_title = returned.iter().any(|name| name == TITLE);
    returned.retain(|name| name != TITLE);
    Ok(SearchJob {
        request_id,
        target: fields.target()?,
        top_k: fields.top_k()?.unwrap_or(TOP_K_DEFAULT),
        categories: fields.categories()?,
        group_by: fields.group_by()?.unwrap_or_default(),
        min_score: fields.min_score()?,
        exclude: fields.exclude()?.unwrap_or_default(),
        filter: fields.filter()?,
        return_title,
        return_attributes: returned,
        metadata: fields.metadata()?,
        not_after: fields.not_after()?,
    })
}

#[cfg(test)]
mod tests;
