//! `nearline dead-letters list`: how many there are for each reason.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use time::OffsetDateTime;

use super::known::{Known, one_line};
use super::looked::{Looked, LookedJson};
use super::selection::Selection;
use super::walk::Walk;
use crate::cli::output::{CliError, json, print};
use crate::cli::progress::Progress;
use crate::clock::iso8601;
use crate::fault::Fault;
use crate::intake::{Inspect, Queue};

/// Characters of an example's reason on a line.
const REASON_MAX_CHARS: usize = 120;

#[derive(Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    selection: Selection,
    /// Most dead letters to look at; unset: all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The letters of one code.
#[derive(Debug, Serialize)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) count: usize,
    /// When they were sent, the first and the last of them.
    oldest: Option<String>,
    newest: Option<String>,
    /// One of them.
    example: Example,
    #[serde(skip)]
    span: Option<(OffsetDateTime, OffsetDateTime)>,
}

#[derive(Debug, Serialize)]
pub(super) struct Example {
    request_id: Option<String>,
    message_id: String,
    reason: String,
}

#[derive(Serialize)]
struct List<'a> {
    queue: &'a str,
    reasons: &'a [Reason],
    #[serde(flatten)]
    looked: LookedJson,
}

pub(super) async fn run<Q: Inspect>(walk: Walk<'_, Q>, queue: &impl Queue, args: ListArgs) -> Result<(), CliError> {
    let (reasons, looked, fault) = count(walk, &args).await;
    if args.json {
        print(&json(&List { queue: queue.url(), reasons: &reasons, looked: looked.to_json() })?)?;
    } else if !reasons.is_empty() {
        print(&table(&reasons))?;
    }
    let sentence = looked.sentence();
    for warning in looked.warnings() {
        eprintln!("{warning}");
    }
    match fault {
        None => {
            eprintln!("{sentence}");
            Ok(())
        }
        Some(fault) => Err(CliError::Other(format!("{fault}; {sentence}"))),
    }
}

/// Counts them by reason, as far as they can be looked at.
pub(super) async fn count<Q: Inspect>(mut walk: Walk<'_, Q>, args: &ListArgs) -> (Vec<Reason>, Looked, Option<Fault>) {
    let most = args.limit.map_or(usize::MAX, |limit| limit as usize);
    let about = walk.state().ok().map(|state| usize::try_from(state.waiting).unwrap_or(usize::MAX).min(most));
    let progress = about.map_or_else(|| Progress::counting("looking"), |about| Progress::new("looking", about));
    let (mut reasons, mut seen) = (BTreeMap::new(), 0);
    let fault = loop {
        let letters = match walk.next().await {
            Ok(letters) if letters.is_empty() => break None,
            Ok(letters) => letters,
            Err(fault) => break Some(fault),
        };
        seen += letters.len();
        progress.set(seen);
        for known in letters.into_iter().map(Known::from).filter(|known| args.selection.means(known)) {
            add(&mut reasons, &known);
        }
        if seen >= most {
            break None;
        }
    };
    progress.finish();
    let mut reasons: Vec<Reason> = reasons.into_values().collect();
    reasons.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.code.cmp(&other.code)));
    (reasons, walk.end().await, fault)
}

fn add(reasons: &mut BTreeMap<String, Reason>, known: &Known) {
    let sent_at = known.letter.delivery.sent_at;
    let reason = reasons.entry(known.code().to_owned()).or_insert_with_key(|code| Reason {
        code: code.clone(),
        count: 0,
        oldest: None,
        newest: None,
        example: Example {
            reason: known.reason(),
            message_id: known.letter.delivery.message_id.clone(),
            request_id: known.request_id.clone(),
        },
        span: None,
    });
    reason.count += 1;
    if let Some(at) = sent_at {
        let (oldest, newest) = reason.span.map_or((at, at), |(oldest, newest)| (oldest.min(at), newest.max(at)));
        reason.span = Some((oldest, newest));
        (reason.oldest, reason.newest) = (Some(iso8601(oldest)), Some(iso8601(newest)));
    }
}

fn table(reasons: &[Reason]) -> String {
    let width = reasons.iter().map(|reason| reason.code.len()).max().unwrap_or_default().max(4);
    let mut lines = vec![format!("{:<width$}  {:>7}  {:<24}  {:<24}  EXAMPLE", "CODE", "COUNT", "OLDEST", "NEWEST")];
    lines.extend(reasons.iter().map(|Reason { code, count, oldest, newest, example, .. }| {
        let code = one_line(code, width);
        let (oldest, newest) = (oldest.as_deref().unwrap_or("?"), newest.as_deref().unwrap_or("?"));
        let id = example.request_id.as_deref().unwrap_or(&example.message_id);
        let reason = one_line(&example.reason, REASON_MAX_CHARS);
        format!("{code:<width$}  {count:>7}  {oldest:<24}  {newest:<24}  {id}: {reason}")
    }));
    lines.join("\n")
}
