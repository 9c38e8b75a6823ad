//! What requests cost: list prices of AWS in us-east-1 (`cost/prices.json`), the table of docs/loadgen.md. A test compares
//! the two.
//!
//! Without free tiers, discounts, data transfer and taxes.

use std::sync::LazyLock;

use nearline_cost::{Name, Prices};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::requests::Requests;

/// One price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Price {
    pub service: &'static str,
    /// What is paid for.
    pub unit: &'static str,
    /// Its price in the list that `nearline cost` reckons with, too.
    name: Name,
}

impl Price {
    /// US dollars for `count` of it.
    pub(crate) fn of(&self, count: f64) -> f64 {
        static LIST: LazyLock<Prices> = LazyLock::new(Prices::default);
        LIST.cost(self.name, count)
    }
}

const fn price(service: &'static str, unit: &'static str, name: Name) -> Price {
    Price { service, unit, name }
}

pub(crate) const SQS_STANDARD: Price =
    price("SQS, standard queue", "request, for each 64 KiB started", Name::SqsStandard);
pub(crate) const SQS_FIFO: Price = price("SQS, FIFO queue", "request, for each 64 KiB started", Name::SqsFifo);
pub(crate) const DYNAMODB_READ: Price =
    price("DynamoDB on demand", "read unit: 4 KB read consistently", Name::DynamoRead);
pub(crate) const DYNAMODB_WRITE: Price = price("DynamoDB on demand", "write unit: 1 KB written", Name::DynamoWrite);
pub(crate) const S3_GET: Price = price("S3 standard", "GET request", Name::S3Get);
pub(crate) const BEDROCK_TOKEN: Price = price("Bedrock, Nova multimodal embeddings", "text token", Name::BedrockNova);
pub(crate) const LAMBDA_REQUEST: Price = price("Lambda", "request", Name::LambdaRequest);

/// All prices that are used.
#[cfg(test)]
pub(crate) const ALL: [Price; 7] =
    [SQS_STANDARD, SQS_FIFO, DYNAMODB_READ, DYNAMODB_WRITE, S3_GET, BEDROCK_TOKEN, LAMBDA_REQUEST];

/// SQS's price for a queue.
pub(crate) fn sqs(fifo: bool) -> Price {
    if fifo { SQS_FIFO } else { SQS_STANDARD }
}

/// What the generator's own requests cost, in US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Cost {
    /// Sending, and reading the queue's depths.
    pub sqs: f64,
    /// Looking records up.
    pub dynamodb: f64,
    /// Reading large results.
    pub s3: f64,
    /// All of it.
    pub total: f64,
}

impl Cost {
    pub(crate) fn new(requests: &Requests, fifo: bool) -> Self {
        let sqs = sqs(fifo).of((requests.send_message_batch_billed + requests.get_queue_attributes) as f64);
        let dynamodb = DYNAMODB_READ.of(requests.read_units);
        let s3 = S3_GET.of(requests.get_object as f64);
        Self { sqs, dynamodb, s3, total: sqs + dynamodb + s3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_one_that_is_used() {
        let page = include_str!("../../docs/loadgen.md");
        let rows: Vec<&str> = page
            .lines()
            .skip_while(|line| !line.starts_with("| service | unit |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let expected: Vec<String> =
            ALL.iter().map(|price| format!("| {} | {} | {:.3} |", price.service, price.unit, price.of(1e6))).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_run_costs_what_its_requests_cost() {
        let requests = Requests {
            send_message_batch_billed: 1_000_000,
            read_units: 2_000_000.0,
            get_object: 1_000_000,
            ..Requests::default()
        };
        let cost = Cost::new(&requests, false);
        for (found, expected) in [(cost.sqs, 0.4), (cost.dynamodb, 0.25), (cost.s3, 0.4), (cost.total, 1.05)] {
            assert!((found - expected).abs() < 1e-9, "{cost:?}");
        }
        assert!((Cost::new(&requests, true).sqs - 0.5).abs() < 1e-9);
    }
}
