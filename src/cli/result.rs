//! `nearline result`: read records, waiting for them if asked to.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures_util::{StreamExt, TryStreamExt, stream};
use nearline_contract::ResultRecord;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::output::{CliError, json, print};
use crate::aws::{DynamoRecords, Sdk};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::Reader;
use crate::results::Results;

/// Records that are read at once.
const READS_IN_FLIGHT: usize = 16;
/// Pauses between looks that find nothing.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print records as JSON, one a line (indented on a terminal)
    Get(Ids),
    /// Wait for records, then print them as `get` does
    Wait {
        #[command(flatten)]
        ids: Ids,
        /// Longest wait, in seconds
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=86_400))]
        timeout: u32,
    },
}

#[derive(Args)]
pub(super) struct Ids {
    /// Request ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

pub(super) async fn run(command: Command) -> Result<(), CliError> {
    let settings = Reader::from_process().result()?;
    let records = Sdk::load().await.records(&settings.table, settings.bucket.as_deref());
    let store = &Results::new(records, settings.results, Clock::system());
    let (ids, deadline) = match command {
        Command::Get(ids) => (ids, None),
        Command::Wait { ids, timeout } => (ids, Some(Instant::now() + Duration::from_secs(timeout.into()))),
    };
    let mut records = stream::iter(ids.ids)
        .map(|id| async move {
            match deadline {
                None => store.get(&id).await?.ok_or_else(|| missing(&id)),
                Some(deadline) => wait(store, &id, deadline).await,
            }
        })
        .buffered(READS_IN_FLIGHT);
    while let Some(record) = records.try_next().await? {
        print_record(&record)?;
    }
    Ok(())
}

/// The record, once there is one that counts.
async fn wait(store: &Results<DynamoRecords>, id: &str, deadline: Instant) -> Result<ResultRecord, CliError> {
    let mut looks = 0;
    loop {
        looks += 1;
        let pause = PAUSES.step(looks);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let found = match store.get(id).await {
            Ok(Some(record)) if record.expires_at >= now => return Ok(record),
            Ok(_) => missing(id),
            Err(fault) if fault.is_permanent() => return Err(fault.into()),
            Err(fault) => fault.into(),
        };
        if Instant::now() + pause > deadline {
            return Err(found);
        }
        sleep(pause).await;
    }
}

fn missing(id: &str) -> CliError {
    CliError::Other(format!("there is no record for `{id}`"))
}

fn print_record(record: &ResultRecord) -> Result<(), CliError> {
    if std::io::stdout().is_terminal() {
        let text = serde_json::to_string_pretty(record);
        return print(&text.map_err(|error| CliError::Other(error.to_string()))?);
    }
    print(&json(record)?)
}
