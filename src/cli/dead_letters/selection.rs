//! Which dead letters are meant.

use clap::Args;
use nearline_contract::ErrorCode;

use super::known::{Known, NO_CODE};

#[derive(Args, Clone, Default)]
pub(super) struct Selection {
    /// Only dead letters with this code: attempts_exhausted, invalid_json, ...; none: those without a reason. Repeatable
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Vec<String>,
    /// Only dead letters with this request id or message id. Repeatable
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
}

fn code(text: &str) -> Result<String, String> {
    let mut codes = ErrorCode::ALL.iter().map(|code| code.as_str()).chain([NO_CODE]);
    if codes.any(|code| code == text) {
        return Ok(text.to_owned());
    }
    Err("no such code: `nearline dead-letters list` shows the codes in the queue".to_owned())
}

impl Selection {
    /// Whether it names anything at all.
    pub(super) fn is_some(&self) -> bool {
        !self.code.is_empty() || !self.id.is_empty()
    }

    /// Whether it means this one.
    pub(super) fn means(&self, known: &Known) -> bool {
        let has_code = self.code.is_empty() || self.code.iter().any(|code| code == known.code());
        has_code && (self.id.is_empty() || self.id.iter().any(|id| known.has_id(id)))
    }

    /// The ids that it names.
    pub(super) fn ids(&self) -> &[String] {
        &self.id
    }

    /// For questions and messages: `with code invalid_json`.
    pub(super) fn words(&self) -> String {
        let listed =
            |what: &str, names: &[String]| (!names.is_empty()).then(|| format!(" with {what} {}", names.join(" or ")));
        let parts = [listed("code", &self.code), listed("id", &self.id)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and")
    }
}

/// That nothing has these ids, if there are any.
pub(super) fn not_found(ids: &[String]) -> Option<String> {
    let quoted: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    (!ids.is_empty()).then(|| format!("no dead letter has the id {}", quoted.join(", ")))
}
