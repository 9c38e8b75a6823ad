//! An update's way to those who serve: vectors for its texts, its file, its pointer.
//!
//! Who publishes at the same time changes the pointer first or is told; a try that came too late is made again of what is
//! current then, so that each update is one of the catalog that it is listed after.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use nearline_contract::clip;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::base::Base;
use super::compare::{Difference, Text};
use super::current::UpdateBase;
use super::fetch::{misfit, read};
use super::history::Changes;
use super::update::TextHash;
use super::write::{Form, write};
use crate::catalog::build::Patient;
use crate::catalog::change::ChangeError;
use crate::catalog::error::CatalogError;
use crate::catalog::location::S3Prefix;
use crate::catalog::pointer::{Pointer, UpdateRef};
use crate::catalog::publishing::Publishing;
use crate::catalog::source::{FaultKind, RowFault};
use crate::catalog::store::CatalogStore;
use crate::embed::{EmbedError, Embedder};

/// Texts that wait for the embedder at once.
const TEXTS_IN_FLIGHT: usize = 1_024;

impl Difference {
    /// Embeds its texts; vectors that were made before are taken from `fetched`. Rows whose text the model refuses are left
    /// out, if there is a list for them. Returns how many texts were cut, as the model takes no longer ones.
    ///
    /// # Errors
    /// The model refuses a text, or a fault outlasted every attempt.
    pub async fn embed(
        &mut self,
        embedder: &Embedder,
        fetched: &mut super::Fetched,
        progress: impl Fn(usize),
    ) -> Result<u64, CatalogError> {
        let texts = std::mem::take(&mut self.texts);
        let patient = Patient::new(embedder);
        let known: &HashMap<TextHash, Vec<f32>> = &fetched.vectors;
        let mut made = stream::iter(texts)
            .map(|text| {
                let patient = &patient;
                async move {
                    let vector = match known.get(&text.sha256) {
                        Some(vector) => Ok((vector.clone(), false)),
                        None => {
                            patient.embed(&text.content).await.map(|embedding| (embedding.vector, embedding.truncated))
                        }
                    };
                    (text, vector)
                }
            })
            .buffer_unordered(TEXTS_IN_FLIGHT);
        let (mut done, mut truncated, mut new, mut refused) = (0, 0, Vec::new(), BTreeSet::new());
        while let Some((Text { row: number, sha256, is_new, .. }, vector)) = made.next().await {
            let row = &mut self.rows[number];
            let at = format!("product `{}`", clip(&row.product_id));
            let (vector, is_cut) = match (vector, &mut self.rejects) {
                (Ok(made), _) => made,
                (Err(EmbedError::Refused(why)), Some(rejects)) => {
                    let message = format!("the model refuses it: {why}");
                    let fault = RowFault { kind: FaultKind::Refused, column: None, message };
                    rejects.push(&at, &fault, &row.product_id)?;
                    refused.insert(number);
                    let counter = if is_new { &mut self.added } else { &mut self.replaced };
                    *counter -= 1;
                    self.rows_after -= u64::from(is_new);
                    continue;
                }
                (Err(refused @ EmbedError::Refused(_)), None) => {
                    return Err(CatalogError::Invalid(format!("{at}: {refused}")));
                }
                (Err(EmbedError::Fault(fault)), _) => return Err(fault.context(&at).into()),
            };
            truncated += u64::from(is_cut);
            new.push((sha256, vector.clone()));
            if let Some(content) = &mut row.content {
                (content.vector, content.text_sha256) = (Some(vector), Some(sha256));
            }
            done += 1;
            progress(done);
        }
        drop(made);
        fetched.vectors.extend(new);
        let mut number = 0;
        self.rows.retain(|_| {
            number += 1;
            !refused.contains(&(number - 1))
        });
        self.refused = refused.len() as u64;
        self.left_out += self.refused;
        Ok(truncated)
    }
}

impl<A: Publishing> CatalogStore<A> {
    /// Publishes what is different as an update of what is current.
    ///
    /// # Errors
    /// [`ChangeError::Overtaken`] if something else became current meanwhile; no product is left.
    pub async fn publish_update(
        &self,
        prefix: &S3Prefix,
        current: &UpdateBase,
        difference: &Difference,
        now: OffsetDateTime,
    ) -> Result<Pointer, ChangeError> {
        let UpdateBase { seen, pointer, artifact, updates, .. } = current;
        let form = Form {
            dimension: artifact.dimension(),
            model_id: artifact.model_id(),
            attributes: artifact.attributes().fields(),
        };
        let bytes = write(&difference.rows, &form)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        let name = prefix.object(&format!("updates/{}.arrow", &sha256[..16]));
        // As those who serve will: what they would refuse is not published.
        let update = read(&name.key, &bytes, &**artifact)?;
        let all: Vec<_> = updates.iter().cloned().chain([Arc::clone(&update)]).collect();
        Changes::of(&**artifact, artifact.rows(), &all).map_err(|what| misfit(pointer, what))?;
        let listed = UpdateRef {
            key: name.key.clone(),
            sha256,
            bytes: bytes.len() as u64,
            rows: (update.rows() - update.deleted()) as u64,
            deleted: update.deleted() as u64,
        };
        let new = pointer.with_updates([pointer.updates.clone(), vec![listed]].concat(), difference.rows_after);
        let new = Self::dated(new, Some(pointer), now);
        self.artifacts.put(&name, bytes.clone()).await?;
        self.claim(prefix, &new).await?;
        // Nobody deletes it from now on; but somebody may have since it was written.
        if self.artifacts.length(&name).await? != Some(bytes.len() as u64) {
            self.artifacts.put(&name, bytes).await?;
        }
        self.check_objects(prefix, &new).await?;
        self.point(prefix, seen, &new).await?;
        Ok(new)
    }
}
