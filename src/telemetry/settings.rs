//! Which exporters there are beside the log.

use std::time::Duration;

use super::emf::Emf;
use super::observers::Observer;

/// What was chosen for a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Namespace of metrics in lines of the embedded metric format; `None`: there are none.
    pub emf_namespace: Option<String>,
    /// Whether traces are exported.
    pub traces: bool,
}

impl Settings {
    /// Who writes metrics to stdout: a line each `period`, or for each batch if it is zero.
    pub fn observers(&self, period: Duration) -> Vec<Box<dyn Observer>> {
        let emf = self.emf_namespace.clone().map(|namespace| Emf::new(namespace, period, std::io::stdout()));
        emf.into_iter().map(|emf| Box::new(emf) as Box<dyn Observer>).collect()
    }
}
