//! The table of the records; results too large for an item are read from S3.

use std::collections::HashMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use futures_util::future::join_all;
use nearline_contract::ResultRecord;
use nearline_contract::client::{CallError, ReadError, Reader};
use nearline_contract::item::{Item, optional_text};

use super::AccessError;
use crate::requests::Meter;
use crate::verify::{Detail, Found, LookupError, Read, Records};

/// The key of the results table.
const KEY: &str = "request_id";
/// The attributes of a record without its results.
const IDENTITY: &str = "#key, format_version, #status, job_sha256, #error, catalog_version, created_at, expires_at";

/// The table of the records.
#[derive(Debug, Clone)]
pub(crate) struct DynamoTable {
    client: Client,
    results: Reader,
    name: String,
    meter: Arc<Meter>,
}

impl DynamoTable {
    /// The table `name`, if its records can be read.
    pub(crate) async fn open(config: &SdkConfig, name: &str, meter: Arc<Meter>) -> Result<Self, AccessError> {
        let client = Client::new(config);
        let results = Reader::new(client.clone(), aws_sdk_s3::Client::new(config), name);
        let table = Self { client, results, name: name.to_owned(), meter };
        // A look-up as the run makes them asks for the same permission, and shows whether the key has the right name.
        match table.lookup(&["load".to_owned()], Detail::Whole).await {
            Ok(_) => Ok(table),
            Err(LookupError(cause)) => Err(AccessError::new("table", name, "NEARLINE_RESULTS_TABLE", &cause)),
        }
    }

    /// The record of an item with its results; an error if these cannot be read now.
    async fn read(&self, item: &Item) -> Result<Read, CallError> {
        let mut record = match ResultRecord::from_item(item) {
            Ok(record) => record,
            Err(error) => return Ok(Err(format!("not a record: {error}"))),
        };
        if let Some(uri) = &record.results_uri {
            self.meter.count(|requests| requests.get_object += 1);
            record.results = match self.results.results(uri).await {
                Ok(groups) => Some(groups),
                Err(ReadError::Call(error)) if !error.why.starts_with("NoSuchKey") => return Err(error),
                Err(error) => return Ok(Err(error.to_string())),
            };
        }
        Ok(Ok(record))
    }
}

impl Records for DynamoTable {
    async fn lookup(&self, ids: &[String], detail: Detail) -> Result<Found, LookupError> {
        let key = |id: &String| HashMap::from([(KEY.to_owned(), AttributeValue::S(id.clone()))]);
        let mut keys = KeysAndAttributes::builder().set_keys(Some(ids.iter().map(key).collect())).consistent_read(true);
        if detail == Detail::Identity {
            let names = [("#key", KEY), ("#status", "status"), ("#error", "error")];
            let names = names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
            keys = keys.projection_expression(IDENTITY).set_expression_attribute_names(Some(names.into()));
        }
        self.meter.count(|requests| {
            requests.batch_get_item += 1;
            requests.keys_looked_up += ids.len() as u64;
        });
        let request = self.client.batch_get_item().request_items(&self.name, keys.build().expect("keys are set"));
        let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
        let answer = answer.map_err(|error| LookupError(CallError::new("BatchGetItem", &self.name, &error).why))?;
        let units: f64 = answer.consumed_capacity().iter().filter_map(|consumed| consumed.capacity_units).sum();
        self.meter.count(|requests| requests.read_units += if units > 0.0 { units } else { ids.len() as f64 });

        let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
        let left = left.iter().flat_map(|left| &left.keys).filter_map(|key| optional_text(key, KEY));
        let mut found = Found { unprocessed: left.collect(), ..Found::default() };
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
        for (item, read) in items.iter().zip(join_all(items.iter().map(|item| self.read(item))).await) {
            let Some(id) = optional_text(item, KEY) else { continue };
            match read {
                Ok(read) => drop(found.records.insert(id, read)),
                // As if it had not been looked up: it is asked for again.
                Err(error) => {
                    found.unprocessed.push(id);
                    found.reason = Some(error.to_string());
                }
            }
        }
        Ok(found)
    }
}
