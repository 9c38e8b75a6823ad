//! How catalogs are made searchable, and where they lie.

use nearline_search::{Available, Kernel};

use super::vectors::Vectors;
use crate::compute::Compute;

/// How catalogs are made searchable.
#[derive(Debug, Clone)]
pub struct Indexing {
    /// What scans them.
    pub kernel: Available,
    /// What indexes them.
    pub compute: Compute,
    /// Memory that Lambda gives the function, in bytes: a newer catalog is only loaded if it fits beside the one that
    /// serves, here and by what the system says.
    pub function_memory: Option<u64>,
    /// Where vectors lie.
    pub vectors: Vectors,
}

impl Default for Indexing {
    /// With the fastest kernel, where it is asked for.
    fn default() -> Self {
        Self { kernel: Kernel::fastest(), compute: Compute::Inline, function_memory: None, vectors: Vectors::Memory }
    }
}
