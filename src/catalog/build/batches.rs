//! Texts of a build that batch jobs embed: later, and at half the price. Their vectors go into the journal, where the
//! build finds them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc;

use tokio::task::spawn_blocking;

use super::again::{read_again, read_to_the_end};
use super::journal::Journal;
use super::{Build, TEXTS_IN_FLIGHT, open_journal};
use crate::catalog::CatalogError;
use crate::embed::batch::{BatchProgress, BatchSettings, Batches, embed_in_batches};

/// What batch jobs left over, to be embedded one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOver {
    /// Texts that were too few for a job.
    pub too_few: usize,
    /// Texts that a job gave no vector for.
    pub unanswered: usize,
}

impl Build {
    /// Embeds all texts that have no vector yet by batch jobs, and waits for them. A build that was stopped resumes waiting
    /// for the same jobs.
    ///
    /// # Errors
    /// As [`finish`](Self::finish); a job that failed.
    pub async fn embed_in_batches<B: Batches>(
        &self,
        service: &B,
        settings: &BatchSettings,
        progress: impl Fn(BatchProgress),
    ) -> Result<LeftOver, CatalogError> {
        self.check()?;
        let Some(model) = &self.options.model else { return Ok(LeftOver::default()) };
        let mut journal = open_journal(&self.options, model)?;
        let mut seen: HashSet<_> = journal.keys().copied().collect();
        let (sender, products) = mpsc::sync_channel(TEXTS_IN_FLIGHT);
        let (source, survey) = (Arc::clone(&self.source), Arc::clone(&self.survey));
        let reader =
            spawn_blocking(move || read_again(&source, &survey, &mut |_, product| sender.send(product).is_ok()));
        let texts = products.into_iter().filter(|product| product.embedding.is_none()).filter_map(|product| {
            let key = Journal::key(&product.text);
            seen.insert(key).then_some((key, product.text))
        });
        let mut unanswered = 0;
        let keep = |key, answer| match answer {
            Ok(embedding) => journal.put(&key, &embedding),
            Err(why) => {
                tracing::debug!(why, "a batch job has no vector for a text");
                unanswered += 1;
                Ok::<_, CatalogError>(())
            }
        };
        let mut state = self.options.output.as_os_str().to_owned();
        state.push(".batch-jobs");
        let too_few = embed_in_batches(service, settings, state.as_ref(), texts, keep, progress).await?.len();
        read_to_the_end(reader).await?;
        Ok(LeftOver { too_few, unanswered })
    }
}
