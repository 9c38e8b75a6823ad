//! The catalog of a run, and what it answers, computed the slow way from the contract.

use devstack::lexical;
use fastrand::Rng;
use nearline::catalog::Rows;
use nearline_contract::{ErrorCode, Group, SearchJob, Target};

use crate::oracle;
use crate::world::{DIMENSION, World};

/// What was published.
#[derive(Debug)]
pub(crate) struct Catalogs {
    version: String,
    rows: Rows,
}

impl Catalogs {
    /// Publishes a catalog with the names that jobs ask for.
    pub(crate) async fn publish(world: &World, rng: &mut Rng) -> Self {
        let ids: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
        let rows = Rows {
            categories: ids.iter().map(|_| format!("c{}", rng.u8(..3))).collect(),
            titles: ids.iter().map(|id| rng.bool().then(|| format!("title of {id}"))).collect(),
            vectors: ids.iter().flat_map(|id| lexical::embed(&format!("mug {id}"), DIMENSION)).collect(),
            product_ids: ids,
            dimension: DIMENSION,
            ..Rows::default()
        };
        Self { version: world.publish(&rows).await, rows }
    }

    /// What a valid job is answered from a version: its results, or the code of its rejection; `None`: no such version.
    pub(crate) fn answer(&self, version: &str, job: &SearchJob) -> Option<Result<Vec<Group>, ErrorCode>> {
        let rows = (version == self.version).then_some(&self.rows)?;
        let unknown = |name: &String| !rows.categories.contains(name);
        Some(match &job.target {
            Target::ProductId(id) if !rows.product_ids.contains(id) => Err(ErrorCode::UnknownProduct),
            _ if job.categories.iter().flatten().any(unknown) => Err(ErrorCode::UnknownCategory),
            Target::Vector(vector) if vector.len() != rows.dimension => Err(ErrorCode::DimensionMismatch),
            _ => Ok(oracle::results(rows, job, lexical::embed)),
        })
    }
}
