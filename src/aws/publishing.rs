//! Publishing in S3: writes by condition, lists, deletes, and uploads in parts.
//!
//! Parts carry their SHA-256: S3 refuses one that was damaged on its way, and lists it, so that a later run can tell
//! which parts are those of its file.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use time::OffsetDateTime;

use super::errors::{condition_fails, fault};
use super::s3::{S3Artifacts, content_type};
use crate::catalog::{Condition, Listed, ObjectName, Part, Publishing, Tagged, Upload};
use crate::fault::{Call, Cause, Fault};

/// Longest time for a part: the SDK counts the upload into it.
const PART_TIMEOUT: Duration = Duration::from_mins(10);

fn call(operation: &'static str, name: &ObjectName) -> Call {
    Call::new("S3", operation, name.to_string())
}

/// What S3 always sends and did not.
fn lacks(operation: &'static str, name: &ObjectName, what: &str) -> Fault {
    Fault::of(call(operation, name), Cause::InvalidAnswer, format!("it has no {what}, which S3 always sends"))
}

fn time(time: Option<&DateTime>) -> OffsetDateTime {
    let time = time.and_then(|time| SystemTime::try_from(*time).ok());
    // What has no time is as if written just now: nothing young is deleted.
    time.map_or_else(OffsetDateTime::now_utc, OffsetDateTime::from)
}

fn length(length: Option<i64>) -> u64 {
    length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default()
}

/// `None` instead of an error if the upload does not exist.
fn unless_gone<T, E>(
    answer: Result<T, SdkError<E>>,
    operation: &'static str,
    name: &ObjectName,
) -> Result<Option<T>, Fault>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SdkError::ServiceError(error)) if error.err().code() == Some("NoSuchUpload") => Ok(None),
        Err(error) => Err(fault(&error, call(operation, name))),
    }
}

impl Publishing for S3Artifacts {
    async fn get_tagged(&self, name: &ObjectName) -> Result<Option<Tagged>, Fault> {
        let answer = self.client.get_object().bucket(&name.bucket).key(&name.key).send().await;
        let object = match answer {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(fault(&error, call("GetObject", name))),
        };
        let tag = object.e_tag.ok_or_else(|| lacks("GetObject", name, "ETag"))?;
        let body = object.body.collect().await;
        let body = body.map_err(|error| Fault::of(call("GetObject", name), Cause::Unreachable, error.to_string()))?;
        Ok(Some(Tagged { body: body.into_bytes(), tag }))
    }

    async fn put_if(&self, name: &ObjectName, body: Bytes, condition: &Condition) -> Result<bool, Fault> {
        let put = self.client.put_object().bucket(&name.bucket).key(&name.key).body(body.into());
        let put = put.set_content_type(content_type(&name.key).map(str::to_owned));
        let put = match condition {
            Condition::Absent => put.if_none_match("*"),
            Condition::Tag(tag) => put.if_match(tag),
        };
        match put.send().await {
            Ok(answer) if answer.e_tag.is_none() => Err(lacks("PutObject", name, "ETag")),
            Ok(_) => Ok(true),
            Err(error) if condition_fails(&error) => Ok(false),
            Err(error) => Err(fault(&error, call("PutObject", name))),
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), Fault> {
        let answer = self.client.delete_object().bucket(&name.bucket).key(&name.key).send().await;
        answer.map(drop).map_err(|error| fault(&error, call("DeleteObject", name)))
    }

    async fn delete_if(&self, name: &ObjectName, tag: &str) -> Result<bool, Fault> {
        let delete = self.client.delete_object().bucket(&name.bucket).key(&name.key).if_match(tag);
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) if condition_fails(&error) => Ok(self.get_tagged(name).await?.is_none()),
            Err(error) => Err(fault(&error, call("DeleteObject", name))),
        }
    }

    async fn list(&self, folder: &ObjectName) -> Result<Vec<Listed>, Fault> {
        let list = self.client.list_objects_v2().bucket(&folder.bucket).prefix(&folder.key);
        let mut pages = list.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault(&error, call("ListObjectsV2", folder)))?;
            found.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let name = ObjectName { bucket: folder.bucket.clone(), key: object.key? };
                Some(Listed { name, bytes: length(object.size), modified: time(object.last_modified.as_ref()) })
            }));
        }
        Ok(found)
    }

    async fn uploads(&self, folder: &ObjectName) -> Result<Vec<Upload>, Fault> {
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let list = self.client.list_multipart_uploads().bucket(&folder.bucket).prefix(&folder.key);
            let page = list.set_key_marker(key).set_upload_id_marker(id).send().await;
            let page = page.map_err(|error| fault(&error, call("ListMultipartUploads", folder)))?;
            found.extend(page.uploads.unwrap_or_default().into_iter().filter_map(|upload| {
                let name = ObjectName { bucket: folder.bucket.clone(), key: upload.key? };
                Some(Upload { name, id: upload.upload_id?, began: time(upload.initiated.as_ref()) })
            }));
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
            if page.is_truncated != Some(true) || key.is_none() {
                return Ok(found);
            }
        }
    }

    async fn begin_upload(&self, name: &ObjectName) -> Result<Upload, Fault> {
        let begin = self.client.create_multipart_upload().bucket(&name.bucket).key(&name.key);
        let begin = begin.set_content_type(content_type(&name.key).map(str::to_owned));
        let answer = begin.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await;
        let answer = answer.map_err(|error| fault(&error, call("CreateMultipartUpload", name)))?;
        let id = answer.upload_id.ok_or_else(|| lacks("CreateMultipartUpload", name, "UploadId"))?;
        Ok(Upload { name: name.clone(), id, began: OffsetDateTime::now_utc() })
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<Part>, Fault> {
        let name = &upload.name;
        let list = self.client.list_parts().bucket(&name.bucket).key(&name.key).upload_id(&upload.id);
        let mut pages = list.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let Some(page) = unless_gone(page, "ListParts", name)? else { return Ok(Vec::new()) };
            found.extend(page.parts.unwrap_or_default().into_iter().filter_map(|part| {
                let number = u32::try_from(part.part_number?).ok()?;
                let sha256 = part.checksum_sha256.unwrap_or_default();
                Some(Part { number, bytes: length(part.size), sha256, tag: part.e_tag? })
            }));
        }
        Ok(found)
    }

    async fn put_part(&self, upload: &Upload, number: u32, body: Bytes, sha256: &str) -> Result<Part, Fault> {
        let (name, bytes) = (&upload.name, body.len() as u64);
        let put = self.client.upload_part().bucket(&name.bucket).key(&name.key).upload_id(&upload.id);
        let put = put.part_number(i32::try_from(number).unwrap_or(i32::MAX)).checksum_sha256(sha256);
        let timeouts = TimeoutConfig::builder().read_timeout(PART_TIMEOUT).build();
        let patient = aws_sdk_s3::config::Builder::default().timeout_config(timeouts);
        let answer = put.body(body.into()).customize().config_override(patient).send().await;
        let answer = answer.map_err(|error| fault(&error, call("UploadPart", name)))?;
        let tag = answer.e_tag.ok_or_else(|| lacks("UploadPart", name, "ETag"))?;
        Ok(Part { number, bytes, sha256: sha256.to_owned(), tag })
    }

    async fn complete(&self, upload: &Upload, parts: &[Part]) -> Result<(), Fault> {
        let name = &upload.name;
        let part = |part: &Part| {
            let number = i32::try_from(part.number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(&part.tag).checksum_sha256(&part.sha256).build()
        };
        let parts = parts.iter().map(part).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&name.bucket).key(&name.key);
        // S3 puts large objects together for minutes.
        let timeouts = TimeoutConfig::builder().read_timeout(PART_TIMEOUT).build();
        let patient = aws_sdk_s3::config::Builder::default().timeout_config(timeouts);
        let complete = complete.upload_id(&upload.id).multipart_upload(parts).customize().config_override(patient);
        complete.send().await.map(drop).map_err(|error| fault(&error, call("CompleteMultipartUpload", name)))
    }

    async fn abort(&self, upload: &Upload) -> Result<(), Fault> {
        let name = &upload.name;
        let abort = self.client.abort_multipart_upload().bucket(&name.bucket).key(&name.key).upload_id(&upload.id);
        unless_gone(abort.send().await, "AbortMultipartUpload", name).map(drop)
    }
}
