//! What an update is of.

use crate::catalog::attributes::Attributes;

/// An artifact, as far as its updates have to fit it.
pub(in crate::catalog) trait Base {
    /// Length of the vectors.
    fn dimension(&self) -> usize;

    /// Their model.
    fn model_id(&self) -> Option<&str>;

    /// What is kept of products beside their names.
    fn attributes(&self) -> &Attributes;

    /// The row of a product.
    fn find(&self, product_id: &str) -> Option<u32>;
}
