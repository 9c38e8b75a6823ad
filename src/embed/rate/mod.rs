//! How fast models are called: turns for calls, less of them while the service refuses calls, and one limit that all
//! processes of a fleet share.
//!
//! `turns`, `adaptive` and `shares` are arithmetic: facts in, decision out. `pacer` is the queue of waiting calls, `pace`
//! what the rest of the room uses, `renewal` the task that keeps a process's part in the fleet. [`Leases`] is the boundary
//! to where that is kept.

mod adaptive;
mod leases;
mod memory;
mod own;
mod pace;
mod pacer;
mod renewal;
mod shares;
#[cfg(test)]
mod simulation;
mod turns;

pub use leases::{Leases, Version};
pub use memory::MemoryLeases;
pub(super) use pace::Pace;
pub(super) use pacer::Place;
pub(super) use renewal::start;
