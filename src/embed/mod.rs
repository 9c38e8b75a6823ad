//! Text to vector, through embedding models.
//!
//! `model` knows which ids belong to which family, one file each for what a family takes and answers. `models` is
//! the boundary to those who run them, `call` the policy around one call, `embedder` what everybody asks: it
//! answers a text that was asked for before from its cache. `rate` says when a call may start. [`batch`] is for
//! many texts at once, later and cheaper. Vectors are handed on as received: the score is a cosine.

pub mod batch;
mod cache;
mod call;
mod cohere;
mod embedder;
mod embedding;
mod limits;
mod memory;
mod model;
mod models;
mod nova;
mod rate;
#[cfg(test)]
mod tests;
mod titan;

pub use call::EmbedError;
pub use embedder::{Embedder, Embedders};
pub use embedding::{Embedding, Purpose};
pub use limits::Limits;
pub use memory::MemoryModels;
pub use model::{Model, ModelError, base_id, model_id};
pub use models::Models;
pub use rate::{Leases, MemoryLeases, Version};
