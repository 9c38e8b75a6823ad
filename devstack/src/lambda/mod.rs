//! Lambda Managed Instances and the SQS event source mapping, for a real `bootstrap`.
//!
//! One process of the function serves many invocations at once, by as many waiting `/next` calls. Deadlines are
//! real, a dead process is replaced, and batches are settled by all the rules of partial batch responses. The Runtime
//! API can be told to misbehave. Not simulated: scaling (there is one environment), a mapping's back-off after
//! function errors, and permissions.

mod batch;
mod batch_response;
mod dispatcher;
mod environment;
mod function;
mod group_locks;
mod harness;
mod invoke_api;
mod mapping;
mod runtime_api;
mod runtime_faults;

pub use function::{FUNCTION_NAME, FunctionError};
pub use harness::{LambdaHarness, LambdaOptions, LambdaStats};
pub use runtime_faults::{RuntimeFault, RuntimeFaults};
