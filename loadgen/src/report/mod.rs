//! The outcome of a run: JSON for programs, a table for people, and what `loadgen report` makes of it later.
//!
//! [`Report`] is the JSON, and everything else is made from it. Its schema is in docs/schemas/.

mod build;
mod chart;
mod compare;
mod html;
mod miss;
mod schema;
mod settings;
mod table;

pub(crate) use self::build::Run;
pub(crate) use self::compare::Comparison;
pub(crate) use self::html::page;
pub(crate) use self::schema::{Environment, FORMAT_VERSION, Report};
pub(crate) use self::settings::{Settings, StageSettings};

#[cfg(test)]
pub(crate) mod tests;
