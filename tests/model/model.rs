//! What must hold when all is quiet, whatever failed before: the promise, sentence by sentence.

use std::collections::{BTreeMap, BTreeSet};

use nearline_contract::{ErrorCode, ReceivedJob, RecordCode, RecordError, ResultRecord, Status, receive};

use crate::end::End;
use crate::jobs::{Form, Sent};

/// Every way in which a world breaks the promise.
pub(crate) fn broken(end: &End<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if end.left > 0 {
        faults.push(format!("stuck: {} messages never ended", end.left));
    }
    for sent in end.sent.iter().filter(|sent| !sent.direct) {
        // Two messages of one job may end differently, and so may two deliveries between which its record expired.
        let twice = end.records_expire || end.sent.iter().filter(|other| other.body == sent.body).count() > 1;
        let codes: BTreeSet<&str> =
            end.letters.iter().filter(|(body, _)| *body == sent.body).map(|(_, code)| code.as_str()).collect();
        let job = receive(&sent.body).ok();
        let of_id = |record: &&ResultRecord| job.as_ref().is_some_and(|job| job.request_id == record.request_id);
        let records: Vec<&ResultRecord> = end.writes.iter().map(|(_, record)| record).filter(of_id).collect();
        let is_own = |record: &&ResultRecord| job.as_ref().is_some_and(|job| job.sha256 == record.job_sha256);
        let only = |code: &str| codes == BTreeSet::from([code]);
        let fault = match sent.form {
            Form::Unreadable(code) => (!only(code.as_str())).then_some("wrong reason"),
            _ if records.iter().any(is_own) => (!codes.is_empty() && !twice).then_some("doubled: record and letter"),
            _ if !records.is_empty() && codes.contains("request_id_conflict") => None,
            _ => (!only("attempts_exhausted")).then_some("lost: no record and no dead letter"),
        };
        if let Some(fault) = fault {
            faults.push(format!("{fault}: {} {codes:?}", sent.body));
        }
    }
    for (body, code) in &end.letters {
        if !end.sent.iter().any(|sent| sent.body == *body) {
            faults.push(format!("invented: {body} {code}"));
        }
    }
    let mut first: BTreeMap<&str, &ResultRecord> = BTreeMap::new();
    for (now, record) in &end.writes {
        let older = first.insert(&record.request_id, record);
        if older.is_some_and(|older| !may_replace(older, record, *now)) {
            faults.push(format!("overwritten: {record:?}"));
        }
        let is_job = |sent: &&Sent| receive(&sent.body).is_ok_and(|job| job.sha256 == record.job_sha256);
        match end.sent.iter().find(is_job) {
            Some(sent) => faults.extend(wrong(end, record, sent).map(|why| format!("wrong: {why}: {record:?}"))),
            None => faults.push(format!("invented: {record:?}")),
        }
    }
    for (job, answer) in &end.answers {
        let record: Option<ResultRecord> = serde_json::from_slice(answer).ok();
        if !end.writes.iter().any(|(_, written)| record.as_ref() == Some(written)) {
            faults.push(format!("wrong: a direct answer that is no record: {job}"));
        }
    }
    faults
}

/// An expired record may be replaced, and one that another catalog may answer by that job with that catalog.
fn may_replace(older: &ResultRecord, record: &ResultRecord, now: i64) -> bool {
    let again = older.job_sha256 == record.job_sha256 && older.catalog_version != record.catalog_version;
    older.expires_at < now || again && older.error.as_ref().is_some_and(|error| error.retryable)
}

/// Why a record does not answer its job.
fn wrong(end: &End<'_>, record: &ResultRecord, sent: &Sent) -> Option<&'static str> {
    let received: ReceivedJob = receive(&sent.body).ok()?;
    let expected = match (sent.form, &received.job) {
        (Form::Valid, Ok(job)) => match end.catalogs.answer(&record.catalog_version, job) {
            Some(expected) => expected,
            None => return Some("a catalog that was never published"),
        },
        (Form::Invalid(code), _) => Err(code),
        (Form::Poison, _) => Err(ErrorCode::TextRefused),
        _ => return Some("no record can answer it"),
    };
    let uploaded = |uri| serde_json::from_slice(end.uploads.get(uri)?).ok();
    let results = record.results.clone().or_else(|| uploaded(record.results_uri.as_ref()?));
    let found = match (record.status, results, &record.error) {
        (Status::Succeeded, Some(results), None) => Ok(results),
        (Status::Rejected, None, Some(RecordError { code: RecordCode::Known(code), .. })) => Err(*code),
        _ => return Some("neither results nor an error"),
    };
    if matches!(&received.job, Ok(job) if job.not_after.is_some()) && found == Err(ErrorCode::Expired) {
        return None; // the clock may have been stepped since it was looked at
    }
    (found != expected || record.metadata != received.metadata).then_some("another answer")
}
