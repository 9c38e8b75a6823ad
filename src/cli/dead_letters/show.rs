//! `nearline dead-letters show`: one dead letter with its body.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;

use super::find::{Bounds, Found, find};
use super::known::{Known, one_line};
use super::walk::Walk;
use crate::cli::output::{CliError, json, print};
use crate::clock::iso8601;
use crate::intake::{Attribute, AttributeValue, Inspect};

#[derive(Args)]
pub(in crate::cli) struct ShowArgs {
    /// Request id or message id; the first dead letter that has it is shown
    id: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    request_id: Option<&'a str>,
    message_id: &'a str,
    code: &'a str,
    reason: String,
    sent_at: Option<String>,
    receive_count: u32,
    group: Option<&'a str>,
    deduplication_id: Option<&'a str>,
    moved_from: Option<&'a str>,
    /// All message attributes; binary ones in base64.
    attributes: BTreeMap<&'a str, String>,
    body: &'a str,
}

pub(super) async fn run<Q: Inspect>(walk: Walk<'_, Q>, args: ShowArgs) -> Result<(), CliError> {
    let bounds = Bounds { letters: usize::MAX, time: Duration::MAX };
    let Found { mut letters, looked, fault } = find(walk, &[&args.id], bounds).await;
    for warning in looked.warnings() {
        eprintln!("{warning}");
    }
    let Some(known) = letters.remove(&args.id) else {
        let why = fault.map_or(String::new(), |fault| format!("{fault}; "));
        let text = format!("no dead letter with the id `{}`: {why}{}", args.id, looked.sentence());
        return Err(CliError::Other(text));
    };
    let shown = Shown::of(&known);
    if args.json { print(&json(&shown)?) } else { print(&shown.to_text()) }
}

impl<'a> Shown<'a> {
    fn of(known: &'a Known) -> Self {
        let (letter, delivery) = (&known.letter, &known.letter.delivery);
        Self {
            request_id: known.request_id.as_deref(),
            message_id: &delivery.message_id,
            code: known.code(),
            reason: known.reason(),
            sent_at: delivery.sent_at.map(iso8601),
            receive_count: delivery.receive_count,
            group: delivery.group.as_deref(),
            deduplication_id: letter.deduplication_id.as_deref(),
            moved_from: letter.moved_from.as_deref(),
            attributes: letter.attributes.iter().map(|attribute| (attribute.name.as_str(), value(attribute))).collect(),
            body: &delivery.body,
        }
    }

    fn to_text(&self) -> String {
        let received = format!("{} times, including now", self.receive_count);
        let lines = [
            ("request id", self.request_id),
            ("message id", Some(self.message_id)),
            ("code", Some(self.code)),
            ("reason", Some(self.reason.as_str())),
            ("sent", self.sent_at.as_deref()),
            ("received", Some(received.as_str())),
            ("group", self.group),
            ("deduplication", self.deduplication_id),
            ("moved from", self.moved_from),
        ];
        let lines = lines.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let ours = |name: &str| [crate::intake::CODE_ATTRIBUTE, crate::intake::REASON_ATTRIBUTE].contains(&name);
        let theirs = self.attributes.iter().filter(|(name, _)| !ours(name));
        let theirs = theirs.map(|(name, value)| (*name, value.as_str()));
        let text = lines.chain(theirs).map(|(name, value)| format!("{name:<14} {}\n", one_line(value, usize::MAX)));
        text.collect::<String>() + "\n" + self.body
    }
}

fn value(attribute: &Attribute) -> String {
    match &attribute.value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Bytes(bytes) => STANDARD.encode(bytes),
    }
}
