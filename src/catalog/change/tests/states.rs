//! What publishers, rollbacks and prunes find, and what they make of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn another_model_needs_to_be_forced_or_tried_out() {
    let world = World::with(&[3]).await;
    let (store, bytes) = (world.store(), file(3, "amazon.titan-embed-text-v2:0"));
    let checked = store.check(Loaded::new(bytes).unwrap(), &prefix(), None, false).unwrap();
    let publication = Publication { share: None, force: false, now: world.clock.now(), told: &|_| {} };
    let error = store.publish_checked(&checked, &prefix(), &publication).await.unwrap_err().to_string();
    let words =
        "of no model in 256 dimensions, and this catalog is of `amazon.titan-embed-text-v2:0` in 256 dimensions";
    assert!(error.contains(words), "{error}");
    let candidate = Publication { share: Some("5%".parse().unwrap()), ..publication };
    store.publish_checked(&checked, &prefix(), &candidate).await.unwrap();
    assert_eq!(world.check().await, version_of(3));
    store.publish_checked(&checked, &prefix(), &Publication { force: true, ..publication }).await.unwrap();
    assert_ne!(world.check().await, version_of(3));
}

#[tokio::test(start_paused = true)]
async fn a_version_with_updates_is_rolled_back_to_and_keeps_its_objects() {
    let world = World::with(&[3, 4]).await;
    let store = world.store();
    // As whoever publishes an update does: objects, entry, pointer.
    let base = store.seen_current(&prefix()).await.unwrap();
    let update = Bytes::from_static(b"an update");
    let sha256 = artifact::sha256(&update[..]).unwrap();
    let key = format!("shop/updates/{}.arrow", &sha256[..16]);
    world.clock.step(-Duration::days(5));
    world.artifacts.set(&ObjectName { bucket: "bucket".into(), key: key.clone() }, Some(update.clone()));
    let orphan = prefix().object("updates/0123456789abcdef.arrow");
    world.artifacts.set(&orphan, Some(update.clone()));
    let update = UpdateRef { key: key.clone(), sha256, bytes: update.len() as u64, rows: 1, deleted: 0 };
    let pointer = base.pointer.clone().unwrap();
    let version = crate::catalog::version(&pointer.sha256, [update.sha256.as_str()]);
    let updated = Pointer { format_version: 2, version: version.clone(), updates: vec![update], ..pointer };
    let updated = Store::dated(updated, base.pointer.as_ref(), world.clock.now());
    store.claim(&prefix(), &updated).await.unwrap();
    store.point(&prefix(), &base, &updated).await.unwrap();
    world.clock.step(Duration::days(5));
    publish(&store, 6, None, world.clock.now()).await.unwrap();
    // It is what was current before: it stays, and what nothing names goes.
    assert_eq!(prune(&store, 1, world.clock.now()).await.unwrap(), 2);
    let keys = world.artifacts.keys();
    assert!(keys.contains(&key) && keys.contains(&updated.key) && !keys.contains(&orphan.key), "{keys:?}");
    let back = store.rollback(&prefix(), None, world.clock.now()).await.unwrap();
    assert_eq!((&back.version, back.previous.as_deref()), (&version, Some(version_of(6).as_str())));
    // Not without all that it needs.
    publish(&store, 6, None, world.clock.now()).await.unwrap();
    world.artifacts.set(&ObjectName { bucket: "bucket".into(), key: key.clone() }, None);
    let error = store.rollback(&prefix(), Some(&version), world.clock.now()).await.unwrap_err().to_string();
    assert!(error.contains(&key) && error.contains("does not exist"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_an_older_release_published_is_listed_rolled_back_to_and_pruned() {
    let world = World::with(&[3, 4, 5, 6]).await;
    for version in [3, 4, 5].map(version_of) {
        world.artifacts.set(&entry_name(&prefix(), &version), None);
    }
    let store = world.store();
    let holding = store.holding(&prefix()).await.unwrap();
    assert_eq!(holding.versions.iter().filter(|version| version.pointer.is_none()).count(), 3);
    let back = store.rollback(&prefix(), Some(&version_of(4)), world.clock.now()).await.unwrap();
    assert_eq!(back.rows, 4);
    assert_eq!(prune(&store, 2, world.clock.now()).await.unwrap(), 2);
    let left: Vec<String> =
        store.holding(&prefix()).await.unwrap().versions.into_iter().map(|version| version.version).collect();
    assert_eq!(left, [version_of(4), version_of(6)]);
}

#[tokio::test(start_paused = true)]
async fn a_prune_waits_for_another_one_and_deletes_nothing_that_it_does_not_understand() {
    let world = World::with(&[3, 4, 5]).await;
    let store = world.store();
    let mark = Mark { began_at: iso8601(world.clock.now()), keys: Vec::new() };
    world.artifacts.set(&mark_name(&prefix()), Some(body(&mark).unwrap()));
    let error = prune(&store, 1, world.clock.now()).await.unwrap_err();
    assert!(matches!(error, ChangeError::OtherPrune { .. }), "{error}");
    world.clock.step(Duration::minutes(16));
    // An entry of a newer release: who knows what it names.
    let entry = prefix().object("versions/0123456789abcdef.json");
    world.artifacts.set(&entry, Some(Bytes::from_static(b"{\"format_version\":3}")));
    assert!(prune(&store, 1, world.clock.now()).await.is_err());
    world.artifacts.set(&entry, None);
    assert_eq!(prune(&store, 1, world.clock.now()).await.unwrap(), 1);
    world.artifacts.set(&pointer_name(&prefix()), None);
    assert!(prune(&store, 1, world.clock.now()).await.is_err(), "nothing is current");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_was_replaced_meanwhile_is_not_dropped() {
    let world = World::with(&[3]).await;
    let store = world.store();
    let none = store.drop_candidate(&prefix()).await.unwrap_err();
    assert!(matches!(none, ChangeError::NoCandidate(_)), "{none}");
    publish(&store, 4, Some("5%"), world.clock.now()).await.unwrap();
    publish(&store, 5, Some("10%"), world.clock.now()).await.unwrap();
    let found = store.candidate(&prefix()).await.unwrap().unwrap();
    assert_eq!((found.pointer.version, found.share.to_string()), (version_of(5), "10%".to_owned()));
    assert_eq!(store.drop_candidate(&prefix()).await.unwrap(), version_of(5));
    assert_eq!(world.check().await, version_of(3));
}
