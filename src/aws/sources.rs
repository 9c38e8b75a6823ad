//! Products that lie in S3 or DynamoDB, onto this machine's disk.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::client::Sdk;
use super::errors::fault;
use super::s3;
use crate::catalog::{CatalogError, ObjectName};
use crate::fault::{Call, Cause, Fault};

/// Which items of a table: all, all of an index, or those whose key has one of some values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    index: Option<String>,
    /// The key and its values, in the order in which they are asked for.
    values: Vec<(String, String)>,
}

impl FromStr for Table {
    type Err = String;

    /// `TABLE`, `TABLE/INDEX`, or either with `?KEY=VALUE&KEY=VALUE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("must be dynamodb://TABLE[/INDEX][?KEY=VALUE&KEY=VALUE], was `dynamodb://{text}`");
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (name, index) = match place.split_once('/') {
            Some((name, index)) => (name, Some(index).filter(|index| !index.is_empty())),
            None => (place, None),
        };
        let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        let values = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect::<Option<Vec<_>>>();
        let values = values.ok_or_else(wrong)?;
        let is_one_key = values.iter().all(|(key, _)| *key == values[0].0 && !key.is_empty());
        if name.is_empty() || index.is_some_and(|index| index.contains('/')) || !is_one_key {
            return Err(wrong());
        }
        Ok(Self { name: name.to_owned(), index: index.map(str::to_owned), values })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dynamodb://{}", self.name)?;
        self.index.as_ref().map_or(Ok(()), |index| write!(f, "/{index}"))
    }
}

/// Items of a table as an export has them: a line of DynamoDB JSON each. `progress` gets how many so far.
///
/// # Errors
/// [`CatalogError`]: a call failed, or the disk.
pub async fn read_table(sdk: &Sdk, table: &Table, progress: impl Fn(usize)) -> Result<File, CatalogError> {
    let file = temporary()?;
    let mut writer = std::io::BufWriter::new(file);
    let (dynamodb, mut items) = (sdk.dynamodb(), 0);
    let call = |operation| Call::new("DynamoDB", operation, table.name.clone());
    // Without a key to ask for: everything.
    let asked: Vec<Option<&(String, String)>> =
        if table.values.is_empty() { vec![None] } else { table.values.iter().map(Some).collect() };
    for value in asked {
        let mut start = None;
        loop {
            let (page, next) = match value {
                None => {
                    let scan = dynamodb.scan().table_name(&table.name).set_index_name(table.index.clone());
                    let page = scan.set_exclusive_start_key(start).send().await;
                    let page = page.map_err(|error| fault(&error, call("Scan")))?;
                    (page.items, page.last_evaluated_key)
                }
                Some((key, value)) => {
                    let query = dynamodb.query().table_name(&table.name).set_index_name(table.index.clone());
                    let query = query
                        .key_condition_expression("#key = :value")
                        .expression_attribute_names("#key", key)
                        .expression_attribute_values(":value", AttributeValue::S(value.clone()));
                    let page = query.set_exclusive_start_key(start).send().await;
                    let page = page.map_err(|error| fault(&error, call("Query")))?;
                    (page.items, page.last_evaluated_key)
                }
            };
            for item in page.unwrap_or_default() {
                let item: Map<String, Value> = item.iter().map(|(name, value)| (name.clone(), typed(value))).collect();
                serde_json::to_writer(&mut writer, &json!({"Item": item})).map_err(|error| disk(error.into()))?;
                writer.write_all(b"\n").map_err(disk)?;
                items += 1;
            }
            progress(items);
            start = next.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
    }
    if items == 0 {
        return Err(CatalogError::Source { name: table.to_string(), what: "there are no items".to_owned() });
    }
    writer.into_inner().map_err(|error| disk(error.into_error()))
}

/// A value as DynamoDB writes it in JSON.
fn typed(value: &AttributeValue) -> Value {
    let binary = |blob: &aws_sdk_dynamodb::primitives::Blob| STANDARD.encode(blob.as_ref());
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::Null(_) => json!({"NULL": true}),
        AttributeValue::B(blob) => json!({"B": binary(blob)}),
        AttributeValue::L(values) => json!({"L": values.iter().map(typed).collect::<Vec<_>>()}),
        AttributeValue::M(values) => {
            let values: Map<String, Value> = values.iter().map(|(name, value)| (name.clone(), typed(value))).collect();
            json!({"M": values})
        }
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Ns(numbers) => json!({"NS": numbers}),
        AttributeValue::Bs(blobs) => json!({"BS": blobs.iter().map(binary).collect::<Vec<_>>()}),
        // The enum is not exhaustive.
        _ => json!({"UNKNOWN": null}),
    }
}

/// An object in a temporary file without a name; `None` if it does not exist. `progress` gets the bytes so far.
///
/// # Errors
/// [`CatalogError`]: a call failed, or the disk.
pub async fn object(sdk: &Sdk, name: &ObjectName, progress: impl Fn(u64)) -> Result<Option<File>, CatalogError> {
    if name.key.is_empty() || name.key.ends_with('/') {
        return Ok(None);
    }
    let mut file = temporary()?;
    Ok(download(sdk, name, &mut file, progress).await?.then_some(file))
}

/// An object into a new file.
///
/// # Errors
/// [`CatalogError`]: it does not exist (any more), a call failed, or the disk.
pub async fn object_to(sdk: &Sdk, name: &ObjectName, path: &Path) -> Result<(), CatalogError> {
    let file_error = |source| CatalogError::File { path: path.to_owned(), source };
    let mut file = File::create(path).map_err(file_error)?;
    if download(sdk, name, &mut file, |_| {}).await? {
        return Ok(());
    }
    let what = "it was listed, and was deleted before it could be read".to_owned();
    Err(CatalogError::Source { name: name.to_string(), what })
}

/// The names of all objects whose keys begin with `prefix`, and how many bytes each has.
///
/// # Errors
/// [`CatalogError::Service`].
pub async fn below(sdk: &Sdk, bucket: &str, prefix: &str) -> Result<Vec<(ObjectName, u64)>, CatalogError> {
    let (client, mut names, mut next) = (sdk.s3(), Vec::new(), None);
    loop {
        let page = client.list_objects_v2().bucket(bucket).prefix(prefix).set_continuation_token(next).send().await;
        let call = Call::new("S3", "ListObjectsV2", format!("s3://{bucket}/{prefix}"));
        let page = page.map_err(|error| fault(&error, call))?;
        names.extend(page.contents().iter().filter_map(|object| {
            let name = ObjectName { bucket: bucket.to_owned(), key: object.key()?.to_owned() };
            Some((name, object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()))
        }));
        next = page.next_continuation_token;
        if next.is_none() {
            return Ok(names);
        }
    }
}

/// Uploads a file.
///
/// # Errors
/// [`CatalogError::Service`].
pub async fn upload(sdk: &Sdk, path: &Path, name: &ObjectName) -> Result<(), CatalogError> {
    let body = ByteStream::from_path(path).await.map_err(|error| {
        let call = Call::new("S3", "PutObject", name.to_string());
        Fault::of(call, Cause::Internal, format!("{}: {error}", path.display()))
    })?;
    Ok(s3::put(&sdk.s3(), &name.bucket, &name.key, body, None).await?)
}

/// `false`: there is no such object.
async fn download(sdk: &Sdk, name: &ObjectName, file: &mut File, progress: impl Fn(u64)) -> Result<bool, CatalogError> {
    let Some(mut body) = s3::open(&sdk.s3(), &name.bucket, &name.key).await? else { return Ok(false) };
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let call = || Call::new("S3", "GetObject", name.to_string());
        let piece = piece.map_err(|error| Fault::of(call(), Cause::Unreachable, error.to_string()))?;
        file.write_all(&piece).map_err(disk)?;
        bytes += piece.len() as u64;
        progress(bytes);
    }
    Ok(true)
}

fn temporary() -> Result<File, CatalogError> {
    tempfile::tempfile().map_err(disk)
}

fn disk(source: std::io::Error) -> CatalogError {
    CatalogError::File { path: std::env::temp_dir(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_with_its_index_and_keys() {
        let parse = |text: &str| text.parse::<Table>();
        let all = Table { name: "products".into(), index: None, values: Vec::new() };
        assert_eq!(parse("products").unwrap(), all);
        let some = parse("products/by-category?category=audio&category=phones").unwrap();
        assert_eq!(some.index.as_deref(), Some("by-category"));
        assert_eq!(some.values, [("category", "audio"), ("category", "phones")].map(|(k, v)| (k.into(), v.into())));
        for text in ["", "/x", "a/b/c", "a?category", "a?x=1&y=2"] {
            assert!(parse(text).unwrap_err().contains("must be dynamodb://TABLE"), "{text}");
        }
    }
}
