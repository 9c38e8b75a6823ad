#!/usr/bin/env bash
# A page of HTML with status 200, as a proxy or a captive portal answers, reaches a caller of the AWS SDK for Rust as
# SdkError::ServiceError for SQS and DynamoDB: the variant that is documented for errors that the service has answered.
# It has no code, and its raw status is 200. To Bedrock's InvokeModel and S3's PutObject the same page is a success.
# Who classifies by the variant takes one page of a proxy for a refusal of the service, and does not try again.
#
# versions: aws-sdk-dynamodb 1.136.0, aws-sdk-sqs 1.119.0, aws-sdk-s3 1.157.0, aws-sdk-bedrockruntime 1.153.0
# seen:     dynamodb PutItem: ServiceError, status 200, no code
#           sqs SendMessage: ServiceError, status 200, no code
#           s3 PutObject: success
#           bedrock InvokeModel: success
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
aws-config = { version = "1.13", default-features = false, features = ["rt-tokio"] }
aws-sdk-dynamodb = { version = "=1.136.0", default-features = false, features = ["rt-tokio"] }
aws-sdk-sqs = { version = "=1.119.0", default-features = false, features = ["rt-tokio"] }
aws-sdk-s3 = { version = "=1.157.0", default-features = false, features = ["rt-tokio"] }
aws-sdk-bedrockruntime = { version = "=1.153.0", default-features = false, features = ["rt-tokio"] }
aws-smithy-http-client = { version = "1.5", default-features = false, features = ["default-client"] }
tokio = { version = "1", features = ["macros", "rt"] }

[profile.dev]
debug = false
TOML
cat >src/main.rs <<'RUST'
use std::io::{Read, Write};
use std::net::TcpListener;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

const PAGE: &str = "<html><body>Please sign in</body></html>";

/// Answers every request on 127.0.0.1 with the page.
fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    if read == 0 { break } else { continue }
                };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if read == 0 || body.len() >= length.and_then(|n| n.trim().parse().ok()).unwrap_or(0) {
                    break;
                }
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{PAGE}",
                PAGE.len()
            );
        }
    });
    format!("http://{address}")
}

fn say<T, E: ProvideErrorMetadata>(what: &str, answer: Result<T, SdkError<E>>) {
    match answer {
        Ok(_) => println!("{what}: success"),
        Err(SdkError::ServiceError(error)) => {
            let code = error.err().code().unwrap_or("no code");
            println!("{what}: ServiceError, status {}, {code}", error.raw().status().as_u16());
        }
        Err(SdkError::ResponseError(_)) => println!("{what}: ResponseError"),
        Err(_) => println!("{what}: another error"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "finding")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(proxy())
        .build();
    let put = aws_sdk_dynamodb::Client::new(&config).put_item().table_name("t");
    let item = aws_sdk_dynamodb::types::AttributeValue::S("a".into());
    say("dynamodb PutItem", put.item("id", item).send().await);
    let send = aws_sdk_sqs::Client::new(&config).send_message().queue_url("http://127.0.0.1/1/q");
    say("sqs SendMessage", send.message_body("a").send().await);
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let put = aws_sdk_s3::Client::from_conf(s3).put_object().bucket("b").key("k");
    say("s3 PutObject", put.body(b"a".to_vec().into()).send().await);
    let invoke = aws_sdk_bedrockruntime::Client::new(&config).invoke_model().model_id("m");
    say("bedrock InvokeModel", invoke.body(b"{}".to_vec().into()).send().await);
}
RUST
cargo run --quiet >seen 2>error || { cat error >&2; exit 1; }
diff - seen <<'SEEN'
dynamodb PutItem: ServiceError, status 200, no code
sqs SendMessage: ServiceError, status 200, no code
s3 PutObject: success
bedrock InvokeModel: success
SEEN
echo "as before"
