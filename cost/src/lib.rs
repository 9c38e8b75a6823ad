//! What a load costs a month on AWS, what it needs, and which limit it meets first.
//!
//! Arithmetic alone: no I/O, no clock, no AWS. Every number that the sums rest on is a price of the list ([`Prices`]), a
//! field of [`Workload`] or [`Deployment`], or a constant with its source. The `nearline` command and loadgen's plan print
//! what comes out.

mod article;
mod bill;
mod break_even;
mod compute;
mod limits;
mod line;
mod packing;
mod prices;
mod record;
mod scaling;
mod scenario;
mod services;
mod stages;
mod texts;

pub use article::{ARTICLE, ArticleRow, Printed, article, article_break_even};
pub use bill::{Bill, bill};
pub use break_even::break_even;
pub use compute::{Fleet, Term, fleet};
pub use limits::{Limit, limits};
pub use line::Line;
pub use packing::{Environment, Packed, cheapest, packings};
pub use prices::{Architecture, InstanceType, Name, Price, Prices, PricesError};
pub use record::{Answer, INLINE_MAX_BYTES};
pub use scaling::{BURST, Burst, Interval, Scaling, Simulation, burst, simulate};
pub use scenario::{Deployment, Model, Network, Scenario, Traffic, Workload};
pub use stages::{Stage, StagesError, doubling, stages};
pub use texts::{Texts, cache_entries};

/// Bytes of a gigabyte as AWS bills it.
const GB: f64 = 1_073_741_824.0;
