//! The table of the records, and the bucket for large results.

use futures_util::future::{OptionFuture, join3};

use super::check::{Check, LIMIT, within};
use crate::aws::describe::{self, TableFacts, TimeToLive};
use crate::aws::{Resources, Sdk};
use crate::fault::{Cause, Fault};

pub(super) const TABLE: &str = "results_table";
const TTL: &str = "results_table.ttl";
const BILLING: &str = "results_table.billing";
pub(super) const BUCKET: &str = "results_bucket";
/// Every check of this file, in its order.
pub(super) const IDS: [&str; 4] = [TABLE, TTL, BILLING, BUCKET];

/// The attribute that records expire by.
const EXPIRES_AT: &str = "expires_at";

/// What table and bucket say of themselves.
pub(super) struct Found {
    table: Result<TableFacts, Fault>,
    time_to_live: Result<TimeToLive, Fault>,
    bucket: Option<Result<Option<String>, Fault>>,
}

/// What became of trying them, which shows those that may not be described.
pub(super) struct Tried<'a> {
    pub(super) reads: &'a Result<(), Fault>,
    pub(super) uploads: Option<&'a Result<(), Fault>>,
}

pub(super) async fn look(sdk: &Sdk, resources: &Resources) -> Found {
    let bucket = resources.bucket.as_deref().map(|bucket| within(LIMIT, describe::bucket(sdk, bucket)));
    let (table, time_to_live, bucket) = join3(
        within(LIMIT, describe::table(sdk, &resources.table)),
        within(LIMIT, describe::time_to_live(sdk, &resources.table)),
        OptionFuture::from(bucket),
    )
    .await;
    Found { table, time_to_live, bucket }
}

pub(super) fn judge(resources: &Resources, region: Option<&str>, found: &Found, tried: &Tried<'_>) -> Vec<Check> {
    let table = table(&resources.table, &found.table, tried.reads);
    let is_described = found.table.is_ok() || !table.is_failed();
    let see_table = format!("see `{TABLE}`");
    let ttl = if is_described { time_to_live(&found.time_to_live) } else { Check::skipped(TTL, see_table.clone()) };
    let billing = found.table.as_ref().map_or_else(|_| Check::skipped(BILLING, see_table), billing);
    let bucket = match (&resources.bucket, &found.bucket) {
        (Some(name), Some(found)) => bucket(name, region, found, tried.uploads),
        _ => Check::warning(
            BUCKET,
            "none is set: results above 350 KB are rejected as `result_too_large`",
            "set NEARLINE_RESULTS_BUCKET",
        ),
    };
    vec![table, ttl, billing, bucket]
}

fn table(name: &str, found: &Result<TableFacts, Fault>, reads: &Result<(), Fault>) -> Check {
    let missing = "create the table, or correct NEARLINE_RESULTS_TABLE, the region or the account";
    match (found, reads) {
        (Ok(facts), _) if !facts.is_keyed_by_request_id => Check::failed(
            TABLE,
            format!("{name}: its key is {}", facts.key),
            "create a table whose only key is the partition key `request_id`, a string: keys cannot be changed",
        ),
        (Ok(facts), _) if !facts.is_usable => Check::failed(
            TABLE,
            format!("{name}: its status is {}", facts.status),
            "wait until it is ACTIVE, or repair it",
        ),
        (Ok(facts), _) => Check::ok(TABLE, format!("{name}: {}, key {}", facts.status, facts.key)),
        (Err(denied), Err(missed)) if denied.cause == Cause::AccessDenied && missed.cause == Cause::NotFound => {
            Check::failed_by(TABLE, name, missed, missing)
        }
        (Err(fault), _) if fault.cause == Cause::AccessDenied => Check::not_shown(
            TABLE,
            format!("{name}: describing it is denied; no worker needs it"),
            "grant dynamodb:DescribeTable to those who run doctor",
        ),
        (Err(fault), _) => Check::failed_by(TABLE, name, fault, missing),
    }
}

fn time_to_live(found: &Result<TimeToLive, Fault>) -> Check {
    let fix = "turn TTL on for the attribute `expires_at`";
    match found {
        Ok(TimeToLive { attribute: Some(attribute), is_on: true }) if attribute == EXPIRES_AT => {
            Check::ok(TTL, "on `expires_at`")
        }
        Ok(TimeToLive { attribute: Some(attribute), is_on: true }) => {
            Check::warning(TTL, format!("on `{attribute}`: records are kept, and paid for, for ever"), fix)
        }
        Ok(_) => Check::warning(TTL, "off: records are kept, and paid for, for ever", fix),
        Err(fault) => {
            let fix = "grant dynamodb:DescribeTimeToLive to those who run doctor; no worker needs it";
            Check::not_shown(TTL, fault.text.clone(), fix)
        }
    }
}

fn billing(facts: &TableFacts) -> Check {
    match facts.provisioned {
        None => Check::ok(BILLING, "on demand"),
        Some((read, write)) => Check::warning(
            BILLING,
            format!("provisioned, {read} read and {write} write units a second: jobs beyond that wait and are retried"),
            "bill on demand, or let the units scale with the load",
        ),
    }
}

fn bucket(
    name: &str,
    region: Option<&str>,
    found: &Result<Option<String>, Fault>,
    uploads: Option<&Result<(), Fault>>,
) -> Check {
    let missing = "create the bucket, or correct NEARLINE_RESULTS_BUCKET; it has to be in the region that is called";
    match (found, uploads) {
        (Ok(Some(at)), _) if region.is_some_and(|region| region != at) => {
            Check::failed(BUCKET, format!("{name} is in {at}, calls go to {}", region.unwrap_or_default()), missing)
        }
        (Ok(at), _) => Check::ok(BUCKET, at.as_ref().map_or(name.to_owned(), |at| format!("{name}, in {at}"))),
        (Err(denied), Some(Err(missed))) if denied.cause == Cause::AccessDenied && missed.cause == Cause::NotFound => {
            Check::failed_by(BUCKET, name, missed, missing)
        }
        (Err(fault), _) if fault.cause == Cause::AccessDenied => Check::not_shown(
            BUCKET,
            format!("{name}: {}; writing results does not need s3:ListBucket", fault.text),
            "grant s3:ListBucket on it to those who run doctor",
        ),
        (Err(fault), _) => Check::failed_by(BUCKET, name, fault, missing),
    }
}
