//! What an embedding endpoint answers, for each family of models.

use std::sync::LazyLock;

use futures_util::future::join_all;
use nearline::embed::{EmbedError, Embedder, Limits, Model, Models, Purpose};
use nearline::fault::{Cause, Fault};
use nearline::under_way::UnderWay;
use tokio::runtime::{Builder, Runtime};

use crate::trial::measured;

/// A model of each family, and texts that are waiting for it.
const MODELS: [(&str, usize, &[&str]); 4] = [
    ("amazon.nova-2-multimodal-embeddings-v1:0", 256, &["boots"]),
    ("amazon.titan-embed-text-v2:0", 256, &["boots"]),
    ("cohere.embed-english-v3", 1_024, &["boots"]),
    ("cohere.embed-v4:0", 256, &["boots", "mugs"]),
];

thread_local! {
    /// Its clock jumps over the pauses between attempts.
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().start_paused(true).build().unwrap());
}

/// Answers every call with the same bytes.
struct Canned(Vec<u8>);

impl Models for Canned {
    async fn invoke(&self, _: &str, _: Vec<u8>) -> Result<Vec<u8>, Fault> {
        Ok(self.0.clone())
    }
}

pub(crate) fn try_bytes(bytes: &[u8]) {
    for (id, dimension, texts) in MODELS {
        let (answers, memory) = measured(|| RUNTIME.with(|runtime| runtime.block_on(ask(id, dimension, texts, bytes))));
        // Three attempts, each with a copy of the answer; a Cohere answer is read in two ways.
        assert!(memory.bytes_total < 1_024 * bytes.len() as u64 + (1 << 20), "{id}: {memory:?} for {}", bytes.len());
        for answer in answers {
            match answer {
                Ok(vector) => {
                    assert_eq!(vector.len(), dimension, "{id}");
                    let usable =
                        vector.iter().all(|number| number.is_finite()) && vector.iter().any(|&number| number != 0.0);
                    assert!(usable, "{id}: {vector:?}");
                }
                Err(EmbedError::Fault(fault)) => {
                    assert!(matches!(fault.cause, Cause::InvalidAnswer | Cause::Misconfigured), "{id}: {fault}");
                    assert!(fault.text.len() < 1_000, "{id}: {fault}");
                }
                Err(other) => panic!("{id}: {other}"),
            }
        }
    }
}

async fn ask(id: &str, dimension: usize, texts: &[&str], answer: &[u8]) -> Vec<Result<Vec<f32>, EmbedError>> {
    let limits = Limits::default();
    let model = Model::new(id, None, dimension).unwrap();
    let embedder = Embedder::start(Canned(answer.to_vec()), limits, model, Purpose::Query);
    let under_way = UnderWay::default();
    let asked = texts.iter().map(|text| embedder.embed(text, &under_way));
    join_all(asked).await.into_iter().map(|answer| answer.map(|embedding| embedding.vector.clone())).collect()
}
