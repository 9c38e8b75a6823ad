//! Embed once: a bounded cache by exact text, with one call for everyone who asks at the same time.

use std::sync::Arc;

use moka::future::Cache as Moka;

use super::call::EmbedError;
use super::embedding::Embedding;

/// Memory for texts and vectors: about 20,000 queries at 384 dimensions. Small beside any catalog.
const CAPACITY_BYTES: u64 = 32 << 20;

/// Embeddings by text. Errors are not kept.
#[derive(Debug)]
pub(super) struct Cache {
    embeddings: Moka<String, Arc<Embedding>>,
}

impl Cache {
    /// An empty cache.
    pub(super) fn new() -> Self {
        let weigh = |text: &String, embedding: &Arc<Embedding>| {
            u32::try_from(text.len() + size_of_val(&embedding.vector[..])).unwrap_or(u32::MAX)
        };
        Self { embeddings: Moka::builder().weigher(weigh).max_capacity(CAPACITY_BYTES).build() }
    }

    /// The embedding of `text`, made by `embed` unless it is there or being made.
    ///
    /// # Errors
    /// The error of `embed`, for all who waited for it.
    pub(super) async fn get_or_embed(
        &self,
        text: &str,
        embed: impl Future<Output = Result<Embedding, EmbedError>>,
    ) -> Result<Arc<Embedding>, EmbedError> {
        let embed = async { embed.await.map(Arc::new) };
        self.embeddings.try_get_with_by_ref(text, embed).await.map_err(|error| EmbedError::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::fault::{Cause, Fault};

    fn embedding() -> Embedding {
        Embedding { vector: vec![1.0], truncated: false }
    }

    #[tokio::test]
    async fn ten_who_ask_at_once_share_one_call() {
        let (cache, calls) = (Cache::new(), AtomicUsize::new(0));
        let ask = || {
            cache.get_or_embed("mug", async {
                calls.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(embedding())
            })
        };
        let answers = join_all((0..10).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| answer.as_deref() == Ok(&embedding())));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_fault_is_not_kept() {
        let cache = Cache::new();
        let fault = EmbedError::from(Fault::new(Cause::Throttled, "throttled"));
        assert_eq!(cache.get_or_embed("mug", async { Err(fault.clone()) }).await, Err(fault));
        assert!(cache.get_or_embed("mug", async { Ok(embedding()) }).await.is_ok());
    }
}
