//! Objects in S3: catalogs, and results that are too large for a record.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::errors::fault;
use crate::catalog::{Artifacts, ObjectName, Piece};
use crate::fault::{Call, Cause, Fault};

/// Objects of all buckets that the credentials reach.
#[derive(Debug, Clone)]
pub struct S3Artifacts {
    pub(super) client: Client,
}

impl S3Artifacts {
    /// Through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Artifacts for S3Artifacts {
    async fn get(&self, name: &ObjectName) -> Result<Option<Bytes>, Fault> {
        Ok(get(&self.client, &name.bucket, &name.key).await?.map(Bytes::from))
    }

    async fn get_range(&self, name: &ObjectName, range: Range<u64>, tag: Option<&str>) -> Result<Option<Piece>, Fault> {
        get_range(&self.client, name, range, tag).await
    }

    async fn length(&self, name: &ObjectName) -> Result<Option<u64>, Fault> {
        match self.client.head_object().bucket(&name.bucket).key(&name.key).send().await {
            Ok(head) => Ok(head.content_length().and_then(|length| u64::try_from(length).ok())),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(None),
            Err(error) => Err(fault(&error, Call::new("S3", "HeadObject", name.to_string()))),
        }
    }

    async fn put(&self, name: &ObjectName, body: Bytes) -> Result<(), Fault> {
        put(&self.client, &name.bucket, &name.key, body.into(), content_type(&name.key)).await
    }
}

/// What an object is, if its key says so.
pub(super) fn content_type(key: &str) -> Option<&'static str> {
    key.rsplit_once('.').is_some_and(|(_, extension)| extension == "json").then_some("application/json")
}

/// Reads an object; `None` if it does not exist.
pub(super) async fn get(client: &Client, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let Some(body) = open(client, bucket, key).await? else { return Ok(None) };
    let body = body.collect().await;
    let call = || Call::new("S3", "GetObject", format!("s3://{bucket}/{key}"));
    let body = body.map_err(|error| Fault::of(call(), Cause::Unreachable, error.to_string()))?;
    Ok(Some(body.to_vec()))
}

/// Reads a range of an object, if its content is of the tag.
async fn get_range(
    client: &Client,
    name: &ObjectName,
    range: Range<u64>,
    tag: Option<&str>,
) -> Result<Option<Piece>, Fault> {
    let call = || Call::new("S3", "GetObject", name.to_string());
    let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    let get = client.get_object().bucket(&name.bucket).key(&name.key).range(wanted);
    let object = match get.set_if_match(tag.filter(|tag| !tag.is_empty()).map(str::to_owned)).send().await {
        Ok(object) => object,
        Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => return Ok(None),
        Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 412 => return Ok(None),
        // It is shorter than that.
        Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 416 => {
            let head = client.head_object().bucket(&name.bucket).key(&name.key).send().await;
            let length = head.ok().and_then(|head| u64::try_from(head.content_length()?).ok());
            return Ok(length.map(|length| Piece { length, ..Piece::default() }));
        }
        Err(error) => return Err(fault(&error, call())),
    };
    // `bytes 0-9/100`; without it the whole object comes.
    let of = object.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    if of.is_none() && range.start > 0 {
        let what = "it has no Content-Range, which S3 always sends with a part of an object";
        return Err(Fault::of(call(), Cause::InvalidAnswer, what));
    }
    let tag = object.e_tag.clone().unwrap_or_default();
    let (mut body, mut bytes) = (object.body, Vec::new());
    while let Some(chunk) = body.next().await {
        bytes.push(chunk.map_err(|error| Fault::of(call(), Cause::Unreachable, error.to_string()))?);
    }
    let length = of.unwrap_or_else(|| bytes.iter().map(|chunk| chunk.len() as u64).sum());
    Ok(Some(Piece { bytes, length, tag }))
}

/// Begins to read an object; `None` if it does not exist.
pub(super) async fn open(client: &Client, bucket: &str, key: &str) -> Result<Option<ByteStream>, Fault> {
    match client.get_object().bucket(bucket).key(key).send().await {
        Ok(object) => Ok(Some(object.body)),
        Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => Ok(None),
        Err(error) => Err(fault(&error, Call::new("S3", "GetObject", format!("s3://{bucket}/{key}")))),
    }
}

/// Writes an object.
pub(super) async fn put(
    client: &Client,
    bucket: &str,
    key: &str,
    body: ByteStream,
    content_type: Option<&str>,
) -> Result<(), Fault> {
    let call = || Call::new("S3", "PutObject", format!("s3://{bucket}/{key}"));
    let put = client.put_object().bucket(bucket).key(key).set_content_type(content_type.map(str::to_owned));
    // The SDK counts the upload into the read timeout, and a catalog takes longer than an answer may.
    let timeouts = TimeoutConfig::builder().disable_read_timeout().build();
    let patient = aws_sdk_s3::config::Builder::default().timeout_config(timeouts);
    let answer = put.body(body).customize().config_override(patient).send().await;
    let answer = answer.map_err(|error| fault(&error, call()))?;
    if answer.e_tag.is_none() {
        return Err(Fault::of(call(), Cause::InvalidAnswer, "it has no ETag, which S3 always sends"));
    }
    Ok(())
}
