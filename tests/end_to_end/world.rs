//! One test's world: a stack, a published catalog, and the ways to send jobs and see what became of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use devstack::lambda::{LambdaHarness, LambdaOptions};
use devstack::stack::{Stack, StackOptions};
use nearline::aws::{DynamoRecords, Sdk};
use nearline::catalog::{Rows, artifact};
use nearline::clock::Clock;
use nearline::results::{Results, Settings};
use nearline_contract::{Attribute, ResultRecord};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::oracle::Attributes;

pub(crate) const MODEL: &str = "amazon.nova-2-multimodal-embeddings-v1:0";
pub(crate) const DIMENSION: usize = 384;
const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");
const NEARLINE: &str = env!("CARGO_BIN_EXE_nearline");
/// Longest wait for anything; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) folder: TempDir,
    extra: Vec<(String, String)>,
}

/// What stands in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) body: String,
    pub(crate) code: String,
    pub(crate) reason: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(StackOptions::default()).await
    }

    pub(crate) async fn start_with(options: StackOptions) -> Self {
        let stack = Stack::start(options).await.expect("the stack starts");
        Self { stack, folder: tempfile::tempdir().unwrap(), extra: Vec::new() }
    }

    /// A world with the first `rows` products of the example catalog published.
    pub(crate) async fn with_products(rows: usize) -> Self {
        let world = Self::start().await;
        world.publish(&example_rows(rows)).await;
        world
    }

    /// Sets or replaces a setting of what is started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.extra.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn env(&self) -> HashMap<String, String> {
        self.stack.env().into_iter().chain(self.extra.iter().cloned()).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn prefix(&self) -> String {
        self.env()["NEARLINE_CATALOG"].clone()
    }

    /// Writes and publishes a catalog; its version.
    pub(crate) async fn publish(&self, rows: &Rows) -> String {
        let path = self.path("catalog.arrow");
        write_artifact(&path, rows, MODEL);
        self.publish_file(&path).await
    }

    /// Publishes an artifact; its version.
    pub(crate) async fn publish_file(&self, path: &Path) -> String {
        let published = self.nearline(&["catalog", "publish", path.to_str().unwrap(), "--to", &self.prefix()]).await;
        assert!(published.status.success(), "{published:?}");
        String::from_utf8(published.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(NEARLINE);
        command.args(arguments).env_clear().envs(self.env()).stdin(Stdio::null()).kill_on_drop(true);
        command.current_dir(self.folder.path());
        command
    }

    /// `nearline catalog build` with some flags; its input and output are files of this world, or names of elsewhere.
    pub(crate) async fn build(&self, input: &str, output: &str, flags: &[&str]) -> Output {
        self.nearline(&[&["catalog", "build", "--input", input, "--output", output], flags].concat()).await
    }

    /// Writes a file of this world.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) async fn nearline(&self, arguments: &[&str]) -> Output {
        tokio::time::timeout(PATIENCE, self.command(arguments).output()).await.expect("ends in time").unwrap()
    }

    /// The polling worker, its log in `worker.log`.
    pub(crate) fn worker(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.path("worker.log")).unwrap();
        self.command(&["worker"]).stderr(log).spawn().unwrap()
    }

    pub(crate) fn lambda_options(&self) -> LambdaOptions {
        LambdaOptions {
            env: self.env().into_iter().collect(),
            log: Some(self.path("bootstrap.log")),
            ..LambdaOptions::new(BOOTSTRAP, self.stack.queue_url(), self.stack.sdk_config())
        }
    }

    pub(crate) async fn lambda(&self) -> LambdaHarness {
        LambdaHarness::start(self.lambda_options()).await.expect("the function starts")
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.stack.sdk_config())
    }

    /// Puts messages on the queue, one at a time, in order.
    pub(crate) async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            self.sqs().send_message().queue_url(self.stack.queue_url()).message_body(*body).send().await.unwrap();
        }
    }

    pub(crate) fn results(&self) -> Results<DynamoRecords> {
        let records =
            Sdk::from_config(self.stack.sdk_config()).records(self.stack.results_table(), Some(self.stack.bucket()));
        Results::new(records, Settings { ttl: Duration::from_hours(1) }, Clock::system())
    }

    pub(crate) async fn record(&self, id: &str) -> ResultRecord {
        until(&format!("a record for {id}"), || async { self.results().get(id).await.unwrap() }).await
    }

    /// Waits until nothing is left on the queue, in flight or visible.
    pub(crate) async fn drained(&self) {
        until("an empty queue", || async { (self.depth(self.stack.queue_url()).await == 0).then_some(()) }).await;
    }

    pub(crate) async fn depth(&self, queue_url: &str) -> usize {
        let all = aws_sdk_sqs::types::QueueAttributeName::All;
        let asked = self.sqs().get_queue_attributes().queue_url(queue_url).attribute_names(all);
        let attributes = asked.send().await.unwrap().attributes.unwrap_or_default();
        let count = |name: &str| {
            attributes.iter().find(|(key, _)| key.as_str() == name).and_then(|(_, count)| count.parse::<usize>().ok())
        };
        ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
            .into_iter()
            .filter_map(count)
            .sum()
    }

    /// Takes `count` messages from the dead-letter queue.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        let letters = RefCell::new(Vec::new());
        until(&format!("{count} dead letters"), || async {
            let receive = self
                .sqs()
                .receive_message()
                .queue_url(self.stack.dead_letter_queue_url())
                .max_number_of_messages(10)
                .wait_time_seconds(1)
                .message_attribute_names("All");
            let received = receive.send().await.unwrap().messages.unwrap_or_default();
            letters.borrow_mut().extend(received.iter().map(dead_letter));
            (letters.borrow().len() >= count).then_some(())
        })
        .await;
        letters.into_inner()
    }
}

/// What a command said to people.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn dead_letter(message: &Message) -> DeadLetter {
    let attribute = |name: &str| {
        let attributes = message.message_attributes().expect("a dead letter says why");
        attributes[name].string_value().unwrap().to_owned()
    };
    DeadLetter {
        body: message.body().unwrap().to_owned(),
        code: attribute("nearline_error_code"),
        reason: attribute("nearline_error"),
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub(crate) const EXAMPLE_CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/catalog.csv");

/// The first products of the example catalog, embedded as the stand-in for Bedrock does it, without their attributes.
pub(crate) fn example_rows(count: usize) -> Rows {
    let mut reader = csv::Reader::from_path(EXAMPLE_CATALOG).unwrap();
    let mut rows = Rows { dimension: DIMENSION, ..Rows::default() };
    for record in reader.records().take(count) {
        let record = record.unwrap();
        rows.product_ids.push(record[0].to_owned());
        rows.categories.push(record[1].to_owned());
        rows.vectors.extend(devstack::lexical::embed(&record[2], DIMENSION));
        rows.titles.push(Some(record[3].to_owned()));
    }
    rows
}

/// The attributes of all products of the example catalog, as matches carry them.
pub(crate) fn example_attributes() -> Vec<Attributes> {
    let mut reader = csv::Reader::from_path(EXAMPLE_CATALOG).unwrap();
    let attributes = |record: csv::StringRecord| {
        // Numbers are written as short as they can be.
        let price = record[5].trim_end_matches('0').trim_end_matches('.');
        [
            ("brand", Attribute::Text(record[4].to_owned())),
            ("price", Attribute::Number(price.parse().unwrap_or(0.into()))),
            ("in_stock", Attribute::Boolean(&record[6] == "true")),
            ("tags", serde_json::from_str(&record[7]).unwrap_or(Attribute::Boolean(false))),
        ]
        .into_iter()
        .zip(4..)
        .filter(|(_, column)| !record[*column].is_empty())
        .map(|((name, value), _)| (name.to_owned(), value))
        .collect()
    };
    reader.records().map(|record| attributes(record.unwrap())).collect()
}

pub(crate) fn write_artifact(path: &Path, rows: &Rows, model: &str) {
    artifact::write(std::fs::File::create(path).unwrap(), rows, model).unwrap();
}
