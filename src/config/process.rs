//! What a process looks at before its settings: where Lambda is, and what is logged.

use super::reader::{ConfigError, Reader};
use super::slips;
use super::table::LOG;
use crate::intake;
use crate::telemetry::check_filter;

impl Reader {
    /// What Lambda sets for its functions.
    ///
    /// # Errors
    /// This is not Lambda.
    pub fn lambda(&self) -> Result<intake::runtime::Settings, ConfigError> {
        const API: &str = "AWS_LAMBDA_RUNTIME_API";
        let missing =
            || ConfigError(vec![format!("{API} is not set: bootstrap runs on Lambda; elsewhere: nearline worker")]);
        let runtime_api = self.variable(API).map(str::to_owned).ok_or_else(missing)?;
        // Only on Managed Instances; elsewhere one invocation at a time.
        let slots = self.variable("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|count| count.parse().ok());
        Ok(intake::runtime::Settings { runtime_api, slots: slots.unwrap_or(1).max(1) })
    }

    /// Memory of the function, in bytes, where this is Lambda.
    pub(super) fn function_memory(&self) -> Option<u64> {
        let mib: u64 = self.variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.parse().ok()?;
        mib.checked_mul(1 << 20)
    }

    /// The log filter.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn log(&self) -> Result<&str, ConfigError> {
        let filter = self.set(&LOG).or(LOG.default).unwrap_or_default();
        if let Some(fault) = slips::quotes(LOG.name, filter) {
            return Err(ConfigError(vec![fault]));
        }
        let fault = || ConfigError(vec![format!("{} must be {}, was `{filter}`", LOG.name, LOG.range)]);
        if check_filter(filter) { Ok(filter) } else { Err(fault()) }
    }
}
