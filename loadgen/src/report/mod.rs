//! The outcome of a run: JSON for programs, a table for people, a page with charts.
//!
//! [`Report`] is the JSON, and everything else is made from it. Its schema is in docs/schemas/.

mod build;
mod chart;
mod compare;
mod html;
mod schema;
mod settings;
mod table;
mod text;

pub(crate) use self::build::Run;
pub(crate) use self::compare::compare;
pub(crate) use self::schema::{Environment, FORMAT_VERSION, Report};
pub(crate) use self::settings::{Settings, StageSettings};

#[cfg(test)]
pub(crate) mod tests;
