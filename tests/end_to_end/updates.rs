//! Updates of a catalog, by the command line, up to the records of a worker that never stops.

use std::process::Output;

use serde_json::{Value, json};

use crate::world::{World, stderr, until};

const PRODUCTS: &str = "product_id,category,text,title,price\n\
    a,tea,assam tea,Assam,8\nb,tea,green tea,,7\nc,mugs,a red mug,Mug,12\n";

async fn update(world: &World, name: &str, content: &str, flags: &[&str]) -> Output {
    world.write(name, content);
    world.nearline(&[&["catalog", "update", name, "--to", &world.prefix()], flags].concat()).await
}

fn version(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// The results of a job by the catalog of a version, which the worker takes up meanwhile.
async fn answer(world: &World, version: &str, fields: &str) -> Value {
    let number = std::cell::Cell::new(0);
    until("an answer by the catalog", || async {
        number.set(number.get() + 1);
        let id = format!("{version}-{}-{}", fields.len(), number.get());
        world.send(&[&format!(r#"{{"request_id":"{id}",{fields}}}"#)]).await;
        let record = world.record(&id).await;
        (record.catalog_version == version).then(|| serde_json::to_value(&record.results).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_reaches_a_worker_and_of_two_at_once_both_are_kept() {
    let mut world = World::start().await;
    world.set("NEARLINE_CATALOG_REFRESH_SECONDS", "1");
    world.write("products.csv", PRODUCTS);
    let built = world.build("products.csv", "products.arrow", &["--attributes", "price"]).await;
    assert!(built.status.success(), "{built:?}");
    let first = world.publish_file(&world.path("products.arrow")).await;
    let mut worker = world.worker();
    let embedded = || world.stack.bedrock().stats().texts;
    assert_eq!(embedded(), 3);

    // A price: no model is called, and what is the same is left out.
    let dry = update(&world, "prices.csv", "product_id,price\na,9\nb,7\n", &["--dry-run", "--json"]).await;
    let dry: Value = serde_json::from_str(&version(&dry)).unwrap();
    assert_eq!((&dry["version"], &dry["replaced"], &dry["unchanged"]), (&json!(first), &json!(1), &json!(1)));
    let prices = update(&world, "prices.csv", "product_id,price\na,9\nb,7\n", &[]).await;
    let priced = version(&prices);
    assert!(stderr(&prices).contains("0 added, 1 replaced, 0 deleted, 1 unchanged"), "{prices:?}");
    assert_eq!(embedded(), 3);
    let asked = r#""product_id":"b","group_by":"none","return":["price","title"]"#;
    let found = answer(&world, &priced, asked).await;
    assert_eq!(found[0]["matches"][0]["title"], "Assam");
    assert_eq!(found[0]["matches"][0]["attributes"]["price"], 9);

    let again = update(&world, "prices.csv", "product_id,price\na,9\nb,7\n", &[]).await;
    assert!(stderr(&again).contains("nothing is different: nothing was written"), "{again:?}");
    assert_eq!(version(&again), priced);
    let wrong = update(&world, "wrong.csv", "product_id,price\na,cheap\nnew,3\n", &[]).await;
    assert_eq!(wrong.status.code(), Some(1));
    let said = stderr(&wrong);
    assert!(said.contains("line 2: column price: is `cheap`, no number"), "{said}");
    assert!(said.contains("line 3: column category: is missing: `new` is new to the catalog"), "{said}");

    // Both start from the same pointer, as a rule; one of them has to begin again.
    let adds = update(&world, "adds.csv", "product_id,category,text\nd,pots,a blue pot\n", &[]);
    let goes = update(&world, "goes.csv", "product_id,deleted\nc,true\nnobody,true\n", &[]);
    let (adds, goes) = tokio::join!(adds, goes);
    assert_eq!((version(&adds).len(), version(&goes).len(), embedded()), (16, 16, 4));
    let inspect = world.nearline(&["catalog", "inspect", "--json", &world.prefix()]).await;
    let inspected: Value = serde_json::from_slice(&inspect.stdout).unwrap();
    assert_eq!(inspected["rows"], 3, "{inspected}");
    assert_eq!(inspected["categories"], json!([{"name": "tea", "rows": 2}, {"name": "pots", "rows": 1}]));

    let current = inspected["version"].as_str().unwrap();
    let asked = r#""query":"a blue pot","return":["title","price"]"#;
    let updated = answer(&world, current, asked).await;
    assert_eq!(updated[1]["matches"][0]["product_id"], "d");
    let compacted = version(&world.nearline(&["catalog", "compact", "--to", &world.prefix()]).await);
    assert_ne!(compacted, current);
    assert_eq!(answer(&world, &compacted, asked).await, updated, "to the last digit");
    let nothing = world.nearline(&["catalog", "compact", "--to", &world.prefix()]).await;
    assert!(nothing.status.success() && stderr(&nothing).contains("there is nothing to compact"), "{nothing:?}");
    worker.kill().await.unwrap();
}
