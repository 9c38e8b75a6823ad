//! A dead letter: the message as it was, and why no record answers it.

use nearline_contract::JobError;

use super::queue::{Delivery, MESSAGE_MAX_BYTES, Outgoing};

/// Most bytes of a reason in a dead letter.
const REASON_MAX_BYTES: usize = 1_024;
/// Room for the rest of a dead letter's attributes: names, types, code.
const ATTRIBUTES_BYTES: usize = 256;
/// Most bytes that a dead letter has above its message.
pub const LETTER_EXTRA_BYTES: usize = REASON_MAX_BYTES + ATTRIBUTES_BYTES;

/// The dead letter of a message.
pub(super) fn letter(delivery: &Delivery, error: &JobError, is_fifo: bool) -> Outgoing {
    let id = &delivery.message_id;
    let mut attributes = Vec::new();
    if delivery.body.len() + LETTER_EXTRA_BYTES <= MESSAGE_MAX_BYTES {
        attributes.push(("nearline_error_code", error.code.as_str().to_owned()));
        attributes.push(("nearline_error", printable(reason(error))));
    } else {
        tracing::warn!(event = "no_room_for_reason", message_id = id, "a dead letter has no room for its reason");
    }
    Outgoing {
        body: delivery.body.clone(),
        attributes,
        group: delivery.group.clone().or_else(|| is_fifo.then(|| id.clone())),
        deduplication_id: is_fifo.then(|| id.clone()),
    }
}

/// As much of the message as a dead letter holds.
pub(super) fn reason(error: &JobError) -> &str {
    &error.message[..error.message.floor_char_boundary(REASON_MAX_BYTES)]
}

/// SQS refuses most control characters, which a quoted piece of a broken message may hold.
fn printable(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
