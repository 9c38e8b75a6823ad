//! How fast models may be called.

/// How fast a model may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls in flight at once in this process.
    pub max_concurrency: usize,
    /// Calls started in a minute by this process; `None` = no limit.
    pub requests_per_minute: Option<u32>,
    /// Calls started in a minute by all processes together; `None` = no limit, and nothing is shared.
    pub fleet_requests_per_minute: Option<u32>,
}

impl Default for Limits {
    /// One call at a time, as fast as it goes.
    fn default() -> Self {
        Self { max_concurrency: 1, requests_per_minute: None, fleet_requests_per_minute: None }
    }
}
