//! The rows that pass the filters of recent jobs: jobs repeat filters, and each is evaluated once for all of them.
//!
//! Bounded by memory, one evaluation for everyone who asks at the same time. A cache is of one catalog.

use std::sync::Arc;

use moka::future::Cache;
use nearline_contract::filter::{Scalar, Test};
use nearline_contract::{Filter, JobError, SearchJob};
use nearline_search::RowSet;

use super::plan::Plan;
use crate::catalog::{Catalog, RowFilter};
use crate::compute::Compute;
use crate::fault::Fault;

/// Memory for sets and their filters: those of 256 filters over a million rows.
const CAPACITY_BYTES: u64 = 32 << 20;

/// Sets of rows by filter.
#[derive(Debug)]
pub struct RowSets {
    catalog: Arc<Catalog>,
    compute: Compute,
    sets: Cache<Filter, Arc<RowSet>>,
}

/// About what a filter takes as a key, in bytes.
fn weight(filter: &Filter) -> usize {
    /// What the cache keeps for each entry besides, and a condition besides its strings.
    const ENTRY: usize = 512;
    const CONDITION: usize = 192;
    let mut bytes = ENTRY;
    filter.each_condition(&mut |condition| {
        let value =
            |scalar: &Scalar| size_of::<Scalar>() + if let Scalar::Text(text) = scalar { text.len() } else { 0 };
        let values = match &condition.test {
            Test::OneOf(values) | Test::NoneOf(values) => values.iter().map(value).sum(),
            Test::Compare(..) | Test::Exists(_) => 0,
        };
        bytes += CONDITION + condition.attribute.len() + condition.path.len() + values;
    });
    bytes
}

impl RowSets {
    /// Those of a catalog.
    pub fn new(catalog: Arc<Catalog>, compute: Compute) -> Self {
        let weigh =
            |filter: &Filter, set: &Arc<RowSet>| u32::try_from(weight(filter) + set.memory_bytes()).unwrap_or(u32::MAX);
        Self { catalog, compute, sets: Cache::builder().weigher(weigh).max_capacity(CAPACITY_BYTES).build() }
    }

    /// Gives a job's plan the rows that pass its filter, if it has one; the inner error is the job's own.
    ///
    /// # Errors
    /// The evaluation panicked.
    pub async fn narrow(&self, job: &SearchJob, plan: &mut Plan) -> Result<Result<(), JobError>, Fault> {
        let (Some(filter), Some(resolved)) = (&job.filter, plan.filter()) else { return Ok(Ok(())) };
        let rows = self.get(filter, resolved).await?;
        Ok(plan.narrow(&self.catalog, rows))
    }

    /// The rows that pass a filter; `resolved` is the same filter in terms of the catalog.
    pub(super) async fn get(&self, filter: &Filter, resolved: &RowFilter) -> Result<Arc<RowSet>, Fault> {
        let evaluate = async {
            let (catalog, resolved) = (Arc::clone(&self.catalog), resolved.clone());
            self.compute.scan(move |cancelled| Arc::new(catalog.row_set(&resolved, cancelled))).await
        };
        self.sets.try_get_with_by_ref(filter, evaluate).await.map_err(|fault| Fault::clone(&fault))
    }
}
