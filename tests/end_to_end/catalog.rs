//! Catalogs: built, published, guarded, replaced while serving.

use std::collections::BTreeMap;
use std::path::Path;

use nearline::catalog::{Indexing, Rows, Share, artifact, store};
use nearline_contract::{ErrorCode, Status};
use serde_json::Value;

use crate::world::{DIMENSION, MODEL, World, example_rows, stderr, until, write_artifact};

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_throttled_goes_on_where_it_was_and_builds_the_same_bytes() {
    let world = World::start().await;
    let csv = world.path("products.csv");
    let source = "product_id,category,text,title\na,tea,assam tea,Assam\nb,tea,green tea,\nc,mugs,a red mug,Mug\n";
    std::fs::write(&csv, source).unwrap();
    let output = world.path("products.arrow");
    let build = ["catalog", "build", "--input", csv.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let built = world.nearline(&build).await;
    assert!(built.status.success(), "{built:?}");
    assert_eq!(world.stack.bedrock().stats().texts, 3);
    let bytes = std::fs::read(&output).unwrap();
    assert!(!world.path("products.arrow.partial").exists());

    // A longer source: what fails for good leaves what was paid for, and the old output as it was.
    std::fs::write(&csv, format!("{source}d,mugs,a blue mug,Blue Mug\n")).unwrap();
    world.stack.bedrock().set_fault(Some(devstack::bedrock::Fault::AccessDenied));
    let failed = world.nearline(&build).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("AccessDeniedException") && stderr(&failed).contains("again to continue"),
        "{failed:?}"
    );
    assert_eq!(std::fs::read(&output).unwrap(), bytes);
    world.stack.bedrock().set_fault(None);
    assert!(world.nearline(&build).await.status.success());
    let loaded = store::load_file(&output, &Indexing::default()).await.unwrap();
    assert_eq!((loaded.rows(), loaded.dimension(), loaded.model_id()), (4, DIMENSION, Some(MODEL)));
    assert_eq!(loaded.title(1), None);

    std::fs::write(&csv, source).unwrap();
    assert!(world.nearline(&build).await.status.success());
    assert_eq!(std::fs::read(&output).unwrap(), bytes, "the same source gives the same version");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_sources_and_artifacts_are_refused_with_row_and_column() {
    let world = World::start().await;
    let csv = world.path("bad.csv");
    std::fs::write(&csv, "product_id,category,text\na,tea,x\na,tea,y\n").unwrap();
    let output = world.path("bad.arrow");
    let build = ["catalog", "build", "--input", csv.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let failed = world.nearline(&build).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("line 3: column product_id: `a` is already used in line 2"), "{failed:?}");
    assert!(!output.exists());

    let mut rows = example_rows(3);
    rows.vectors[DIMENSION + 7] = f32::NAN;
    let path = world.path("nan.arrow");
    write_artifact(&path, &rows, MODEL);
    let failed = world.nearline(&["catalog", "publish", path.to_str().unwrap(), "--to", &world.prefix()]).await;
    assert!(stderr(&failed).contains("column embedding: ") && stderr(&failed).contains("row 1"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_start_without_the_catalog_it_was_promised() {
    let mut world = World::start().await;
    let failed = world.nearline(&["worker"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("no catalog is published at s3://nearline/nearline: run `nearline catalog publish"),
        "{failed:?}"
    );

    let version = world.publish(&example_rows(20)).await;
    world.set("NEARLINE_EMBEDDING_MODEL", "amazon.titan-embed-text-v2:0");
    let failed = world.nearline(&["worker"]).await;
    assert!(
        stderr(&failed).contains("NEARLINE_EMBEDDING_MODEL is `amazon.titan-embed-text-v2:0`, but the catalog has"),
        "{failed:?}"
    );

    world.set("NEARLINE_EMBEDDING_MODEL", "");
    let s3 = aws_sdk_s3::Client::new(&world.stack.sdk_config());
    let key = format!("nearline/catalogs/{version}.arrow");
    s3.put_object().bucket("nearline").key(&key).body(b"rotten".to_vec().into()).send().await.unwrap();
    let failed = world.nearline(&["worker"]).await;
    assert!(stderr(&failed).contains("failed its integrity check: it has 6 bytes"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_catalog_is_taken_up_a_broken_one_is_not_and_rejections_that_it_mends_are_replaced() {
    let mut world = World::start().await;
    world.set("NEARLINE_CATALOG_REFRESH_SECONDS", "1");
    let first = world.publish(&example_rows(20)).await;
    let lambda = world.lambda().await;
    let id_of_row_30 = example_rows(40).product_ids[30].clone();
    let job = format!(r#"{{"request_id":"r","product_id":"{id_of_row_30}"}}"#);
    world.send(&[&job]).await;
    let rejected = world.record("r").await;
    assert_eq!(rejected.error.unwrap().code, ErrorCode::UnknownProduct);
    world.send(&[&job]).await;
    world.drained().await;
    assert_eq!(world.record("r").await.created_at, rejected.created_at, "the same catalog would answer the same");

    // A pointer to nothing: the old catalog serves on.
    let s3 = aws_sdk_s3::Client::new(&world.stack.sdk_config());
    let pointer = s3.get_object().bucket("nearline").key("nearline/current.json").send().await.unwrap();
    let pointer = String::from_utf8(pointer.body.collect().await.unwrap().to_vec()).unwrap();
    let broken = pointer.replace(&first, "0123456789abcdef");
    s3.put_object()
        .bucket("nearline")
        .key("nearline/current.json")
        .body(broken.into_bytes().into())
        .send()
        .await
        .unwrap();
    until("the error in the log", || async {
        let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap_or_default();
        log.contains("the old one keeps serving").then_some(())
    })
    .await;

    let second = world.publish(&example_rows(40)).await;
    assert_ne!(first, second);
    // Sent again and again: until the swap it is a replay.
    until("the record of the new catalog", || async {
        world.send(&[&job]).await;
        world.drained().await;
        (world.record("r").await.status == Status::Succeeded).then_some(())
    })
    .await;
    assert_eq!(world.record("r").await.catalog_version, second);

    let back = world.nearline(&["catalog", "rollback", &first, "--to", &world.prefix()]).await;
    assert!(back.status.success(), "{back:?}");
    let inspected = world.nearline(&["catalog", "inspect", "--json", &world.prefix()]).await;
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((&inspected["version"], &inspected["rows"]), (&first.into(), &20.into()));
    lambda.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_only_vectors_and_products_are_answered() {
    let world = World::start().await;
    let rows = example_rows(20);
    world.publish(&rows).await;
    let path = world.path("no-model.arrow");
    write_artifact(&path, &rows, "");
    let file = path.to_str().unwrap();
    // Workers that are set to a model would refuse it.
    let publish = ["catalog", "publish", file, "--to", &world.prefix(), "--force"];
    assert!(world.nearline(&publish).await.status.success());
    let lambda = world.lambda().await;
    let similar = format!(r#"{{"request_id":"p","product_id":"{}"}}"#, rows.product_ids[3]);
    world.send(&[&similar, r#"{"request_id":"t","query":"mug"}"#]).await;
    let record = world.record("p").await;
    assert_eq!((record.status, record.model_id), (Status::Succeeded, None));
    assert_eq!(world.record("t").await.error.unwrap().code, ErrorCode::MissingField);
    lambda.stop().await;
}

/// The files in tests/data were written by pyarrow and polars; tests/data/make.py says how.
#[tokio::test]
async fn what_pyarrow_and_polars_write_is_read_row_for_row() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    for name in ["pyarrow.arrow", "pyarrow-lz4-dictionary.arrow", "pyarrow-zstd-large.arrow", "polars.arrow"] {
        let read = artifact::read(std::fs::File::open(folder.join(name)).unwrap()).unwrap();
        let Rows { product_ids, categories, titles, vectors, dimension, .. } = read.rows;
        let found = serde_json::json!({"product_id": product_ids, "category": categories, "title": titles,
            "embedding": vectors.chunks(dimension).collect::<Vec<_>>()});
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn attributes_that_pyarrow_writes_are_what_python_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_slice(&std::fs::read(folder.join("attributes.json")).unwrap()).unwrap();
    for name in ["attributes.arrow", "attributes-zstd.arrow"] {
        let read = artifact::read(std::fs::File::open(folder.join(name)).unwrap()).unwrap();
        let attributes = read.rows.attributes;
        for (name, expected) in &expected {
            let number = attributes.find(name, "return").unwrap();
            let found =
                (0..expected.len() as u32).map(|row| serde_json::to_value(attributes.get(number, row)).unwrap());
            assert_eq!(&found.collect::<Vec<_>>(), expected, "{name}");
        }
    }
    // Its last batch has offsets of items, and none of these.
    let empty = artifact::read(std::fs::File::open(folder.join("attributes-empty.arrow")).unwrap()).unwrap();
    assert_eq!(empty.rows.attributes.get(0, 100), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_of_another_model_answers_its_share_is_promoted_and_what_is_old_is_pruned() {
    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    let mut world = World::start().await;
    world.set("NEARLINE_CATALOG_REFRESH_SECONDS", "1");
    let csv = world.path("products.csv");
    std::fs::write(&csv, "product_id,category,text\na,tea,green tea\nb,mugs,a red mug\nc,tea,black tea\n").unwrap();
    let built = async |world: &mut World, model: &str, dimension: &str| {
        world.set("NEARLINE_EMBEDDING_MODEL", model);
        world.set("NEARLINE_EMBEDDING_DIMENSION", dimension);
        let output = world.path(&format!("{dimension}.arrow")).display().to_string();
        let built = world.build(csv.to_str().unwrap(), &output, &[]).await;
        assert!(built.status.success(), "{built:?}");
        output
    };
    let nova = built(&mut world, MODEL, "384").await;
    let titan = built(&mut world, TITAN, "512").await;
    for setting in ["NEARLINE_EMBEDDING_MODEL", "NEARLINE_EMBEDDING_DIMENSION"] {
        world.set(setting, "");
    }
    let prefix = world.prefix();
    let to = ["--to", prefix.as_str()];
    let version = |output: &std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
    };
    let first = version(&world.nearline(&[&["catalog", "publish", &nova][..], &to].concat()).await);
    let refused = world.nearline(&[&["catalog", "publish", &titan][..], &to].concat()).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--candidate --share 5%, or publish it with --force"), "{refused:?}");

    let lambda = world.lambda().await;
    let trial = [&["catalog", "publish", &titan, "--candidate", "--share", "50%"][..], &to].concat();
    let second = version(&world.nearline(&trial).await);
    until("the candidate in the log", || async {
        let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap_or_default();
        log.contains("candidate_serves").then_some(())
    })
    .await;
    let share: Share = "50%".parse().unwrap();
    let jobs: Vec<String> =
        (0..10).map(|number| format!(r#"{{"request_id":"job-{number}","query":"red mugs","top_k":1}}"#)).collect();
    world.send(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for number in 0..10 {
        let record = world.record(&format!("job-{number}")).await;
        let expected = if share.takes(&record.request_id) { (&second, TITAN) } else { (&first, MODEL) };
        assert_eq!((&record.catalog_version, record.model_id.as_deref()), (expected.0, Some(expected.1)));
        assert_eq!(record.status, Status::Succeeded);
    }
    world.write("jobs.jsonl", jobs.join("\n"));
    let candidate = format!("{prefix}@candidate");
    let compare = ["catalog", "compare", &prefix, &candidate, "--queries", "jobs.jsonl", "--json"];
    let compared: Value = serde_json::from_slice(&world.nearline(&compare).await.stdout).unwrap();
    assert_eq!((&compared["compared"], &compared["same_first"]), (&10.into(), &1.0.into()), "{compared}");
    assert_eq!((&compared["a"]["dimension"], &compared["b"]["dimension"]), (&384.into(), &512.into()));

    assert_eq!(version(&world.nearline(&[&["catalog", "promote"][..], &to].concat()).await), second);
    let listed = world.nearline(&[&["catalog", "versions", "--json"][..], &to].concat()).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["current"], &listed["previous"]), (&second.as_str().into(), &first.as_str().into()));
    assert_eq!((&listed["candidate"], listed["versions"].as_array().unwrap().len()), (&Value::Null, 2));
    let pruned = world.nearline(&[&["catalog", "prune", "--keep", "1", "--yes", "--json"][..], &to].concat()).await;
    let pruned: Value = serde_json::from_slice(&pruned.stdout).unwrap();
    assert_eq!((&pruned["objects"], &pruned["kept"]), (&0.into(), &2.into()), "all is young");
    assert_eq!(version(&world.nearline(&[&["catalog", "rollback"][..], &to].concat()).await), first);
    lambda.stop().await;
}
