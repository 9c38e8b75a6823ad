//! Catalogs that are published while jobs run, and what they answer, computed the slow way from the contract.

#[path = "../end_to_end/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;

use bytes::Bytes;
use fastrand::Rng;
use nearline::catalog::{
    CatalogStore, Indexing, MemoryArtifacts, ObjectName, Publication, Rows, S3Prefix, Share, artifact,
};
use nearline::embed::MemoryModels;
use nearline::fault_plan::FaultPlan;
use nearline_contract::{ErrorCode, Group, SearchJob, Target};
use time::OffsetDateTime;

/// Models that the catalogs of a world may name; all offer [`DIMENSIONS`].
pub(crate) const MODELS: [&str; 3] =
    ["amazon.nova-2-multimodal-embeddings-v1:0", "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"];
const DIMENSIONS: [usize; 2] = [256, 1_024];
/// Titles so long that a record with all of them has its results uploaded.
const LONG_TITLE: usize = 40_000;

/// What was published, by version.
#[derive(Debug, Default)]
pub(crate) struct Catalogs(BTreeMap<String, Rows>);

pub(crate) fn prefix() -> S3Prefix {
    "s3://bucket/shop".parse().unwrap()
}

fn rows(rng: &mut Rng) -> Rows {
    let count = rng.usize(1..30);
    let dimension = DIMENSIONS[usize::from(rng.u8(..20) == 0)];
    let long = rng.u8(..12) == 0;
    let ids: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
    let title = |id: &String| if long { id.repeat(LONG_TITLE / id.len()) } else { format!("title of {id}") };
    Rows {
        categories: ids.iter().map(|_| format!("c{}", rng.u8(..3))).collect(),
        titles: ids.iter().map(|id| rng.bool().then(|| title(id))).collect(),
        vectors: ids.iter().flat_map(|id| MemoryModels::vector(id, dimension)).collect(),
        product_ids: ids,
        dimension,
        ..Rows::default()
    }
}

impl Catalogs {
    /// Publishes another catalog with this model.
    pub(crate) async fn publish(&mut self, artifacts: &MemoryArtifacts, rng: &mut Rng, model: &str) {
        let rows = rows(rng);
        let bytes: Bytes = artifact::write(Vec::new(), &rows, model).unwrap().into();
        let store = CatalogStore::new(artifacts.seen_by(FaultPlan::default()), Indexing::default());
        let pointer = store.publish(artifact::Loaded::new(bytes).unwrap(), &prefix(), None).await.unwrap();
        self.0.insert(pointer.version, rows);
    }

    /// Tries another catalog out for a share of the jobs, or ends what is tried out.
    pub(crate) async fn try_out(&mut self, artifacts: &MemoryArtifacts, rng: &mut Rng, model: &str) {
        let store = CatalogStore::new(artifacts.seen_by(FaultPlan::default()), Indexing::default());
        let now = OffsetDateTime::UNIX_EPOCH;
        // There may be none.
        match rng.u8(..4) {
            0 => drop(store.promote(&prefix(), now).await),
            1 => drop(store.drop_candidate(&prefix()).await),
            _ => {
                let rows = rows(rng);
                let bytes: Bytes = artifact::write(Vec::new(), &rows, model).unwrap().into();
                let loaded = artifact::Loaded::new(bytes).unwrap();
                let checked = store.check(loaded, &prefix(), None, true).unwrap();
                let share = Some(Share::try_from(f64::from(rng.u8(1..=100)) / 100.0).unwrap());
                let publication = Publication { share, force: false, now, told: &|_| {} };
                let pointer = store.publish_checked(&checked, &prefix(), &publication).await.unwrap();
                self.0.insert(pointer.version, rows);
            }
        }
    }

    /// What somebody may leave at the pointer, or where it points to, by mistake.
    pub(crate) fn damage(artifacts: &MemoryArtifacts, rng: &mut Rng) {
        let pointer = ObjectName { bucket: "bucket".into(), key: "shop/current.json".into() };
        let key = |name: &str| format!(r#""key":"shop/catalogs/{name}.arrow""#);
        let with = |sha256: &str, key: String| {
            let version = &sha256[..16];
            format!(
                r#"{{"format_version":1,"version":"{version}",{key},"sha256":"{sha256}","bytes":9,"rows":1,"dimension":8}}"#
            )
        };
        let body = match rng.u8(..5) {
            0 => "{".to_owned(),
            1 => with(&"0123456789abcdef".repeat(4), key("missing")),
            2 => r#"{"format_version":9}"#.to_owned(),
            3 => {
                let name = ObjectName { key: "shop/catalogs/garbage.arrow".into(), ..pointer.clone() };
                artifacts.set(&name, Some(Bytes::from_static(b"ARROW1\0\0 no, it is not")));
                with(&"fedcba9876543210".repeat(4), key("garbage"))
            }
            _ => {
                artifacts.set(&pointer, None);
                return;
            }
        };
        artifacts.set(&pointer, Some(body.into()));
    }

    /// What a valid job is answered from a version: its results, or the code of its rejection; `None`: no such version.
    pub(crate) fn answer(&self, version: &str, job: &SearchJob) -> Option<Result<Vec<Group>, ErrorCode>> {
        let rows = self.0.get(version)?;
        let unknown = |name: &String| !rows.categories.contains(name);
        Some(match &job.target {
            Target::ProductId(id) if !rows.product_ids.contains(id) => Err(ErrorCode::UnknownProduct),
            _ if job.categories.iter().flatten().any(unknown) => Err(ErrorCode::UnknownCategory),
            Target::Vector(vector) if vector.len() != rows.dimension => Err(ErrorCode::DimensionMismatch),
            _ => Ok(oracle::results(rows, job, MemoryModels::vector)),
        })
    }
}
