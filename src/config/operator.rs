//! Settings of the commands that operators look and act with.

use super::reader::{ConfigError, Reader, ResultSettings};
use super::table::{CATALOG, DEAD_LETTER_QUEUE_URL, QUEUE_URL};
use crate::catalog::CatalogLocation;

/// What `nearline status` looks at.
#[derive(Debug, Clone)]
pub struct StatusSettings {
    /// Queue of the jobs.
    pub queue_url: String,
    /// Queue of what cannot be answered.
    pub dead_letter_queue_url: Option<String>,
    /// Catalog that is searched.
    pub catalog: Option<CatalogLocation>,
}

impl Reader {
    /// Settings of `nearline result`: where records are, and the queue of the jobs that have none.
    ///
    /// # Errors
    /// All faults at once.
    pub fn result(mut self) -> Result<(ResultSettings, Option<String>), ConfigError> {
        let settings = (self.results(), self.text(&DEAD_LETTER_QUEUE_URL));
        self.finish(settings)
    }

    /// Settings of `nearline dead-letters list`, `show` and `drop`: the dead-letter queue.
    ///
    /// # Errors
    /// All faults at once.
    pub fn dead_letters(mut self) -> Result<String, ConfigError> {
        let url = self.required(&DEAD_LETTER_QUEUE_URL);
        self.finish(url)
    }

    /// Settings of `nearline dead-letters resend`: the dead-letter queue and that of the jobs.
    ///
    /// # Errors
    /// All faults at once.
    pub fn resend(mut self) -> Result<(String, String), ConfigError> {
        let (dead, jobs) = (self.required(&DEAD_LETTER_QUEUE_URL), self.required(&QUEUE_URL));
        self.other_queues(&dead, &jobs);
        self.finish((dead, jobs))
    }

    /// Settings of `nearline status`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn status(mut self) -> Result<StatusSettings, ConfigError> {
        let settings = StatusSettings {
            queue_url: self.required(&QUEUE_URL),
            dead_letter_queue_url: self.text(&DEAD_LETTER_QUEUE_URL),
            catalog: if self.text(&CATALOG).is_some() { self.parsed(&CATALOG) } else { None },
        };
        self.finish(settings)
    }
}
