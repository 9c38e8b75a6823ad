//! Which call a request is: the service is named in its signature, the operation in a header or by method and path.

use std::fmt;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

/// A service whose calls can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// SQS, with its JSON protocol.
    Sqs,
    /// DynamoDB.
    DynamoDb,
    /// S3, addressed by path.
    S3,
    /// Bedrock's runtime.
    Bedrock,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqs => "SQS",
            Self::DynamoDb => "DynamoDB",
            Self::S3 => "S3",
            Self::Bedrock => "Bedrock",
        })
    }
}

/// An operation of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) operation: String,
}

impl Call {
    /// `None` for anything but a signed call of these services; it passes without faults.
    pub(super) fn of(request: &Parts) -> Option<Self> {
        let service = match signed_for(&request.headers)? {
            "sqs" => Service::Sqs,
            "dynamodb" => Service::DynamoDb,
            "s3" => Service::S3,
            "bedrock" => Service::Bedrock,
            _ => return None,
        };
        let operation = match service {
            Service::Sqs | Service::DynamoDb => {
                let target = request.headers.get("x-amz-target")?.to_str().ok()?;
                target.rsplit_once('.')?.1.to_owned()
            }
            Service::S3 => s3_operation(&request.method, request.uri.path()),
            Service::Bedrock => "InvokeModel".to_owned(),
        };
        Some(Self { service, operation })
    }

    pub(super) fn is(&self, service: Service, operation: &str) -> bool {
        self.service == service && self.operation == operation
    }

    /// One of the calls that say how long a message stays invisible.
    pub(super) fn changes_visibility(&self) -> bool {
        self.service == Service::Sqs && self.operation.starts_with("ChangeMessageVisibility")
    }

    /// One of SQS's calls that are answered entry by entry.
    pub(super) fn has_entries(&self) -> bool {
        self.service == Service::Sqs && self.operation.ends_with("Batch")
    }
}

/// The service in `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...`.
fn signed_for(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let credential = authorization.split_once("Credential=")?.1.split(',').next()?;
    credential.split('/').nth(3)
}

/// Those that nearline calls by their names, others by their methods.
fn s3_operation(method: &Method, path: &str) -> String {
    let has_key = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let kind = if has_key { "Object" } else { "Bucket" };
    let verb = match method.as_str() {
        "GET" => "Get",
        "HEAD" => "Head",
        "PUT" => "Put",
        "POST" => "Post",
        "DELETE" => "Delete",
        other => other,
    };
    format!("{verb}{kind}")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn call(method: &str, path: &str, service: &str, target: &str) -> Option<Call> {
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential=123/20261128/eu-central-1/{service}/aws4_request, x=y");
        let request = Request::builder().method(method).uri(path).header("authorization", authorization);
        let (parts, ()) = request.header("x-amz-target", target).body(()).unwrap().into_parts();
        Call::of(&parts)
    }

    #[test]
    fn a_call_is_known_by_its_signature_and_its_target() {
        let sqs = call("POST", "/", "sqs", "AmazonSQS.SendMessageBatch").unwrap();
        assert!(sqs.is(Service::Sqs, "SendMessageBatch") && sqs.has_entries());
        assert!(call("POST", "/", "dynamodb", "DynamoDB_20120810.PutItem").unwrap().is(Service::DynamoDb, "PutItem"));
        assert!(call("PUT", "/model/x/invoke", "s3", "").unwrap().is(Service::S3, "PutObject"), "a bucket named model");
        assert!(call("HEAD", "/bucket/", "s3", "").unwrap().is(Service::S3, "HeadBucket"));
        assert!(call("POST", "/model/x/invoke", "bedrock", "").unwrap().is(Service::Bedrock, "InvokeModel"));
        assert_eq!(call("POST", "/", "sts", ""), None);
    }
}
