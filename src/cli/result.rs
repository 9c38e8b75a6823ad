//! `nearline result`: read records, waiting for them if asked to.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures_util::{StreamExt, TryStreamExt, stream};
use nearline_contract::ResultRecord;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::{CliError, json, print};
use crate::aws;
use crate::config::Reader;
use crate::fault::Fault;
use crate::results::ResultStore;

/// Records that are read at once.
const READS_IN_FLIGHT: usize = 16;
/// Pause after a first look that found nothing; grows to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    let store = ResultStore::new(&aws::sdk_config().await, settings);
    let store = &store;
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
async fn wait(store: &ResultStore, id: &str, deadline: Instant) -> Result<ResultRecord, CliError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let found = match store.get(id).await {
            Ok(Some(record)) if record.expires_at >= now => return Ok(record),
            Ok(_) => missing(id),
            Err(fault @ Fault::Retry(_)) => fault.into(),
            Err(permanent) => return Err(permanent.into()),
        };
        if Instant::now() + pause > deadline {
            return Err(found);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
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
