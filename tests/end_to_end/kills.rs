//! Builds that are killed without warning, at any moment: nothing is damaged, and nothing is paid for twice.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::world::{World, until};

const TEXTS: u64 = 36;
/// Kills; `NEARLINE_KILLS` says otherwise.
const KILLS: u32 = 12;

fn products(sort: &str) -> String {
    (0..TEXTS).fold("product_id,category,text\n".to_owned(), |mut rows, number| {
        writeln!(rows, "p{number},tea,{sort} tea of the sort {number}").unwrap();
        rows
    })
}

/// Kills builds of one output, whose source changes with each that ends by itself.
async fn kill_builds(world: &World, concurrency: u32, kills: u32) {
    const SORTS: [&str; 2] = ["green", "black"];
    let (bedrock, output) = (world.stack.bedrock(), format!("out-{concurrency}.arrow"));
    let mut whole = Vec::new();
    for sort in SORTS {
        world.write("products.csv", products(sort));
        assert!(world.build("products.csv", "whole.arrow", &[]).await.status.success());
        whole.push(world.read("whole.arrow"));
    }
    bedrock.set_latency(Duration::from_millis(2));
    let random = &mut fastrand::Rng::with_seed(u64::from(concurrency));
    let texts_before = bedrock.stats().texts;
    let (mut killed, mut ended, mut sort) = (0, 0, 0);
    let mut begun = texts_before;
    world.write("products.csv", products(SORTS[sort]));
    while killed < kills {
        // Before the first text, while the source is read; between two texts; or as the output is written.
        let texts = bedrock.stats().texts;
        let (goal, pause) = match random.u8(0..3) {
            0 => (texts, random.u64(0..60)),
            1 => (texts + random.u64(1..TEXTS), 0),
            _ => (begun + TEXTS, random.u64(0..8)),
        };
        let mut build = world.command(&["catalog", "build", "--input", "products.csv", "--output", &output]);
        let mut build = build.env("NEARLINE_EMBEDDING_MAX_CONCURRENCY", concurrency.to_string()).spawn().unwrap();
        let before = std::fs::read(world.path(&output)).ok();
        while bedrock.stats().texts < goal && build.try_wait().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        build.start_kill().unwrap();
        let status = build.wait().await.unwrap();
        let after = std::fs::read(world.path(&output)).ok();
        killed += u32::from(status.code().is_none());
        assert!(status.success() || status.code().is_none(), "it failed by itself");
        if status.success() || after != before {
            assert!(after.as_ref() == Some(&whole[sort]), "the output is damaged after kill {killed}");
            (ended, sort, begun) = (ended + 1, 1 - sort, bedrock.stats().texts);
            world.write("products.csv", products(SORTS[sort]));
        }
    }
    let built = world.build("products.csv", &output, &[]).await;
    assert!(built.status.success(), "{built:?}");
    assert!(world.read(&output) == whole[sort]);
    let (paid, distinct) = (bedrock.stats().texts - texts_before, TEXTS * (ended + 1));
    eprintln!("{killed} kills, {concurrency} at once: {ended} builds ended between them; {paid} texts for {distinct}");
    let in_flight = u64::from(killed * concurrency);
    assert!(paid <= distinct + in_flight, "{paid} texts for {distinct} and {in_flight} in flight at {killed} kills");
    let left: Vec<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let left = left.iter().filter(|name| name.to_string_lossy().starts_with(&output)).count();
    assert_eq!(left, 1, "neither draft nor journal is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_builds_damage_nothing_and_pay_twice_for_at_most_what_was_in_flight() {
    let world = World::start().await;
    let kills = std::env::var("NEARLINE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    kill_builds(&world, 1, kills / 2).await;
    kill_builds(&world, 8, kills - kills / 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_goes_on_says_how_far_it_is_and_how_fast_it_is_now() {
    let world = World::start().await;
    world.write("products.csv", products("green"));
    let mut build = world.command(&["catalog", "build", "--input", "products.csv", "--output", "out.arrow"]);
    build.env("NEARLINE_EMBEDDING_MAX_CONCURRENCY", "1").stderr(Stdio::piped());
    let bedrock = world.stack.bedrock();
    bedrock.set_latency(Duration::from_millis(5));
    let mut killed = build.spawn().unwrap();
    until("a third of the texts", || async { (bedrock.stats().texts >= TEXTS / 3).then_some(()) }).await;
    killed.kill().await.unwrap();
    bedrock.set_latency(Duration::from_millis(150));
    let built = build.output().await.unwrap();
    let said = String::from_utf8(built.stderr).unwrap();
    // Two seconds after it began: those of before, and a dozen more at about six a second.
    let line = said.lines().find_map(|line| line.strip_prefix("embedding ")).unwrap_or_else(|| panic!("{said}"));
    let (done, rest) = line.split_once("/36 ").unwrap();
    let (rate, rest) = rest.split_once("/s, ").unwrap();
    let (done, rate): (u64, u64) = (done.parse().unwrap(), rate.parse().unwrap());
    assert!((TEXTS / 3..TEXTS).contains(&done) && (3..=11).contains(&rate), "{line}");
    assert!(rest.ends_with(" left"), "{line}");
}
