//! `nearline dead-letters drop`: deletes dead letters, those that were named.

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::known::{Known, counted};
use super::looked::{Looked, LookedJson};
use super::selection::{self, Selection};
use super::walk::Walk;
use crate::cli::output::CliError;
use crate::cli::progress::Progress;
use crate::fault::Fault;
use crate::intake::Inspect;

#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["code", "id", "all"]).required(true).multiple(true))]
pub(in crate::cli) struct DropArgs {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// All dead letters
    #[arg(long, conflicts_with_all = ["code", "id"])]
    pub(super) all: bool,
    /// Most to delete; unset: all that match
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Do not ask. Required when not on a terminal
    #[arg(long)]
    pub(super) yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What became of the letters.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) dropped: usize,
    /// Arrived after the run had begun.
    pub(super) came_in_since: usize,
    pub(super) not_deleted: usize,
    /// Named ids that no letter has.
    pub(super) not_found: Vec<String>,
    /// Whether it was told to stop.
    pub(super) stopped: bool,
    /// The first of the reasons why something failed.
    pub(super) error: Option<String>,
}

/// The same for programs.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    queue: &'a str,
    #[serde(flatten)]
    tally: &'a Tally,
    #[serde(flatten)]
    looked: LookedJson,
}

/// Deletes what is meant; what became of it, and what was looked at.
pub(super) async fn drop_letters<Q: Inspect>(mut walk: Walk<'_, Q>, args: &DropArgs) -> (Tally, Looked) {
    let named = args.limit.map(|limit| limit as usize);
    let progress = named.map_or_else(|| Progress::counting("deleting"), |limit| Progress::new("deleting", limit));
    let mut tally = Tally { not_found: args.selection.ids().to_vec(), ..Tally::default() };
    if let Err(fault) = go(&mut walk, args, &mut tally, &progress).await {
        tally.error = Some(fault.to_string());
    }
    tally.stopped = walk.is_stopped();
    progress.finish();
    (tally, walk.end().await)
}

async fn go<Q: Inspect>(
    walk: &mut Walk<'_, Q>,
    args: &DropArgs,
    tally: &mut Tally,
    progress: &Progress,
) -> Result<(), Fault> {
    let most = args.limit.map_or(usize::MAX, |limit| limit as usize);
    while tally.dropped < most {
        let letters = walk.next().await?;
        if letters.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        for known in letters.into_iter().map(Known::from).filter(|known| args.selection.means(known)) {
            tally.not_found.retain(|id| !known.has_id(id));
            if walk.is_late(&known.letter) {
                tally.came_in_since += 1;
            } else if tally.dropped + ids.len() < most {
                ids.push(known.letter.delivery.message_id);
            }
        }
        let failed = walk.delete(&ids).await;
        tally.dropped += ids.len() - failed.len();
        tally.not_deleted += failed.len();
        progress.set(tally.dropped);
        if let Some((_, fault)) = failed.into_iter().next() {
            return Err(fault);
        }
    }
    Ok(())
}

impl Tally {
    pub(super) fn report<'a>(&'a self, queue: &'a str, looked: &Looked) -> Report<'a> {
        Report { queue, tally: self, looked: looked.to_json() }
    }

    /// What people are told, and whether all went well.
    pub(super) fn summary(&self, queue: &str, looked: &Looked) -> Result<String, CliError> {
        let mut parts = vec![format!("{} deleted from {queue}", counted(self.dropped))];
        if self.came_in_since > 0 {
            parts.push(format!("{} left: they arrived after this command started", self.came_in_since));
        }
        if self.not_deleted > 0 {
            parts.push(format!("{} not deleted", self.not_deleted));
        }
        parts.extend(selection::not_found(&self.not_found));
        parts.push(looked.sentence());
        if self.stopped {
            parts.push("stopped: the rest is still in the dead-letter queue".to_owned());
        }
        parts.extend(self.error.clone());
        let text = parts.join("; ");
        if self.stopped || self.error.is_some() || !self.not_found.is_empty() {
            Err(CliError::Other(text))
        } else {
            Ok(text)
        }
    }
}
