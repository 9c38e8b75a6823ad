//! `nearline doctor`: tries everything that a worker needs, and says how to mend what is wrong.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{KeyType, TableDescription, TimeToLiveStatus};
use aws_sdk_sqs::types::QueueAttributeName;
use clap::Args;
use serde::Serialize;

use super::{CliError, json, print};
use crate::aws;
use crate::catalog::store::CatalogStore;
use crate::catalog::{Catalog, Indexing};
use crate::config::{Reader, WorkerSettings};
use crate::embed::{Bedrock, Embedder, Model, Purpose};

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was tried.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    /// What was found.
    found: String,
    /// How to mend it, or what could be better.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, ok: true, found: found.into(), advice: None }
    }

    fn failed(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, ok: false, found: found.into(), advice: Some(advice.into()) }
    }

    fn to_text(&self) -> String {
        let mark = if self.ok { "ok  " } else { "FAIL" };
        let advice = self.advice.as_ref().map_or(String::new(), |advice| format!("\n      {:<18} -> {advice}", ""));
        format!("{mark}  {:<18} {}{advice}", self.name, self.found)
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<(), CliError> {
    let checks = match Reader::from_process().worker() {
        Ok(settings) => check_all(&settings).await,
        Err(error) => {
            let advice = "set it in the environment; `nearline --help` lists all settings";
            error.0.into_iter().map(|fault| Check::failed("settings", fault, advice)).collect()
        }
    };
    if args.json {
        print(&json(&checks)?)?;
    } else {
        print(&checks.iter().map(Check::to_text).collect::<Vec<_>>().join("\n"))?;
    }
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        failed => Err(CliError::Other(format!("{failed} of {} checks failed", checks.len()))),
    }
}

async fn check_all(settings: &WorkerSettings) -> Vec<Check> {
    let config = aws::sdk_config().await;
    let mut checks = vec![Check::ok("settings", "all well"), region(&config)];
    checks.push(queue(&config, "queue", &settings.queue_url, settings.max_attempts).await);
    checks.push(match &settings.dead_letter_queue_url {
        Some(url) => queue(&config, "dead-letter queue", url, 0).await,
        None => Check::ok("dead-letter queue", "none is set").advise(
            "set NEARLINE_DEAD_LETTER_QUEUE_URL: without it a message that cannot be answered is retried until the \
             queue's redrive policy moves it, without its reason",
        ),
    });
    checks.push(table(&config, &settings.results.table).await);
    checks.push(match &settings.results.bucket {
        Some(bucket) => bucket_check(&config, bucket).await,
        None => Check::ok("results bucket", "none is set")
            .advise("set NEARLINE_RESULTS_BUCKET: without it results above 350 KB are rejected as result_too_large"),
    });
    let indexing = Indexing { kernel: settings.kernel, ..Indexing::default() };
    match CatalogStore::new(aws_sdk_s3::Client::new(&config), indexing).load(&settings.catalog).await {
        Err(error) => checks.push(Check::failed(
            "catalog",
            error.to_string(),
            "publish a catalog, or grant s3:GetObject on the prefix (s3:ListBucket too, to tell missing from denied)",
        )),
        Ok(catalog) => {
            checks.push(catalog_check(&catalog, settings));
            checks.push(model(&config, &catalog, settings).await);
        }
    }
    checks
}

fn region(config: &SdkConfig) -> Check {
    match config.region() {
        Some(region) => Check::ok("region", region.as_ref()),
        None => Check::failed("region", "none", "set AWS_REGION, or a region in the AWS profile"),
    }
}

async fn queue(config: &SdkConfig, name: &'static str, url: &str, max_attempts: u32) -> Check {
    let sqs = aws_sdk_sqs::Client::new(config);
    let asked = sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::VisibilityTimeout)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .attribute_names(QueueAttributeName::RedrivePolicy);
    let attributes = match asked.send().await {
        Ok(answer) => answer.attributes.unwrap_or_default(),
        Err(error) => {
            let advice = "check the URL and region, and grant sqs:GetQueueAttributes (the worker also needs \
                          sqs:ReceiveMessage, DeleteMessage and ChangeMessageVisibility; SendMessage on the dead-letter queue)";
            return Check::failed(name, format!("{url}: {}", aws::classify(&error)), advice);
        }
    };
    let attribute = |name| attributes.get(&name).map_or("?", String::as_str);
    let (waiting, visibility) =
        (attribute(QueueAttributeName::ApproximateNumberOfMessages), attribute(QueueAttributeName::VisibilityTimeout));
    let check = Check::ok(name, format!("{url}: {waiting} messages, visibility {visibility} s"));
    let redrive: Option<u32> = attributes
        .get(&QueueAttributeName::RedrivePolicy)
        .and_then(|policy| serde_json::from_str::<serde_json::Value>(policy).ok())
        .and_then(|policy| policy["maxReceiveCount"].as_u64().or(policy["maxReceiveCount"].as_str()?.parse().ok()))
        .and_then(|count| u32::try_from(count).ok());
    match redrive {
        Some(count) if count <= max_attempts => check.advise(format!(
            "its maxReceiveCount {count} is not above NEARLINE_MAX_ATTEMPTS {max_attempts}: messages go without a reason"
        )),
        _ => check,
    }
}

async fn table(config: &SdkConfig, table: &str) -> Check {
    const NAME: &str = "results table";
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    let described = match dynamodb.describe_table().table_name(table).send().await {
        Ok(answer) => answer.table,
        Err(error) => {
            let advice = "check its name and region, and grant dynamodb:DescribeTable (the worker needs \
                          dynamodb:BatchGetItem, GetItem and PutItem)";
            return Check::failed(NAME, format!("{table}: {}", aws::classify(&error)), advice);
        }
    };
    let keys: Vec<(String, KeyType)> = described
        .iter()
        .flat_map(TableDescription::key_schema)
        .map(|key| (key.attribute_name().to_owned(), key.key_type().clone()))
        .collect();
    if keys != [("request_id".to_owned(), KeyType::Hash)] {
        let advice = "the table's only key must be the partition key `request_id` (String)";
        return Check::failed(NAME, format!("{table}: its key is {keys:?}"), advice);
    }
    let check = Check::ok(NAME, table);
    let ttl = dynamodb.describe_time_to_live().table_name(table).send().await.ok();
    let ttl = ttl.and_then(|answer| answer.time_to_live_description);
    let enabled = ttl.is_some_and(|ttl| {
        ttl.attribute_name() == Some("expires_at")
            && matches!(ttl.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    });
    if enabled { check } else { check.advise("turn TTL on for the attribute `expires_at`, or records pile up") }
}

async fn bucket_check(config: &SdkConfig, bucket: &str) -> Check {
    match aws_sdk_s3::Client::new(config).head_bucket().bucket(bucket).send().await {
        Ok(_) => Check::ok("results bucket", bucket),
        Err(error) => {
            let advice = "check its name and region, and grant s3:ListBucket (the worker needs s3:PutObject on results/*, and \
                          readers s3:GetObject)";
            Check::failed("results bucket", format!("{bucket}: {}", aws::classify(&error)), advice)
        }
    }
}

fn catalog_check(catalog: &Catalog, settings: &WorkerSettings) -> Check {
    let found = format!(
        "version {}, {} products, {} dimensions, {:.1} MiB in memory",
        catalog.version(),
        catalog.rows(),
        catalog.dimension(),
        catalog.memory_bytes() as f64 / f64::from(1 << 20)
    );
    match catalog.check(&settings.guard) {
        Ok(()) => Check::ok("catalog", found),
        Err(error) => Check::failed("catalog", found, error.to_string()),
    }
}

async fn model(config: &SdkConfig, catalog: &Catalog, settings: &WorkerSettings) -> Check {
    const NAME: &str = "embedding model";
    let Some(model_id) = catalog.model_id() else {
        let advice = "publish the catalog with --model ID to have texts answered";
        return Check::ok(NAME, "the catalog names none: vector and product_id jobs only").advise(advice);
    };
    let model = match Model::new(model_id, catalog.dimension()) {
        Ok(model) => model,
        Err(error) => return Check::failed(NAME, error.to_string(), "build the catalog with a supported model"),
    };
    let bedrock = Bedrock::new(config, settings.embedding);
    match Embedder::start(bedrock, model, catalog.dimension(), Purpose::Query).embed("nearline doctor").await {
        Ok(_) => Check::ok(NAME, model_id),
        Err(fault) => {
            let advice =
                "enable access to the model in the Bedrock console of this region, and grant bedrock:InvokeModel";
            Check::failed(NAME, fault.to_string(), advice)
        }
    }
}
