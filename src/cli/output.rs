//! What commands print, and why they fail.

use std::io::Write;

use nearline_contract::Attribute;
use serde::Serialize;

use crate::catalog::{CatalogError, ChangeError};
use crate::config::ConfigError;
use crate::embed::ModelError;
use crate::fault::Fault;
use crate::intake::IntakeError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("search threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Other(String),
    /// What was asked for makes no sense, or needs a flag.
    #[error("{0}")]
    Usage(String),
}

impl CliError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A number and what it counts.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Writes lines of data.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(CliError::io("standard output"))
}

/// A value as people read it.
pub(super) fn plain(value: &Attribute) -> String {
    match value {
        Attribute::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// Data as one line of JSON.
pub(super) fn json(data: &impl Serialize) -> Result<String, CliError> {
    serde_json::to_string(data).map_err(|error| CliError::Other(error.to_string()))
}
