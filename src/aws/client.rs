//! The clients of a process.

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_sqs::config::ProvideCredentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::bedrock::BedrockModels;
use super::bedrock_batch::BedrockBatches;
use super::direct::{Hearing, READ_TIMEOUT, TakePattern};
use super::dynamodb::DynamoRecords;
use super::errors::chain;
use super::genuine::JsonAnswers;
use super::leases::DynamoLeases;
use super::s3::S3Artifacts;
use super::skew::Skew;
use super::sqs::SqsQueue;
use super::trace::TraceHeader;
use crate::clock::Clock;
use crate::compute::Compute;
use crate::fault::{Cause, Fault};
use crate::intake::Services;

/// Longest wait for a TCP connection and TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A worker on AWS.
pub type AwsServices = Services<SqsQueue, DynamoRecords, BedrockModels, S3Artifacts>;

/// What a worker uses on AWS, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// Queue of the jobs.
    pub queue_url: String,
    /// Queue for what cannot be answered.
    pub dead_letter_queue_url: Option<String>,
    /// Table of the records.
    pub table: String,
    /// Bucket for large results.
    pub bucket: Option<String>,
    /// Tier that models are called in; `None`: the default of the service.
    pub service_tier: Option<String>,
}

/// Makes clients.
#[derive(Debug, Clone)]
pub struct Sdk(SdkConfig);

impl Sdk {
    /// From the SDK's own sources: environment, profile, instance.
    pub async fn load() -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).timeout_config(timeouts);
        Self::from_config(config.load().await)
    }

    /// As [`load`](Self::load), for commands that people wait for: calls without region or credentials are tried again and
    /// again, and their errors name neither.
    ///
    /// # Errors
    /// There is no region, or there are no credentials; with what to do.
    pub async fn load_usable() -> Result<Self, Fault> {
        let sdk = Self::load().await;
        if sdk.region().is_none() {
            let what = "there is no region: set AWS_REGION, or AWS_PROFILE to a profile that names one";
            return Err(Fault::new(Cause::Misconfigured, what));
        }
        sdk.credentials().await.map_err(|why| {
            let what = "there are no credentials: set AWS_PROFILE (and log in: `aws sso login`), or \
                        AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            Fault::new(Cause::Misconfigured, format!("{what} ({why})"))
        })?;
        Ok(sdk)
    }

    /// Whether anything gives credentials; if not, why.
    ///
    /// # Errors
    /// Nothing does: each place that was looked at, in words.
    pub async fn credentials(&self) -> Result<(), String> {
        let Some(provider) = self.0.credentials_provider() else { return Err("no provider has any".to_owned()) };
        let found = provider.provide_credentials().await;
        found.map(drop).map_err(|error| {
            // The SDK lists each place on a line.
            let why = chain(&error);
            let why: Vec<&str> = why.lines().map(str::trim).collect();
            why.join("; ").replace(":; ", ": ")
        })
    }

    /// The same, noting by how much the services' clocks differ from this machine's.
    #[must_use]
    pub fn with_skew(self) -> (Self, Skew) {
        let skew = Skew::default();
        let Some(http) = self.0.http_client() else { return (self, skew) };
        let http = skew.noting(http);
        (Self(self.0.to_builder().http_client(http).build()), skew)
    }

    /// With a configuration of the SDK.
    pub fn from_config(config: SdkConfig) -> Self {
        let Some(http) = config.http_client() else { return Self(config) };
        Self(config.to_builder().http_client(Hearing(http)).build())
    }

    /// The region, if one is set.
    pub fn region(&self) -> Option<&str> {
        self.0.region().map(AsRef::as_ref)
    }

    /// A queue.
    pub fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.sqs(), url.to_owned())
    }

    /// The records of a table; without a bucket results must fit into their record.
    pub fn records(&self, table: &str, bucket: Option<&str>) -> DynamoRecords {
        DynamoRecords::new(self.dynamodb(), self.s3(), table.to_owned(), bucket.map(str::to_owned))
    }

    /// What a fleet shares, in a table of records.
    pub fn leases(&self, table: &str) -> DynamoLeases {
        DynamoLeases::new(self.dynamodb(), table.to_owned(), Clock::system())
    }

    /// Bedrock's models.
    pub fn models(&self) -> BedrockModels {
        BedrockModels::new(&self.0)
    }

    /// Bedrock's batch jobs.
    pub fn batches(&self) -> BedrockBatches {
        BedrockBatches::new(&self.0, self.s3())
    }

    /// S3.
    pub fn artifacts(&self) -> S3Artifacts {
        S3Artifacts::new(self.s3())
    }

    /// All that a worker uses.
    pub fn services(&self, resources: &Resources, compute: Compute) -> AwsServices {
        Services {
            queue: self.queue(&resources.queue_url),
            dead_letters: resources.dead_letter_queue_url.as_deref().map(|url| self.queue(url)),
            records: self.records(&resources.table, resources.bucket.as_deref()),
            models: self.models().in_tier(resources.service_tier.as_deref()),
            leases: Arc::new(self.leases(&resources.table)),
            artifacts: self.artifacts(),
            compute,
            clock: Clock::system(),
        }
    }

    pub(super) fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.0).interceptor(JsonAnswers).interceptor(TraceHeader);
        let config = config.interceptor(TakePattern);
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.0).interceptor(JsonAnswers).interceptor(TraceHeader);
        let config = config.interceptor(TakePattern);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    pub(super) fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.0)
    }

    pub(super) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.0).interceptor(TraceHeader);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
