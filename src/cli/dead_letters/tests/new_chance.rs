//! With the whole worker: whether what is resent is answered.

use std::sync::Arc;
use std::time::Duration;

use nearline_contract::Status;
use nearline_search::Kernel;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{HOUR, World, job};
use crate::catalog::{
    CatalogGuard, CatalogLocation, CatalogStore, Indexing, MemoryArtifacts, Rows, S3Prefix, Vectors, artifact,
};
use crate::compute::Compute;
use crate::embed::{Limits, MemoryLeases, MemoryModels};
use crate::fault::Cause;
use crate::fault_plan::Moment;
use crate::intake::poller::{self, Loops};
use crate::intake::{CODE_ATTRIBUTE, Outgoing, Queue, Services, Settings};
use crate::results::{self, MemoryRecords};
use crate::telemetry::health::Health;

/// A note forbids every process to try a message again that was given up. What is resent is another message.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_given_up_gets_a_new_chance_when_it_is_resent() {
    for (jobs, dead) in [("jobs", "dead"), ("jobs.fifo", "dead.fifo"), ("jobs.fifo", "dead")] {
        let world = World::new(jobs, dead).await;
        let (records, models) = (MemoryRecords::new(world.plan.clone()), MemoryModels::new(world.plan.clone()));
        let artifacts = MemoryArtifacts::new(world.plan.clone());
        let prefix: S3Prefix = "s3://bucket/shop".parse().unwrap();
        let model = "amazon.nova-2-multimodal-embeddings-v1:0";
        let rows = Rows {
            product_ids: vec!["p".into()],
            categories: vec!["all".into()],
            titles: vec![None],
            vectors: MemoryModels::vector("p", 256),
            dimension: 256,
            ..Rows::default()
        };
        let catalog = artifact::Loaded::new(artifact::write(Vec::new(), &rows, model).unwrap().into()).unwrap();
        let store = CatalogStore::new(artifacts.clone(), Indexing::default());
        store.publish(catalog, &prefix, None).await.unwrap();
        let settings = Settings {
            catalog: CatalogLocation::S3(prefix),
            catalog_refresh: None,
            guard: CatalogGuard::default(),
            results: results::Settings { ttl: 1_000 * HOUR },
            embedding: Limits { max_concurrency: 4, ..Limits::default() },
            max_attempts: 2,
            kernel: Kernel::fastest(),
            function_memory: None,
            vectors: Vectors::Memory,
        };
        let run = async || {
            let services = Services {
                queue: world.jobs.clone(),
                dead_letters: Some(world.dead.clone()),
                records: records.clone(),
                models: models.clone(),
                leases: Arc::new(MemoryLeases::default()),
                artifacts: artifacts.clone(),
                compute: Compute::Inline,
                clock: world.clock.clone(),
            };
            let stop = CancellationToken::new();
            let drained = async {
                let empty = async {
                    while !world.jobs.all().is_empty() {
                        sleep(Duration::from_millis(100)).await;
                    }
                };
                let _ = timeout(24 * HOUR, empty).await;
                stop.cancel();
            };
            let (ended, ()) = tokio::join!(
                poller::run(services, settings.clone(), Loops::of(2), stop.clone(), Health::default()),
                drained
            );
            ended.unwrap();
        };
        let is_fifo = world.jobs.is_fifo();
        let own = |id: &str| is_fifo.then(|| id.to_owned());
        let sent = Outgoing { body: job("r"), attributes: Vec::new(), group: own("g"), deduplication_id: own("first") };
        world.jobs.push(sent);
        for _ in 0..6 {
            world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
        }
        run().await;
        assert_eq!(world.dead.all()[0].attribute(CODE_ATTRIBUTE), Some("attempts_exhausted"));
        assert!(records.all().is_empty());

        let (tally, _) = world.resend(&[]).await;
        assert_eq!((tally.resent, world.dead.all().len(), world.jobs.all().len()), (1, 0, 1), "{jobs} {dead}");
        assert_eq!(world.jobs.all()[0].group, own("g"));
        run().await;
        assert_eq!(records.all()["r"].status, Status::Succeeded, "{jobs} {dead}");
        assert_eq!((world.dead.all().len(), world.jobs.all().len()), (0, 0));

        // Given up once more, and resent once more: another letter, another message.
        let again =
            Outgoing { body: job("s"), group: own("g"), deduplication_id: own("second"), ..Outgoing::default() };
        world.jobs.push(again);
        for chance in 1..=2 {
            for _ in 0..6 {
                world.plan.fail_next("InvokeModel", Moment::Before, Cause::Throttled);
            }
            run().await;
            assert_eq!(world.dead.all().len(), 1, "chance {chance}");
            world.resend(&[]).await;
        }
        run().await;
        assert_eq!((records.all().len(), world.dead.all().len()), (2, 0));
    }
}
