//! What the catalog should be able to answer: the JSON that `nearline catalog inspect --json` prints.

use nearline_contract::filter::{Condition, Scalar, Test};
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
    /// What filters and `return` may name; absent if whoever wrote this did not know of attributes.
    #[serde(default)]
    pub attributes: Option<Vec<AttributeInfo>>,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Category {
    pub name: String,
    pub rows: u64,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct AttributeInfo {
    pub name: String,
    /// `integer`, `float` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    pub compares_with: ComparesWith,
}

/// What a value or an element of an attribute is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ComparesWith {
    String,
    Number,
    Boolean,
}

impl ComparesWith {
    fn fits(self, test: &Test) -> bool {
        let fits = |scalar: &Scalar| match scalar {
            Scalar::Text(_) => self == Self::String,
            Scalar::Number(_) => self == Self::Number,
            Scalar::Boolean(_) => self == Self::Boolean,
        };
        match test {
            Test::OneOf(scalars) | Test::NoneOf(scalars) => scalars.iter().all(fits),
            Test::Compare(..) => self == Self::Number,
            Test::Exists(_) => true,
        }
    }
}

/// The conditions of a job's filter.
pub(super) fn conditions(job: &SearchJob) -> Vec<&Condition> {
    let mut conditions = Vec::new();
    if let Some(filter) = &job.filter {
        filter.each_condition(&mut |condition| conditions.push(condition));
    }
    conditions
}

/// The attributes that a job names, in its filter or to be returned.
pub(super) fn attributes_named(job: &SearchJob) -> impl Iterator<Item = &str> {
    let in_filter = conditions(job).into_iter().map(|condition| condition.attribute.as_str());
    in_filter.chain(job.return_attributes.iter().map(String::as_str))
}

impl CatalogInfo {
    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeInfo> {
        self.attributes.iter().flatten().find(|known| known.name == name)
    }

    pub(super) fn rows(&self, category: &str) -> Option<u64> {
        self.categories.iter().find(|known| known.name == category).map(|known| known.rows)
    }

    /// Why this catalog cannot answer `job`, as far as its figures tell.
    pub(super) fn refuses(&self, job: &SearchJob) -> Option<ErrorCode> {
        let codes = [
            ErrorCode::UnknownCategory,
            ErrorCode::DimensionMismatch,
            ErrorCode::MissingField,
            ErrorCode::UnknownAttribute,
            ErrorCode::InvalidFilter,
        ];
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
            (ErrorCode::UnknownAttribute, _) => {
                self.attributes.as_ref()?;
                Some(attributes_named(job).any(|name| self.attribute(name).is_none()))
            }
            (ErrorCode::InvalidFilter, _) => {
                self.attributes.as_ref()?;
                let misfit = |condition: &Condition| {
                    let known = self.attribute(&condition.attribute);
                    known.is_some_and(|known| !known.compares_with.fits(&condition.test))
                };
                Some(conditions(job).into_iter().any(misfit))
            }
            _ => None,
        }
    }
}
