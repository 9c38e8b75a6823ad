//! Updates: published, taken up, compacted; and who is first.

use std::collections::BTreeSet;
use std::io::Write;

use super::*;
use crate::catalog::change::ChangeError;
use crate::catalog::source::{Dialect, Mapping, Shard, Source};
use crate::catalog::{Compared, Difference, Fetched, Pointer, UpdateBase, pointer_name};

/// Publishes 200 products, and returns a store of them.
async fn published(artifacts: &MemoryArtifacts) -> CatalogStore<MemoryArtifacts> {
    let store = store(artifacts);
    store.publish(checked(200), &prefix(), None).await.unwrap();
    store
}

fn source(csv: &str) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    let mapping = Mapping::new(&[], None, true).unwrap();
    Source::new(Shard::new("changes".to_owned(), file).unwrap(), mapping, Dialect::default())
}

async fn compared(store: &CatalogStore<MemoryArtifacts>, csv: &str) -> (UpdateBase, Difference) {
    let mut fetched = Fetched::default();
    let mut current = store.fetch_current(&prefix(), &mut fetched).await.unwrap();
    let source = current.source(source(csv));
    let compare = |current: &UpdateBase| current.compare(Some(&source), &BTreeSet::new(), None, None, &|_| {}).unwrap();
    let mut compared = compare(&current);
    if let Compared::NeedsVectors(rows) = compared {
        current = store.fetch_vectors(&prefix(), current, &rows, &mut fetched).await.unwrap();
        compared = compare(&current);
    }
    let Compared::Whole(found) = compared else { panic!("vectors are needed that were fetched") };
    let (survey, difference) = *found;
    assert_eq!((survey.faulty_rows, survey.broken.map(|error| error.to_string())), (0, None));
    (current, difference)
}

async fn publish(
    store: &CatalogStore<MemoryArtifacts>,
    (current, difference): &(UpdateBase, Difference),
) -> Result<Pointer, ChangeError> {
    store.publish_update(&prefix(), current, difference, OffsetDateTime::UNIX_EPOCH).await
}

async fn update(store: &CatalogStore<MemoryArtifacts>, csv: &str) -> Pointer {
    publish(store, &compared(store, csv).await).await.unwrap()
}

#[tokio::test]
async fn of_a_catalog_in_memory_only_new_updates_are_read() {
    let artifacts = MemoryArtifacts::default();
    let store = published(&artifacts).await;
    let location = CatalogLocation::S3(prefix());
    let first = store.load(&location).await.unwrap();
    let pointer = update(&store, "product_id,category,embedding\np0,new,\np900,all,\"[3, 4]\"\n").await;
    assert_eq!((pointer.format_version, pointer.rows, pointer.updates[0].rows), (2, 201, 2));
    let second = store.load(&location).await.unwrap();
    assert_eq!((second.version(), second.rows(), second.changed_rows()), (pointer.version.as_str(), 201, 2));
    assert_eq!((first.bytes_read(), second.bytes_read()), (pointer.bytes, pointer.updates[0].bytes));
    assert_eq!(second.category_name(second.index().category_of(second.row("p0").unwrap())), "new");

    let pointer = update(&store, "product_id,deleted\np1,true\np900,true\n").await;
    let third = store.load(&location).await.unwrap();
    assert_eq!((third.rows(), third.row("p1"), third.row("p900")), (199, None, None));
    assert_eq!((third.update_count(), third.bytes_read()), (2, pointer.updates[1].bytes));
    // Whoever starts reads all of it, and what nobody holds any more is read again.
    let all = pointer.bytes + pointer.updates.iter().map(|update| update.bytes).sum::<u64>();
    assert_eq!(super::store(&artifacts).load(&location).await.unwrap().bytes_read(), all);
    drop((first, second, third));
    assert_eq!(store.load(&location).await.unwrap().bytes_read(), all);
    // Back, as the previous version is listed.
    let back = store.rollback(&prefix(), None, OffsetDateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!((back.rows, back.updates.len(), store.load(&location).await.unwrap().rows()), (201, 1, 201));
}

#[tokio::test]
async fn of_two_publishers_one_is_first_and_the_other_begins_again() {
    let artifacts = MemoryArtifacts::default();
    let store = published(&artifacts).await;
    let (one, other) = ("product_id,category\np0,one\n", "product_id,category\np1,other\n");
    let (mine, theirs) = (compared(&store, one).await, compared(&store, other).await);
    let first = publish(&store, &theirs).await.unwrap();
    let overtaken = publish(&store, &mine).await.unwrap_err();
    assert!(matches!(&overtaken, ChangeError::Overtaken { by, .. } if by.contains(&first.version)), "{overtaken}");
    let second = update(&store, one).await;
    assert_eq!(
        (&second.updates[..1], second.updates.len(), &second.previous),
        (&first.updates[..], 2, &Some(first.version))
    );
    assert!(compared(&store, one).await.1.is_empty(), "it is there");
}

#[tokio::test]
async fn updates_that_come_while_others_are_compacted_stay() {
    let artifacts = MemoryArtifacts::default();
    let store = published(&artifacts).await;
    let name = pointer_name(&prefix());
    let nothing = store.compact(&prefix(), None, OffsetDateTime::UNIX_EPOCH, &|_| {}).await.unwrap();
    assert!(nothing.is_none());
    update(&store, "product_id,category,embedding\np0,new,\"[3, 4]\"\np1,first,\n").await;
    let before = artifacts.get(&name).await.unwrap().unwrap();
    let latest = update(&store, "product_id,category,deleted\np0,newer,\np2,,true\n").await;
    let after = artifacts.get(&name).await.unwrap().unwrap();
    let answers = store.load(&CatalogLocation::S3(prefix())).await.unwrap();
    artifacts.set(&name, Some(before));
    let comes = std::sync::atomic::AtomicBool::new(true);
    let told = |_| {
        if comes.swap(false, std::sync::atomic::Ordering::Relaxed) {
            artifacts.set(&name, Some(after.clone()));
        }
    };
    let compacted = store.compact(&prefix(), None, OffsetDateTime::UNIX_EPOCH, &told).await.unwrap().unwrap();
    assert_eq!((compacted.folded, compacted.kept), (1, 1));
    assert_eq!((&compacted.pointer.updates[..], compacted.pointer.rows), (&latest.updates[1..], 199));
    let served = store.load(&CatalogLocation::S3(prefix())).await.unwrap();
    assert_eq!((served.version(), served.rows()), (compacted.pointer.version.as_str(), 199));
    for id in ["p0", "p1", "p2", "p3"] {
        let category = |catalog: &Catalog| catalog.row(id).map(|row| catalog.index().category_of(row));
        assert_eq!(category(&served), category(&answers), "{id}");
    }
    // What is current then is another catalog: it is not put back.
    let other = MemoryArtifacts::default();
    super::store(&other).publish(checked(7), &prefix(), None).await.unwrap();
    let foreign = other.get(&name).await.unwrap().unwrap();
    let told = |_| artifacts.set(&name, Some(foreign.clone()));
    let overtaken = store.compact(&prefix(), None, OffsetDateTime::UNIX_EPOCH, &told).await.unwrap_err();
    assert!(matches!(overtaken, ChangeError::Overtaken { .. }), "{overtaken}");
    assert_eq!(artifacts.get(&name).await.unwrap().unwrap(), foreign);
}

#[tokio::test(start_paused = true)]
async fn a_broken_update_and_a_pointer_of_a_newer_release_leave_the_old_catalog_in_service() {
    let artifacts = MemoryArtifacts::default();
    let store = published(&artifacts).await;
    let first = store.load(&CatalogLocation::S3(prefix())).await.unwrap().version().to_owned();
    // Listed after another artifact than that which it was made for.
    let keeps = update(&store, "product_id,category\np150,kept\n").await;
    let small = store.publish(checked(3), &prefix(), None).await.unwrap();
    let misfit = small.with_updates(keeps.updates.clone(), 3);
    let lines = Lines::default();
    let _collects = lines.collect();
    for body in [
        serde_json::to_value(&misfit).unwrap(),
        serde_json::json!({"format_version": 3, "version": "0123456789abcdef"}),
    ] {
        artifacts.set(&pointer_name(&prefix()), Some(body.to_string().into()));
        assert!(watch(&artifacts, &first, sleep(3 * PERIOD)).await.is_empty());
    }
    let said: Vec<String> = lines.read().iter().map(|line| line["error"].to_string()).collect();
    assert!(said[0].contains("row 0, column embedding: is null, but there is no product `p150`"), "{said:?}");
    assert!(said[0].contains(&keeps.updates[0].key), "{said:?}");
    let taken = watch(&artifacts, &first, async {
        artifacts.set(&pointer_name(&prefix()), Some(serde_json::to_vec(&keeps).unwrap().into()));
        sleep(2 * PERIOD).await;
    });
    assert_eq!(taken.await, [keeps.version]);
}
