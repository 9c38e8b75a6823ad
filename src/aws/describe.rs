//! What queues, tables and buckets are like, for those who check a set-up.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    BillingMode, KeyType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveStatus,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_sqs::types::QueueAttributeName;
use time::OffsetDateTime;

use super::client::Sdk;
use super::errors::fault;
use super::sqs::redrive;
use crate::catalog::ObjectName;
use crate::fault::{Call, Fault};
use crate::intake::Redrive;

/// The header with which S3 says where a bucket is, also to those who may not read it.
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// A queue's attributes, as far as a worker depends on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its ARN.
    pub arn: Option<String>,
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that were received and are neither deleted nor visible again, and those that are delayed.
    pub hidden: u64,
    /// Visibility timeout in seconds.
    pub visibility_seconds: Option<u64>,
    /// Largest message that it takes, in bytes.
    pub message_max_bytes: Option<u64>,
    /// Age at which SQS deletes a message.
    pub retention_seconds: Option<u64>,
    /// Where its redrive policy moves messages.
    pub redrive: Option<Redrive>,
}

/// A table's attributes, as far as a worker depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Whether its only key is the partition key `request_id`, a string.
    pub is_keyed_by_request_id: bool,
    /// Its key, for people: `request_id HASH S`.
    pub key: String,
    /// Its status, as DynamoDB writes it.
    pub status: String,
    /// Whether it can be read and written in that status.
    pub is_usable: bool,
    /// Read and write units that are provisioned; `None`: on demand.
    pub provisioned: Option<(i64, i64)>,
}

/// A table's time to live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeToLive {
    /// The attribute that says when an item expires.
    pub attribute: Option<String>,
    /// Whether it is on, or about to be.
    pub is_on: bool,
}

/// Attributes of a queue.
///
/// # Errors
/// [`Fault`].
pub async fn queue(sdk: &Sdk, url: &str) -> Result<QueueFacts, Fault> {
    let asked = sdk
        .sqs()
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::QueueArn)
        .attribute_names(QueueAttributeName::VisibilityTimeout)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
        .attribute_names(QueueAttributeName::MaximumMessageSize)
        .attribute_names(QueueAttributeName::MessageRetentionPeriod)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let answer = asked.map_err(|error| fault(&error, Call::new("SQS", "GetQueueAttributes", url)))?;
    let attributes = answer.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|value: &String| value.parse().ok());
    let count = |name| number(name).unwrap_or(0);
    Ok(QueueFacts {
        arn: attributes.get(&QueueAttributeName::QueueArn).cloned(),
        waiting: count(QueueAttributeName::ApproximateNumberOfMessages),
        hidden: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            + count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        visibility_seconds: number(QueueAttributeName::VisibilityTimeout),
        message_max_bytes: number(QueueAttributeName::MaximumMessageSize),
        retention_seconds: number(QueueAttributeName::MessageRetentionPeriod),
        redrive: attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|policy| redrive(policy)),
    })
}

/// Attributes of a table.
///
/// # Errors
/// [`Fault`].
pub async fn table(sdk: &Sdk, name: &str) -> Result<TableFacts, Fault> {
    let described = sdk.dynamodb().describe_table().table_name(name).send().await;
    let described = described.map_err(|error| fault(&error, Call::new("DynamoDB", "DescribeTable", name)))?.table;
    let described = described.unwrap_or_else(|| TableDescription::builder().build());
    let types = described.attribute_definitions().iter();
    let types: HashMap<&str, &ScalarAttributeType> =
        types.map(|attribute| (attribute.attribute_name(), attribute.attribute_type())).collect();
    let keys = described.key_schema().iter().map(|key| {
        let name = key.attribute_name();
        (name, key.key_type().clone(), types.get(name).map_or("?", |kind| kind.as_str()))
    });
    let keys: Vec<(&str, KeyType, &str)> = keys.collect();
    let in_words = keys.iter().map(|(name, role, kind)| format!("{name} {role} {kind}"));
    let on_demand = described.billing_mode_summary().and_then(|summary| summary.billing_mode())
        == Some(&BillingMode::PayPerRequest);
    let provisioned = described.provisioned_throughput().filter(|_| !on_demand);
    let status = described.table_status();
    Ok(TableFacts {
        is_keyed_by_request_id: keys == [("request_id", KeyType::Hash, "S")],
        key: in_words.collect::<Vec<_>>().join(", "),
        status: status.map_or("unknown", TableStatus::as_str).to_owned(),
        is_usable: matches!(status, Some(TableStatus::Active | TableStatus::Updating)),
        provisioned: provisioned.map(|units| {
            (units.read_capacity_units().unwrap_or_default(), units.write_capacity_units().unwrap_or_default())
        }),
    })
}

/// Whether and how a table's items expire.
///
/// # Errors
/// [`Fault`].
pub async fn time_to_live(sdk: &Sdk, table: &str) -> Result<TimeToLive, Fault> {
    let asked = sdk.dynamodb().describe_time_to_live().table_name(table).send().await;
    let answer = asked.map_err(|error| fault(&error, Call::new("DynamoDB", "DescribeTimeToLive", table)))?;
    let Some(described) = answer.time_to_live_description else { return Ok(TimeToLive::default()) };
    let is_on = matches!(described.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    Ok(TimeToLive { attribute: described.attribute_name, is_on })
}

/// The region of a bucket that is there and may be listed, if S3 says it.
///
/// # Errors
/// [`Fault`]; its text names the bucket's region if that is why.
pub async fn bucket(sdk: &Sdk, name: &str) -> Result<Option<String>, Fault> {
    let error = match sdk.s3().head_bucket().bucket(name).send().await {
        Ok(answer) => return Ok(answer.bucket_region),
        Err(error) => error,
    };
    let mut fault = fault(&error, Call::new("S3", "HeadBucket", name));
    let region = error.raw_response().and_then(|answer| answer.headers().get(BUCKET_REGION));
    if let Some(region) = region.filter(|region| sdk.region().is_some_and(|here| here != *region)) {
        fault.text = format!("{}: the bucket is in {region}", fault.text);
    }
    Err(fault)
}

/// When an object was written; `None`: there is none, or it does not say.
///
/// # Errors
/// [`Fault`].
pub async fn written_at(sdk: &Sdk, name: &ObjectName) -> Result<Option<OffsetDateTime>, Fault> {
    match sdk.s3().head_object().bucket(&name.bucket).key(&name.key).send().await {
        Ok(head) => Ok(head.last_modified().and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok())),
        Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
        Err(error) => Err(fault(&error, Call::new("S3", "HeadObject", name.to_string()))),
    }
}
