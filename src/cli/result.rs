//! `nearline result`: read records, waiting for them if asked to.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures_util::{StreamExt, stream};
use nearline_contract::ResultRecord;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::duration::within;
use super::output::{CliError, json, print};
use super::page::{self, Answer};
use super::{dead_letters, interrupt};
use crate::aws::{DynamoRecords, Sdk};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::Reader;
use crate::fault::Fault;
use crate::results::Results;

/// Records that are read at once.
const READS_IN_FLIGHT: usize = 16;
/// Pauses between looks that find nothing.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the records that exist as JSON, one a line (indented on a terminal), then name the missing ones
    Get(Ids),
    /// Wait for records, then print them as `get` does
    ///
    /// For missing records it looks into the dead-letter queue (NEARLINE_DEAD_LETTER_QUEUE_URL), and says why the jobs are
    /// there, or what was looked at. Looking counts as a receive of each dead letter.
    Wait {
        #[command(flatten)]
        ids: Ids,
        /// Longest wait, such as 90s or 2m; a bare number counts seconds
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = within(0..=86_400))]
        timeout: Duration,
    },
}

#[derive(Args)]
pub(super) struct Ids {
    /// Request ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Write the records as one page for a browser instead of JSON [default: standard output]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    html: Option<PathBuf>,
}

pub(super) async fn run(command: Command) -> Result<(), CliError> {
    let (settings, dead_letters) = Reader::from_process().result()?;
    let sdk = Sdk::load().await;
    let records = sdk.records(&settings.table, settings.bucket.as_deref());
    let store = &Results::new(records, settings.results, Clock::system());
    let (ids, deadline) = match command {
        Command::Get(ids) => (ids, None),
        Command::Wait { ids, timeout } => (ids, Some(Instant::now() + timeout)),
    };
    let Ids { ids, html } = ids;
    let mut records = stream::iter(ids)
        .map(|id| async move {
            let found = match deadline {
                None => store.get(&id).await,
                Some(deadline) => wait(store, &id, deadline).await,
            };
            (id, found)
        })
        .buffered(READS_IN_FLIGHT);
    let (mut missing, mut unread, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((id, found)) = records.next().await {
        match found {
            Ok(Some(record)) if html.is_some() => shown.push(record),
            Ok(Some(record)) => print_record(&record)?,
            Ok(None) => missing.push(id),
            Err(fault) => unread.push((id, fault)),
        }
    }
    if let Some(path) = html.filter(|_| !shown.is_empty()) {
        page::write(&path, &shown.iter().map(Answer::from).collect::<Vec<_>>())?;
    }
    let Some(mut what) = absent(&missing, &unread) else { return Ok(()) };
    if deadline.is_some() && !missing.is_empty() {
        let stop = interrupt::token(|| {})?;
        let queue = dead_letters.map(|url| sdk.queue(&url));
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        what = format!("{what}; {}", dead_letters::whereabouts(queue.as_ref(), &missing, stop).await);
    }
    Err(CliError::Other(what))
}

/// All ids that brought no record, and why.
fn absent(missing: &[String], unread: &[(String, Fault)]) -> Option<String> {
    let quoted =
        |ids: &mut dyn Iterator<Item = &String>| ids.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let missing = (!missing.is_empty()).then(|| format!("there is no record for {}", quoted(&mut missing.iter())));
    let unread = unread
        .first()
        .map(|(_, fault)| format!("{} could not be read: {fault}", quoted(&mut unread.iter().map(|(id, _)| id))));
    let parts: Vec<String> = missing.into_iter().chain(unread).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The record, once there is one that counts; none at the deadline.
async fn wait(store: &Results<DynamoRecords>, id: &str, deadline: Instant) -> Result<Option<ResultRecord>, Fault> {
    let mut looks = 0;
    loop {
        looks += 1;
        let pause = PAUSES.step(looks);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let found = match store.get(id).await {
            Ok(Some(record)) if record.expires_at >= now => return Ok(Some(record)),
            Err(fault) if fault.is_permanent() => return Err(fault),
            Err(fault) => Err(fault),
            Ok(_) => Ok(None),
        };
        if Instant::now() + pause > deadline {
            return found;
        }
        sleep(pause).await;
    }
}

fn print_record(record: &ResultRecord) -> Result<(), CliError> {
    if std::io::stdout().is_terminal() {
        let text = serde_json::to_string_pretty(record);
        return print(&text.map_err(|error| CliError::Other(error.to_string()))?);
    }
    print(&json(record)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Cause;

    #[test]
    fn all_that_is_absent_is_named_in_one_line() {
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        let fault = |id: &str| (id.to_owned(), Fault::new(Cause::Throttled, "slow down"));
        assert_eq!(absent(&[], &[]), None);
        assert_eq!(absent(&ids(&["b"]), &[]).unwrap(), "there is no record for `b`");
        let both = absent(&ids(&["b", "d"]), &[fault("e"), fault("f")]).unwrap();
        assert_eq!(both, "there is no record for `b`, `d`; `e`, `f` could not be read: slow down");
    }
}
