//! Results too large for an item: a JSON array of groups in S3, named by its own content.
//!
//! The name makes an upload idempotent, and a record never points to something that another job can change.

use aws_sdk_s3::Client;
use nearline_contract::Group;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use crate::aws;
use crate::fault::Fault;

/// Uploads results; their URI.
pub(super) async fn put(client: &Client, bucket: &str, results: &[Group]) -> Result<String, Fault> {
    let body = serde_json::to_vec(results).map_err(|error| Fault::Permanent(error.to_string()))?;
    let key = format!("results/{}.json", hex(&Sha256::digest(&body)));
    let uri = format!("s3://{bucket}/{key}");
    let put = client.put_object().bucket(bucket).key(key).content_type("application/json").body(body.into());
    put.send().await.map_err(|error| aws::classify(&error).context(&format!("S3 PutObject {uri}")))?;
    Ok(uri)
}

/// Reads results back, checking that they are what the name says.
pub(super) async fn get(client: &Client, uri: &str) -> Result<Vec<Group>, Fault> {
    let broken = |fault: &str| Fault::Permanent(format!("{uri}: {fault}"));
    let (bucket, key) =
        uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or_else(|| broken("is not an S3 URI"))?;
    let get = client.get_object().bucket(bucket).key(key).send().await;
    let object = get.map_err(|error| aws::classify(&error).context(&format!("S3 GetObject {uri}")))?;
    let body = object.body.collect().await.map_err(|error| Fault::Retry(format!("S3 GetObject {uri}: {error}")))?;
    let body = body.to_vec();
    if !key.ends_with(&format!("{}.json", hex(&Sha256::digest(&body)))) {
        return Err(broken("its content is not what its name says"));
    }
    serde_json::from_slice(&body).map_err(|error| broken(&error.to_string()))
}
