//! A catalog, or a candidate, that a worker would not serve.

use super::super::check::Status::{Failed, Skipped, Warning};
use super::world::{candidate, catalog, pointer};
use super::{TITAN, all, world};
use crate::aws::tests::answers::Answer;

#[tokio::test]
async fn a_catalog_that_does_not_load_or_fit_is_said() {
    let skipped = |ids: &[&'static str]| all(ids.iter().copied(), Skipped);
    let get = |asked, answer| world().answers(asked, answer);
    let (pointed, loaded) = ("GET p/current.json", "GET p/catalogs/v.arrow");
    let no_pointer = skipped(&["catalog.artifact", "catalog.guard", "model", "bedrock:InvokeModel"]);
    let no_pointer = [vec![("catalog.pointer", Failed)], no_pointer].concat();
    get(pointed, Answer::refusal(404, "NoSuchKey")).shows(&no_pointer, "nearline catalog publish").await;
    get(pointed, Answer::with("{}")).shows(&no_pointer, "current.json").await;
    let unread = [("catalog.candidate", Skipped), ("s3:GetObject", Skipped)];
    let elsewhere = [&no_pointer[..4], &unread, &no_pointer[4..]].concat();
    get(pointed, Answer::refusal(301, "PermanentRedirect")).shows(&elsewhere, "in the region that is called").await;
    let no_artifact = skipped(&["catalog.guard", "model", "bedrock:InvokeModel"]);
    let no_artifact = [vec![("catalog.artifact", Failed)], no_artifact].concat();
    get(loaded, Answer::refusal(404, "NoSuchKey")).shows(&no_artifact, "does not exist").await;
    get(loaded, Answer::with("rubbish")).shows(&no_artifact, "it has 7 bytes, expected").await;
    get(pointed, pointer(b"rubbish")).answers(loaded, Answer::with("rubbish")).shows(&no_artifact, "not valid").await;
    let no_fit = [vec![("catalog.guard", Failed)], skipped(&["model", "bedrock:InvokeModel"])].concat();
    let cohere = "cohere.embed-v4:0";
    world().set("NEARLINE_EMBEDDING_MODEL", cohere).shows(&no_fit, "the catalog has `amazon.titan").await;
    world().set("NEARLINE_EMBEDDING_DIMENSION", "512").shows(&no_fit, "the catalog has `256`").await;
    let of = |model| get(pointed, pointer(&catalog(model))).answers(loaded, Answer::with(catalog(model)));
    of("nobody.model").shows(&no_fit, "`nobody.model` does not say which model it is").await;
    of("").shows(&[("model", Warning), ("bedrock:InvokeModel", Skipped)], "names no model").await;
}

#[tokio::test]
async fn a_candidate_is_looked_at_as_a_worker_does_it() {
    let (pointed, loaded) = ("GET p/candidate.json", "GET p/catalogs/w.arrow");
    let other = || catalog("us.amazon.titan-embed-text-v2:0");
    let published = |answer| world().answers(pointed, candidate(&other())).answers(loaded, answer);
    let (checks, _) = published(Answer::with(other())).examined().await;
    let found = &checks.iter().find(|check| check.id == "catalog.candidate").unwrap().found;
    assert!(found.contains(" answers 50% of the jobs: 1 products, "), "{found}");
    let ills = [("catalog.candidate", Warning)];
    published(Answer::with("rubbish")).shows(&ills, "it does not serve: ").await;
    published(Answer::refusal(404, "NoSuchKey")).shows(&ills, "nearline catalog drop --to s3://bucket/p").await;
    world().answers(pointed, Answer::with("{}")).shows(&ills, "candidate.json").await;
    world().answers(pointed, Answer::denied()).shows(&[("catalog.candidate", Skipped)], "`s3:ListBucket`").await;
}

#[tokio::test]
async fn a_catalog_in_a_file_is_looked_at_without_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.arrow");
    std::fs::write(&path, catalog(TITAN)).unwrap();
    let of_file = || world().set("NEARLINE_CATALOG", path.to_str().unwrap());
    let ills = [("catalog.pointer", Skipped), ("catalog.candidate", Skipped), ("s3:GetObject", Skipped)];
    of_file().shows(&ills, "is a file").await;
    let refused = Answer::refusal(403, "InvalidClientTokenId");
    let ills = of_file().answers("", refused).ills().await;
    assert!(ills.iter().all(|check| !["catalog.artifact", "catalog.guard"].contains(&check.id)), "{ills:?}");
    assert!(ills.iter().any(|check| check.id == "model" && check.status == Skipped), "{ills:?}");
}
