//! Settings: from the environment to values, each command reading only those that it uses.
//!
//! [`SETTINGS`] is the one table of names, defaults and ranges; `--help` and docs/settings.md are printed from it.
//! Region, credentials and endpoints are the AWS SDK's own and stand nowhere here.

mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use nearline_search::Kernel;
use table::{
    CATALOG, CATALOG_REFRESH_SECONDS, DEAD_LETTER_QUEUE_URL, EMBEDDING_DIMENSION, EMBEDDING_MAX_CONCURRENCY,
    EMBEDDING_MODEL, EMBEDDING_REQUESTS_PER_MINUTE, KERNEL, LOG, MAX_ATTEMPTS, QUEUE_URL, RESULTS_BUCKET,
    RESULTS_TABLE, RESULTS_TTL_SECONDS, SEARCH_THREADS,
};
pub use table::{SETTINGS, Setting, help, markdown};

use crate::telemetry::check_filter;

/// Everything that is wrong with the settings a command asked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

/// Where a catalog is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogLocation {
    /// An artifact on disk.
    File(PathBuf),
    /// A prefix with a `current.json`.
    S3(S3Prefix),
}

/// `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Prefix {
    /// Bucket name.
    pub bucket: String,
    /// Key prefix without slashes at its ends; may be empty.
    pub prefix: String,
}

impl S3Prefix {
    /// The key of `name` below the prefix.
    pub fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }
}

impl std::fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl FromStr for S3Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| format!("must be s3://BUCKET/PREFIX, was `{text}`"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("must be s3://BUCKET/PREFIX, was `{text}`"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

impl FromStr for CatalogLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") { text.parse().map(Self::S3) } else { Ok(Self::File(PathBuf::from(text))) }
    }
}

/// How fast Bedrock may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingLimits {
    /// Calls in flight at once.
    pub max_concurrency: usize,
    /// Calls started in a minute; `None` = no limit.
    pub requests_per_minute: Option<u32>,
}

/// Model and dimension that were set explicitly: a catalog that differs is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogGuard {
    /// Model id, compared without its region prefix.
    pub model_id: Option<String>,
    /// Length of the vectors.
    pub dimension: Option<usize>,
}

/// What `bootstrap` and `nearline worker` use.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Queue of the jobs.
    pub queue_url: String,
    /// Queue for what cannot be answered.
    pub dead_letter_queue_url: Option<String>,
    /// Table and bucket of the records.
    pub results: ResultSettings,
    /// Catalog that is searched.
    pub catalog: CatalogLocation,
    /// How often to look for a new one; `None` = never.
    pub catalog_refresh: Option<Duration>,
    /// What the catalog must be.
    pub guard: CatalogGuard,
    /// How fast Bedrock may be called.
    pub embedding: EmbeddingLimits,
    /// Deliveries after which a message is dead-lettered.
    pub max_attempts: u32,
    /// Threads that scan; `None` = one for each processor.
    pub search_threads: Option<usize>,
    /// What scans: the one that was set, or the fastest that the processor has.
    pub kernel: Kernel,
}

/// What reading and writing records needs.
#[derive(Debug, Clone)]
pub struct ResultSettings {
    /// Table of the records.
    pub table: String,
    /// How long a record counts.
    pub ttl: Duration,
    /// Bucket for large results.
    pub bucket: Option<String>,
}

/// What `catalog build` uses.
#[derive(Debug, Clone)]
pub struct BuildSettings {
    /// Embedding model.
    pub model_id: String,
    /// Length of the vectors.
    pub dimension: usize,
    /// How fast Bedrock may be called.
    pub embedding: EmbeddingLimits,
}

/// The environment, and what was found wrong in it.
pub struct Reader {
    variables: HashMap<String, String>,
    faults: Vec<String>,
}

impl Reader {
    /// The environment of this process.
    pub fn from_process() -> Self {
        // A variable that is not UTF-8 can be none of ours.
        Self::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Given variables. Empty values count as unset.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, faults: Vec::new() }
    }

    /// Settings of `bootstrap` and `nearline worker`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn worker(mut self) -> Result<WorkerSettings, ConfigError> {
        let settings = WorkerSettings {
            queue_url: self.required(&QUEUE_URL),
            dead_letter_queue_url: self.text(&DEAD_LETTER_QUEUE_URL),
            results: self.results(),
            catalog: self.parsed(&CATALOG).unwrap_or_else(|| CatalogLocation::File(PathBuf::new())),
            catalog_refresh: Some(self.whole(&CATALOG_REFRESH_SECONDS, 0, 86_400))
                .filter(|&seconds| seconds > 0)
                .map(Duration::from_secs),
            guard: self.guard(),
            embedding: self.embedding_limits(),
            max_attempts: self.whole(&MAX_ATTEMPTS, 1, 1_000) as u32,
            kernel: self.kernel(),
            search_threads: self.optional_whole(&SEARCH_THREADS, 1, 1_024).map(|threads| threads as usize),
        };
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

    /// Settings of `nearline result`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn result(mut self) -> Result<ResultSettings, ConfigError> {
        let settings = self.results();
        self.finish(settings)
    }

    /// Settings of `nearline catalog build`.
    ///
    /// # Errors
    /// All faults at once.
    pub fn build(mut self) -> Result<BuildSettings, ConfigError> {
        let settings = BuildSettings {
            model_id: self.text(&EMBEDDING_MODEL).unwrap_or_default(),
            dimension: self.whole(&EMBEDDING_DIMENSION, 1, 65_536) as usize,
            embedding: self.embedding_limits(),
        };
        self.finish(settings)
    }

    /// Settings of commands that only call Bedrock.
    ///
    /// # Errors
    /// All faults at once.
    pub fn embedding(mut self) -> Result<EmbeddingLimits, ConfigError> {
        let limits = self.embedding_limits();
        self.finish(limits)
    }

    /// The log filter.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn log(&self) -> Result<&str, ConfigError> {
        let filter = self.raw(&LOG).unwrap_or_default();
        let fault = || ConfigError(vec![format!("{} must be {}, was `{filter}`", LOG.name, LOG.range)]);
        if check_filter(filter) { Ok(filter) } else { Err(fault()) }
    }

    fn results(&mut self) -> ResultSettings {
        ResultSettings {
            table: self.required(&RESULTS_TABLE),
            ttl: Duration::from_secs(self.whole(&RESULTS_TTL_SECONDS, 60, 157_680_000)),
            bucket: self.text(&RESULTS_BUCKET),
        }
    }

    fn guard(&mut self) -> CatalogGuard {
        CatalogGuard {
            model_id: self.variables.get(EMBEDDING_MODEL.name).cloned(),
            dimension: self
                .variables
                .contains_key(EMBEDDING_DIMENSION.name)
                .then(|| self.whole(&EMBEDDING_DIMENSION, 1, 65_536) as usize),
        }
    }

    fn embedding_limits(&mut self) -> EmbeddingLimits {
        EmbeddingLimits {
            max_concurrency: self.whole(&EMBEDDING_MAX_CONCURRENCY, 1, 1_000) as usize,
            requests_per_minute: self
                .optional_whole(&EMBEDDING_REQUESTS_PER_MINUTE, 1, 1_000_000)
                .map(|requests| requests as u32),
        }
    }

    fn kernel(&mut self) -> Kernel {
        let Some(name) = self.text(&KERNEL) else { return Kernel::fastest() };
        match name.parse::<Kernel>() {
            Ok(kernel) if kernel.is_available() => kernel,
            _ => {
                let available: Vec<&str> = Kernel::available().map(Kernel::name).collect();
                let available = available.join(", ");
                self.faults.push(format!("{} must be one of {available} on this processor, was `{name}`", KERNEL.name));
                Kernel::Portable
            }
        }
    }

    fn raw(&self, setting: &Setting) -> Option<&str> {
        self.variables.get(setting.name).map(String::as_str).or(setting.default)
    }

    fn text(&self, setting: &Setting) -> Option<String> {
        self.raw(setting).map(str::to_owned)
    }

    fn required(&mut self, setting: &Setting) -> String {
        self.text(setting).unwrap_or_else(|| {
            self.faults.push(format!("{} is not set ({})", setting.name, setting.meaning));
            String::new()
        })
    }

    fn parsed<T: FromStr<Err = String>>(&mut self, setting: &Setting) -> Option<T> {
        let text = self.required(setting);
        if text.is_empty() {
            return None;
        }
        text.parse().map_err(|fault| self.faults.push(format!("{} {fault}", setting.name))).ok()
    }

    fn whole(&mut self, setting: &Setting, least: u64, most: u64) -> u64 {
        self.optional_whole(setting, least, most).unwrap_or(least)
    }

    fn optional_whole(&mut self, setting: &Setting, least: u64, most: u64) -> Option<u64> {
        let text = self.raw(setting)?;
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let fault = format!("{} must be a whole number from {least} to {most}, was `{text}`", setting.name);
                self.faults.push(fault);
                None
            }
        }
    }

    fn finish<T>(self, settings: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() { Ok(settings) } else { Err(ConfigError(self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(variables: &[(&str, &str)]) -> Reader {
        Reader::new(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let variables = [
            ("NEARLINE_CATALOG", "gs://bucket/prefix"),
            ("NEARLINE_MAX_ATTEMPTS", "0"),
            ("NEARLINE_SEARCH_THREADS", "many"),
            ("NEARLINE_RESULTS_TABLE", ""),
            ("NEARLINE_KERNEL", "avx9"),
        ];
        let message = reader(&variables).worker().unwrap_err().to_string();
        for part in [
            "NEARLINE_QUEUE_URL is not set",
            "NEARLINE_RESULTS_TABLE is not set",
            "NEARLINE_CATALOG must be s3://BUCKET/PREFIX, was `gs://bucket/prefix`",
            "NEARLINE_MAX_ATTEMPTS must be a whole number from 1 to 1000, was `0`",
            "NEARLINE_SEARCH_THREADS must be a whole number from 1 to 1024, was `many`",
            "NEARLINE_KERNEL must be one of portable",
        ] {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
    }

    #[test]
    fn the_kernel_is_the_fastest_unless_one_is_set_that_the_processor_has() {
        let required = [
            ("NEARLINE_QUEUE_URL", "http://q"),
            ("NEARLINE_RESULTS_TABLE", "t"),
            ("NEARLINE_CATALOG", "s3://bucket/prefix"),
        ];
        let kernel = |name: Option<&'static str>| {
            let variables: Vec<_> = required.into_iter().chain(name.map(|name| ("NEARLINE_KERNEL", name))).collect();
            reader(&variables).worker().map(|settings| settings.kernel)
        };
        assert_eq!(kernel(None).unwrap(), Kernel::fastest());
        let names = Kernel::ALL.map(Kernel::name).join(", ");
        assert!(KERNEL.range.starts_with(&names), "{} does not name {names}", KERNEL.range);
        for set in Kernel::ALL {
            match kernel(Some(set.name())) {
                Ok(kernel) => assert!(kernel == set && set.is_available()),
                Err(error) => {
                    assert!(!set.is_available());
                    assert!(error.to_string().contains(&format!("on this processor, was `{set}`")), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_command_validates_only_what_it_uses() {
        let variables = [("NEARLINE_QUEUE_URL", "http://q"), ("NEARLINE_MAX_ATTEMPTS", "none")];
        assert_eq!(reader(&variables).enqueue().unwrap(), "http://q");
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let variables = [("NEARLINE_QUEUE_URL", "q"), ("NEARLINE_RESULTS_TABLE", "t"), ("NEARLINE_CATALOG", "c.arrow")];
        let settings = reader(&variables).worker().unwrap();
        assert_eq!(settings.max_attempts, 20);
        assert_eq!(settings.results.ttl, Duration::from_hours(7 * 24));
        assert_eq!(settings.guard, CatalogGuard::default(), "a default must not guard");
        assert_eq!(settings.catalog, CatalogLocation::File("c.arrow".into()));
        let build = reader(&[]).build().unwrap();
        assert_eq!((build.model_id.as_str(), build.dimension), ("amazon.nova-2-multimodal-embeddings-v1:0", 384));
    }

    #[test]
    fn a_guard_is_what_was_set() {
        let variables = [
            ("NEARLINE_QUEUE_URL", "q"),
            ("NEARLINE_RESULTS_TABLE", "t"),
            ("NEARLINE_CATALOG", "s3://b/p/"),
            ("NEARLINE_EMBEDDING_DIMENSION", "256"),
        ];
        let settings = reader(&variables).worker().unwrap();
        assert_eq!(settings.guard, CatalogGuard { model_id: None, dimension: Some(256) });
        let CatalogLocation::S3(location) = settings.catalog else { panic!("not S3") };
        assert_eq!(location.key("current.json"), "p/current.json");
        assert_eq!(location.to_string(), "s3://b/p");
    }

    #[test]
    fn terraform_sets_settings_that_exist() {
        let main = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/terraform/main.tf")).unwrap();
        let assigned = main.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
        let set: Vec<&str> = assigned.filter(|name| name.starts_with("NEARLINE_")).collect();
        assert!(set.len() >= 14, "{set:?}");
        for name in set {
            assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name}");
        }
    }

    #[test]
    fn the_documented_settings_are_these() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        let documented = std::fs::read_to_string(path).unwrap();
        let (introduction, table) = documented.split_at(documented.find("| setting").unwrap_or(documented.len()));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, introduction.to_owned() + &markdown()).unwrap();
        } else {
            assert!(table == markdown(), "docs/settings.md is stale: run `make docs`");
        }
    }
}
