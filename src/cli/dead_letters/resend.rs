//! `nearline dead-letters resend`: back to the queue of the jobs, as new messages without a reason.
//!
//! A letter is deleted once its job is on the queue again, so nothing is lost wherever this ends. Between the two it is in
//! both: sent once more, its job is answered once, as the second message is a replay of the first.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::known::{Known, counted};
use super::looked::{Looked, LookedJson};
use super::selection::{self, Selection};
use super::walk::Walk;
use crate::cli::output::CliError;
use crate::cli::progress::Progress;
use crate::cli::sending::{self, Why};
use crate::fault::Fault;
use crate::intake::{AttributeValue, BATCH_MAX, Inspect, MESSAGE_MAX_BYTES, Outgoing, Queue};

#[derive(Args)]
pub(in crate::cli) struct ResendArgs {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Also those that would only be dead-lettered again: invalid_json, invalid_request_id, request_id_conflict, and bodies
    /// without a request id. They are left out unless this, --code or --id asks for them
    #[arg(long, conflicts_with_all = ["code", "id"])]
    pub(super) all: bool,
    /// Most to send per second
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: u32,
    /// Most to resend; unset: all that match
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Do not ask. Without a terminal nothing is asked
    #[arg(long)]
    pub(super) yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What became of the letters.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) resent: usize,
    /// By code: letters that would only be dead-lettered again, and that nobody asked for.
    pub(super) left_out: BTreeMap<String, usize>,
    /// Jobs that this run has sent already, from another letter.
    pub(super) same_job: usize,
    /// Arrived after the run had begun.
    pub(super) came_in_since: usize,
    /// Letters that the job queue did not take.
    pub(super) not_sent: usize,
    /// Letters whose job was sent, and that could not be deleted.
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
    to: &'a str,
    #[serde(flatten)]
    tally: &'a Tally,
    #[serde(flatten)]
    looked: LookedJson,
}

/// A run on its way.
struct Run<'a, Q, J> {
    walk: Walk<'a, Q>,
    jobs: &'a J,
    args: &'a ResendArgs,
    tally: Tally,
    /// Digests of the bodies that were sent: what comes back at once must not be sent forever.
    sent: HashSet<u64>,
    pace: Pace,
    /// Letters that were resent, or are not to be.
    handled: usize,
    progress: Progress,
}

/// Resends what is meant; what became of it, and what was looked at.
pub(super) async fn resend<Q: Inspect>(walk: Walk<'_, Q>, jobs: &impl Queue, args: &ResendArgs) -> (Tally, Looked) {
    let waiting = walk.state().ok().and_then(|state| usize::try_from(state.waiting).ok());
    let total = args.limit.map(|limit| limit as usize).or(waiting);
    let progress = total.map_or_else(|| Progress::counting("resending"), |total| Progress::new("resending", total));
    let pace = Pace { per_second: args.rate, next: Instant::now() };
    let tally = Tally { not_found: args.selection.ids().to_vec(), ..Tally::default() };
    let sent = HashSet::new();
    let mut run = Run { walk, jobs, args, tally, sent, pace, handled: 0, progress };
    if let Err(fault) = run.go().await {
        run.tally.error.get_or_insert_with(|| fault.to_string());
    }
    run.tally.stopped = run.walk.is_stopped();
    run.progress.finish();
    (run.tally, run.walk.end().await)
}

impl<Q: Inspect, J: Queue> Run<'_, Q, J> {
    async fn go(&mut self) -> Result<(), Fault> {
        let most = self.args.limit.map_or(usize::MAX, |limit| limit as usize);
        loop {
            let letters = self.walk.next().await?;
            if letters.is_empty() {
                return Ok(());
            }
            let seen = letters.len();
            let mut meant: Vec<Known> =
                letters.into_iter().map(Known::from).filter(|known| self.is_meant(known)).collect();
            meant.truncate(most - self.tally.resent);
            self.handled += seen - meant.len();
            for batch in batches(meant, self.args.rate, self.jobs.is_fifo()) {
                self.pace.wait_for(batch.len()).await;
                if self.walk.is_stopped() {
                    return Ok(());
                }
                self.walk.renew().await?;
                self.handled += batch.len();
                self.send(batch).await;
                if self.tally.error.is_some() {
                    return Ok(());
                }
                self.progress.set(if self.args.limit.is_some() { self.tally.resent } else { self.handled });
            }
            if self.tally.resent >= most {
                return Ok(());
            }
        }
    }

    fn is_meant(&mut self, known: &Known) -> bool {
        let ResendArgs { selection, all, .. } = self.args;
        if !selection.means(known) {
            return false;
        }
        self.tally.not_found.retain(|id| !known.has_id(id));
        if let Some(code) = known.comes_back_as().filter(|_| !all && !selection.is_some()) {
            *self.tally.left_out.entry(code.to_owned()).or_default() += 1;
            return false;
        }
        if self.walk.is_late(&known.letter) {
            self.tally.came_in_since += 1;
            return false;
        }
        let is_new = self.sent.insert(digest(&known.letter.delivery.body));
        self.tally.same_job += usize::from(!is_new);
        is_new
    }

    /// Sends a batch, then deletes what was sent.
    async fn send(&mut self, batch: Vec<(Known, Outgoing)>) {
        let (known, outgoing): (Vec<Known>, Vec<Outgoing>) = batch.into_iter().unzip();
        let stopped = Cell::new(false);
        let (sent, unsent) = sending::send_batch(self.jobs, outgoing.into_iter().enumerate().collect(), &stopped).await;
        self.tally.resent += sent.len();
        for unsent in unsent {
            match unsent.why {
                // The next one may be taken.
                Why::Refused(why) => {
                    self.tally.not_sent += 1;
                    eprintln!("not sent: {}: {why}", known[unsent.index].letter.delivery.message_id);
                }
                Why::Stopped(why) => {
                    self.tally.error.get_or_insert(why);
                }
                Why::NotTried => {}
            }
        }
        let ids: Vec<String> = sent.iter().map(|&at| known[at].letter.delivery.message_id.clone()).collect();
        let undeleted = self.walk.delete(&ids).await;
        self.tally.not_deleted += undeleted.len();
        // Without permission to delete, it must not keep sending.
        if let Some((_, fault)) = undeleted.into_iter().next() {
            self.tally.error.get_or_insert_with(|| fault.to_string());
        }
    }
}

/// Letters in order, as many together as one call takes and a second allows.
fn batches(letters: Vec<Known>, rate: u32, to_fifo: bool) -> Vec<Vec<(Known, Outgoing)>> {
    let most = BATCH_MAX.min(rate as usize);
    let mut batches: Vec<Vec<(Known, Outgoing)>> = Vec::new();
    let mut bytes = 0;
    for known in letters {
        let outgoing = known.letter.resent(known.request_id.as_deref(), to_fifo);
        let size = size(&outgoing);
        match batches.last_mut() {
            Some(batch) if batch.len() < most && bytes + size <= MESSAGE_MAX_BYTES => {
                bytes += size;
                batch.push((known, outgoing));
            }
            _ => {
                bytes = size;
                batches.push(vec![(known, outgoing)]);
            }
        }
    }
    batches
}

/// Bytes of a message as SQS counts them.
fn size(message: &Outgoing) -> usize {
    let attributes = message.attributes.iter().map(|attribute| {
        let value = match &attribute.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Bytes(bytes) => bytes.len(),
        };
        attribute.name.len() + attribute.data_type.len() + value
    });
    message.body.len() + attributes.sum::<usize>()
}

fn digest(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// So many in a second, evenly.
struct Pace {
    per_second: u32,
    next: Instant,
}

impl Pace {
    async fn wait_for(&mut self, count: usize) {
        let start = self.next.max(Instant::now());
        sleep_until(start).await;
        self.next = start + Duration::from_secs_f64(count as f64 / f64::from(self.per_second));
    }
}

impl Tally {
    pub(super) fn report<'a>(&'a self, queue: &'a str, to: &'a str, looked: &Looked) -> Report<'a> {
        Report { queue, to, tally: self, looked: looked.to_json() }
    }

    /// What people are told, and whether all went well.
    pub(super) fn summary(&self, to: &str, looked: &Looked) -> Result<String, CliError> {
        let mut parts = vec![format!("{} resent to {to}", counted(self.resent))];
        if !self.left_out.is_empty() {
            let counts: Vec<String> = self.left_out.iter().map(|(code, count)| format!("{count} {code}")).collect();
            parts.push(format!(
                "skipped {}, which would only be dead-lettered again (--all or --code sends them too)",
                counts.join(", ")
            ));
        }
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        };
        say(self.same_job, "left: the same job was resent from another letter; run this again once it is answered");
        say(self.came_in_since, "left: they arrived after this command started");
        say(self.not_sent, "not sent: the job queue refuses them");
        say(self.not_deleted, "sent but not deleted: sending them again is harmless");
        parts.extend(selection::not_found(&self.not_found));
        parts.push(looked.sentence());
        if self.stopped {
            parts.push("stopped: the rest is still in the dead-letter queue".to_owned());
        }
        parts.extend(self.error.clone());
        let text = parts.join("; ");
        let is_whole =
            !self.stopped && self.error.is_none() && self.not_sent + self.not_deleted == 0 && self.not_found.is_empty();
        if is_whole { Ok(text) } else { Err(CliError::Other(text)) }
    }
}
