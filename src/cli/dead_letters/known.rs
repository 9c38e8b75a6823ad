//! What a dead letter says of itself.

use nearline_contract::{ErrorCode, receive};

use crate::cli::output;
use crate::intake::Letter;

/// The code of a letter that brings none.
pub(super) const NO_CODE: &str = "none";

/// A letter, and what its body is.
pub(super) struct Known {
    pub(super) letter: Letter,
    /// That of its job, if the body has one.
    pub(super) request_id: Option<String>,
}

impl From<Letter> for Known {
    fn from(letter: Letter) -> Self {
        let request_id = receive(&letter.delivery.body).ok().map(|job| job.request_id);
        Self { letter, request_id }
    }
}

impl Known {
    pub(super) fn code(&self) -> &str {
        self.letter.code().unwrap_or(NO_CODE)
    }

    /// Its reason, or how it can be here without one.
    pub(super) fn reason(&self) -> String {
        match (self.letter.reason(), &self.letter.moved_from) {
            (Some(reason), _) => reason.to_owned(),
            (None, Some(arn)) => format!(
                "moved by the redrive policy of {arn}: received too often without an answer; search the worker's log \
                 for its message id"
            ),
            (None, None) => {
                "no reason attached: moved by a redrive policy, sent by somebody else, or too large to carry one"
                    .to_owned()
            }
        }
    }

    /// Its id: that of the job, of the letter, or of the message that was given up.
    pub(super) fn has_id(&self, id: &str) -> bool {
        let Letter { delivery, deduplication_id, .. } = &self.letter;
        [self.request_id.as_deref(), Some(&delivery.message_id), deduplication_id.as_deref()].contains(&Some(id))
    }

    /// Why it would be a dead letter again, whatever has been fixed since.
    pub(super) fn comes_back_as(&self) -> Option<&str> {
        let hopeless = [ErrorCode::InvalidJson, ErrorCode::InvalidRequestId, ErrorCode::RequestIdConflict];
        let code = self.code();
        let is_hopeless = self.request_id.is_none() || hopeless.iter().any(|hopeless| hopeless.as_str() == code);
        is_hopeless.then_some(code)
    }
}

/// So many of them, in words.
pub(super) fn counted(letters: usize) -> String {
    output::counted(letters as u64, "dead letter")
}

/// Text of strangers on one line of a terminal.
pub(super) fn one_line(text: &str, most_chars: usize) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let line: String = chars.by_ref().take(most_chars).collect();
    if chars.next().is_some() { line + "..." } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Attribute, CODE_ATTRIBUTE, Delivery};

    fn known(body: &str, code: Option<&str>) -> Known {
        let attributes = code.map(|code| Attribute::text(CODE_ATTRIBUTE, code)).into_iter().collect();
        let delivery = Delivery {
            message_id: "letter".into(),
            receipt_handle: "receipt".into(),
            body: body.into(),
            receive_count: 1,
            group: None,
            sent_at: None,
            trace: None,
        };
        Known::from(Letter { delivery, attributes, deduplication_id: Some("given-up".into()), moved_from: None })
    }

    #[test]
    fn a_letter_is_known_by_each_of_its_ids() {
        let known = known(r#"{"request_id":"r","query":"mug"}"#, None);
        assert!(["r", "letter", "given-up"].iter().all(|id| known.has_id(id)) && !known.has_id("receipt"));
    }

    #[test]
    fn what_no_fix_of_the_worker_can_answer_would_come_back() {
        let job = r#"{"request_id":"r","query":"mug"}"#;
        for (body, code, comes_back) in [
            (job, Some("attempts_exhausted"), false),
            (job, None, false),
            (job, Some("of_a_newer_release"), false),
            (job, Some("request_id_conflict"), true),
            ("nonsense", Some("invalid_json"), true),
            ("nonsense", None, true),
            (r#"{"query":"mug"}"#, Some("invalid_request_id"), true),
        ] {
            assert_eq!(known(body, code).comes_back_as().is_some(), comes_back, "{body} {code:?}");
        }
    }

    #[test]
    fn what_strangers_wrote_changes_no_terminal() {
        assert_eq!(one_line("a\u{9b}31m\nb", 99), "a 31m b");
        assert_eq!(one_line("abcdef", 3), "abc...");
    }
}
