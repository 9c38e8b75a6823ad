//! A line of a bill.

use serde::Serialize;

/// What is paid for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The service that asks for it.
    pub service: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// How much of it.
    pub quantity: f64,
    /// Of what.
    pub unit: &'static str,
    /// US dollars.
    pub usd: f64,
}

impl Line {
    pub(crate) fn new(service: &'static str, what: &'static str, quantity: f64, unit: &'static str, usd: f64) -> Self {
        Self { service, what, quantity, unit, usd }
    }
}
