//! Attributes of products: columns in memory that filters look at and matches carry.
//!
//! `read` takes them from an artifact (`cells`: of any type), `column` keeps one, [`Attributes::resolve`] puts a filter in terms of them, and
//! [`Attributes::passing`] says which rows pass it; `gather` picks rows of several tables, and `values` writes them.
//! Absent is null, and NaN.

mod bits;
mod cells;
mod column;
mod evaluate;
mod gather;
mod instants;
mod numbers;
mod read;
mod resolve;
mod summary;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
mod values;

pub use column::AttributeKind;
pub(super) use instants::moment;
pub(super) use read::Builders;
pub(super) use resolve::RowFilter;
pub use summary::AttributeSummary;
pub use table::Attributes;
