//! The list of prices: what each is, where it comes from and when it was looked at.
//!
//! The list is `prices.json`, of us-east-1. A file of the user's replaces single prices; a name that is not on the list is
//! refused with the nearest one, as a price that is silently unused would be a wrong bill.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names of prices, as they are written.
macro_rules! names {
    ($($name:ident = $text:literal: $meaning:literal,)*) => {
        /// A price of the list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Name { $(#[doc = $meaning] $name,)* }

        impl Name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it is written in files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

names! {
    LambdaRequest = "lambda.request": "An invocation.",
    LambdaArm = "lambda.arm64.gb-second": "Duration on standard Lambda, Graviton.",
    LambdaX86 = "lambda.x86-64.gb-second": "Duration on standard Lambda, x86.",
    ManagedFee = "lambda.managed.fee": "Lambda's fee for instances that it manages, as a part of their on-demand price.",
    Poller = "lambda.poller": "A provisioned poller of the event source mapping.",
    PlanOneYear = "plan.managed.1-year": "What a savings plan of a year takes off EC2's price.",
    PlanThreeYears = "plan.managed.3-years": "What a savings plan of three years takes off EC2's price.",
    SqsStandard = "sqs.standard": "A request of a standard queue.",
    SqsFifo = "sqs.fifo": "A request of a FIFO queue.",
    DynamoRead = "dynamodb.read": "A read unit, on demand.",
    DynamoWrite = "dynamodb.write": "A write unit, on demand.",
    DynamoStorage = "dynamodb.storage": "Items.",
    DynamoRecovery = "dynamodb.recovery": "Point-in-time recovery.",
    S3Get = "s3.get": "A GET.",
    S3Put = "s3.put": "A PUT.",
    S3Storage = "s3.storage": "Objects.",
    BedrockNova = "bedrock.nova": "Amazon Nova 2 multimodal embeddings, text.",
    BedrockTitan = "bedrock.titan-v2": "Amazon Titan text embeddings v2.",
    BedrockCohereV3 = "bedrock.cohere-v3": "Cohere Embed v3.",
    BedrockCohereV4 = "bedrock.cohere-v4": "Cohere Embed v4.",
    Endpoint = "vpc.endpoint": "An interface endpoint in one zone.",
    EndpointData = "vpc.endpoint.data": "What goes through it.",
    Nat = "vpc.nat": "A NAT gateway.",
    NatData = "vpc.nat.data": "What goes through it.",
    Address = "vpc.address": "A public IPv4 address.",
    LogsIngestion = "logs.ingestion": "Log lines taken in.",
    LogsStorage = "logs.storage": "Log lines kept.",
    Metric = "cloudwatch.metric": "A metric of one's own.",
    Alarm = "cloudwatch.alarm": "A metric that an alarm watches.",
    Dashboard = "cloudwatch.dashboard": "A dashboard.",
    Trace = "xray.trace": "A trace recorded.",
    Key = "kms.key": "A key of your own.",
    KeyRequest = "kms.request": "A use of it.",
}

/// One price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// US dollars for `per` units.
    pub usd: f64,
    /// How many units that is for.
    pub per: f64,
    /// What is paid for.
    pub unit: String,
    /// The page or file that says so.
    pub source: String,
    /// When it was looked at: a month or a day.
    pub checked: String,
}

impl Price {
    /// US dollars for `count` units.
    pub fn of(&self, count: f64) -> f64 {
        count * self.usd / self.per
    }
}

/// Processors that the worker is built for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Graviton.
    #[default]
    #[serde(rename = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86,
}

/// A type of EC2 instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceType {
    /// Such as `c7g.xlarge`.
    pub name: String,
    /// Its processors.
    pub architecture: Architecture,
    /// vCPUs, all of them.
    pub vcpu: f64,
    /// Memory, all of it.
    pub gib: f64,
    /// On-demand price without Lambda's fee.
    pub usd_per_hour: f64,
}

/// The whole list.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// The day of the list.
    pub as_of: String,
    /// The AWS region.
    pub region: String,
    /// Where the prices of instances come from, and their day.
    pub instances_from: (String, String),
    /// Names of the prices that a file of the user's has replaced.
    pub replaced: Vec<String>,
    list: BTreeMap<String, Price>,
    instances: Vec<InstanceType>,
}

/// Why a list of prices cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricesError {
    /// It is no object of numbers.
    #[error("must be a JSON object of names and prices, such as {{\"lambda.request\": 0.2}}: {0}")]
    Json(String),
    /// No price has this name.
    #[error("there is no price `{name}`; the nearest is `{nearest}` (`nearline cost --list-prices` has all)")]
    Unknown {
        /// As it was written.
        name: String,
        /// What may have been meant.
        nearest: String,
    },
    /// It is negative, infinite or not a number.
    #[error("the price `{0}` must be a number of US dollars, 0 or more")]
    Value(String),
    /// More than the whole price would be taken off.
    #[error("`{0}` is the part that a plan takes off: it must be below 1, such as 0.32")]
    Discount(String),
}

#[derive(Deserialize)]
struct File {
    as_of: String,
    region: String,
    prices: BTreeMap<String, Price>,
    instances: Instances,
}

#[derive(Deserialize)]
struct Instances {
    source: String,
    checked: String,
    families: BTreeMap<String, Family>,
}

#[derive(Deserialize)]
struct Family {
    architecture: Architecture,
    gib_per_vcpu: f64,
    usd_per_hour: BTreeMap<String, f64>,
}

impl Default for Prices {
    fn default() -> Self {
        let file: File = serde_json::from_str(include_str!("../prices.json")).expect("a test reads the same bytes");
        let instances = file.instances.families.iter().flat_map(|(name, family)| {
            family.usd_per_hour.iter().map(move |(size, &usd_per_hour)| {
                let vcpu = vcpus(size).expect("a test reads the same sizes");
                InstanceType {
                    name: format!("{name}.{size}"),
                    architecture: family.architecture,
                    vcpu,
                    gib: vcpu * family.gib_per_vcpu,
                    usd_per_hour,
                }
            })
        });
        Self {
            instances: instances.collect(),
            as_of: file.as_of,
            region: file.region,
            instances_from: (file.instances.source, file.instances.checked),
            replaced: Vec::new(),
            list: file.prices,
        }
    }
}

/// vCPUs of a size: `large` has 2, `xlarge` 4, `4xlarge` 16.
fn vcpus(size: &str) -> Option<f64> {
    match size.strip_suffix("xlarge") {
        Some("") => Some(4.0),
        Some(times) => times.parse().ok().map(|times: f64| 4.0 * times),
        None => (size == "large").then_some(2.0),
    }
}

impl Prices {
    /// The list with the prices of `json` in place of its own: an object of names and US dollars for as many units as the
    /// list has them (`nearline cost --list-prices`). Instances are called `ec2.TYPE`.
    ///
    /// # Errors
    /// What is wrong with it, and the nearest name if one is unknown.
    pub fn replace(mut self, json: &str) -> Result<Self, PricesError> {
        let given: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|error| PricesError::Json(error.to_string()))?;
        for (name, value) in given {
            let usd = value.as_f64().filter(|usd| *usd >= 0.0).ok_or_else(|| PricesError::Value(name.clone()))?;
            let discount = [Name::PlanOneYear, Name::PlanThreeYears].iter().any(|plan| plan.as_str() == name);
            if discount && usd >= 1.0 {
                return Err(PricesError::Discount(name));
            }
            match self.slot(&name) {
                Some(price) => *price = usd,
                None => return Err(PricesError::Unknown { nearest: self.nearest(&name), name }),
            }
            self.replaced.push(name);
        }
        Ok(self)
    }

    fn slot(&mut self, name: &str) -> Option<&mut f64> {
        if let Some(instance) = name.strip_prefix("ec2.") {
            return self.instances.iter_mut().find(|one| one.name == instance).map(|one| &mut one.usd_per_hour);
        }
        self.list.get_mut(name).map(|price| &mut price.usd)
    }

    fn nearest(&self, name: &str) -> String {
        let instances = self.instances.iter().map(|one| format!("ec2.{}", one.name));
        let names = self.list.keys().cloned().chain(instances);
        names.min_by_key(|known| strsim::osa_distance(known, name)).unwrap_or_default()
    }

    /// A price of the list.
    pub fn of(&self, name: Name) -> &Price {
        self.list.get(name.as_str()).expect("a test looks every name up, and none is ever removed")
    }

    /// US dollars for `count` units.
    pub fn cost(&self, name: Name, count: f64) -> f64 {
        self.of(name).of(count)
    }

    /// All prices but those of instances, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.list.iter().map(|(name, price)| (name.as_str(), price))
    }

    /// Types of instances that Managed Instances may take.
    pub fn instances(&self) -> &[InstanceType] {
        &self.instances
    }

    /// A type by its name.
    ///
    /// # Errors
    /// It has no price here.
    pub fn instance(&self, name: &str) -> Result<&InstanceType, PricesError> {
        let found = self.instances.iter().find(|one| one.name == name);
        let nearest = || self.instances.iter().min_by_key(|one| strsim::osa_distance(&one.name, name));
        found.ok_or_else(|| PricesError::Unknown {
            name: name.to_owned(),
            nearest: nearest().map(|one| one.name.clone()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_price_that_is_asked_for_and_no_other() {
        let prices = Prices::default();
        let names: Vec<&str> = prices.all().map(|(name, _)| name).collect();
        let mut asked: Vec<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
        asked.sort_unstable();
        assert_eq!(names, asked);
        for (name, price) in prices.all() {
            assert!(price.usd > 0.0 && price.per >= 1.0, "{name}");
            assert!(price.source.starts_with("https://") && price.checked.starts_with("2026-"), "{name}");
        }
    }

    #[test]
    fn an_instance_has_the_vcpus_and_memory_of_its_size_and_a_price_in_line_with_them() {
        let prices = Prices::default();
        assert_eq!(prices.instances().len(), 20 * 5);
        let one = prices.instance("m8g.4xlarge").unwrap();
        assert_eq!((one.vcpu, one.gib, one.usd_per_hour, one.architecture), (16.0, 64.0, 0.71808, Architecture::Arm64));
        for one in prices.instances() {
            let family = one.name.split('.').next().unwrap();
            let large = prices.instance(&format!("{family}.large")).unwrap();
            let ratio = one.usd_per_hour / one.vcpu / (large.usd_per_hour / large.vcpu);
            assert!((ratio - 1.0).abs() < 0.001, "{}: a vCPU costs {ratio} of what one of a large does", one.name);
        }
    }

    #[test]
    fn a_price_of_the_users_counts_in_place_of_the_list_s() {
        let prices = Prices::default().replace(r#"{"bedrock.nova": 0.07, "ec2.c7g.xlarge": 0.1}"#).unwrap();
        assert!((prices.cost(Name::BedrockNova, 2e6) - 0.14).abs() < 1e-12);
        assert!((prices.instance("c7g.xlarge").unwrap().usd_per_hour - 0.1).abs() < 1e-12);
        assert_eq!(prices.replaced, ["bedrock.nova", "ec2.c7g.xlarge"]);
    }

    #[test]
    fn a_price_that_nobody_asks_for_is_refused_with_the_nearest() {
        for (json, message) in [
            (r#"{"bedrock.titan": 1}"#, "there is no price `bedrock.titan`; the nearest is `bedrock.titan-v2`"),
            (r#"{"ec2.c7g.xlage": 1}"#, "the nearest is `ec2.c7g.xlarge`"),
            (r#"{"sqs.fifo": -1}"#, "the price `sqs.fifo` must be a number"),
            (r#"{"sqs.fifo": "0.5"}"#, "the price `sqs.fifo` must be a number"),
            (r#"{"plan.managed.1-year": 32}"#, "must be below 1"),
            ("[]", "must be a JSON object"),
        ] {
            let error = Prices::default().replace(json).unwrap_err().to_string();
            assert!(error.contains(message), "{json}: {error}");
        }
        assert!(Prices::default().instance("c7g.medium").unwrap_err().to_string().contains("c7g."));
    }
}
