//! What the processes of a fleet share, in items of the results table: only with the calls that a worker makes anyway.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nearline_contract::item::{number_of, optional_text};

use super::dynamodb::read;
use super::errors::fault;
use crate::clock::Clock;
use crate::embed::{Leases, Version};
use crate::fault::{Call, Cause, Fault};

/// How long an item counts after its last write.
const LIFE_SECONDS: i64 = 24 * 60 * 60;

/// Leases in a table of records. Their names have spaces, which no `request_id` has.
#[derive(Debug, Clone)]
pub struct DynamoLeases {
    dynamodb: Client,
    table: String,
    clock: Clock,
}

impl DynamoLeases {
    /// Leases in `table`.
    pub fn new(dynamodb: Client, table: String, clock: Clock) -> Self {
        Self { dynamodb, table, clock }
    }

    async fn read_item(&self, name: &str) -> Result<Option<Version>, Fault> {
        let Some(item) = read(&self.dynamodb, &self.table, name).await? else { return Ok(None) };
        let version = number_of(&item, "version").ok().zip(optional_text(&item, "state"));
        let Some((number, state)) = version else {
            let text = format!("the item `{name}` of table {} has no version or no state: delete it", self.table);
            return Err(Fault::new(Cause::Misconfigured, text));
        };
        Ok(Some(Version { number, state }))
    }

    async fn put_item(&self, name: &str, version: &Version) -> Result<bool, Fault> {
        let expires_at = self.clock.now().unix_timestamp() + LIFE_SECONDS;
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .item("request_id", AttributeValue::S(name.to_owned()))
            .item("version", AttributeValue::N(version.number.to_string()))
            .item("state", AttributeValue::S(version.state.clone()))
            .item("expires_at", AttributeValue::N(expires_at.to_string()));
        let put = if version.number == 1 {
            put.condition_expression("attribute_not_exists(request_id)")
        } else {
            put.condition_expression("#version = :before")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":before", AttributeValue::N((version.number - 1).to_string()))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(fault(&error, Call::new("DynamoDB", "PutItem", self.table.as_str()))),
        }
    }
}

impl Leases for DynamoLeases {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Version>, Fault>> {
        self.read_item(name).boxed()
    }

    fn write<'a>(&'a self, name: &'a str, version: &'a Version) -> BoxFuture<'a, Result<bool, Fault>> {
        self.put_item(name, version).boxed()
    }
}
