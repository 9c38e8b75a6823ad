//! Everything that a worker needs, ready to use: `MiniStack` and the Bedrock stand-in, with the queue, its dead-letter
//! queue, the results table and the bucket already there.
//!
//! Each stack has an AWS account of its own, a random number that also is its access key (`MiniStack` keeps accounts
//! apart by it), and settings that are passed on as environment variables only: nothing is written to `~/.aws`.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::{Builder, tls};
use rand::RngExt;
use serde_json::json;

use crate::DevstackError;
use crate::bedrock::{BedrockOptions, BedrockServer};
use crate::ministack::MiniStack;

/// Where Nova's embeddings are on AWS.
const REGION: &str = "us-east-1";
/// Nobody checks it; the SDK wants one.
const SECRET_KEY: &str = "devstack";
const TABLE: &str = "nearline-results";
const BUCKET: &str = "nearline";
/// The catalog's place in the bucket; results that are too large for a record go elsewhere in the same bucket.
const CATALOG_PREFIX: &str = "nearline";

/// What kind of stack to start.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// How the embedding endpoint behaves.
    pub bedrock: BedrockOptions,
    /// FIFO queues instead of standard ones.
    pub fifo: bool,
    /// How long a received message stays invisible unless the receiver says otherwise; at least the function timeout.
    pub visibility_timeout: Duration,
    /// After how many receives the queue itself gives a message up to the dead-letter queue.
    pub max_receive_count: u32,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            bedrock: BedrockOptions::default(),
            fifo: false,
            visibility_timeout: Duration::from_mins(1),
            max_receive_count: 100,
        }
    }
}

/// A running stack; all of it ends when dropped, or with this process.
#[derive(Debug)]
pub struct Stack {
    ministack: MiniStack,
    bedrock: BedrockServer,
    sdk_config: SdkConfig,
    account: String,
    queue_url: String,
    dead_letter_queue_url: String,
}

impl Stack {
    /// Starts the servers and creates the resources; all of it is usable when this returns.
    pub async fn start(options: StackOptions) -> Result<Self, DevstackError> {
        let bedrock = BedrockServer::start(options.bedrock.clone()).await?;
        let ministack = MiniStack::start().await?;
        // Twelve digits, no leading zero.
        let account = rand::rng().random_range(100_000_000_000_u64..1_000_000_000_000).to_string();
        let sdk_config = sdk_config(&account, &ministack.endpoint());
        let (queue_url, dead_letter_queue_url) = create_queues(&sdk_config, &options).await?;
        create_table(&sdk_config).await?;
        create_bucket(&sdk_config).await?;
        bedrock.keep_batch_files_in(aws_sdk_s3::Client::new(&sdk_config));
        Ok(Self { ministack, bedrock, sdk_config, account, queue_url, dead_letter_queue_url })
    }

    /// The environment of a worker, an SDK or a command line that is to use this stack.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_REGION", REGION.into()),
            // What boto3 reads.
            ("AWS_DEFAULT_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", self.account.clone()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_ENDPOINT_URL", self.ministack.endpoint()),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", self.bedrock.endpoint()),
            ("AWS_ENDPOINT_URL_BEDROCK", self.bedrock.endpoint()),
            ("NEARLINE_QUEUE_URL", self.queue_url.clone()),
            ("NEARLINE_DEAD_LETTER_QUEUE_URL", self.dead_letter_queue_url.clone()),
            ("NEARLINE_RESULTS_TABLE", TABLE.into()),
            ("NEARLINE_RESULTS_BUCKET", BUCKET.into()),
            ("NEARLINE_CATALOG", format!("s3://{BUCKET}/{CATALOG_PREFIX}")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// For SDK clients of SQS, DynamoDB and S3. Not for Bedrock, which has another endpoint: see [`Self::bedrock`].
    pub fn sdk_config(&self) -> SdkConfig {
        self.sdk_config.clone()
    }

    /// The embedding endpoint, for its counts and faults.
    pub fn bedrock(&self) -> &BedrockServer {
        &self.bedrock
    }

    /// The emulator of SQS, DynamoDB and S3.
    pub fn ministack(&self) -> &MiniStack {
        &self.ministack
    }

    /// The job queue.
    pub fn queue_url(&self) -> &str {
        &self.queue_url
    }

    /// Where jobs go that cannot be answered.
    pub fn dead_letter_queue_url(&self) -> &str {
        &self.dead_letter_queue_url
    }

    /// The name of the results table.
    pub fn results_table(&self) -> &str {
        TABLE
    }

    /// The name of the bucket for large results and the catalog.
    pub fn bucket(&self) -> &str {
        BUCKET
    }

    /// Waits until a part of it ends by itself, which should not happen; says which and how.
    pub async fn ended(&mut self) -> DevstackError {
        self.ministack.ended().await
    }

    /// Ends everything; returns once no process and no port is left.
    pub async fn stop(self) {
        self.bedrock.stop().await;
        self.ministack.stop().await;
    }
}

/// Built from nothing, not from the environment: a developer's profile or endpoint settings must not get in.
fn sdk_config(account: &str, endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(account, SECRET_KEY, None, None, "devstack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .http_client(http_client())
        .build()
}

/// The HTTP client for SDK clients: the SDK's default one is not built in.
pub fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
}

async fn create_queues(sdk: &SdkConfig, options: &StackOptions) -> Result<(String, String), DevstackError> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let suffix = if options.fifo { ".fifo" } else { "" };
    let create = async |name: &str, attributes: HashMap<QueueAttributeName, String>| {
        let fifo = options.fifo.then_some([
            (QueueAttributeName::FifoQueue, "true".to_owned()),
            (QueueAttributeName::ContentBasedDeduplication, "true".to_owned()),
        ]);
        let attributes = attributes.into_iter().chain(fifo.into_iter().flatten()).collect();
        let name = format!("{name}{suffix}");
        let created = sqs.create_queue().queue_name(&name).set_attributes(Some(attributes)).send().await;
        let created = created.map_err(|error| DevstackError::aws(format!("creating the queue {name}"), &error))?;
        Ok::<_, DevstackError>(created.queue_url.unwrap_or_default())
    };
    // SQS's longest: what a redrive policy moves keeps its age.
    let attributes = HashMap::from([(QueueAttributeName::MessageRetentionPeriod, "1209600".to_owned())]);
    let dead_letters = create("nearline-dead-letters", attributes).await?;
    let arn = queue_attribute(&sqs, &dead_letters, QueueAttributeName::QueueArn).await?;
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": options.max_receive_count.to_string()});
    let attributes = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, options.visibility_timeout.as_secs().to_string()),
        (QueueAttributeName::RedrivePolicy, redrive.to_string()),
    ]);
    Ok((create("nearline-jobs", attributes).await?, dead_letters))
}

/// One attribute of a queue; a queue that lacks it is an error, too.
pub(crate) async fn queue_attribute(
    sqs: &aws_sdk_sqs::Client,
    queue_url: &str,
    name: QueueAttributeName,
) -> Result<String, DevstackError> {
    let call = || format!("reading {name} of the queue {queue_url}");
    let answer = sqs.get_queue_attributes().queue_url(queue_url).attribute_names(name.clone()).send().await;
    let attributes = answer.map_err(|error| DevstackError::aws(call(), &error))?.attributes.unwrap_or_default();
    let value = attributes.get(&name).cloned();
    value.ok_or_else(|| DevstackError::Aws { call: call(), message: "the answer does not have it".into() })
}

async fn create_table(sdk: &SdkConfig) -> Result<(), DevstackError> {
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
    let built = "all required fields are set";
    let key = "request_id";
    dynamodb
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(key)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .expect(built),
        )
        .key_schema(KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build().expect(built))
        .send()
        .await
        .map_err(|error| DevstackError::aws(format!("creating the table {TABLE}"), &error))?;
    let time_to_live =
        TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build().expect(built);
    dynamodb
        .update_time_to_live()
        .table_name(TABLE)
        .time_to_live_specification(time_to_live)
        .send()
        .await
        .map_err(|error| DevstackError::aws(format!("setting the time to live of {TABLE}"), &error))?;
    Ok(())
}

async fn create_bucket(sdk: &SdkConfig) -> Result<(), DevstackError> {
    let created = aws_sdk_s3::Client::new(sdk).create_bucket().bucket(BUCKET).send().await;
    created.map_err(|error| DevstackError::aws(format!("creating the bucket {BUCKET}"), &error))?;
    Ok(())
}
