//! A worker that answers jobs as the contract says, but for the faults that a test asks for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use nearline_contract::filter::{Condition, Scalar, Test};
use nearline_contract::hash::hex;
use nearline_contract::{Filter, Refusal, SearchJob, receive};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

/// What goes wrong: each fault hits one job, the first one that is received while the fault is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The message is deleted, but nothing is written.
    Lose,
    /// The message comes a second time, and is worked on as if it were new.
    Duplicate,
    /// One match of the first group is missing.
    Corrupt,
    /// One answer has products that do not pass the job's filter.
    Unfiltered,
    /// The results stand in S3.
    Spill,
    /// The record says that they stand in S3, where nothing is.
    SpillNothing,
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    task: JoinHandle<()>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Mutex<Vec<Fault>>,
    hit: Mutex<HashMap<Fault, String>>,
    written: AtomicU64,
}

/// The groups that every answer has, with as many matches as `top_k` asks for.
const CATEGORIES: [&str; 2] = ["tea", "mugs"];
/// The one attribute of the catalog, and what it is in turn.
const BRAND: &str = "brand";
const BRANDS: [&str; 2] = ["Assam", "Sencha"];

impl Worker {
    pub(crate) fn start(config: &SdkConfig, queue_url: &str, table: &str, bucket: &str, faults: &[Fault]) -> Self {
        let state = Arc::new(State { faults: Mutex::new(faults.to_vec()), ..State::default() });
        let worker = Work {
            sqs: aws_sdk_sqs::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::new(config),
            queue_url: queue_url.to_owned(),
            table: table.to_owned(),
            bucket: bucket.to_owned(),
            state: state.clone(),
        };
        Self { task: tokio::spawn(worker.run()), state }
    }

    /// The request id that a fault hit.
    pub(crate) fn hit(&self, fault: Fault) -> String {
        self.state.hit.lock().unwrap().get(&fault).cloned().unwrap_or_else(|| panic!("{fault:?} hit nothing"))
    }

    /// How many jobs were answered, repeated ones included.
    pub(crate) fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    queue_url: String,
    table: String,
    bucket: String,
    state: Arc<State>,
}

impl Work {
    async fn run(self) {
        loop {
            let receive =
                self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10).wait_time_seconds(1);
            for message in receive.send().await.unwrap().messages.unwrap_or_default() {
                self.answer(message.body.as_deref().unwrap()).await;
                let handle = message.receipt_handle.unwrap();
                self.sqs.delete_message().queue_url(&self.queue_url).receipt_handle(handle).send().await.unwrap();
            }
        }
    }

    async fn answer(&self, body: &str) {
        let received = receive(body).unwrap();
        let id = received.request_id;
        let mut item: HashMap<String, AttributeValue> = HashMap::from([
            ("request_id".into(), text(&id)),
            ("job_sha256".into(), text(&received.sha256)),
            ("catalog_version".into(), text("v1")),
            ("format_version".into(), attribute(&json!(1))),
            ("expires_at".into(), attribute(&json!(1_800_000_000))),
        ]);
        match received.job {
            Ok(job) if attributes_named(&job).iter().any(|name| name != BRAND) => {
                item.insert("status".into(), text("REJECTED"));
                item.insert(
                    "error".into(),
                    attribute(&json!({"code": "unknown_attribute", "message": "no such attribute"})),
                );
                self.write(item).await;
            }
            Ok(mut job) => {
                let fault = self.fault(&id);
                if fault == Some(Fault::Lose) {
                    return;
                }
                if fault == Some(Fault::Unfiltered) {
                    assert!(job.filter.take().is_some(), "only jobs with a filter are sent");
                }
                item.insert("status".into(), text("SUCCEEDED"));
                let mut results = results(&job);
                if fault == Some(Fault::Corrupt) {
                    results[0]["matches"].as_array_mut().unwrap().pop();
                }
                match fault {
                    Some(Fault::Spill | Fault::SpillNothing) => {
                        let uri = self.spill(&results, fault == Some(Fault::Spill)).await;
                        item.insert("results_uri".into(), text(&uri));
                    }
                    _ => drop(item.insert("results".into(), attribute(&results))),
                }
                self.write(item.clone()).await;
                if fault == Some(Fault::Duplicate) {
                    self.write(item).await;
                }
            }
            Err(Refusal::Invalid(error)) => {
                item.insert("status".into(), text("REJECTED"));
                item.insert("error".into(), attribute(&json!({"code": error.code, "message": error.message})));
                self.write(item).await;
            }
            Err(Refusal::NewerVersion(version)) => panic!("version {version}"),
        }
    }

    /// Writes once, whoever else wrote before: the second one of a duplicated message a little later.
    async fn write(&self, mut item: HashMap<String, AttributeValue>) {
        let number = self.state.written.fetch_add(1, Ordering::Relaxed);
        item.insert("created_at".into(), text(&format!("2026-11-27T12:00:00.{number:06}Z")));
        let id = item["request_id"].as_s().unwrap().clone();
        let again = self.state.hit.lock().unwrap().get(&Fault::Duplicate) == Some(&id);
        let mut put = self.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        if again {
            // The first write has to be seen before the second one comes.
            tokio::time::sleep(Duration::from_secs(2)).await;
        } else {
            put = put.condition_expression("attribute_not_exists(request_id)");
        }
        match put.send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn spill(&self, results: &Value, really: bool) -> String {
        let body = serde_json::to_vec(results).unwrap();
        let key = format!("results/{}.json", hex(&Sha256::digest(&body)));
        if really {
            self.s3.put_object().bucket(&self.bucket).key(&key).body(body.into()).send().await.unwrap();
        }
        format!("s3://{}/{key}", self.bucket)
    }

    fn fault(&self, id: &str) -> Option<Fault> {
        let mut faults = self.state.faults.lock().unwrap();
        let fault = faults.pop()?;
        self.state.hit.lock().unwrap().insert(fault, id.to_owned());
        Some(fault)
    }
}

/// The names in a job's filter and in `return`.
fn attributes_named(job: &SearchJob) -> Vec<String> {
    let mut names = job.return_attributes.clone();
    if let Some(filter) = &job.filter {
        filter.each_condition(&mut |condition| names.push(condition.attribute.clone()));
    }
    names
}

/// Whether a product of this brand passes; filters are of one condition here.
fn passes(filter: &Filter, brand: &str) -> bool {
    match filter {
        Filter::Condition(Condition { test: Test::OneOf(brands), .. }) => brands.contains(&Scalar::Text(brand.into())),
        other => panic!("{other:?}"),
    }
}

fn results(job: &SearchJob) -> Value {
    let product = |category: &str, rank: u16| {
        let brand = BRANDS[usize::from(rank) % BRANDS.len()];
        let mut found = json!({"product_id": format!("{category}-{rank}"), "score": 1.0 / f64::from(rank + 2)});
        if job.return_attributes.iter().any(|name| name == BRAND) {
            found["attributes"] = json!({BRAND: brand});
        }
        job.filter.as_ref().is_none_or(|filter| passes(filter, brand)).then_some(found)
    };
    let matches =
        |category: &str| -> Vec<Value> { (0..job.top_k).filter_map(|rank| product(category, rank)).collect() };
    CATEGORIES.iter().map(|category| json!({"category": category, "matches": matches(category)})).collect()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::String(value) => text(value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(members) => {
            AttributeValue::M(members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Null => AttributeValue::Null(true),
    }
}
