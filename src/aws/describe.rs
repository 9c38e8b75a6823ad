//! What queues, tables and buckets are like, for those who check a set-up.

use aws_sdk_dynamodb::types::{KeyType, TableDescription, TimeToLiveStatus};
use aws_sdk_s3::error::SdkError;
use aws_sdk_sqs::types::QueueAttributeName;
use time::OffsetDateTime;

use super::client::Sdk;
use super::errors::fault;
use super::sqs::redrive;
use crate::catalog::ObjectName;
use crate::fault::{Call, Fault};

/// A queue's attributes, as far as a worker depends on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its ARN.
    pub arn: Option<String>,
    /// Messages that can be received.
    pub waiting: Option<u64>,
    /// Visibility timeout in seconds.
    pub visibility_seconds: Option<u64>,
    /// Largest message that it takes, in bytes.
    pub message_max_bytes: Option<u64>,
    /// Receives after which its redrive policy moves a message.
    pub max_receive_count: Option<u32>,
}

/// A table's attributes, as far as a worker depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// Whether its only key is the partition key `request_id`.
    pub is_keyed_by_request_id: bool,
    /// Its key, for people.
    pub key: String,
    /// Whether items expire by `expires_at`.
    pub expires: bool,
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
        .attribute_names(QueueAttributeName::MaximumMessageSize)
        .attribute_names(QueueAttributeName::RedrivePolicy)
        .send()
        .await;
    let answer = asked.map_err(|error| fault(&error, Call::new("SQS", "GetQueueAttributes", url)))?;
    let attributes = answer.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|value: &String| value.parse().ok());
    let redrive = attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|policy| redrive(policy));
    Ok(QueueFacts {
        arn: attributes.get(&QueueAttributeName::QueueArn).cloned(),
        waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
        visibility_seconds: number(QueueAttributeName::VisibilityTimeout),
        message_max_bytes: number(QueueAttributeName::MaximumMessageSize),
        max_receive_count: redrive.map(|redrive| redrive.max_receive_count),
    })
}

/// Attributes of a table.
///
/// # Errors
/// [`Fault`] of describing it; whether it expires is then simply not known.
pub async fn table(sdk: &Sdk, name: &str) -> Result<TableFacts, Fault> {
    let dynamodb = sdk.dynamodb();
    let described = dynamodb.describe_table().table_name(name).send().await;
    let described = described.map_err(|error| fault(&error, Call::new("DynamoDB", "DescribeTable", name)))?.table;
    let keys: Vec<(String, KeyType)> = described
        .iter()
        .flat_map(TableDescription::key_schema)
        .map(|key| (key.attribute_name().to_owned(), key.key_type().clone()))
        .collect();
    let ttl = dynamodb.describe_time_to_live().table_name(name).send().await.ok();
    let expires = ttl.and_then(|answer| answer.time_to_live_description).is_some_and(|ttl| {
        ttl.attribute_name() == Some("expires_at")
            && matches!(ttl.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    });
    let is_keyed_by_request_id = keys == [("request_id".to_owned(), KeyType::Hash)];
    Ok(TableFacts { is_keyed_by_request_id, key: format!("{keys:?}"), expires })
}

/// Whether a bucket is there and may be listed.
///
/// # Errors
/// [`Fault`].
pub async fn bucket(sdk: &Sdk, name: &str) -> Result<(), Fault> {
    let asked = sdk.s3().head_bucket().bucket(name).send().await;
    asked.map(|_| ()).map_err(|error| fault(&error, Call::new("S3", "HeadBucket", name)))
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
