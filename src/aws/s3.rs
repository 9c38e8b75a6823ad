//! Objects in S3: catalogs, and results that are too large for a record.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::errors::fault;
use crate::catalog::{Artifacts, ObjectName};
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
