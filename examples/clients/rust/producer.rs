//! Sends a search job for each line of standard input; prints the request ids for the reader.
//!
//!     cargo run -p nearline-contract --features client --example producer RUN <queries.txt

use std::io::stdin;
use std::process::ExitCode;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{Builder, tls};
use nearline_contract::client::Producer;
use nearline_contract::{GroupBy, JobMessage};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // With the default features of aws-config `aws_config::load_defaults` will do.
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let producer = Producer::new(aws_sdk_sqs::Client::new(&config), std::env::var("NEARLINE_QUEUE_URL")?);

    let run = std::env::args().nth(1).ok_or("usage: producer RUN")?;
    let queries = stdin().lines().collect::<Result<Vec<_>, _>>()?;
    let job = |(number, query): (usize, &String)| JobMessage {
        request_id: format!("{run}-{number}"),
        query: Some(query.trim().to_owned()),
        top_k: Some(3),
        group_by: Some(GroupBy::None),
        return_columns: Some(vec!["title".to_owned()]),
        ..JobMessage::default()
    };
    let jobs: Vec<JobMessage> = (1..).zip(&queries).map(job).collect();

    let unsent = producer.enqueue(&jobs).await;
    for (index, job) in jobs.iter().enumerate() {
        match unsent.iter().find(|unsent| unsent.index == index) {
            Some(unsent) => eprintln!("{} was not sent: {}", job.request_id, unsent.why),
            None => println!("{}", job.request_id),
        }
    }
    Ok(ExitCode::from(u8::from(!unsent.is_empty())))
}
