//! A dead letter: the message as it was, and why no record answers it; and the way back to the queue of the jobs.

use nearline_contract::JobError;

use super::queue::{Attribute, Delivery, MESSAGE_MAX_BYTES, Outgoing, text_of};

/// Message attribute of a dead letter with the code of its reason.
pub const CODE_ATTRIBUTE: &str = "nearline_error_code";
/// Message attribute of a dead letter with its reason.
pub const REASON_ATTRIBUTE: &str = "nearline_error";

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
        attributes.push(Attribute::text(CODE_ATTRIBUTE, error.code.as_str()));
        attributes.push(Attribute::text(REASON_ATTRIBUTE, printable(reason(error))));
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

/// A message of a dead-letter queue, with all that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The message.
    pub delivery: Delivery,
    /// Its message attributes, those of the reason included.
    pub attributes: Vec<Attribute>,
    /// What a FIFO queue knows it by: of our own letters the id of the message that was given up.
    pub deduplication_id: Option<String>,
    /// ARN of the queue whose redrive policy moved it here; `None`: it was sent here, as we do.
    pub moved_from: Option<String>,
}

impl Letter {
    /// Code of its reason, if it has one.
    pub fn code(&self) -> Option<&str> {
        text_of(&self.attributes, CODE_ATTRIBUTE)
    }

    /// Its reason, if it has one.
    pub fn reason(&self) -> Option<&str> {
        text_of(&self.attributes, REASON_ATTRIBUTE)
    }

    /// The job as a new message for its queue: without the reason, everything else as it was. It counts from its first
    /// attempt, as what is noted of the message that was given up is noted by that message's id.
    ///
    /// A FIFO queue takes the letter once within five minutes, however often it is sent.
    pub fn resent(&self, request_id: Option<&str>, to_fifo: bool) -> Outgoing {
        let id = &self.delivery.message_id;
        let is_reason = |attribute: &Attribute| [CODE_ATTRIBUTE, REASON_ATTRIBUTE].contains(&attribute.name.as_str());
        // `letter` invents a group where the job had none, and a standard queue needs none.
        let own = |group: &String| to_fifo || Some(group) != self.deduplication_id.as_ref();
        let group = self.delivery.group.clone().filter(own);
        Outgoing {
            body: self.delivery.body.clone(),
            attributes: self.attributes.iter().filter(|attribute| !is_reason(attribute)).cloned().collect(),
            group: group.or_else(|| to_fifo.then(|| request_id.unwrap_or(id).to_owned())),
            deduplication_id: to_fifo.then(|| format!("resent-{id}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use nearline_contract::ErrorCode;

    use super::*;
    use crate::intake::queue::AttributeValue;

    fn delivery(group: Option<&str>) -> Delivery {
        Delivery {
            message_id: "m".into(),
            receipt_handle: "receipt".into(),
            body: "{}".into(),
            receive_count: 20,
            group: group.map(str::to_owned),
            sent_at: None,
            trace: None,
        }
    }

    /// The letter of a message, as it is received from the dead-letter queue under another id.
    fn received(group: Option<&str>, is_fifo: bool) -> Letter {
        let sent = letter(&delivery(group), &JobError::new(ErrorCode::AttemptsExhausted, "why"), is_fifo);
        let delivery = Delivery { message_id: "l".into(), group: sent.group, ..delivery(None) };
        Letter { delivery, attributes: sent.attributes, deduplication_id: sent.deduplication_id, moved_from: None }
    }

    #[test]
    fn what_is_resent_is_the_job_without_its_reason() {
        let mut letter = received(None, false);
        assert_eq!((letter.code(), letter.reason()), (Some("attempts_exhausted"), Some("why")));
        let value = AttributeValue::Bytes(vec![0, 255]);
        let theirs = Attribute { name: "tenant".into(), data_type: "Binary.id".into(), value };
        letter.attributes.push(theirs.clone());
        let resent = letter.resent(Some("r"), false);
        assert_eq!(resent, Outgoing { body: "{}".into(), attributes: vec![theirs], ..Outgoing::default() });
    }

    #[test]
    fn groups_survive_the_way_there_and_back_between_queues_of_either_kind() {
        let group =
            |group: Option<&str>, dead_is_fifo, to_fifo| received(group, dead_is_fifo).resent(Some("r"), to_fifo).group;
        for dead_is_fifo in [false, true] {
            for to_fifo in [false, true] {
                let kept = group(Some("tenant"), dead_is_fifo, to_fifo);
                assert_eq!(kept.as_deref(), Some("tenant"), "{dead_is_fifo} {to_fifo}");
            }
            assert_eq!(group(None, dead_is_fifo, false), None, "a standard queue needs none: {dead_is_fifo}");
        }
        assert_eq!(group(None, false, true).as_deref(), Some("r"), "as `enqueue` does");
        assert_eq!(received(None, false).resent(None, true).group.as_deref(), Some("l"), "no request id");
    }

    #[test]
    fn a_fifo_queue_knows_a_letter_that_is_sent_twice_and_takes_the_next_letter_of_its_job() {
        let first = received(Some("g"), true);
        let next = Letter { delivery: Delivery { message_id: "n".into(), ..delivery(Some("g")) }, ..first.clone() };
        let id = |letter: &Letter| letter.resent(None, true).deduplication_id;
        assert_eq!((id(&first).as_deref(), id(&next).as_deref()), (Some("resent-l"), Some("resent-n")));
        assert_eq!(first.resent(None, false).deduplication_id, None);
    }
}
