//! A source in memory, to be searched here and now without an artifact.

use super::survey::Survey;
use super::{Product, Source};
use crate::catalog::{CatalogError, Rows};

impl Source {
    /// All its products; the mapping must say that each brings a vector.
    ///
    /// # Errors
    /// [`CatalogError::Source`]: what is wrong, the first of it.
    pub fn rows(&self) -> Result<Rows, CatalogError> {
        let (survey, mut rows) = Survey::by_most(|expected| {
            let mut rows = Rows::default();
            let mut take = |product: &Product| {
                rows.product_ids.push(product.product_id.clone());
                rows.categories.push(product.category.clone());
                rows.titles.push(product.title.clone());
                rows.vectors.extend_from_slice(product.embedding.as_deref().unwrap_or_default());
                Ok(())
            };
            let survey = Survey::of(self, expected, None, &mut take, &mut |_, _, _| Ok(()))?;
            Ok((survey, rows))
        })?;
        if let Some(broken) = survey.broken {
            return Err(broken);
        }
        if let Some((place, what)) = survey.faults.first.first() {
            let what = format!(
                "{}: {what} ({} faults: `nearline catalog check` lists them)",
                self.describe(*place),
                survey.faults.count
            );
            return Err(CatalogError::Invalid(what));
        }
        rows.dimension = survey.dimension.ok_or_else(|| CatalogError::Invalid("it has no products".to_owned()))?;
        Ok(rows)
    }
}
