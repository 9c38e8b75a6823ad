//! How models are called: settings that several commands have.

use super::reader::Reader;
use super::table::{
    EMBEDDING_FLEET_REQUESTS_PER_MINUTE, EMBEDDING_MAX_CONCURRENCY, EMBEDDING_REQUESTS_PER_MINUTE,
    EMBEDDING_SERVICE_TIER, Setting,
};
use crate::embed::Limits;

/// The tiers that Bedrock knows.
const TIERS: [&str; 4] = ["default", "flex", "priority", "reserved"];

impl Reader {
    /// How fast a process that is not part of a fleet may call a model.
    pub(super) fn limits(&mut self) -> Limits {
        Limits {
            max_concurrency: self.whole(&EMBEDDING_MAX_CONCURRENCY, 1, 1_000) as usize,
            requests_per_minute: self.per_minute(&EMBEDDING_REQUESTS_PER_MINUTE),
            fleet_requests_per_minute: None,
        }
    }

    /// How fast a worker may.
    pub(super) fn limits_of_fleet(&mut self) -> Limits {
        let fleet_requests_per_minute = self.per_minute(&EMBEDDING_FLEET_REQUESTS_PER_MINUTE);
        Limits { fleet_requests_per_minute, ..self.limits() }
    }

    /// The tier that models are called in.
    pub(super) fn service_tier(&mut self) -> Option<String> {
        let tier = self.text(&EMBEDDING_SERVICE_TIER)?;
        if !TIERS.contains(&tier.as_str()) {
            let Setting { name, range, .. } = EMBEDDING_SERVICE_TIER;
            self.faults.push(format!("{name} must be {range}, was `{tier}`"));
        }
        Some(tier)
    }

    fn per_minute(&mut self, setting: &Setting) -> Option<u32> {
        self.optional_whole(setting, 1, 1_000_000).map(|calls| calls as u32)
    }
}
