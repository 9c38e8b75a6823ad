//! The calls to DynamoDB: one look-up for a batch, the conditional put, the read.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use nearline_contract::ResultRecord;

use super::item::{self, Item};
use super::{Prior, Written};
use crate::aws;
use crate::fault::Fault;

/// Most keys in one BatchGetItem.
pub(super) const BATCH_GET_MAX: usize = 100;
/// Calls for keys that were left unprocessed, each after a longer pause.
const BATCH_GET_ATTEMPTS: u32 = 5;
/// Pause before asking for unprocessed keys again; doubles.
const BATCH_GET_PAUSE: Duration = Duration::from_millis(50);

/// First write wins; an expired record counts as none, and one that another catalog could mend gives way to its own job.
const CONDITION: &str = "attribute_not_exists(request_id) OR expires_at < :now \
                         OR (#error.#retryable = :true AND job_sha256 = :job_sha256 \
                         AND catalog_version <> :catalog_version)";

/// What the table holds for at most [`BATCH_GET_MAX`] distinct ids.
pub(super) async fn look_up(
    client: &Client,
    table: &str,
    request_ids: &[&str],
    now: i64,
) -> Result<Vec<(String, Prior)>, Fault> {
    let mut priors = Vec::with_capacity(request_ids.len());
    for item in get_batch(client, table, request_ids).await? {
        let expired = item::number_of::<i64>(&item, "expires_at").is_ok_and(|expires_at| expires_at < now);
        let Some(request_id) = item::optional_text(&item, "request_id").filter(|_| !expired) else { continue };
        priors.push((request_id, prior(&item)));
    }
    Ok(priors)
}

async fn get_batch(client: &Client, table: &str, request_ids: &[&str]) -> Result<Vec<Item>, Fault> {
    let invalid = |error: aws_sdk_dynamodb::error::BuildError| Fault::Permanent(error.to_string());
    let keys = request_ids.iter().map(|id| key(id));
    let mut asked = KeysAndAttributes::builder()
        .set_keys(Some(keys.collect()))
        .projection_expression("request_id, job_sha256, catalog_version, expires_at, #error.#retryable")
        .expression_attribute_names("#error", "error")
        .expression_attribute_names("#retryable", "retryable")
        .build()
        .map_err(invalid)?;
    let (mut items, mut pause) = (Vec::new(), BATCH_GET_PAUSE);
    for attempt in 1.. {
        let answer = client.batch_get_item().request_items(table, asked).send().await;
        let answer = answer.map_err(|error| failed(&error, "BatchGetItem", table))?;
        items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
        match answer.unprocessed_keys.and_then(|mut keys| keys.remove(table)) {
            None => break,
            Some(_) if attempt == BATCH_GET_ATTEMPTS => {
                return Err(Fault::Retry(format!("DynamoDB BatchGetItem {table}: keys were left unprocessed")));
            }
            Some(rest) => asked = rest,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(items)
}

pub(super) async fn put(client: &Client, table: &str, item: Item, record: &ResultRecord) -> Result<Written, Fault> {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let put = client
        .put_item()
        .table_name(table)
        .set_item(Some(item))
        .condition_expression(CONDITION)
        .expression_attribute_names("#error", "error")
        .expression_attribute_names("#retryable", "retryable")
        .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
        .expression_attribute_values(":true", AttributeValue::Bool(true))
        .expression_attribute_values(":job_sha256", AttributeValue::S(record.job_sha256.clone()))
        .expression_attribute_values(":catalog_version", AttributeValue::S(record.catalog_version.clone()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let Err(error) = put.send().await else { return Ok(Written::New) };
    let old = match &error {
        SdkError::ServiceError(service) => match service.err() {
            aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
                failed.item()
            }
            _ => return Err(failed(&error, "PutItem", table)),
        },
        _ => return Err(failed(&error, "PutItem", table)),
    };
    match old {
        Some(old) if prior(old).job_sha256 == record.job_sha256 => Ok(Written::Replay),
        Some(_) => Ok(Written::Conflict),
        None => Err(Fault::Retry(format!("DynamoDB PutItem {table}: the condition failed, but no item came back"))),
    }
}

pub(super) async fn get(client: &Client, table: &str, request_id: &str) -> Result<Option<ResultRecord>, Fault> {
    let get = client.get_item().table_name(table).set_key(Some(key(request_id))).consistent_read(true);
    let answer = get.send().await.map_err(|error| failed(&error, "GetItem", table))?;
    let Some(item) = answer.item else { return Ok(None) };
    let broken = |fault| Fault::Permanent(format!("the item `{request_id}` of table {table} is not a record: {fault}"));
    item::to_record(&item).map(Some).map_err(broken)
}

fn key(request_id: &str) -> Item {
    Item::from([("request_id".to_owned(), AttributeValue::S(request_id.to_owned()))])
}

fn prior(item: &Item) -> Prior {
    let retryable = match item.get("error") {
        Some(AttributeValue::M(error)) => item::flag(error, "retryable"),
        _ => false,
    };
    Prior {
        job_sha256: item::optional_text(item, "job_sha256").unwrap_or_default(),
        catalog_version: item::optional_text(item, "catalog_version").unwrap_or_default(),
        retryable,
    }
}

fn failed<E>(error: &SdkError<E>, operation: &str, table: &str) -> Fault
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    aws::classify(error).context(&format!("DynamoDB {operation} {table}"))
}
