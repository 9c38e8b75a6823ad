//! The options: a load, what jobs are like, and what answers them. Defaults are those of `nearline-cost`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use nearline_cost::{Architecture, Deployment, Environment, Model, Network, Scenario, Stage, Workload};

use super::values::{self, Pollers, Profile};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command")]
#[command(group = ArgGroup::new("load").required(true).args(
    ["jobs_per_month", "rps", "jobs_per_hour", "profile", "example", "list_prices"]))]
pub(in crate::cli) struct CostArgs {
    /// Jobs a month: 1000000, 1.5M, 2G
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Load")]
    jobs_per_month: Option<f64>,
    /// Jobs a second, all month
    #[arg(long, value_name = "R", value_parser = values::rate, help_heading = "Load")]
    rps: Option<f64>,
    /// Jobs an hour, all month; several make a table
    #[arg(long, value_name = "N,...", value_parser = values::count, value_delimiter = ',', help_heading = "Load")]
    jobs_per_hour: Vec<f64>,
    /// Rates over time, as loadgen takes them: `2m:100,5m:100..500,1m:0`, or `double-every=5m:100..1600`. Simulates how
    /// Managed Instances follow, second by second
    #[arg(long, value_name = "P", value_parser = values::profile, help_heading = "Load")]
    profile: Option<Profile>,
    /// Work out a published example, beside the figures it printed
    #[arg(long, value_enum, value_name = "E", help_heading = "Load")]
    example: Option<Example>,
    /// Print the list of prices, with sources and dates; with --json in the form that --prices takes
    #[arg(long, help_heading = "Load")]
    list_prices: bool,
    /// How many times the mean rate the fleet is sized for
    #[arg(long, value_name = "F", default_value = "1", value_parser = values::factor, help_heading = "Load")]
    peak_factor: f64,
    /// Hours of a month
    #[arg(long, value_name = "H", default_value = "730", value_parser = values::positive, help_heading = "Load")]
    hours_per_month: f64,

    /// Matches per group
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    #[arg(help_heading = "Jobs")]
    top_k: u16,
    /// Groups of an answer: categories, or 1 for `group_by: none`
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[arg(help_heading = "Jobs")]
    groups: u32,
    /// What `return` adds to a match: bytes of titles and attributes
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    #[arg(help_heading = "Jobs")]
    returned_bytes: u32,
    /// Bytes of a product id
    #[arg(long, value_name = "BYTES", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=2_048))]
    #[arg(help_heading = "Jobs")]
    product_id_bytes: u32,
    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=1_048_576))]
    #[arg(help_heading = "Jobs")]
    message_bytes: u32,
    /// Jobs that producers send per request
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10))]
    #[arg(help_heading = "Jobs")]
    jobs_per_send: u32,
    /// Look-ups of each record by those who wait for it
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::positive_or_none, help_heading = "Jobs")]
    reads_per_job: f64,
    /// How long an invocation takes
    #[arg(long, value_name = "D", default_value = "200ms", value_parser = values::length, help_heading = "Jobs")]
    invocation_time: Duration,
    /// How long the model takes for a call, which is part of that time
    #[arg(long, value_name = "D", default_value = "100ms", value_parser = values::length, help_heading = "Jobs")]
    model_time: Duration,
    /// CPU time of a job
    #[arg(long, value_name = "D", default_value = "840us", value_parser = values::length, help_heading = "Jobs")]
    cpu_time: Duration,
    /// Jobs per invocation. Default: as many as the rate gives
    #[arg(long, value_name = "N", value_parser = values::factor, help_heading = "Jobs")]
    jobs_per_batch: Option<f64>,

    /// Embedding model
    #[arg(long, value_enum, value_name = "M", default_value = "nova", help_heading = "Texts")]
    model: ModelName,
    /// Share of the jobs that bring a text, and neither a vector nor a product
    #[arg(long, value_name = "P%", default_value = "100%", value_parser = values::share, help_heading = "Texts")]
    texts: f64,
    /// Tokens of a text: about a quarter of its characters
    #[arg(long, value_name = "N", default_value = "12", value_parser = values::positive, help_heading = "Texts")]
    tokens_per_text: f64,
    /// Number of different texts. Default: no text repeats, so the cache does not help
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Texts")]
    distinct_texts: Option<f64>,
    /// The text of rank r has a weight of 1/r^S
    #[arg(long, value_name = "S", default_value = "0", value_parser = values::positive_or_none, help_heading = "Texts")]
    #[arg(requires = "distinct_texts")]
    zipf: f64,
    /// Your quota of the model's requests a minute
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Texts")]
    model_requests_per_minute: Option<f64>,
    /// Your quota of the model's tokens a minute
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Texts")]
    model_tokens_per_minute: Option<f64>,

    /// Products of the catalog
    #[arg(long, value_name = "N", default_value = "100000", value_parser = values::count, help_heading = "Deployment")]
    rows: f64,
    /// Dimensions of its vectors
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    #[arg(help_heading = "Deployment")]
    dimension: u32,
    /// Processors
    #[arg(long, value_enum, value_name = "A", default_value = "arm64", help_heading = "Deployment")]
    architecture: ArchitectureName,
    /// Memory of an execution environment
    #[arg(long, value_name = "MIB", default_value_t = 6_144, value_parser = clap::value_parser!(u32).range(2_048..=32_768))]
    #[arg(help_heading = "Deployment")]
    memory_mib: u32,
    /// GiB of it for each vCPU: 2, 4 or 8
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = values::ratio, help_heading = "Deployment")]
    memory_gib_per_vcpu: u32,
    /// Memory of the function on standard Lambda
    #[arg(long, value_name = "MIB", default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(512..=10_240))]
    #[arg(help_heading = "Deployment")]
    standard_memory_mib: u32,
    /// Fewest environments
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=15_000))]
    #[arg(help_heading = "Deployment")]
    environments_min: u64,
    /// Most environments
    #[arg(long, value_name = "N", default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..=15_000))]
    #[arg(help_heading = "Deployment")]
    environments_max: u64,
    /// Concurrent invocations per environment. Default: 8 for each vCPU
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024), help_heading = "Deployment")]
    max_concurrency: Option<u32>,
    /// Utilisation of processors and slots that the fleet is sized for
    #[arg(long, value_name = "P%", default_value = "50%", value_parser = values::utilisation, help_heading = "Deployment")]
    target_utilisation: f64,
    /// Types of instances to choose from: c7g.xlarge, c8g.*. Default: all of the architecture
    #[arg(long, value_name = "T,...", value_delimiter = ',', help_heading = "Deployment")]
    instance_types: Vec<String>,
    /// Most vCPUs of all instances
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(2..=15_000))]
    #[arg(help_heading = "Deployment")]
    max_vcpu_count: u32,
    /// Most jobs of an invocation
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    #[arg(help_heading = "Deployment")]
    batch_size: u32,
    /// Pollers for this queue alone, minimum and maximum: 2..100. Default: Lambda's shared ones
    #[arg(long, value_name = "MIN..MAX", value_parser = values::pollers, help_heading = "Deployment")]
    provisioned_pollers: Option<Pollers>,
    /// A FIFO queue
    #[arg(long, help_heading = "Deployment")]
    fifo: bool,
    /// Writes a second that the table takes; 4,000 when it is new
    #[arg(long, value_name = "N", default_value = "4000", value_parser = values::count, help_heading = "Deployment")]
    table_writes_per_second: f64,
    /// How long a record counts
    #[arg(long, value_name = "D", default_value = "7d", value_parser = values::length, help_heading = "Deployment")]
    results_ttl: Duration,
    /// How long log lines are kept
    #[arg(long, value_name = "D", default_value = "30d", value_parser = values::length, help_heading = "Deployment")]
    log_retention: Duration,
    /// Network path to AWS's services
    #[arg(long, value_enum, value_name = "N", default_value = "endpoints", help_heading = "Deployment")]
    network: NetworkName,
    /// Your own KMS key
    #[arg(long, help_heading = "Deployment")]
    customer_key: bool,
    /// Send no traces to X-Ray
    #[arg(long, help_heading = "Deployment")]
    no_tracing: bool,

    /// Prices that replace those of the list: a JSON object of names and US dollars, such as {"bedrock.nova": 0.1}
    #[arg(long, value_name = "FILE.json", help_heading = "Prices and output")]
    pub(super) prices: Option<PathBuf>,
    /// As JSON
    #[arg(long, help_heading = "Prices and output")]
    pub(super) json: bool,
    /// Draw the simulation of --profile
    #[arg(long, value_name = "FILE.svg", help_heading = "Prices and output")]
    #[arg(conflicts_with_all = ["jobs_per_month", "rps", "jobs_per_hour", "example", "list_prices"])]
    pub(super) svg: Option<PathBuf>,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Question<'a> {
    /// Jobs a month.
    Load(f64),
    /// Jobs an hour.
    Loads(&'a [f64]),
    /// Rates over time.
    Profile(&'a [Stage]),
    Example(Example),
    Prices,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Example {
    /// The tables of "Lambda Managed Instances with Terraform"
    Article,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModelName {
    /// Amazon Nova 2 multimodal embeddings
    Nova,
    /// Amazon Titan text embeddings v2
    TitanV2,
    /// Cohere Embed v3
    CohereV3,
    /// Cohere Embed v4
    CohereV4,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ArchitectureName {
    /// Graviton
    #[value(name = "arm64")]
    Arm64,
    /// Intel and AMD
    #[value(name = "x86_64")]
    X86,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkName {
    /// Interface endpoints in three zones
    Endpoints,
    /// A NAT gateway in each of three zones
    Nat,
    /// Public addresses
    Public,
}

impl CostArgs {
    pub(super) fn question(&self) -> Question<'_> {
        let month = self.hours_per_month * 3_600.0;
        if let Some(Profile(stages)) = &self.profile {
            Question::Profile(stages)
        } else if let Some(example) = self.example {
            Question::Example(example)
        } else if self.list_prices {
            Question::Prices
        } else {
            match (self.jobs_per_month, self.rps, &self.jobs_per_hour[..]) {
                (Some(jobs), ..) => Question::Load(jobs),
                (_, Some(rate), _) => Question::Load(rate * month),
                (_, _, [one]) => Question::Load(one * self.hours_per_month),
                (_, _, several) => Question::Loads(several),
            }
        }
    }

    /// The load's number of jobs is left to the question.
    pub(super) fn scenario(&self) -> Scenario {
        let mut workload = Workload {
            hours_per_month: self.hours_per_month,
            peak_factor: self.peak_factor,
            message_bytes: f64::from(self.message_bytes),
            jobs_per_send: f64::from(self.jobs_per_send),
            reads_per_job: self.reads_per_job,
            invocation_seconds: self.invocation_time.as_secs_f64(),
            embedding_seconds: self.model_time.as_secs_f64(),
            cpu_seconds: self.cpu_time.as_secs_f64(),
            jobs_per_batch: self.jobs_per_batch,
            text_share: self.texts,
            tokens_per_text: self.tokens_per_text,
            distinct_texts: self.distinct_texts,
            zipf: self.zipf,
            ..Workload::default()
        };
        workload.answer.top_k = f64::from(self.top_k);
        workload.answer.groups = f64::from(self.groups);
        workload.answer.returned_bytes = f64::from(self.returned_bytes);
        workload.answer.product_id_bytes = f64::from(self.product_id_bytes);
        let deployment = Deployment {
            environment: Environment { memory_mib: self.memory_mib, gib_per_vcpu: self.memory_gib_per_vcpu },
            standard_memory_mib: self.standard_memory_mib,
            architecture: match self.architecture {
                ArchitectureName::Arm64 => Architecture::Arm64,
                ArchitectureName::X86 => Architecture::X86,
            },
            environments_min: self.environments_min,
            environments_max: self.environments_max,
            max_concurrency: self.max_concurrency.map(f64::from),
            target_utilisation: self.target_utilisation,
            instance_types: self.instance_types.clone(),
            max_vcpu_count: f64::from(self.max_vcpu_count),
            batch_size: f64::from(self.batch_size),
            pollers: self.provisioned_pollers.map(|Pollers(fewest, most)| (fewest, most)),
            fifo: self.fifo,
            model: match self.model {
                ModelName::Nova => Model::Nova,
                ModelName::TitanV2 => Model::TitanV2,
                ModelName::CohereV3 => Model::CohereV3,
                ModelName::CohereV4 => Model::CohereV4,
            },
            model_requests_per_minute: self.model_requests_per_minute,
            model_tokens_per_minute: self.model_tokens_per_minute,
            rows: self.rows,
            dimension: f64::from(self.dimension),
            table_writes_per_second: self.table_writes_per_second,
            results_days: self.results_ttl.as_secs_f64() / DAY,
            log_days: self.log_retention.as_secs_f64() / DAY,
            network: match self.network {
                NetworkName::Endpoints => Network::Endpoints,
                NetworkName::Nat => Network::Nat,
                NetworkName::Public => Network::Public,
            },
            customer_key: self.customer_key,
            tracing: !self.no_tracing,
        };
        Scenario { workload, deployment }
    }
}
