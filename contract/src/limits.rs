//! Every bound of the contract, in one place.

/// Longest `request_id`, in visible ASCII characters.
pub const REQUEST_ID_MAX_CHARS: usize = 128;
/// Longest `query`, in Unicode scalar values: what Nova takes inline.
pub const QUERY_MAX_CHARS: usize = 8_192;
/// Largest `top_k`.
pub const TOP_K_MAX: u64 = 1_000;
/// `top_k` of a job that names none.
pub const TOP_K_DEFAULT: u16 = 5;
/// Largest `metadata`: keys and values together, in UTF-8 bytes.
pub const METADATA_MAX_BYTES: usize = 1_024;
/// Most matches in one record, over all its groups.
pub const RECORD_MATCHES_MAX: usize = 100_000;
/// Most matches in one record, each counted once and once more for each attribute that the job asks for.
pub const RECORD_VALUES_MAX: usize = 500_000;
/// Most conditions of a filter.
pub const FILTER_CONDITIONS_MAX: usize = 100;
/// Levels to which a filter may be nested.
pub const FILTER_DEPTH_MAX: usize = 8;
/// Most columns that `return` may name.
pub const RETURN_MAX: usize = 100;
/// Highest job `version` that this release understands.
pub const JOB_VERSION: u64 = 1;
/// `format_version` of the records that this release writes.
pub const RECORD_FORMAT_VERSION: u32 = 1;
