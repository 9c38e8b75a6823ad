//! Whether the caller may do what a worker does, shown by calls that cannot change anything.
//!
//! `Ok`: the service went past the question of permission. It found nothing to act on, which every call here makes sure
//! of: a receipt handle that no message has, no entries, no such upload, a condition that cannot hold. Where a refusal is
//! the proof, it rests on the service asking for permission before it looks at the rest.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::client::Sdk;
use super::errors::fault;
use crate::fault::{Call, Cause, Fault};
use crate::intake::{Failures, Queue};
use crate::results::Records;

/// A receipt handle that SQS never gave.
const NO_RECEIPT: &str = "nearline-doctor";
/// What no record is called: no `request_id` has a space.
const NO_RECORD: &str = "nearline doctor";
/// What no upload is called.
const NO_UPLOAD: &str = "nearline-doctor";
/// The object of an upload that does not exist, where results are kept.
const NO_OBJECT: &str = "results/nearline-doctor";
/// Holds of no item, there or not.
const NEVER: &str = "attribute_exists(request_id) AND attribute_not_exists(request_id)";

/// `sqs:DeleteMessage`.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn delete_message(sdk: &Sdk, queue_url: &str) -> Result<(), Fault> {
    let failures = sdk.queue(queue_url).delete(&[NO_RECEIPT]).await?;
    knows_no_message(failures)
}

/// `sqs:ChangeMessageVisibility`.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn change_visibility(sdk: &Sdk, queue_url: &str) -> Result<(), Fault> {
    let failures = sdk.queue(queue_url).change_visibility(&[(NO_RECEIPT, Duration::ZERO)]).await?;
    knows_no_message(failures)
}

/// The entry is to be refused; what else it may meet says nothing.
fn knows_no_message(failures: Failures) -> Result<(), Fault> {
    failures.into_iter().map(|(_, fault)| fault).find(|fault| fault.cause != Cause::Refused).map_or(Ok(()), Err)
}

/// `sqs:SendMessage`, by a batch without entries: whatever becomes of it, nothing is sent.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn send_message(sdk: &Sdk, queue_url: &str) -> Result<(), Fault> {
    let nothing: Vec<SendMessageBatchRequestEntry> = Vec::new();
    let sent = sdk.sqs().send_message_batch().queue_url(queue_url).set_entries(Some(nothing)).send().await;
    match sent {
        Ok(_) => Ok(()),
        Err(error) if error.code().is_some_and(|code| code.ends_with("EmptyBatchRequest")) => Ok(()),
        Err(error) => Err(fault(&error, Call::new("SQS", "SendMessageBatch", queue_url))),
    }
}

/// `dynamodb:BatchGetItem`, as a worker looks up what is answered.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn batch_get_item(sdk: &Sdk, table: &str) -> Result<(), Fault> {
    sdk.records(table, None).check().await
}

/// `dynamodb:GetItem`.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn get_item(sdk: &Sdk, table: &str) -> Result<(), Fault> {
    sdk.records(table, None).get(NO_RECORD).await.map(drop)
}

/// `dynamodb:PutItem`. Costs a write unit, as a put whose condition fails does.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn put_item(sdk: &Sdk, table: &str) -> Result<(), Fault> {
    let put = sdk.dynamodb().put_item().table_name(table);
    let put = put.item("request_id", AttributeValue::S(NO_RECORD.to_owned())).condition_expression(NEVER);
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
        Err(error) => Err(fault(&error, Call::new("DynamoDB", "PutItem", table))),
    }
}

/// `s3:PutObject` where results are kept, by a part of an upload that nobody began.
///
/// # Errors
/// [`Fault`]: denied, or not shown.
pub async fn put_object(sdk: &Sdk, bucket: &str) -> Result<(), Fault> {
    let part = sdk.s3().upload_part().bucket(bucket).key(NO_OBJECT).upload_id(NO_UPLOAD).part_number(1);
    match part.body(ByteStream::from_static(b"nothing")).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
        Err(error) => Err(fault(&error, Call::new("S3", "UploadPart", format!("s3://{bucket}/{NO_OBJECT}")))),
    }
}
