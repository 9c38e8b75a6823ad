//! `nearline doctor`: tries everything that a worker needs, and says how to fix what is wrong.

use clap::Args;
use serde::Serialize;

use super::output::{CliError, json, print};
use crate::aws::describe::{self, QueueFacts};
use crate::aws::{Resources, Sdk};
use crate::catalog::{Catalog, CatalogStore, Indexing};
use crate::config::{Reader, WorkerSettings};
use crate::embed::{EmbedError, Embedder, Purpose};
use crate::intake;
use crate::under_way::UnderWay;

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
    /// How to fix it, or what could be better.
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
    let sdk = Sdk::load().await;
    let mut checks: Vec<Check> = settings
        .unknown
        .iter()
        .map(|sentence| Check::failed("settings", sentence, "it is ignored: correct the name, or unset it"))
        .collect();
    if checks.is_empty() {
        checks.push(Check::ok("settings", "all well"));
    }
    checks.push(region(&sdk));
    checks.extend(queues(&sdk, &settings.resources, settings.intake.max_attempts).await);
    checks.push(table(&sdk, &settings.resources.table).await);
    checks.push(match &settings.resources.bucket {
        Some(bucket) => bucket_check(&sdk, bucket).await,
        None => Check::ok("results bucket", "none is set")
            .advise("set NEARLINE_RESULTS_BUCKET: without it results above 350 KB are rejected as result_too_large"),
    });
    let indexing = Indexing { kernel: settings.intake.kernel, ..Indexing::default() };
    match CatalogStore::new(sdk.artifacts(), indexing).load(&settings.intake.catalog).await {
        Err(error) => checks.push(Check::failed(
            "catalog",
            error.to_string(),
            "publish a catalog, or grant s3:GetObject on the prefix (s3:ListBucket too, to tell missing from denied)",
        )),
        Ok(catalog) => {
            checks.push(catalog_check(&catalog, &settings.intake));
            checks.push(model(&sdk, &catalog, &settings.intake).await);
        }
    }
    checks
}

fn region(sdk: &Sdk) -> Check {
    match sdk.region() {
        Some(region) => Check::ok("region", region),
        None => Check::failed("region", "none", "set AWS_REGION, or a region in the AWS profile"),
    }
}

async fn queues(sdk: &Sdk, resources: &Resources, max_attempts: u32) -> Vec<Check> {
    const NAME: &str = "queue";
    const DEAD_LETTERS: &str = "dead-letter queue";
    let (check, jobs) = queue(sdk, NAME, &resources.queue_url).await;
    let check = match jobs.max_receive_count {
        Some(count) if count <= max_attempts => check.advise(format!(
            "its maxReceiveCount {count} is not above NEARLINE_MAX_ATTEMPTS {max_attempts}: messages go without a reason"
        )),
        _ => check,
    };
    let Some(url) = &resources.dead_letter_queue_url else {
        let advice = "set NEARLINE_DEAD_LETTER_QUEUE_URL: without it a message that cannot be answered is retried until \
                      the queue's redrive policy moves it, without its reason";
        return vec![check, Check::ok(DEAD_LETTERS, "none is set").advise(advice)];
    };
    let (dead_check, dead) = queue(sdk, DEAD_LETTERS, url).await;
    let same = dead.arn.is_some() && dead.arn == jobs.arn;
    let dead_check = match (jobs.message_max_bytes, dead.message_max_bytes) {
        _ if same => {
            let advice = "make a queue of its own: what cannot be answered would come back for ever";
            Check::failed(DEAD_LETTERS, format!("{url} is the job queue"), advice)
        }
        (Some(jobs), Some(dead)) if dead < jobs => {
            let found = format!("{url} takes {dead} bytes, the job queue {jobs}");
            Check::failed(
                DEAD_LETTERS,
                found,
                "raise its MaximumMessageSize: a larger message could not be moved there",
            )
        }
        _ => dead_check,
    };
    vec![check, dead_check]
}

async fn queue(sdk: &Sdk, name: &'static str, url: &str) -> (Check, QueueFacts) {
    match describe::queue(sdk, url).await {
        Ok(facts) => {
            let number = |value: Option<u64>| value.map_or("?".to_owned(), |value| value.to_string());
            let (waiting, visibility) = (number(facts.waiting), number(facts.visibility_seconds));
            (Check::ok(name, format!("{url}: {waiting} messages, visibility {visibility} s")), facts)
        }
        Err(fault) => {
            let advice = "check the URL and region, and grant sqs:GetQueueAttributes (the worker also needs \
                          sqs:ReceiveMessage, DeleteMessage and ChangeMessageVisibility; SendMessage on the dead-letter queue)";
            (Check::failed(name, format!("{url}: {}", fault.text), advice), QueueFacts::default())
        }
    }
}

async fn table(sdk: &Sdk, table: &str) -> Check {
    const NAME: &str = "results table";
    match describe::table(sdk, table).await {
        Ok(facts) if !facts.is_keyed_by_request_id => {
            let advice = "the table's only key must be the partition key `request_id` (String)";
            Check::failed(NAME, format!("{table}: its key is {}", facts.key), advice)
        }
        Ok(facts) if !facts.expires => {
            Check::ok(NAME, table).advise("turn TTL on for the attribute `expires_at`, or records pile up")
        }
        Ok(_) => Check::ok(NAME, table),
        Err(fault) => {
            let advice = "check its name and region, and grant dynamodb:DescribeTable (the worker needs \
                          dynamodb:BatchGetItem, GetItem and PutItem)";
            Check::failed(NAME, format!("{table}: {}", fault.text), advice)
        }
    }
}

async fn bucket_check(sdk: &Sdk, bucket: &str) -> Check {
    match describe::bucket(sdk, bucket).await {
        Ok(()) => Check::ok("results bucket", bucket),
        Err(fault) => {
            let advice = "check its name and region, and grant s3:ListBucket (the worker needs s3:PutObject on results/*, and \
                          readers s3:GetObject)";
            Check::failed("results bucket", format!("{bucket}: {}", fault.text), advice)
        }
    }
}

fn catalog_check(catalog: &Catalog, settings: &intake::Settings) -> Check {
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

async fn model(sdk: &Sdk, catalog: &Catalog, settings: &intake::Settings) -> Check {
    const NAME: &str = "embedding model";
    let model = match catalog.query_model(&settings.guard) {
        Ok(Some(model)) => model,
        Ok(None) => {
            let advice = "publish the catalog with --model ID to have texts answered";
            return Check::ok(NAME, "the catalog names none: vector and product_id jobs only").advise(advice);
        }
        Err(error) => return Check::failed(NAME, error.to_string(), "build the catalog with a supported model"),
    };
    let found = if model.called() == model.id() {
        model.id().to_owned()
    } else {
        format!("{} ({})", model.called(), model.id())
    };
    let embedder = Embedder::start(sdk.models(), settings.embedding, model, Purpose::Query);
    match embedder.embed("nearline doctor", &UnderWay::default()).await {
        Ok(_) => Check::ok(NAME, found),
        Err(EmbedError::Refused(text)) => Check::failed(NAME, text, "report it: no model should refuse this text"),
        Err(EmbedError::Fault(fault)) => {
            let advice =
                "enable access to the model in the Bedrock console of this region, and grant bedrock:InvokeModel";
            Check::failed(NAME, fault.to_string(), advice)
        }
    }
}
