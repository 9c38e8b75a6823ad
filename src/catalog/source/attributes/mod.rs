//! Attributes: columns beside the known ones, which a catalog keeps for `filter` and `return`.
//!
//! `wanted` is what a person asks for, `registry` what the files have, `value` a value as it was read, `arrays` those of
//! tables with types, `tally` what a whole column holds, and `fit` a value as its column keeps it.

mod arrays;
mod class;
mod fit;
mod registry;
mod tally;
#[cfg(test)]
mod tests;
mod value;
mod wanted;

pub use tally::Attribute;
pub use value::{Number, Value};
pub use wanted::{Kind, Wanted};

pub(super) use arrays::{get, target};
pub(super) use fit::fit;
pub(super) use registry::{Entry, Registry};
pub(super) use tally::Tally;
pub(super) use value::{list, number, of_elements};
pub(super) use wanted::{kinds_hint, why_not};
