//! What the catalog should be able to answer: the JSON that `nearline catalog inspect --json` prints.

use nearline_contract::{ErrorCode, SearchJob, Target};
use serde::Deserialize;

/// A catalog's figures, without its products.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CatalogInfo {
    /// First 16 hex digits of its SHA-256.
    pub version: String,
    /// Numbers in each of its vectors.
    pub dimension: usize,
    /// The model that embeds queries; without one, there are no text jobs.
    pub model_id: Option<String>,
    /// In catalog order.
    pub categories: Vec<Category>,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Category {
    pub name: String,
    pub rows: u64,
}

impl CatalogInfo {
    pub(super) fn rows(&self, category: &str) -> Option<u64> {
        self.categories.iter().find(|known| known.name == category).map(|known| known.rows)
    }

    /// Why this catalog cannot answer `job`, as far as its figures tell.
    pub(super) fn refuses(&self, job: &SearchJob) -> Option<ErrorCode> {
        let codes = [ErrorCode::UnknownCategory, ErrorCode::DimensionMismatch, ErrorCode::MissingField];
        codes.into_iter().find(|code| self.rejects(job, *code) == Some(true))
    }

    /// Whether this catalog rejects `job` with `code`; `None` if its figures do not tell.
    pub(super) fn rejects(&self, job: &SearchJob, code: ErrorCode) -> Option<bool> {
        match (code, &job.target) {
            (ErrorCode::UnknownCategory, _) => {
                let categories = job.categories.iter().flatten();
                Some(categories.into_iter().any(|category| self.rows(category).is_none()))
            }
            (ErrorCode::DimensionMismatch, Target::Vector(vector)) => Some(vector.len() != self.dimension),
            (ErrorCode::MissingField, Target::Query(_)) => Some(self.model_id.is_none()),
            _ => None,
        }
    }
}
