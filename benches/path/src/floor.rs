//! What the calls of a job cost by themselves: the SDK's clients, called as often and with as much, and nothing else.

use std::collections::HashMap;
use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures_util::future::{join_all, try_join_all};

use crate::Fault;
use crate::case::Shape;
use crate::catalog::MODEL;

/// Matches and groups of a record.
const MATCHES: usize = 5;
const GROUPS: usize = 20;
const OVERALL: usize = 10;

struct Clients {
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    bedrock: aws_sdk_bedrockruntime::Client,
    queue: String,
    shape: Shape,
}

/// Polls with so many loops until the process is ended.
pub(crate) fn run(loops: usize, shape: Shape) -> Result<(), Fault> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        let clients = Clients {
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            bedrock: aws_sdk_bedrockruntime::Client::new(&config),
            queue: env::var("NEARLINE_QUEUE_URL")?,
            shape,
        };
        join_all((0..loops).map(|_| clients.poll())).await.into_iter().collect()
    })
}

impl Clients {
    async fn poll(&self) -> Result<(), Fault> {
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.queue);
            let received = receive.max_number_of_messages(10).wait_time_seconds(10).send().await?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                continue;
            }
            let keys = messages.iter().map(|message| HashMap::from([("request_id".to_owned(), text(id(message)))]));
            let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build()?;
            self.dynamodb.batch_get_item().request_items("records", keys).send().await?;
            try_join_all(messages.iter().map(|message| self.answer(message))).await?;
            let entries = messages.iter().enumerate().map(|(id, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
                entry.set_receipt_handle(message.receipt_handle.clone()).build()
            });
            let entries = entries.collect::<Result<_, _>>()?;
            self.sqs.delete_message_batch().queue_url(&self.queue).set_entries(Some(entries)).send().await?;
        }
    }

    async fn answer(&self, message: &Message) -> Result<(), Fault> {
        if self.shape != Shape::Cached {
            let text = message.body().and_then(|body| body.find("text 0").map(|at| &body[at..at + 34]));
            let body = format!(
                r#"{{"schemaVersion":"nova-multimodal-embed-v1","singleEmbeddingParams":{{"embeddingDimension":384,"embeddingPurpose":"TEXT_RETRIEVAL","text":{{"truncationMode":"END","value":"{}"}}}},"taskType":"SINGLE_EMBEDDING"}}"#,
                text.unwrap_or_default()
            );
            let call = self.bedrock.invoke_model().model_id(MODEL).body(Blob::new(body));
            call.content_type("application/json").accept("application/json").send().await?;
        }
        let put = self.dynamodb.put_item().table_name("records").set_item(Some(item(id(message), self.shape)));
        let put = put.condition_expression("attribute_not_exists(request_id) OR expires_at < :now");
        put.expression_attribute_values(":now", AttributeValue::N("1795000000".into())).send().await?;
        Ok(())
    }
}

/// The job's `request_id`.
fn id(message: &Message) -> &str {
    let body = message.body().unwrap_or_default();
    body.find("job-").and_then(|at| body.get(at..at + 12)).unwrap_or_default()
}

/// An item as large as a record.
fn item(id: &str, shape: Shape) -> HashMap<String, AttributeValue> {
    let found = |number: usize| {
        let mut found = HashMap::from([
            ("product_id".to_owned(), text(&format!("product-{number:06}"))),
            ("score".to_owned(), AttributeValue::N("0.81234567".into())),
        ]);
        if shape == Shape::None {
            found.insert("category".to_owned(), text("category-07"));
        }
        AttributeValue::M(found)
    };
    let matches = if shape == Shape::None { OVERALL } else { MATCHES };
    let groups = (0..if shape == Shape::None { 1 } else { GROUPS }).map(|group| {
        let matches = AttributeValue::L((0..matches).map(found).collect());
        let category = ("category".to_owned(), text(&format!("category-{group:02}")));
        AttributeValue::M(HashMap::from([("matches".to_owned(), matches), category]))
    });
    HashMap::from([
        ("request_id".to_owned(), text(id)),
        ("format_version".to_owned(), AttributeValue::N("1".into())),
        ("status".to_owned(), text("SUCCEEDED")),
        ("results".to_owned(), AttributeValue::L(groups.collect())),
        ("catalog_version".to_owned(), text("0123456789abcdef")),
        ("model_id".to_owned(), text(MODEL)),
        ("job_sha256".to_owned(), text(&"5".repeat(64))),
        ("created_at".to_owned(), text("2026-11-28T12:00:00.000Z")),
        ("expires_at".to_owned(), AttributeValue::N("1796041928".into())),
    ])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
