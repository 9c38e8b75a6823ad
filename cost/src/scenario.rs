//! What is asked: a load, what its jobs are like, and what answers them. Whatever is assumed has a default here, with why.

use serde::Serialize;

use crate::GB;
use crate::packing::Environment;
use crate::prices::{Architecture, Name};
use crate::record::Answer;
use crate::texts::{Texts, cache_entries};

/// Invocations that a standard mapping has at once before there is a backlog: "five batches at a time".
pub(crate) const MAPPING_CONCURRENCY_MIN: f64 = 5.0;
/// What an event of SQS has around a message's body: names, receipt handle, ids, attributes.
const ENVELOPE_BYTES: f64 = 1_000.0;
/// Invocations at once in an environment, for each vCPU: Lambda's default for Rust.
pub(crate) const SLOTS_PER_VCPU: f64 = 8.0;
/// Bytes of vectors and codes for each component, and of each row besides: the bound of `search/src/index.rs`.
const BYTES_PER_COMPONENT: f64 = 5.1;
const BYTES_PER_ROW: f64 = 68.0;
/// A process without a catalog: caches, matches, batches in flight, what is read of a file at a time. As in
/// `src/catalog/size.rs`; a test of the command compares the two.
const PROCESS_BYTES: f64 = 256.0 * 1_048_576.0;

/// Embedding models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Model {
    /// Amazon Nova 2 multimodal embeddings.
    #[default]
    #[serde(rename = "nova")]
    Nova,
    /// Amazon Titan text embeddings v2.
    #[serde(rename = "titan-v2")]
    TitanV2,
    /// Cohere Embed v3, English or multilingual.
    #[serde(rename = "cohere-v3")]
    CohereV3,
    /// Cohere Embed v4.
    #[serde(rename = "cohere-v4")]
    CohereV4,
}

impl Model {
    /// The price of its tokens.
    pub fn price(self) -> Name {
        match self {
            Self::Nova => Name::BedrockNova,
            Self::TitanV2 => Name::BedrockTitan,
            Self::CohereV3 => Name::BedrockCohereV3,
            Self::CohereV4 => Name::BedrockCohereV4,
        }
    }

    /// Most texts of a call.
    pub(crate) fn texts_per_call(self) -> f64 {
        match self {
            Self::Nova | Self::TitanV2 => 1.0,
            Self::CohereV3 | Self::CohereV4 => 96.0,
        }
    }
}

/// What jobs are like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Workload {
    /// Jobs a month.
    pub jobs_per_month: f64,
    /// Hours of a month: 8,760 / 12, as in AWS's own calculators.
    pub hours_per_month: f64,
    /// How many times the mean rate the fleet is sized for. 1: the load is even.
    pub peak_factor: f64,
    /// What an answer has.
    pub answer: Answer,
    /// Bytes of a message.
    pub message_bytes: f64,
    /// Jobs that producers send with one request.
    pub jobs_per_send: f64,
    /// Look-ups of a record by whoever waits for it.
    pub reads_per_job: f64,
    /// How long an invocation takes, seconds.
    pub invocation_seconds: f64,
    /// How long the model takes for a call, seconds: a part of that.
    pub embedding_seconds: f64,
    /// CPU time of a job, seconds.
    pub cpu_seconds: f64,
    /// Jobs of an invocation; none: as many as the rate brings.
    pub jobs_per_batch: Option<f64>,
    /// Share of the jobs that bring a text, not a vector or a product.
    pub text_share: f64,
    /// Tokens of a text.
    pub tokens_per_text: f64,
    /// Different texts; none: no text comes twice.
    pub distinct_texts: Option<f64>,
    /// How uneven their popularity is.
    pub zipf: f64,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            jobs_per_month: 0.0,
            hours_per_month: 730.0,
            peak_factor: 1.0,
            answer: Answer {
                top_k: 5.0,
                groups: 20.0,
                product_id_bytes: 12.0,
                category_bytes: 8.0,
                returned_bytes: 0.0,
            },
            message_bytes: 200.0,
            jobs_per_send: 10.0,
            reads_per_job: 1.0,
            invocation_seconds: 0.2,
            embedding_seconds: 0.1,
            cpu_seconds: 0.000_84,
            jobs_per_batch: None,
            text_share: 1.0,
            tokens_per_text: 12.0,
            distinct_texts: None,
            zipf: 0.0,
        }
    }
}

/// The way from the instances to AWS's services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Interface endpoints in three zones: Terraform's default.
    #[default]
    Endpoints,
    /// A NAT gateway in each of three zones.
    Nat,
    /// Public addresses.
    Public,
}

/// What answers them: Terraform's settings, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    /// Size of an execution environment.
    pub environment: Environment,
    /// Memory of the function on standard Lambda, in MiB.
    pub standard_memory_mib: u32,
    /// Processors.
    pub architecture: Architecture,
    /// Fewest environments.
    pub environments_min: u64,
    /// Most environments.
    pub environments_max: u64,
    /// Invocations at once in an environment; none: 8 for each vCPU.
    pub max_concurrency: Option<f64>,
    /// Utilisation of CPU and slots that the fleet is sized for.
    pub target_utilisation: f64,
    /// Types of instances to choose from; none: all.
    pub instance_types: Vec<String>,
    /// Most vCPUs of all instances.
    pub max_vcpu_count: f64,
    /// Most jobs of an invocation.
    pub batch_size: f64,
    /// Provisioned pollers: fewest, and most; none: Lambda's shared ones.
    pub pollers: Option<(f64, f64)>,
    /// A FIFO queue.
    pub fifo: bool,
    /// The embedding model.
    pub model: Model,
    /// Bedrock's quota of requests a minute, if it is known.
    pub model_requests_per_minute: Option<f64>,
    /// Bedrock's quota of tokens a minute, if it is known.
    pub model_tokens_per_minute: Option<f64>,
    /// Products of the catalog.
    pub rows: f64,
    /// Components of a vector.
    pub dimension: f64,
    /// Writes a second that the table takes: 4,000 when it is new.
    pub table_writes_per_second: f64,
    /// Days that a record counts; DynamoDB deletes it within two more.
    pub results_days: f64,
    /// Days that log lines are kept.
    pub log_days: f64,
    /// The way to AWS's services.
    pub network: Network,
    /// A key of your own.
    pub customer_key: bool,
    /// Traces to X-Ray.
    pub tracing: bool,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            environment: Environment { memory_mib: 6_144, gib_per_vcpu: 2 },
            standard_memory_mib: 2_048,
            architecture: Architecture::Arm64,
            environments_min: 3,
            environments_max: 15_000,
            max_concurrency: None,
            target_utilisation: 0.5,
            instance_types: Vec::new(),
            max_vcpu_count: 96.0,
            batch_size: 10.0,
            pollers: None,
            fifo: false,
            model: Model::Nova,
            model_requests_per_minute: None,
            model_tokens_per_minute: None,
            rows: 100_000.0,
            dimension: 384.0,
            table_writes_per_second: 4_000.0,
            results_days: 7.0,
            log_days: 30.0,
            network: Network::Endpoints,
            customer_key: false,
            tracing: true,
        }
    }
}

impl Deployment {
    /// Invocations at once in an environment.
    pub fn slots(&self) -> f64 {
        self.max_concurrency.unwrap_or(SLOTS_PER_VCPU * self.environment.vcpu())
    }

    /// Memory that a process takes with its catalog, bytes: at most.
    pub fn catalog_bytes(&self) -> f64 {
        PROCESS_BYTES + self.vectors_bytes()
    }

    /// Memory while another catalog as large loads, bytes.
    pub fn refresh_bytes(&self) -> f64 {
        self.catalog_bytes() + self.vectors_bytes()
    }

    fn vectors_bytes(&self) -> f64 {
        self.rows * (BYTES_PER_COMPONENT * self.dimension + BYTES_PER_ROW)
    }

    /// The catalog's file, bytes.
    pub fn file_bytes(&self) -> f64 {
        self.rows * (4.0 * self.dimension + 100.0)
    }
}

/// A load and what answers it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Scenario {
    /// The load.
    pub workload: Workload,
    /// The deployment.
    pub deployment: Deployment,
}

/// What follows from both at some rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Traffic {
    /// Jobs a second.
    pub rate: f64,
    /// Jobs of an invocation.
    pub jobs_per_batch: f64,
    /// Invocations a second.
    pub invocations: f64,
    /// Invocations at once.
    pub in_flight: f64,
    /// Bytes a second that the mapping hands over.
    pub payload_bytes: f64,
}

impl Scenario {
    /// The same at another number of jobs a month.
    #[must_use]
    pub fn at(&self, jobs_per_month: f64) -> Self {
        let workload = Workload { jobs_per_month, ..self.workload.clone() };
        Self { workload, deployment: self.deployment.clone() }
    }

    /// Seconds of the month.
    pub fn seconds(&self) -> f64 {
        self.workload.hours_per_month * 3_600.0
    }

    /// Jobs a second on average.
    pub fn mean_rate(&self) -> f64 {
        self.workload.jobs_per_month / self.seconds()
    }

    /// Jobs a second at the peak.
    pub fn peak_rate(&self) -> f64 {
        self.mean_rate() * self.workload.peak_factor
    }

    /// What happens at a rate.
    ///
    /// A mapping without a window takes what is there. It begins with five invocations at once, so batches fill up while
    /// all five are busy, and only when they are full do more invocations run.
    pub fn traffic(&self, rate: f64) -> Traffic {
        let Workload { invocation_seconds, message_bytes, jobs_per_batch, .. } = self.workload;
        let batch_size = self.deployment.batch_size;
        let waiting = rate * invocation_seconds / MAPPING_CONCURRENCY_MIN;
        let jobs_per_batch = jobs_per_batch.unwrap_or_else(|| waiting.clamp(1.0, batch_size.max(1.0)));
        let invocations = rate / jobs_per_batch;
        Traffic {
            rate,
            jobs_per_batch,
            invocations,
            in_flight: invocations * invocation_seconds,
            payload_bytes: rate * (message_bytes + ENVELOPE_BYTES),
        }
    }

    /// Texts of the jobs.
    pub fn texts(&self) -> Texts {
        let characters = 4.0 * self.workload.tokens_per_text;
        Texts {
            distinct: self.workload.distinct_texts,
            zipf: self.workload.zipf,
            cache_entries: cache_entries(self.deployment.dimension, characters),
        }
    }

    /// Texts that are embedded a month, if so many processes share them.
    pub fn embedded(&self, processes: f64) -> f64 {
        self.texts().embedded(self.workload.jobs_per_month * self.workload.text_share, processes)
    }

    /// Gigabytes of records that are kept.
    pub fn kept_gb(&self, bytes: f64) -> f64 {
        let days = self.deployment.results_days + 2.0;
        self.mean_rate() * days * 86_400.0 * bytes / GB
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_fill_up_before_more_invocations_run() {
        let scenario = Scenario::default();
        let at = |rate| {
            let traffic = scenario.traffic(rate);
            [traffic.jobs_per_batch, traffic.in_flight].map(|value| (value * 10.0).round() as u64)
        };
        assert_eq!([at(1.0), at(25.0), at(100.0), at(250.0)], [[10, 2], [10, 50], [40, 50], [100, 50]]);
        assert_eq!(at(2_500.0), [100, 500]);
    }

    #[test]
    fn a_catalog_takes_the_memory_that_the_engine_s_bound_says() {
        let deployment = Deployment { rows: 1e6, ..Deployment::default() };
        let vectors = deployment.catalog_bytes() - PROCESS_BYTES;
        assert!((vectors - 1e6 * (5.1 * 384.0 + 68.0)).abs() < 1.0);
        assert!(deployment.refresh_bytes() > deployment.catalog_bytes());
    }
}
