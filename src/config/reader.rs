//! From the environment to values, each command reading only those that it uses, all faults at once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use nearline_search::{Available, Kernel};

use super::slips;
use super::table::{
    CATALOG, CATALOG_REFRESH_SECONDS, CATALOG_VECTORS, DEAD_LETTER_QUEUE_URL, EMBEDDING_DIMENSION, EMBEDDING_MODEL,
    EMBEDDING_MODEL_FAMILY, KERNEL, MAX_ATTEMPTS, QUEUE_URL, RESULTS_BUCKET, RESULTS_TABLE, RESULTS_TTL_SECONDS,
    SEARCH_THREADS, Setting,
};
use crate::aws::Resources;
use crate::catalog::{CatalogGuard, CatalogLocation, Vectors};
use crate::embed::{Limits, model_id};
use crate::{intake, results, telemetry};

/// Everything that is wrong with the settings a command asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// What `bootstrap` and `nearline worker` use.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Queues, table and bucket.
    pub resources: Resources,
    /// How the worker works.
    pub intake: intake::Settings,
    /// Threads that scan; `None` = one for each processor.
    pub search_threads: Option<usize>,
    /// What it exports beside logs and records.
    pub telemetry: telemetry::Settings,
    /// Variables that were set and are not settings, a sentence for each.
    pub unknown: Vec<String>,
}

impl WorkerSettings {
    /// Logs what was set and is not a setting.
    pub fn warn_of_unknown(&self) {
        for sentence in &self.unknown {
            tracing::warn!(event = "unknown_setting", "{sentence}: it is ignored");
        }
    }
}

/// What `nearline run` uses.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// Queue of the jobs.
    pub queue_url: String,
    /// Where their records are.
    pub results: ResultSettings,
}

/// What reading records needs.
#[derive(Debug, Clone)]
pub struct ResultSettings {
    /// Table of the records.
    pub table: String,
    /// How records are kept.
    pub results: results::Settings,
    /// Bucket for large results.
    pub bucket: Option<String>,
}

/// What `catalog build` uses.
#[derive(Debug, Clone)]
pub struct BuildSettings {
    /// What is called to embed.
    pub model_id: String,
    /// Which model that is, if its name does not say so.
    pub model_family: Option<String>,
    /// Length of the vectors.
    pub dimension: usize,
    /// How fast the model may be called.
    pub embedding: Limits,
    /// Tier that it is called in; `None`: the default of the service.
    pub service_tier: Option<String>,
}

/// What commands use that only embed queries.
#[derive(Debug, Clone)]
pub struct QuerySettings {
    /// What the catalog must be; its model is the one that is called.
    pub guard: CatalogGuard,
    /// How fast the model may be called.
    pub embedding: Limits,
    /// Tier that it is called in; `None`: the default of the service.
    pub service_tier: Option<String>,
}

/// The environment, and what was found wrong in it.
pub struct Reader {
    variables: HashMap<String, String>,
    pub(super) faults: Vec<String>,
}

impl Reader {
    /// The environment of this process.
    pub fn from_process() -> Self {
        // A variable that is not UTF-8 can be none of ours.
        Self::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Given variables. Blanks and line ends around a value are not part of it; empty values count as unset.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let trimmed = variables.into_iter().map(|(name, value)| (name, value.trim().to_owned()));
        Self { variables: trimmed.filter(|(_, value)| !value.is_empty()).collect(), faults: Vec::new() }
    }

    /// Variables that look like settings and are not, a sentence for each, in order. A typo must not pass silently,
    /// but a newer release may know the name: it is for the caller to say how bad that is.
    pub fn unknown(&self) -> Vec<String> {
        slips::unknown(self.variables.keys().map(String::as_str))
    }

    /// Settings of `bootstrap` and `nearline worker`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn worker(mut self) -> Result<WorkerSettings, ConfigError> {
        let ResultSettings { table, results, bucket } = self.results();
        let resources = Resources {
            queue_url: self.required(&QUEUE_URL),
            dead_letter_queue_url: self.text(&DEAD_LETTER_QUEUE_URL),
            table,
            bucket,
            service_tier: self.service_tier(),
        };
        if let Some(url) = &resources.dead_letter_queue_url {
            self.other_queues(url, &resources.queue_url);
        }
        let intake = intake::Settings {
            catalog: self.parsed(&CATALOG).unwrap_or_else(|| CatalogLocation::File(PathBuf::new())),
            catalog_refresh: Some(self.whole(&CATALOG_REFRESH_SECONDS, 0, 86_400))
                .filter(|&seconds| seconds > 0)
                .map(Duration::from_secs),
            guard: self.guard(),
            results,
            embedding: self.limits_of_fleet(),
            max_attempts: self.whole(&MAX_ATTEMPTS, 1, 1_000) as u32,
            kernel: self.kernel(),
            function_memory: self.function_memory(),
            vectors: self.vectors(),
        };
        let search_threads = self.optional_whole(&SEARCH_THREADS, 1, 1_024).map(|threads| threads as usize);
        let telemetry = self.ways_out();
        let settings = WorkerSettings { resources, intake, search_threads, telemetry, unknown: self.unknown() };
        self.finish(settings)
    }

    /// Settings of `nearline enqueue`: the queue.
    ///
    /// # Errors
    /// All faults at once.
    pub fn enqueue(mut self) -> Result<String, ConfigError> {
        let queue_url = self.required(&QUEUE_URL);
        self.finish(queue_url)
    }

    /// Settings of `nearline run`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn run(mut self) -> Result<RunSettings, ConfigError> {
        let settings = RunSettings { queue_url: self.required(&QUEUE_URL), results: self.results() };
        self.finish(settings)
    }

    /// Settings of `nearline catalog build`; `model` is called instead of the one that is set.
    ///
    /// # Errors
    /// All faults at once.
    pub fn build(mut self, model: Option<&str>) -> Result<BuildSettings, ConfigError> {
        let model_id = model.map(str::to_owned).or_else(|| self.text(&EMBEDDING_MODEL)).unwrap_or_default();
        let settings = BuildSettings {
            model_family: self.model_family(Some(&model_id)),
            model_id,
            dimension: self.whole(&EMBEDDING_DIMENSION, 1, 65_536) as usize,
            embedding: self.limits(),
            service_tier: self.service_tier(),
        };
        self.finish(settings)
    }

    /// Settings of `nearline catalog publish`: which model a catalog is of whose name of it does not say so.
    ///
    /// # Errors
    /// All faults at once.
    pub fn publish(mut self) -> Result<Option<String>, ConfigError> {
        let family = self.model_family(None);
        self.finish(family)
    }

    /// Settings of commands that only embed queries.
    ///
    /// # Errors
    /// All faults at once.
    pub fn query(mut self) -> Result<QuerySettings, ConfigError> {
        let settings =
            QuerySettings { guard: self.guard(), embedding: self.limits(), service_tier: self.service_tier() };
        self.finish(settings)
    }

    pub(super) fn results(&mut self) -> ResultSettings {
        ResultSettings {
            table: self.required(&RESULTS_TABLE),
            results: results::Settings { ttl: Duration::from_secs(self.whole(&RESULTS_TTL_SECONDS, 60, 157_680_000)) },
            bucket: self.text(&RESULTS_BUCKET),
        }
    }

    fn guard(&mut self) -> CatalogGuard {
        let model_id = self.set(&EMBEDDING_MODEL).is_some().then(|| self.text(&EMBEDDING_MODEL)).flatten();
        CatalogGuard {
            model_family: self.model_family(model_id.as_deref()),
            model_id,
            dimension: self
                .set(&EMBEDDING_DIMENSION)
                .is_some()
                .then(|| self.whole(&EMBEDDING_DIMENSION, 1, 65_536) as usize),
        }
    }

    /// Which model `called` is, or that of catalogs whose own name does not say so.
    fn model_family(&mut self, called: Option<&str>) -> Option<String> {
        let family = self.text(&EMBEDDING_MODEL_FAMILY);
        let named = [called, family.as_deref()].into_iter().flatten().next();
        if let Some(Err(error)) = named.map(|named| model_id(named, family.as_deref())) {
            self.faults.push(error.to_string());
        }
        family
    }

    fn kernel(&mut self) -> Available {
        let Some(name) = self.text(&KERNEL) else { return Kernel::fastest() };
        name.parse().ok().and_then(Kernel::detect).unwrap_or_else(|| {
            let available: Vec<&str> = Kernel::available().map(Available::name).collect();
            let available = available.join(", ");
            self.faults.push(format!("{} must be one of {available} on this processor, was `{name}`", KERNEL.name));
            Kernel::fastest()
        })
    }

    fn vectors(&mut self) -> Vectors {
        match self.text(&CATALOG_VECTORS).as_deref() {
            None | Some("memory") => Vectors::Memory,
            Some("mapped") => Vectors::Mapped(self.variable("TMPDIR").unwrap_or("/tmp").into()),
            Some(other) => {
                let Setting { name, range, .. } = CATALOG_VECTORS;
                self.faults.push(format!("{name} must be one of {range}, was `{other}`"));
                Vectors::Memory
            }
        }
    }

    /// A variable as it is set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// What the environment has for it.
    pub(super) fn set(&self, setting: &Setting) -> Option<&str> {
        self.variable(setting.name)
    }

    /// Its value, or its default. Of a value in quotes only that is reported, not what they make of it.
    pub(super) fn text(&mut self, setting: &Setting) -> Option<String> {
        let value = self.set(setting).or(setting.default)?.to_owned();
        let Some(fault) = slips::quotes(setting.name, &value) else { return Some(value) };
        self.faults.push(fault);
        Some(value.trim_matches(slips::QUOTES).to_owned())
    }

    /// One of these words; if it is not one of them the first, with a fault.
    pub(super) fn one_of(&mut self, setting: &Setting, words: &[&'static str]) -> &'static str {
        let text = self.text(setting).unwrap_or_default();
        words.iter().find(|word| **word == text).copied().unwrap_or_else(|| {
            self.fault(format!("{} must be {}, was `{text}`", setting.name, words.join(" or ")));
            words[0]
        })
    }

    /// Notes what is wrong.
    pub(super) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    pub(super) fn required(&mut self, setting: &Setting) -> String {
        self.text(setting).unwrap_or_else(|| {
            self.faults.push(format!("{} is not set ({})", setting.name, setting.meaning));
            String::new()
        })
    }

    pub(super) fn parsed<T: FromStr<Err = String>>(&mut self, setting: &Setting) -> Option<T> {
        let text = self.required(setting);
        if text.is_empty() {
            return None;
        }
        text.parse().map_err(|fault| self.faults.push(format!("{} {fault}", setting.name))).ok()
    }

    pub(super) fn whole(&mut self, setting: &Setting, least: u64, most: u64) -> u64 {
        self.optional_whole(setting, least, most).unwrap_or(least)
    }

    pub(super) fn optional_whole(&mut self, setting: &Setting, least: u64, most: u64) -> Option<u64> {
        let text = self.text(setting)?;
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let fault = format!("{} must be a whole number from {least} to {most}, was `{text}`", setting.name);
                self.faults.push(fault);
                None
            }
        }
    }

    /// Whether the dead-letter queue is another queue than the job queue.
    pub(super) fn other_queues(&mut self, dead: &str, jobs: &str) {
        if !dead.is_empty() && slips::same_queue(dead, jobs) {
            let (dead, jobs) = (DEAD_LETTER_QUEUE_URL.name, QUEUE_URL.name);
            self.faults.push(format!(
                "{dead} is the same queue as {jobs}: messages that cannot be answered would come back for ever"
            ));
        }
    }

    /// What is wrong may be a name that was misspelled, so those are reported with it.
    pub(super) fn finish<T>(mut self, settings: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() {
            return Ok(settings);
        }
        self.faults.extend(self.unknown());
        Err(ConfigError(self.faults))
    }
}
