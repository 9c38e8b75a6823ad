//! Builds that meet what is wrong: with rows, with texts, with vectors and with files.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use devstack::bedrock::{BatchOptions, Fault};
use nearline::catalog::artifact;

use crate::world::{DIMENSION, MODEL, World, stderr, until};

const GOOD: &str = "product_id,category,text\na,tea,assam tea\nb,tea,green tea\nc,mugs,a red mug\n";
const TITAN: &str = "amazon.titan-embed-text-v2:0";
/// What no build may exceed that cannot get on.
const AT_ONCE: Duration = Duration::from_secs(15);

fn ids(bytes: &[u8]) -> Vec<String> {
    artifact::read(bytes).unwrap().rows.product_ids
}

fn model(bytes: &[u8]) -> Option<String> {
    artifact::read(bytes).unwrap().model_id
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_are_listed_at_once_and_skip_invalid_builds_the_rest() {
    let world = World::start().await;
    world.write("good.csv", GOOD);
    let checked = world.nearline(&["catalog", "check", "good.csv"]).await;
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("to be embedded 3\n"), "{checked:?}");

    // Line ends of Windows; the first lines of a cell count, too.
    let bad = format!("{GOOD}d,,\"two\nlines\"\na,tea,another\n,tea,x\ne,mugs,\n b , tea,green tea\nf,Tea,last tea\n");
    world.write("bad.csv", bad.replace('\n', "\r\n"));
    let checked = world.nearline(&["catalog", "check", "bad.csv"]).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let said = stderr(&checked);
    for line in [
        "line 5: column category: is empty",
        "line 7: column product_id: `a` is already used in line 2",
        "line 8: column product_id: is empty",
        "line 9: column text: is empty",
        "note: 1 identical row, left out: each product counts once",
        "\"Tea\" (1 row)",
        "4 rows are not valid (3 missing_value, 1 repeated_product_id)",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let json = world.nearline(&["catalog", "check", "--json", "bad.csv"]).await;
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["rows"], &report["faulty_rows"], &report["identical_rows"]), (&4.into(), &4.into(), &1.into()));
    assert_eq!(report["faults_by_kind"], serde_json::json!({"missing_value": 3, "repeated_product_id": 1}));
    assert_eq!(report["faults"][1]["place"], "line 7");
    assert_eq!(world.nearline(&["catalog", "check"]).await.status.code(), Some(2));
    assert_eq!(world.nearline(&["catalog", "check", "--deep", "bad.csv"]).await.status.code(), Some(2));

    let refused = world.build("bad.csv", "out.arrow", &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("line 9: column text: is empty"), "{refused:?}");
    assert!(
        stderr(&refused).contains("nothing was written; --skip-invalid REJECTS.csv builds the rest"),
        "{refused:?}"
    );
    assert!(!world.path("out.arrow").exists());
    assert_eq!(world.stack.bedrock().stats().requests, 0, "nothing is paid for before all rows were looked at");
    let built = world.build("bad.csv", "out.arrow", &["--skip-invalid", "rejects.csv"]).await;
    assert_eq!(built.status.code(), Some(0), "{built:?}");
    let said = "4 rows left out (3 missing_value, 1 repeated_product_id): see rejects.csv";
    assert!(stderr(&built).contains(said), "{built:?}");
    assert_eq!(ids(&world.read("out.arrow")), ["a", "b", "c", "f"]);
    let mut rejects = csv::Reader::from_path(world.path("rejects.csv")).unwrap();
    let rejects: Vec<csv::StringRecord> = rejects.records().map(Result::unwrap).collect();
    let first: Vec<[&str; 3]> = rejects.iter().map(|cells| [&cells[0], &cells[1], &cells[2]]).collect();
    let expected = [
        ["line 5", "missing_value", "category"],
        ["line 7", "repeated_product_id", "product_id"],
        ["line 8", "missing_value", "product_id"],
        ["line 9", "missing_value", "text"],
    ];
    assert_eq!(first, expected);
    assert!(rejects[1][3].contains("is already used in line 2") && rejects[1][4].contains("another"), "{rejects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_text_is_said_at_once_and_left_out_if_that_is_asked_for() {
    let mut world = World::start().await;
    refuses_one_text(&world).await;
    // A call for many, of which nobody says which one is refused.
    world.set("NEARLINE_EMBEDDING_MODEL", "cohere.embed-v4:0");
    world.set("NEARLINE_EMBEDDING_DIMENSION", "256");
    std::fs::remove_file(world.path("out.arrow")).unwrap();
    refuses_one_text(&world).await;
}

async fn refuses_one_text(world: &World) {
    let paid = world.stack.bedrock().stats().texts;
    let texts = (0..30).fold(String::new(), |mut rows, number| {
        writeln!(rows, "p{number},tea,tea of the sort {number}").unwrap();
        rows
    });
    world.write("products.csv", format!("product_id,category,text\n{texts}bad,tea,POISON tea\nlast,tea,the last\n"));
    world.stack.bedrock().set_fault(Some(Fault::RefuseTexts("POISON".to_owned())));
    let began = Instant::now();
    let failed = world.build("products.csv", "out.arrow", &[]).await;
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(failed.status.code(), Some(1));
    let said = stderr(&failed);
    assert!(said.contains("line 32, product `bad`: the embedding model refuses the text: "), "{said}");
    assert!(said.contains("--skip-invalid"), "{said}");
    assert!(!world.path("out.arrow").exists());

    let built = world.build("products.csv", "out.arrow", &["--skip-invalid", "rejects.csv"]).await;
    assert_eq!(built.status.code(), Some(0), "{built:?}");
    assert!(stderr(&built).contains("1 text refused by the model: line "), "{built:?}");
    assert!(stderr(&built).contains("1 row left out (1 text_refused): see rejects.csv"), "{built:?}");
    assert_eq!(ids(&world.read("out.arrow")).len(), 31);
    let rejects = String::from_utf8(world.read("rejects.csv")).unwrap();
    assert!(rejects.contains("line 32,text_refused,") && rejects.contains("POISON tea"), "{rejects}");
    // Harmless texts are asked for to tell whether the model answers at all, and a text that was in flight when the first
    // build failed is asked for again.
    let paid = world.stack.bedrock().stats().texts - paid;
    assert!((31..=40).contains(&paid), "{paid} texts: what the build before paid for was paid for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_ones_own_call_no_model_and_are_labelled_only_as_one_says() {
    let world = World::start().await;
    world.write("own.csv", "product_id,category,embedding,text\na,tea,\"[1, 2, 3]\",\nb,mugs,\"[3, 2, 1]\",mug\n");
    for (flags, expected) in [
        (&[][..], None),
        (&["--model", "none"][..], None),
        // A model that makes vectors of this length is to be named.
        (&["--model", "cohere.embed-v4:0"][..], Some("3 numbers")),
    ] {
        let built = world.build("own.csv", "own.arrow", flags).await;
        match expected {
            None => {
                assert!(built.status.success() && stderr(&built).contains("2 products, 3 dimensions, no model"));
                assert_eq!(model(&world.read("own.arrow")), None, "{built:?}");
            }
            Some(_) => assert!(!built.status.success() && stderr(&built).contains("dimension"), "{built:?}"),
        }
    }
    let vector = |seed: &str| format!("{:?}", devstack::lexical::embed(seed, DIMENSION));
    let own = format!("product_id,category,embedding,text\na,tea,\"{}\",\nb,tea,\"{}\",x\n", vector("a"), vector("b"));
    world.write("nova.csv", &own);
    assert!(world.build("nova.csv", "nova.arrow", &[]).await.status.success());
    assert_eq!(model(&world.read("nova.arrow")), None, "of that length, but nobody said so");
    assert!(world.build("nova.csv", "nova.arrow", &["--model", MODEL]).await.status.success());
    assert_eq!(model(&world.read("nova.arrow")).as_deref(), Some(MODEL));
    assert_eq!(world.stack.bedrock().stats().requests, 0);

    // Some bring a vector, some a text.
    world.write("mixed.csv", format!("{own}c,mugs,,a red mug\n"));
    let built = world.build("mixed.csv", "mixed.arrow", &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(stderr(&built).contains("2 rows with vectors of their own, assumed to come from the same model"));
    let mixed = artifact::read(&*world.read("mixed.arrow")).unwrap();
    assert_eq!((mixed.model_id.as_deref(), mixed.rows.product_ids.len()), (Some(MODEL), 3));
    assert_eq!(mixed.rows.vectors[..DIMENSION], devstack::lexical::embed("a", DIMENSION));
    assert_eq!(mixed.rows.vectors[2 * DIMENSION..], devstack::lexical::embed("a red mug", DIMENSION));
    assert_eq!(world.stack.bedrock().stats().texts, 1);
    world.write("mixed.csv", "product_id,category,embedding,text\na,tea,\"[1, 2]\",\nb,tea,,green tea\n");
    let failed = world.build("mixed.csv", "mixed.arrow", &[]).await;
    assert!(stderr(&failed).contains("its vectors have 2 numbers, but the model would make 384"), "{failed:?}");
    let failed = world.build("mixed.csv", "none.arrow", &["--model", "none"]).await;
    assert!(stderr(&failed).contains("line 3: column embedding: is empty, and no model is called"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_has_nothing_to_build_says_so_before_it_asks_for_an_account_and_changes_no_file() {
    let world = World::start().await;
    world.write("none.csv", "product_id,category,text\n");
    world.write("bad.csv", "product_id,category,text\na,,x\n,c,x\n");
    world.write("cut.json", r#"[{"product_id":"a","category":"c","text":"x"},{"product_id":"b","#);
    world.write("rejects.csv", "of the build before");
    for (input, why) in [
        ("none.csv", "the source: it has no products"),
        ("bad.csv", "2 rows are not valid (2 missing_value): nothing was written; no row is left"),
        ("cut.json", "cut.json: "),
    ] {
        let arguments =
            ["catalog", "build", "--input", input, "--output", "out.arrow", "--skip-invalid", "rejects.csv"];
        let mut command = world.command(&arguments);
        let failed = command.env_clear().output().await.unwrap();
        assert_eq!(failed.status.code(), Some(1), "{input}: {failed:?}");
        assert!(stderr(&failed).contains(why), "{input}: {failed:?}");
        assert_eq!(world.read("rejects.csv"), b"of the build before");
        assert!(!world.path("out.arrow").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_catalog_gives_the_vectors_of_the_texts_that_stayed() {
    let mut world = World::start().await;
    world.write("old.csv", GOOD);
    assert!(world.build("old.csv", "old.arrow", &[]).await.status.success());
    assert_eq!(world.stack.bedrock().stats().texts, 3);
    world.write(
        "new.csv",
        "product_id,category,text\nz,mugs,a red mug\na,tea,assam tea\nb,tea,white tea\nd,tea,new tea\n",
    );
    let built = world.build("new.csv", "new.arrow", &["--from", "old.arrow"]).await;
    assert!(built.status.success(), "{built:?}");
    assert_eq!(world.stack.bedrock().stats().texts, 5, "two texts are new");
    assert!(world.build("new.csv", "scratch.arrow", &[]).await.status.success());
    assert!(world.read("new.arrow") == world.read("scratch.arrow"));
    // Onto itself, as somebody does every day.
    let paid = world.stack.bedrock().stats().texts;
    assert!(world.build("new.csv", "new.arrow", &["--from", "new.arrow"]).await.status.success());
    assert!(world.read("new.arrow") == world.read("scratch.arrow"));
    assert_eq!(world.stack.bedrock().stats().texts, paid);

    world.set("NEARLINE_EMBEDDING_MODEL", TITAN);
    world.set("NEARLINE_EMBEDDING_DIMENSION", "256");
    let failed = world.build("new.csv", "titan.arrow", &["--from", "old.arrow"]).await;
    let why = format!("old.arrow: its vectors come from model `{MODEL}`, this build's from `{TITAN}`");
    assert!(stderr(&failed).contains(&why), "{failed:?}");
    assert_eq!(world.stack.bedrock().stats().texts, paid);
    let failed = world.build("new.csv", "titan.arrow", &["--from", "nothing.arrow"]).await;
    assert!(stderr(&failed).contains("nothing.arrow: No such file"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_build_writes_over_what_it_or_another_one_reads_or_writes() {
    let world = World::start().await;
    world.write("products.csv", GOOD);
    std::fs::create_dir(world.path("folder")).unwrap();
    world.write("folder/products.csv", GOOD);
    std::fs::create_dir_all(world.path("folder/deep/er")).unwrap();
    std::fs::create_dir(world.path("linked")).unwrap();
    std::os::unix::fs::symlink("../linked", world.path("folder/link")).unwrap();
    std::os::unix::fs::symlink("products.csv", world.path("link.csv")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(world.path("pipe")).status().unwrap().success());
    let absolute = world.path("products.csv");
    for output in ["products.csv", "./folder/../products.csv", "link.csv", absolute.to_str().unwrap()] {
        let refused = world.build("products.csv", output, &[]).await;
        assert!(stderr(&refused).contains("--output is --input"), "{output}: {refused:?}");
    }
    for (input, output, flags, why) in [
        ("link.csv", "products.csv", &[][..], "--output is --input"),
        ("folder", "folder/out.arrow", &[], "--output is inside the --input folder"),
        ("s3://nearline/in/x", "s3://nearline/in/x", &[], "--output is --input"),
        ("s3://nearline/in", "s3://nearline/in/out.arrow", &[], "--output is inside the --input folder"),
        ("products.csv", "out.arrow", &["--skip-invalid", "link.csv"], "--skip-invalid is --input"),
        ("products.csv", "out.arrow", &["--skip-invalid", "out.arrow"], "--skip-invalid is --output"),
        ("products.csv", "s3://nearline", &[], "--output must be s3://BUCKET/KEY"),
        ("folder", "folder/deep/er/out.arrow", &[], "--output is inside the --input folder"),
        ("folder", "linked/out.arrow", &[], "--output is inside the --input folder"),
        (
            "folder",
            "out.arrow",
            &["--skip-invalid", "folder/deep/rejects.csv"],
            "--skip-invalid is inside the --input folder",
        ),
        ("products.csv", "folder", &[], "--output folder is a folder: name a file in it"),
        ("products.csv", "new/", &[], "--output new/ is a folder: name a file in it"),
        ("products.csv", "new/out.arrow", &[], "there is no folder new"),
        ("products.csv", "-", &[], "--output - is not written to standard output"),
        ("products.csv", "/dev/null", &[], "--output /dev/null is a pipe or a device"),
        ("products.csv", "out.arrow", &["--skip-invalid", "folder"], "--skip-invalid folder is a folder"),
        ("products.csv", "out.arrow", &["--skip-invalid", "-"], "--skip-invalid - is not written to standard output"),
        // It waits for ever if it is read.
        ("pipe", "folder", &[], "--output folder is a folder"),
    ] {
        let refused = world.build(input, output, flags).await;
        assert_eq!(refused.status.code(), Some(1), "{input} {output} {refused:?}");
        assert!(stderr(&refused).contains(why), "{why}: {refused:?}");
    }
    assert_eq!(world.read("products.csv"), GOOD.as_bytes());

    world.stack.bedrock().set_fault(Some(Fault::Hang));
    let mut first = world.command(&["catalog", "build", "--input", "products.csv", "--output", "out.arrow"]);
    let mut first = first.spawn().unwrap();
    until("the first build's calls", || async { (world.stack.bedrock().stats().requests > 0).then_some(()) }).await;
    let began = Instant::now();
    let second = world.build("products.csv", "./out.arrow", &[]).await;
    assert!(stderr(&second).contains("another build is writing it: wait for that one, or stop it"), "{second:?}");
    assert!(began.elapsed() < AT_ONCE);
    first.kill().await.unwrap();
    world.stack.bedrock().set_fault(None);
    assert!(world.build("products.csv", "out.arrow", &[]).await.status.success());
    let left = std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("out.")).collect();
    assert_eq!(left, ["out.arrow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_jobs_embed_a_build_and_are_started_once_however_often_it_is_killed() {
    let mut world = World::start().await;
    world.set("NEARLINE_EMBEDDING_MODEL", TITAN);
    world.set("NEARLINE_EMBEDDING_DIMENSION", "256");
    let texts = (0..120).fold("product_id,category,text\n".to_owned(), |mut rows, number| {
        writeln!(rows, "p{number},tea,tea of the sort {number}").unwrap();
        rows
    });
    world.write("products.csv", texts);
    let flags = ["--batch-inference", "s3://nearline/batches", "--batch-role", "arn:aws:iam::123456789012:role/x"];
    let delay = Duration::from_secs(1);
    world.stack.bedrock().set_batch_options(BatchOptions { delay, ..BatchOptions::default() });
    let arguments = [&["catalog", "build", "--input", "products.csv", "--output", "out.arrow"], &flags[..]].concat();
    let mut killed = world.command(&arguments).spawn().unwrap();
    until("a batch job", || async { (world.stack.bedrock().stats().batch_jobs == 1).then_some(()) }).await;
    killed.kill().await.unwrap();
    assert!(!world.path("out.arrow").exists());

    let refused = Some("sort 77".to_owned());
    world.stack.bedrock().set_batch_options(BatchOptions { delay, refused, ..BatchOptions::default() });
    world.write("few.csv", GOOD);
    let built = world.build("few.csv", "few.arrow", &flags).await;
    assert!(stderr(&built).contains("3 texts are too few for a batch job"), "{built:?}");
    assert_eq!(ids(&world.read("few.arrow")).len(), 3);
    let built = world.build("products.csv", "out.arrow", &flags).await;
    assert!(built.status.success(), "{built:?}");
    let stats = world.stack.bedrock().stats();
    assert_eq!((stats.batch_jobs, stats.batch_records + stats.texts), (1, 120 + 3), "{stats:?}");
    assert!(stats.requests <= 1 + 3, "only what the job left over is asked for: {stats:?}");
    assert!(world.build("products.csv", "single.arrow", &[]).await.status.success());
    assert!(world.read("out.arrow") == world.read("single.arrow"));
    let left: Vec<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");

    world.set("NEARLINE_EMBEDDING_MODEL", MODEL);
    let failed = world.build("products.csv", "nova.arrow", &flags).await;
    assert!(!failed.status.success() && stderr(&failed).contains("batch"), "{failed:?}");
}
