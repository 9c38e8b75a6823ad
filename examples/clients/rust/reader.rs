//! Waits for the records of the request ids on standard input, at most SECONDS (60); prints the best match of each.
//!
//!     ... | cargo run -p nearline-contract --features client --example reader [SECONDS]

use std::io::{read_to_string, stdin};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{Builder, tls};
use nearline_contract::client::Reader;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
    let reader = Reader::new(dynamodb, s3, std::env::var("NEARLINE_RESULTS_TABLE")?);

    let seconds = std::env::args().nth(1).map_or(Ok(60), |seconds| seconds.parse())?;
    let found = reader.wait(read_to_string(stdin())?.split_whitespace(), Duration::from_secs(seconds)).await;
    for (id, record) in &found.records {
        if let Some(error) = &record.error {
            let hint =
                if error.retryable { "send it again once a newer catalog is published" } else { "change the job" };
            println!("{id}: {} ({hint}): {}", error.code, error.message);
            continue;
        }
        let matches = record.results.iter().flatten().flat_map(|group| &group.matches);
        let best = matches.clone().max_by(|a, b| a.score.total_cmp(&b.score));
        let best = best.map(|best| format!(", best {} {}", best.score, best.title.as_deref().unwrap_or_default()));
        println!("{id}: {} matches{}", matches.count(), best.unwrap_or_default());
    }
    for (id, error) in &found.unreadable {
        eprintln!("{id}: {error}");
    }
    for id in &found.missing {
        let why = found.fault.as_ref().map_or("is there a dead letter?".to_owned(), ToString::to_string);
        eprintln!("{id}: no record yet; {why}");
    }
    Ok(ExitCode::from(u8::from(!found.missing.is_empty() || !found.unreadable.is_empty())))
}
