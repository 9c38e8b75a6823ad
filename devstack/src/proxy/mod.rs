//! A reverse proxy between a worker and the stand-ins that makes calls fail, by a seeded plan.
//!
//! The faults are those of networks and of AWS itself: delays, resets before and after the effect, errors and throttles
//! in each service's own form, answers cut short, an HTML page from elsewhere, messages that come twice, batches done
//! in part. Faults can also be set to last until they are taken back. Everything else passes unchanged, so what
//! a client makes of a fault is all that differs. It edits signed requests and passes signatures on as they are: it is
//! for stand-ins, which check none, and not for AWS.

mod answer;
mod call;
mod counts;
mod edit;
mod fault;
mod plan;
mod server;
mod standing;

pub use call::Service;
pub use counts::{OperationCounts, ProxyReport};
pub use fault::FaultKind;
pub use server::{FAULTS_PATH, ProxyOptions, ProxyServer};
pub use standing::{Standing, StandingFault};
