//! Updates of a catalog: what changed since its artifact was built, in small files that are applied in order.
//!
//! `update` reads one and `write` writes one, `history` says what they make of an artifact together, `overlay` serves
//! that without a new artifact, and `compact` makes one. `known` is a catalog without its vectors, which
//! `products` reads from where it is, and with which `compare` compares a source.

mod alive;
mod base;
mod compact;
mod compare;
mod current;
mod digests;
mod fetch;
mod fold;
mod history;
mod known;
mod overlay;
mod products;
mod publish;
mod serve;
mod stored;
#[cfg(test)]
pub(crate) mod tests;
mod update;
mod write;

pub use compare::{Compared, Difference};
pub use current::{Fetched, UpdateBase};
pub use fold::Compacted;

pub(super) use alive::Alive;
pub(super) use base::Base;
pub(super) use history::{Changes, Misfit};
pub(super) use overlay::{Below, Overlay};
pub(super) use update::Update;
