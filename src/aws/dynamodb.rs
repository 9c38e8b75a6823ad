//! Records in a DynamoDB table, large results in an S3 bucket.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use aws_sdk_s3::Client as S3Client;
use nearline_contract::ResultRecord;
use nearline_contract::item::{Item, flag, number_of, optional_text};

use super::direct::{Direct, READ_TIMEOUT};
use super::errors::fault;
use super::item;
use super::requests;
use super::s3;
use crate::fault::{Call, Cause, Fault};
use crate::results::{GivenUp, LookUp, Prior, Records, Written};

/// A table of records, and the bucket for large results.
#[derive(Debug, Clone)]
pub struct DynamoRecords {
    dynamodb: Client,
    s3: S3Client,
    table: String,
    bucket: Option<String>,
    look_ups: Direct,
    puts: Direct,
}

impl DynamoRecords {
    /// The records of `table`; without a bucket results must fit into their record.
    pub fn new(dynamodb: Client, s3: S3Client, table: String, bucket: Option<String>) -> Self {
        let direct = || Direct::new(READ_TIMEOUT);
        Self { dynamodb, s3, table, bucket, look_ups: direct(), puts: direct() }
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new("DynamoDB", operation, self.table.as_str())
    }
}

impl Records for DynamoRecords {
    async fn look_up(&self, ids: &[&str], consistent: bool) -> Result<LookUp, Fault> {
        let call = || self.call("BatchGetItem");
        let request = || requests::look_up(&self.table, ids, consistent);
        let unanswered = match self.look_ups.call(request, |answer| requests::finds_nothing(answer, &self.table)).await
        {
            Ok(()) => return Ok(LookUp::default()),
            Err(unanswered) => unanswered,
        };
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(ids.iter().map(|id| key(id)).collect()))
            .consistent_read(consistent)
            .projection_expression(requests::PROJECTION)
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#retryable", "retryable")
            .build()
            .map_err(|error| Fault::of(call(), Cause::Misconfigured, error.to_string()))?;
        let asked = self.dynamodb.batch_get_item().request_items(&self.table, keys);
        let answer = self.look_ups.by_sdk(unanswered, asked.send()).await.map_err(|error| fault(&error, call()))?;
        if consistent && answer.responses.is_none() {
            return Err(Fault::of(call(), Cause::InvalidAnswer, "the response mentions no item"));
        }
        let items = answer.responses.into_iter().flatten().flat_map(|(_, items)| items);
        let found = items.filter_map(|item| Some((optional_text(&item, "request_id")?, prior(&item))));
        let left = answer.unprocessed_keys.and_then(|mut keys| keys.remove(&self.table));
        let left = left.map(|left| left.keys).unwrap_or_default();
        Ok(LookUp {
            found: found.collect(),
            unprocessed: left.iter().filter_map(|key| optional_text(key, "request_id")).collect(),
        })
    }

    async fn put(&self, record: &ResultRecord, now: i64) -> Result<Written, Fault> {
        let call = || self.call("PutItem");
        let request = || requests::put(&self.table, record, now);
        let unanswered =
            match self.puts.call(request, |answer| requests::is_whole(answer).then_some(Written::New)).await {
                Ok(written) => return Ok(written),
                Err(unanswered) => unanswered,
            };
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::from_record(record)))
            .condition_expression(requests::CONDITION)
            .expression_attribute_names("#error", "error")
            .expression_attribute_names("#retryable", "retryable")
            .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":job_sha256", AttributeValue::S(record.job_sha256.clone()))
            .expression_attribute_values(":catalog_version", AttributeValue::S(record.catalog_version.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = self.puts.by_sdk(unanswered, put.send()).await else { return Ok(Written::New) };
        let old = match &error {
            SdkError::ServiceError(service) => match service.err() {
                PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
                _ => return Err(fault(&error, call()).of_job()),
            },
            _ => return Err(fault(&error, call()).of_job()),
        };
        match old {
            Some(old) if prior(old).job_sha256 == record.job_sha256 => Ok(Written::Replay),
            Some(_) => Ok(Written::Conflict),
            None => Err(Fault::of(call(), Cause::InvalidAnswer, "the condition failed, but no item came back")),
        }
    }

    async fn get(&self, id: &str) -> Result<Option<ResultRecord>, Fault> {
        let get = self.dynamodb.get_item().table_name(&self.table).set_key(Some(key(id))).consistent_read(true);
        let answer = get.send().await.map_err(|error| fault(&error, self.call("GetItem")))?;
        let Some(item) = answer.item else { return Ok(None) };
        let broken = |why| {
            let text = format!("the item `{id}` of table {} is not a record: {why}", self.table);
            Fault::new(Cause::Misconfigured, text)
        };
        ResultRecord::from_item(&item).map(Some).map_err(broken)
    }

    async fn note_given_up(&self, message_id: &str, note: &GivenUp) -> Result<(), Fault> {
        let item = item::from_note(&note_id(message_id), note);
        let put = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|error| fault(&error, self.call("PutItem")).of_job())
    }

    async fn given_up(&self, message_id: &str) -> Result<Option<GivenUp>, Fault> {
        let item = read(&self.dynamodb, &self.table, &note_id(message_id)).await?;
        Ok(item.map(|item| item::to_note(&item)))
    }

    async fn check(&self) -> Result<(), Fault> {
        // No job has an id with a space; describing the table would need another permission.
        self.look_up(&["no such job"], false).await.map(drop)
    }

    fn has_room_for_results(&self) -> bool {
        self.bucket.is_some()
    }

    async fn put_results(&self, name: &str, body: Vec<u8>) -> Result<String, Fault> {
        let bucket = self.bucket.as_deref().unwrap_or_default();
        let key = format!("results/{name}");
        s3::put(&self.s3, bucket, &key, body.into(), Some("application/json")).await.map_err(Fault::of_job)?;
        Ok(format!("s3://{bucket}/{key}"))
    }

    async fn get_results(&self, uri: &str) -> Result<Vec<u8>, Fault> {
        let call = Call::new("S3", "GetObject", uri);
        let place = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let Some((bucket, key)) = place else {
            return Err(Fault::of(call, Cause::Misconfigured, "it is not an S3 URI"));
        };
        let missing = || Fault::of(call.clone(), Cause::NotFound, "the object does not exist");
        s3::get(&self.s3, bucket, key).await?.ok_or_else(missing)
    }
}

/// No `request_id` has a space.
fn note_id(message_id: &str) -> String {
    format!("given up: {message_id}")
}

/// One item of a table, by a consistent read; as every look-up of a worker, so that it needs no other permission.
///
/// # Errors
/// [`Fault`]; nothing is known then.
pub(super) async fn read(dynamodb: &Client, table: &str, id: &str) -> Result<Option<Item>, Fault> {
    let call = || Call::new("DynamoDB", "BatchGetItem", table);
    let key = KeysAndAttributes::builder().keys(key(id)).consistent_read(true).build();
    let key = key.map_err(|error| Fault::of(call(), Cause::Misconfigured, error.to_string()))?;
    let answer = dynamodb.batch_get_item().request_items(table, key).send().await;
    let answer = answer.map_err(|error| fault(&error, call()))?;
    if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
        return Err(Fault::of(call(), Cause::Throttled, "the key was left unprocessed"));
    }
    let Some(found) = answer.responses else {
        return Err(Fault::of(call(), Cause::InvalidAnswer, "the response mentions no item"));
    };
    Ok(found.into_values().flatten().next())
}

fn key(id: &str) -> Item {
    Item::from([("request_id".to_owned(), AttributeValue::S(id.to_owned()))])
}

fn prior(item: &Item) -> Prior {
    let retryable = match item.get("error") {
        Some(AttributeValue::M(error)) => flag(error, "retryable"),
        _ => false,
    };
    Prior {
        job_sha256: optional_text(item, "job_sha256").unwrap_or_default(),
        catalog_version: optional_text(item, "catalog_version").unwrap_or_default(),
        retryable,
        // An item without it never expires, as in the condition of a write.
        expires_at: number_of(item, "expires_at").unwrap_or(i64::MAX),
    }
}
