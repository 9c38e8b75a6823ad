//! What a worker may do, action by action, shown without changing anything.

use futures_util::future::{OptionFuture, join, join5};

use super::catalog::Seen;
use super::check::{Check, LIMIT, within};
use super::{catalog, queues, records};
use crate::aws::{Resources, Sdk, probe};
use crate::fault::{Cause, Fault};

const GET_ATTRIBUTES: &str = "sqs:GetQueueAttributes";
const RECEIVE: &str = "sqs:ReceiveMessage";
const DELETE: &str = "sqs:DeleteMessage";
const CHANGE_VISIBILITY: &str = "sqs:ChangeMessageVisibility";
const SEND: &str = "sqs:SendMessage";
const BATCH_GET_ITEM: &str = "dynamodb:BatchGetItem";
const GET_ITEM: &str = "dynamodb:GetItem";
const PUT_ITEM: &str = "dynamodb:PutItem";
const GET_OBJECT: &str = "s3:GetObject";
const PUT_OBJECT: &str = "s3:PutObject";
const INVOKE_MODEL: &str = "bedrock:InvokeModel";
/// Every check of this file, in its order.
pub(super) const IDS: [&str; 11] = [
    GET_ATTRIBUTES,
    RECEIVE,
    DELETE,
    CHANGE_VISIBILITY,
    SEND,
    BATCH_GET_ITEM,
    GET_ITEM,
    PUT_ITEM,
    GET_OBJECT,
    PUT_OBJECT,
    INVOKE_MODEL,
];

type Outcome = Result<(), Fault>;

/// What became of each call; `None`: there was none to make.
pub(super) struct Tried {
    deletes: Outcome,
    changes: Outcome,
    pub(super) sends: Option<Outcome>,
    pub(super) reads: Outcome,
    gets: Outcome,
    puts: Outcome,
    pub(super) uploads: Option<Outcome>,
}

pub(super) async fn look(sdk: &Sdk, resources: &Resources) -> Tried {
    let Resources { queue_url, dead_letter_queue_url, table, bucket, .. } = resources;
    let send = dead_letter_queue_url.as_deref().map(|url| within(LIMIT, probe::send_message(sdk, url)));
    let upload = bucket.as_deref().map(|bucket| within(LIMIT, probe::put_object(sdk, bucket)));
    let ((deletes, changes, reads, gets, puts), (sends, uploads)) = join(
        join5(
            within(LIMIT, probe::delete_message(sdk, queue_url)),
            within(LIMIT, probe::change_visibility(sdk, queue_url)),
            within(LIMIT, probe::batch_get_item(sdk, table)),
            within(LIMIT, probe::get_item(sdk, table)),
            within(LIMIT, probe::put_item(sdk, table)),
        ),
        join(OptionFuture::from(send), OptionFuture::from(upload)),
    )
    .await;
    Tried { deletes, changes, sends, reads, gets, puts, uploads }
}

/// A permission: what it is for, and what shows it.
struct Permission<'a> {
    id: &'static str,
    on: &'a str,
    shown_by: &'static str,
    /// The check of what it is for.
    of: &'static str,
}

/// `others`: the checks of what the permissions are for.
pub(super) fn judge(
    resources: &Resources,
    queues: &queues::Found,
    tried: &Tried,
    catalog: &Seen,
    others: &[Check],
) -> Vec<Check> {
    let Resources { queue_url, dead_letter_queue_url, table, bucket, .. } = resources;
    let attributes = queues.jobs.as_ref().map(drop).map_err(Clone::clone);
    let optional = |name: &'_ Option<String>| name.clone().unwrap_or_default();
    let (dead, results) = (optional(dead_letter_queue_url), format!("s3://{}/results/*", optional(bucket)));
    let judge =
        |id, on: &str, of, shown_by, outcome: &Outcome| Permission { id, on, shown_by, of }.judge(outcome, others);
    let unless_none = |id, on: &str, of, shown_by, outcome: &Option<Outcome>, why: &str| match outcome {
        Some(outcome) => judge(id, on, of, shown_by, outcome),
        None => Check::skipped(id, why),
    };
    let no_handle = "an invalid receipt handle was refused, as it should be";
    let gets = match judge(GET_ITEM, table, records::TABLE, "a record that does not exist was looked up", &tried.gets) {
        denied if denied.is_failed() => {
            let found = format!("{}; only direct invocations need it, and those who read records", denied.found);
            Check::warning(GET_ITEM, found, denied.fix.unwrap_or_default())
        }
        check => check,
    };
    vec![
        judge(GET_ATTRIBUTES, queue_url, queues::JOBS, "the job queue's were read", &attributes),
        Check::not_shown(
            RECEIVE,
            "cannot be tested without side effects: receiving hides messages for a while and counts as a receive",
            format!("check the role's policy: it must allow sqs:ReceiveMessage on {queue_url}"),
        ),
        judge(DELETE, queue_url, queues::JOBS, no_handle, &tried.deletes),
        judge(CHANGE_VISIBILITY, queue_url, queues::JOBS, no_handle, &tried.changes),
        unless_none(
            SEND,
            &dead,
            queues::DEAD_LETTERS,
            "the dead-letter queue refused an empty batch, as it should",
            &tried.sends,
            "no dead-letter queue is set",
        ),
        judge(BATCH_GET_ITEM, table, records::TABLE, "a record that does not exist was looked up", &tried.reads),
        gets,
        judge(
            PUT_ITEM,
            table,
            records::TABLE,
            "a write whose condition cannot hold was refused, as it should be",
            &tried.puts,
        ),
        unless_none(
            GET_OBJECT,
            "the catalog's prefix",
            catalog::POINTER,
            "the catalog's prefix could be read",
            &catalog.reads,
            "no catalog is read from S3",
        ),
        unless_none(
            PUT_OBJECT,
            &results,
            records::BUCKET,
            "a part of an upload that does not exist was refused, as it should be",
            &tried.uploads,
            "no results bucket is set",
        ),
        unless_none(
            INVOKE_MODEL,
            "the model",
            catalog::MODEL,
            "it answered",
            &catalog.invokes,
            "no model was called, see `model`",
        ),
    ]
}

impl Permission<'_> {
    fn judge(&self, outcome: &Outcome, others: &[Check]) -> Check {
        let Self { id, on, shown_by, of } = *self;
        let fault = match outcome {
            Ok(()) => return Check::ok(id, shown_by),
            Err(fault) => fault,
        };
        let is_known = others.iter().any(|check| check.id == of && check.is_failed());
        match fault.cause {
            Cause::AccessDenied => Check::failed(id, fault.to_string(), self.grant()),
            _ if is_known => Check::skipped(id, format!("see `{of}`")),
            _ if fault.is_transient() => {
                Check::not_shown(id, fault.to_string(), "try again; if it persists, check the role's policy")
            }
            _ => Check::failed(id, fault.to_string(), format!("correct its name or region, or create it: {on}")),
        }
    }

    fn grant(&self) -> String {
        let Self { id, on, .. } = self;
        let besides = match *id {
            GET_OBJECT => {
                " and check that something is published there: without s3:ListBucket, S3 also denies what does not \
                 exist"
            }
            INVOKE_MODEL => " (a profile and the models behind it), and enable access to the model in this region",
            _ => {
                " by the role's policy; the resource's own policy, the VPC endpoint's and the organisation's must not deny it"
            }
        };
        format!("allow {id} on {on}{besides}")
    }
}
