//! `nearline result`: read records, waiting for them if asked to.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures_util::{StreamExt, TryStreamExt, stream};
use nearline_contract::ResultRecord;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout_at};

use super::CliError;
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
        #[arg(long, default_value_t = 60)]
        timeout: u64,
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
        Command::Wait { ids, timeout } => (ids, Some(Instant::now() + Duration::from_secs(timeout))),
    };
    let mut records = stream::iter(ids.ids)
        .map(|id| async move {
            let found = match deadline {
                None => store.get(&id).await?,
                Some(deadline) => match timeout_at(deadline, wait(store, &id)).await {
                    Ok(found) => Some(found?),
                    Err(_) => None,
                },
            };
            found.ok_or_else(|| CliError::Other(format!("there is no record for `{id}`")))
        })
        .buffered(READS_IN_FLIGHT);
    while let Some(record) = records.try_next().await? {
        print(&record)?;
    }
    Ok(())
}

/// The record, once there is one that counts.
async fn wait(store: &ResultStore, id: &str) -> Result<ResultRecord, Fault> {
    let mut pause = FIRST_PAUSE;
    loop {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        match store.get(id).await {
            Ok(Some(record)) if record.expires_at >= now => return Ok(record),
            Ok(_) | Err(Fault::Retry(_)) => {}
            Err(permanent) => return Err(permanent),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn print(record: &ResultRecord) -> Result<(), CliError> {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(record)
    } else {
        serde_json::to_string(record)
    };
    println!("{}", text.map_err(|error| CliError::Other(error.to_string()))?);
    Ok(())
}
