//! Products as people have them, and where they have them: each way in gives the same catalog.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use nearline::catalog::{Rows, artifact};

use crate::world::{World, stderr};

const HEADER: &str = "product_id,category,text,title\n";
const CATEGORIES: [&str; 3] = ["audio", "mugs", "tea"];

fn csv(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |mut csv, number| {
        writeln!(csv, "p{number},{},\"a product, number {number}\",Product {number}", CATEGORIES[number % 3]).unwrap();
        csv
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn rows(bytes: &[u8]) -> Rows {
    artifact::read(bytes).unwrap().rows
}

/// Product, category, title and vector of each row, in the order of the ids.
fn sorted(rows: &Rows) -> Vec<(String, String, Option<String>, Vec<f32>)> {
    let vectors = rows.vectors.chunks(rows.dimension).map(<[f32]>::to_vec);
    let ids = rows.product_ids.iter().cloned().zip(rows.categories.iter().cloned());
    let mut all: Vec<_> = ids
        .zip(rows.titles.iter().cloned())
        .zip(vectors)
        .map(|(((id, category), title), vector)| (id, category, title, vector))
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

async fn put(world: &World, key: &str, body: Vec<u8>) {
    let s3 = aws_sdk_s3::Client::new(&world.stack.sdk_config());
    s3.put_object().bucket(world.stack.bucket()).key(key).body(body.into()).send().await.unwrap();
}

async fn get(world: &World, key: &str) -> Vec<u8> {
    let s3 = aws_sdk_s3::Client::new(&world.stack.sdk_config());
    let object = s3.get_object().bucket(world.stack.bucket()).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_folders_objects_and_standard_input_give_the_same_bytes() {
    let world = World::start().await;
    let whole = format!("{HEADER}{}", csv(0..30));
    let (first, second) = (format!("{HEADER}{}", csv(0..11)), format!("{HEADER}{}", csv(11..30)));
    world.write("products.csv", &whole);
    std::fs::create_dir(world.path("folder")).unwrap();
    world.write("folder/1.csv", &first);
    world.write("folder/2", gzip(&second));
    world.write("folder/_SUCCESS", "");
    put(&world, "in/products", gzip(&whole)).await;
    put(&world, "shards/a.csv.gz", gzip(&first)).await;
    put(&world, "shards/b/c.csv", second.into_bytes()).await;
    put(&world, "shards-of-another/a.csv", b"nothing".to_vec()).await;

    let built = world.build("products.csv", "plain.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(stderr(&built).contains("plain.arrow: 30 products, 384 dimensions, model amazon.nova"), "{built:?}");
    let expected = world.read("plain.arrow");
    for input in ["folder", "s3://nearline/in/products", "s3://nearline/shards", "s3://nearline/shards/"] {
        let built = world.build(input, "other.arrow", &[]).await;
        assert!(built.status.success(), "{input}: {built:?}");
        assert!(world.read("other.arrow") == expected, "{input} gives other bytes");
    }
    for bytes in [whole.clone().into_bytes(), gzip(&whole)] {
        world.write("piped", bytes);
        let mut command = world.command(&["catalog", "build", "--input", "-", "--output", "piped.arrow"]);
        let built = command.stdin(std::fs::File::open(world.path("piped")).unwrap()).output().await.unwrap();
        assert!(built.status.success(), "{built:?}");
        assert!(world.read("piped.arrow") == expected);
    }

    // What is here under the object's name is not the build's.
    world.write("out.arrow", "mine");
    let built = world.build("products.csv", "s3://nearline/built/out.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(get(&world, "built/out.arrow").await == expected);
    assert_eq!(world.read("out.arrow"), b"mine");
    let left = std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("out.")).collect();
    assert_eq!(left, ["out.arrow"]);

    // What was paid for is not lost because it cannot be uploaded.
    let failed = world.build("products.csv", "s3://no-such-bucket/out.arrow", &[]).await;
    let said = stderr(&failed);
    assert!(!failed.status.success() && said.contains("NoSuchBucket"), "{said}");
    let file = said.trim_end().trim_end_matches(')').rsplit(' ').next().unwrap();
    assert!(world.read(file) == expected, "{said}");
    let paid = world.stack.bedrock().stats().texts;
    let built = world.build("products.csv", "s3://nearline/out.arrow", &["--from", file]).await;
    assert!(built.status.success() && get(&world, "out.arrow").await == expected, "{built:?}");
    assert_eq!(world.stack.bedrock().stats().texts, paid);
}

fn list(vector: &[f32]) -> AttributeValue {
    AttributeValue::L(vector.iter().map(|number| AttributeValue::N(number.to_string())).collect())
}

fn binary(vector: &[f32]) -> AttributeValue {
    AttributeValue::B(Blob::new(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()))
}

/// A table as the Python engine has it, with an index of categories; every fifth vector is binary.
async fn table(world: &World, expected: &Rows) {
    let dynamodb = aws_sdk_dynamodb::Client::new(&world.stack.sdk_config());
    let attribute = |name: &str| {
        let kind = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let hash = |name: &str| KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build().unwrap();
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let index = GlobalSecondaryIndex::builder().index_name("category-index").key_schema(hash("category"));
    dynamodb
        .create_table()
        .table_name("products")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("product_id"))
        .attribute_definitions(attribute("category"))
        .key_schema(hash("product_id"))
        .global_secondary_indexes(index.projection(all).build().unwrap())
        .send()
        .await
        .unwrap();
    for (number, vector) in expected.vectors.chunks(expected.dimension).enumerate() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        dynamodb
            .put_item()
            .table_name("products")
            .item("product_id", text(&expected.product_ids[number]))
            .item("category", text(&expected.categories[number]))
            .item("title", text(expected.titles[number].as_deref().unwrap()))
            .item("price", AttributeValue::N("12.5".to_owned()))
            .item("embedding", if number % 5 == 0 { binary(vector) } else { list(vector) })
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_dynamodb_gives_the_rows_of_a_scan_or_of_some_categories() {
    let world = World::start().await;
    world.write("products.csv", format!("{HEADER}{}", csv(0..40)));
    assert!(world.build("products.csv", "plain.arrow", &[]).await.status.success());
    let expected = rows(&world.read("plain.arrow"));
    table(&world, &expected).await;
    let paid = world.stack.bedrock().stats().texts;

    let built = world.build("dynamodb://products", "scan.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert_eq!(sorted(&rows(&world.read("scan.arrow"))), sorted(&expected));
    let input = "dynamodb://products/category-index?category=tea&category=audio";
    let built = world.build(input, "query.arrow", &["--model", crate::world::MODEL]).await;
    assert!(built.status.success() && stderr(&built).contains("model amazon.nova"), "{built:?}");
    let some: Vec<_> = sorted(&expected).into_iter().filter(|row| row.1 != "mugs").collect();
    assert_eq!(sorted(&rows(&world.read("query.arrow"))), some);
    assert_eq!(world.stack.bedrock().stats().texts, paid, "items bring their vectors");

    for (input, why) in [
        ("dynamodb://nothing", "DynamoDB Scan nothing: ResourceNotFoundException"),
        ("dynamodb://products/category-index?category=none", "there are no items"),
        ("s3://nearline/nothing", "no such object, and none under"),
        ("s3://no-such-bucket/x", "NoSuchBucket"),
        ("gs://bucket/x", "gs:// is not supported"),
    ] {
        let failed = world.build(input, "none.arrow", &[]).await;
        assert!(!failed.status.success() && stderr(&failed).contains(why), "{input}: {failed:?}");
        assert!(!world.path("none.arrow").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_with_vectors_is_searched_and_inspected_as_it_is_and_publish_says_what_to_do() {
    let world = World::start().await;
    let vectors = "product_id,category,embedding\na,tea,\"[1.0, 0.1]\"\nb,tea,\"[0.2, 1]\"\nc,mugs,\"[-1, 0.5]\"\n";
    world.write("products.csv", vectors);
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sources");
    let parquet = data.join("pyarrow.parquet");
    let parquet = parquet.to_str().unwrap();

    let inspected = world.nearline(&["catalog", "inspect", "products.csv"]).await;
    let said = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(inspected.status.success() && said.contains("products    3\ndimension   2\n"), "{inspected:?}");
    let inspected = world.nearline(&["catalog", "inspect", "--json", parquet]).await;
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((&inspected["rows"], &inspected["dimension"]), (&120.into(), &8.into()));

    ndarray_npy::write_npy(world.path("q.npy"), &ndarray::array![[0.1_f32, 0.9], [-1.0, 0.0]]).unwrap();
    let found =
        world.nearline(&["search", "--catalog", "products.csv", "--queries", "q.npy", "--group-by", "none"]).await;
    assert!(found.status.success(), "{found:?}");
    let best: Vec<String> = String::from_utf8_lossy(&found.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["results"][0]["matches"][0].clone())
        .map(|best| best["product_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(best, ["b", "c"]);
    ndarray_npy::write_npy(world.path("q.npy"), &ndarray::Array2::<f32>::ones((1, 8))).unwrap();
    let found = world.nearline(&["search", "--catalog", parquet, "--queries", "q.npy"]).await;
    assert!(found.status.success(), "{found:?}");

    let refused = world.nearline(&["catalog", "publish", parquet, "--to", &world.prefix()]).await;
    assert!(stderr(&refused).contains("this is Parquet") && stderr(&refused).contains("catalog build"), "{refused:?}");
    let built = world.build(parquet, "parquet.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    let published = world.nearline(&["catalog", "publish", "parquet.arrow", "--to", &world.prefix()]).await;
    assert!(published.status.success(), "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_whatever_their_keys_are() {
    let world = World::start().await;
    let row = |id: &str| format!("product_id,category,embedding\n{id},c,\"[1, 2]\"\n").into_bytes();
    for (key, id) in [("in/a", "p0"), ("in/a/b", "p1"), ("in/a//c", "p2"), ("in/d/", "p3")] {
        put(&world, key, row(id)).await;
    }
    for passed in ["in/folder/", "in/_SUCCESS", "in/empty.csv", "in/.hidden/x"] {
        put(&world, passed, Vec::new()).await;
    }
    let built = world.build("s3://nearline/in", "out.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(stderr(&built).contains("empty files are skipped: empty.csv\n"), "{built:?}");
    let mut found = rows(&world.read("out.arrow")).product_ids;
    found.sort();
    assert_eq!(found, ["p0", "p1", "p2", "p3"]);
    put(&world, "in/a//c", row("p0")).await;
    put(&world, "in/a//e", b"product_id,category,embedding\np9,c,oops!\n".to_vec()).await;
    let failed = world.build("s3://nearline/in", "out.arrow", &[]).await;
    assert!(stderr(&failed).contains("a//e line 2: column embedding"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_more_files_than_a_process_may_open() {
    let world = World::start().await;
    std::fs::create_dir(world.path("folder")).unwrap();
    for number in 0..3_000 {
        let row = format!("{{\"product_id\":\"{number}\",\"category\":\"c\",\"embedding\":[1,2]}}\n");
        world.write(&format!("folder/{number}.jsonl"), row);
    }
    let script = "ulimit -n 64 && exec \"$@\"";
    let nearline = env!("CARGO_BIN_EXE_nearline");
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", script, "sh", nearline, "catalog", "build", "--input", "folder", "--output", "out.arrow"]);
    let built = command.env_clear().current_dir(world.folder.path()).output().await.unwrap();
    assert!(built.status.success(), "{built:?}");
    assert_eq!(rows(&world.read("out.arrow")).product_ids.len(), 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_source_is_named_with_what_to_do() {
    let world = World::start().await;
    let utf16: Vec<u8> = "product_id,category,text\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("utf16.csv", utf16, "this is UTF-16 text: save it as UTF-8"),
        ("products.xlsx", b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml".to_vec(), "Excel workbook"),
        ("empty.csv", Vec::new(), "this is empty"),
        ("header.csv", HEADER.into(), "no products"),
    ];
    for (name, bytes, why) in cases {
        world.write(name, &bytes);
        for arguments in
            [&["catalog", "build", "--input", name, "--output", "x.arrow"][..], &["catalog", "check", name]]
        {
            let failed = world.nearline(arguments).await;
            assert_eq!(failed.status.code(), Some(1), "{arguments:?}: {failed:?}");
            assert!(stderr(&failed).contains(why), "{arguments:?}: {failed:?}");
        }
        put(&world, name, bytes).await;
        let failed = world.build(&format!("s3://nearline/{name}"), "x.arrow", &[]).await;
        assert!(stderr(&failed).contains(why), "{failed:?}");
    }
    let mut command = world.command(&["catalog", "build", "--input", "-", "--output", "x.arrow"]);
    let failed = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(stderr(&failed).contains("standard input: this is empty"), "{failed:?}");
}
