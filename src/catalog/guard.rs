//! What a catalog must be, as it was set explicitly.

use super::error::CatalogError;
use super::location::CatalogGuard;
use crate::embed::{Model, ModelError, base_id, model_id};

impl CatalogGuard {
    /// The model that embeds for a catalog with this model and dimension, `None` if it names none: its own id, or the one
    /// that was set, which may name another profile of the same model.
    ///
    /// # Errors
    /// [`CatalogError::Guard`] as [`check`](Self::check), or [`CatalogError::Model`]: not supported, or not in its
    /// dimension.
    pub fn query_model(&self, own: Option<&str>, dimension: usize) -> Result<Option<Model>, CatalogError> {
        self.check(own, dimension)?;
        let Some(own) = own else { return Ok(None) };
        let called = self.model_id.as_deref().unwrap_or(own);
        Ok(Some(Model::new(called, self.model_family.as_deref(), dimension)?))
    }

    /// Checks the model and dimension of a catalog.
    ///
    /// # Errors
    /// [`CatalogError::Guard`], naming both; [`CatalogError::Model`] if the catalog's name does not say which model it
    /// is, and nobody else does.
    pub fn check(&self, own: Option<&str>, dimension: usize) -> Result<(), CatalogError> {
        self.check_model(own)?;
        match self.dimension {
            Some(wanted) if wanted != dimension => Err(CatalogError::Guard {
                setting: "NEARLINE_EMBEDDING_DIMENSION",
                wanted: wanted.to_string(),
                found: dimension.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn check_model(&self, own: Option<&str>) -> Result<(), CatalogError> {
        let family = self.model_family.as_deref();
        let (setting, wanted) = match (family, self.model_id.as_deref()) {
            (Some(family), _) => ("NEARLINE_EMBEDDING_MODEL_FAMILY", family),
            (None, Some(model)) => ("NEARLINE_EMBEDDING_MODEL", model),
            (None, None) => return Ok(()),
        };
        let refused =
            |found: &str| Err(CatalogError::Guard { setting, wanted: wanted.to_owned(), found: found.to_owned() });
        let Some(own) = own else { return refused("no model") };
        match model_id(own, family) {
            Ok(id) if base_id(id) == base_id(wanted) => Ok(()),
            // What would help is the family, not another catalog.
            Err(opaque @ ModelError::Opaque(_)) => Err(opaque.into()),
            _ => refused(own),
        }
    }
}
