//! Where a job is that has no record: `nearline result wait` asks when its time is over.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::find::{Bounds, Found, find};
use super::known::one_line;
use super::walk::Walk;
use crate::intake::Inspect;

/// A look that nobody asked for by name is a short one.
const BOUNDS: Bounds = Bounds { letters: 10_000, time: Duration::from_secs(20) };
/// Characters of a reason in a sentence.
const REASON_MAX_CHARS: usize = 300;

/// What the dead-letter queue knows of these ids, for people.
pub(in crate::cli) async fn whereabouts(queue: Option<&impl Inspect>, ids: &[&str], stop: CancellationToken) -> String {
    let Some(queue) = queue else {
        return "the dead-letter queue was not looked at: NEARLINE_DEAD_LETTER_QUEUE_URL is not set".to_owned();
    };
    let walk = match Walk::begin(queue, stop, OffsetDateTime::now_utc()).await {
        Ok(walk) => walk,
        Err(fault) => return format!("the dead-letter queue could not be looked at: {fault}"),
    };
    if walk.state().is_ok_and(|state| state.redrive.is_some()) {
        return "the dead-letter queue was not looked at, as its own redrive policy counts each look: `nearline dead-letters \
                show ID` looks all the same"
            .to_owned();
    }
    let Found { letters, looked, fault } = find(walk, ids, BOUNDS).await;
    let found = letters.iter().map(|(id, known)| {
        format!("`{id}` is a dead letter: {}: {}", known.code(), one_line(&known.reason(), REASON_MAX_CHARS))
    });
    let mut parts: Vec<String> = found.collect();
    if letters.len() < ids.len() {
        let others = if letters.is_empty() { "" } else { "other " };
        parts.push(format!("no {others}dead letter belongs to them ({})", looked.sentence()));
    }
    parts.extend(fault.map(|fault| format!("the dead-letter queue could not be looked at: {fault}")));
    parts.extend(looked.warnings());
    parts.join("; ")
}
