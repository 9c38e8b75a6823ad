//! The table of settings: names, defaults, ranges, meanings; and how people read it.

use std::fmt::Write as _;

/// One setting, as people need to know it.
pub struct Setting {
    /// Environment variable.
    pub name: &'static str,
    /// Value when unset; `None`: there is none.
    pub default: Option<&'static str>,
    /// What values are allowed.
    pub range: &'static str,
    /// Commands that cannot run without it.
    pub required_by: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

pub(super) const QUEUE_URL: Setting = Setting {
    name: "NEARLINE_QUEUE_URL",
    default: None,
    range: "URL of an SQS queue",
    required_by: "bootstrap, worker, enqueue, run, doctor, status, dead-letters resend",
    meaning: "queue that the jobs come from",
};
pub(super) const DEAD_LETTER_QUEUE_URL: Setting = Setting {
    name: "NEARLINE_DEAD_LETTER_QUEUE_URL",
    default: None,
    range: "URL of an SQS queue",
    required_by: "dead-letters",
    meaning: "where messages go that no record can answer; unset: left to the queue's own redrive policy",
};
pub(super) const RESULTS_TABLE: Setting = Setting {
    name: "NEARLINE_RESULTS_TABLE",
    default: None,
    range: "name of a DynamoDB table",
    required_by: "bootstrap, worker, run, result, doctor",
    meaning: "table of the records, partition key `request_id`",
};
pub(super) const RESULTS_TTL_SECONDS: Setting = Setting {
    name: "NEARLINE_RESULTS_TTL_SECONDS",
    default: Some("604800"),
    range: "60 to 157680000",
    required_by: "",
    meaning: "how long a record counts (TTL attribute `expires_at`)",
};
pub(super) const RESULTS_BUCKET: Setting = Setting {
    name: "NEARLINE_RESULTS_BUCKET",
    default: None,
    range: "name of an S3 bucket",
    required_by: "",
    meaning: "where results go that are too large for an item; unset: such jobs are rejected as `result_too_large`",
};
pub(super) const CATALOG: Setting = Setting {
    name: "NEARLINE_CATALOG",
    default: None,
    range: "s3://BUCKET/PREFIX, or the path of an .arrow file",
    required_by: "bootstrap, worker, doctor",
    meaning: "catalog that is searched",
};
pub(super) const CATALOG_REFRESH_SECONDS: Setting = Setting {
    name: "NEARLINE_CATALOG_REFRESH_SECONDS",
    default: Some("60"),
    range: "0 (never) to 86400",
    required_by: "",
    meaning: "how often to look for a newly published catalog",
};
pub(super) const EMBEDDING_MODEL: Setting = Setting {
    name: "NEARLINE_EMBEDDING_MODEL",
    default: Some("amazon.nova-2-multimodal-embeddings-v1:0"),
    range: "id of a Nova 2, Titan v2, Cohere v3 or Cohere v4 embedding model, or of an inference profile of one; with NEARLINE_EMBEDDING_MODEL_FAMILY any name that Bedrock accepts",
    required_by: "",
    meaning: "embedding model to call; when set, a worker refuses a catalog built with another",
};
pub(super) const EMBEDDING_MODEL_FAMILY: Setting = Setting {
    name: "NEARLINE_EMBEDDING_MODEL_FAMILY",
    default: None,
    range: "id of a Nova 2, Titan v2, Cohere v3 or Cohere v4 embedding model",
    required_by: "",
    meaning: "model behind NEARLINE_EMBEDDING_MODEL, if that name does not say (ARN of an application inference profile or a provisioned model), and behind such a name in a catalog; when set, a worker refuses a catalog of another model",
};
pub(super) const EMBEDDING_DIMENSION: Setting = Setting {
    name: "NEARLINE_EMBEDDING_DIMENSION",
    default: Some("384"),
    range: "a dimension that the model offers",
    required_by: "",
    meaning: "dimension for `catalog build`; when set, a worker refuses a catalog of another dimension",
};
pub(super) const EMBEDDING_MAX_CONCURRENCY: Setting = Setting {
    name: "NEARLINE_EMBEDDING_MAX_CONCURRENCY",
    default: Some("32"),
    range: "1 to 1000",
    required_by: "",
    meaning: "most Bedrock calls in flight at once",
};
pub(super) const EMBEDDING_REQUESTS_PER_MINUTE: Setting = Setting {
    name: "NEARLINE_EMBEDDING_REQUESTS_PER_MINUTE",
    default: None,
    range: "1 to 1000000",
    required_by: "",
    meaning: "most Bedrock calls started in a minute by this process; unset: no limit",
};
pub(super) const EMBEDDING_FLEET_REQUESTS_PER_MINUTE: Setting = Setting {
    name: "NEARLINE_EMBEDDING_FLEET_REQUESTS_PER_MINUTE",
    default: None,
    range: "1 to 1000000",
    required_by: "",
    meaning: "most Bedrock calls started in a minute by all workers of the results table together, the same for each of them; unset: no limit",
};
pub(super) const EMBEDDING_SERVICE_TIER: Setting = Setting {
    name: "NEARLINE_EMBEDDING_SERVICE_TIER",
    default: None,
    range: "default, flex, priority or reserved",
    required_by: "",
    meaning: "Bedrock service tier for embeddings; a model that does not support it is called without it; unset: \
              Bedrock's default",
};
pub(super) const MAX_ATTEMPTS: Setting = Setting {
    name: "NEARLINE_MAX_ATTEMPTS",
    default: Some("20"),
    range: "1 to 1000",
    required_by: "",
    meaning: "failed attempts after which a message is dead-lettered as `attempts_exhausted`",
};
pub(super) const SEARCH_THREADS: Setting = Setting {
    name: "NEARLINE_SEARCH_THREADS",
    default: None,
    range: "1 to 1024",
    required_by: "",
    meaning: "threads that scan the catalog; unset: one for each processor",
};
pub(super) const KERNEL: Setting = Setting {
    name: "NEARLINE_KERNEL",
    default: None,
    range: "portable, avx2, avx512vnni, dotprod, i8mm; one that the processor has",
    required_by: "",
    meaning: "scoring kernel; unset: the fastest that the processor has (every kernel gives the same bits)",
};
pub(super) const CATALOG_VECTORS: Setting = Setting {
    name: "NEARLINE_CATALOG_VECTORS",
    default: Some("memory"),
    range: "memory, mapped",
    required_by: "",
    meaning: "where the f32 vectors are kept; mapped: in a file on the local disk (TMPDIR), for catalogs larger than memory",
};
pub(super) const LOG: Setting = Setting {
    name: "NEARLINE_LOG",
    default: Some("info"),
    range: "error, warn, info, debug, trace, or filters such as nearline=debug",
    required_by: "",
    meaning: "what is logged; lines are JSON unless stderr is a terminal",
};

pub(super) const METRICS: Setting = Setting {
    name: "NEARLINE_METRICS",
    default: Some("filters"),
    range: "filters, emf",
    required_by: "",
    meaning: "where metrics come from: `filters` = metric filters on the log group, `emf` = lines of CloudWatch's embedded metric format on stdout",
};
pub(super) const METRICS_NAMESPACE: Setting = Setting {
    name: "NEARLINE_METRICS_NAMESPACE",
    default: Some("nearline"),
    range: "1 to 255 letters, digits and ._-/#, not beginning with AWS/",
    required_by: "",
    meaning: "namespace of the metrics in such lines",
};
pub(super) const TRACES: Setting = Setting {
    name: "NEARLINE_TRACES",
    default: Some("off"),
    range: "off, otlp",
    required_by: "",
    meaning: "`otlp`: `nearline worker` exports a span for each batch, by OpenTelemetry's own variables `OTEL_EXPORTER_OTLP_...`, `OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`",
};

/// All settings, in the order in which people read about them.
pub const SETTINGS: [&Setting; 22] = [
    &QUEUE_URL,
    &DEAD_LETTER_QUEUE_URL,
    &RESULTS_TABLE,
    &RESULTS_TTL_SECONDS,
    &RESULTS_BUCKET,
    &CATALOG,
    &CATALOG_REFRESH_SECONDS,
    &EMBEDDING_MODEL,
    &EMBEDDING_MODEL_FAMILY,
    &EMBEDDING_DIMENSION,
    &EMBEDDING_MAX_CONCURRENCY,
    &EMBEDDING_REQUESTS_PER_MINUTE,
    &EMBEDDING_FLEET_REQUESTS_PER_MINUTE,
    &EMBEDDING_SERVICE_TIER,
    &MAX_ATTEMPTS,
    &SEARCH_THREADS,
    &KERNEL,
    &CATALOG_VECTORS,
    &LOG,
    &METRICS,
    &METRICS_NAMESPACE,
    &TRACES,
];

/// The settings as plain text, for `--help`.
pub fn help() -> String {
    let mut text = String::from("Settings (environment):\n");
    for setting in SETTINGS {
        let _ = write!(text, "  {}\n      {}", setting.name, setting.meaning); // writing to a String cannot fail
        let _ = write!(text, "\n      {}", setting.range);
        if let Some(default) = setting.default {
            let _ = write!(text, "; default {default}");
        }
        if !setting.required_by.is_empty() {
            let _ = write!(text, "; required by {}", setting.required_by);
        }
        text.push('\n');
    }
    text.push_str(
        "\nRegion, credentials and endpoints are the AWS SDK's own: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...\n",
    );
    text
}

/// The settings as a Markdown table, for docs/settings.md.
pub fn markdown() -> String {
    let mut text =
        String::from("| setting | default | allowed | required by | what it does |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = setting.default.map_or(String::new(), |default| format!("`{default}`"));
        let Setting { name, range, required_by, meaning, .. } = setting;
        let _ = writeln!(text, "| `{name}` | {default} | {range} | {required_by} | {meaning} |");
    }
    text
}
