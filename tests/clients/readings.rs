//! What the Rust client makes of a record: types by path, and how numbers show. Arguments: a record, one with spilled
//! results, one that was rejected.

use std::any::type_name_of_val;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{Builder, tls};
use nearline_contract::client::Reader;
use nearline_contract::{Attribute, Match, ResultRecord};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
    let reader = Reader::new(dynamodb, s3, std::env::var("NEARLINE_RESULTS_TABLE")?);
    let ids: Vec<String> = std::env::args().skip(1).collect();
    let found = reader.wait(&ids, Duration::from_secs(30)).await;
    let [inline, spilled, rejected] = [0, 1, 2].map(|place| &found.records[&ids[place]]);
    println!(
        "{}",
        json!({"types": types(inline, rejected), "numbers": numbers(first(inline)), "spilled": numbers(first(spilled))})
    );
    Ok(())
}

fn first(record: &ResultRecord) -> &Match {
    let mut groups = record.results.iter().flatten();
    &groups.find(|group| group.category.as_deref() == Some("readings")).expect("it was searched for").matches[0]
}

/// A name without the modules before it: `alloc::vec::Vec<a::B>` is `Vec<B>`.
fn of<T>(value: &T) -> String {
    let name = type_name_of_val(value);
    let parts = name.split_inclusive(['<', '>', ',', ' ']);
    parts.map(|part| part.rsplit("::").next().unwrap_or(part)).collect()
}

fn types(record: &ResultRecord, rejected: &ResultRecord) -> BTreeMap<String, String> {
    let (group, found) = (&record.results.as_ref().expect("it has results")[0], first(record));
    let error = rejected.error.as_ref().expect("it has an error");
    let mut types = BTreeMap::from(
        [
            ("request_id", of(&record.request_id)),
            ("format_version", of(&record.format_version)),
            ("status", of(&record.status)),
            ("results", of(&record.results)),
            ("results[]", of(group)),
            ("results[].category", of(&group.category)),
            ("results[].matches", of(&group.matches)),
            ("results[].matches[]", of(found)),
            ("results[].matches[].product_id", of(&found.product_id)),
            ("results[].matches[].score", of(&found.score)),
            ("results[].matches[].title", of(&found.title)),
            ("results[].matches[].attributes", of(&found.attributes)),
            ("results_uri", of(&record.results_uri)),
            ("error", of(&record.error)),
            ("error.code", of(&error.code)),
            ("error.message", of(&error.message)),
            ("error.retryable", of(&error.retryable)),
            ("catalog_version", of(&record.catalog_version)),
            ("model_id", of(&record.model_id)),
            ("job_sha256", of(&record.job_sha256)),
            ("created_at", of(&record.created_at)),
            ("expires_at", of(&record.expires_at)),
            ("metadata", of(&record.metadata)),
            ("query_truncated", of(&record.query_truncated)),
        ]
        .map(|(path, name)| (path.to_owned(), name)),
    );
    for (name, value) in &found.attributes {
        types.insert(format!("results[].matches[].attributes.{name}"), variant(value));
    }
    types
}

fn variant(value: &Attribute) -> String {
    let inner = match value {
        Attribute::Boolean(value) => ("Boolean", of(value)),
        Attribute::Number(value) => ("Number", of(value)),
        Attribute::Text(value) => ("Text", of(value)),
        Attribute::Numbers(value) => ("Numbers", of(value)),
        Attribute::Texts(value) => ("Texts", of(value)),
    };
    format!("Attribute::{}({})", inner.0, inner.1)
}

fn numbers(found: &Match) -> BTreeMap<&str, String> {
    let attributes = found.attributes.iter().filter_map(|(name, value)| match value {
        Attribute::Number(number) => Some((name.as_str(), number.to_string())),
        _ => None,
    });
    attributes.chain([("score", found.score.to_string())]).collect()
}
