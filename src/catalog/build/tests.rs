//! Builds with models in memory, on a paused clock.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::catalog::Rows;
use crate::catalog::artifact::{self, Artifact};
use crate::catalog::source::{Dialect, Mapping, open};
use crate::embed::batch::{BatchSettings, MemoryBatches};
use crate::embed::{Limits, MemoryModels, Purpose};
use crate::fault::Cause;
use crate::fault_plan::{FaultPlan, Moment};

const MODEL: &str = "amazon.titan-embed-text-v2:0";
const DIMENSION: usize = 256;

struct Place {
    folder: tempfile::TempDir,
    models: MemoryModels,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), models: MemoryModels::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> Options {
        let model = Model::new(MODEL, None, DIMENSION).unwrap();
        Options { output: self.path("catalog.arrow"), model: Some(model), ..Options::default() }
    }

    /// Builds what `content` holds.
    async fn build(&self, content: &str, options: Options) -> Result<Built, CatalogError> {
        let input = self.path("products");
        std::fs::write(&input, content).unwrap();
        let source = Source::new(open(&input).unwrap(), Mapping::default(), Dialect::default());
        let build = Build::survey_source(source, options, &|_| {})?;
        let limits = Limits::default();
        let model = Model::new(MODEL, None, DIMENSION).unwrap();
        let embedder = Embedder::start(self.models.clone(), limits, model, Purpose::Document);
        build.finish(Some(&embedder), |_| {}).await
    }

    fn read(&self, name: &str) -> Artifact {
        artifact::read(std::fs::File::open(self.path(name)).unwrap()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_length_of_most_vectors_decides_and_other_rows_are_faults() {
    let place = Place::new();
    let content = "product_id,category,embedding\na,c,\"[1,2,3,4]\"\nb,c,\"[1,2]\"\nc,c,\"[3,4]\"\nd,c,\"[5,6]\"\n";
    let rejects = place.path("rejects.csv");
    let options = Options { rejects: Some(rejects.clone()), ..place.options() };
    let built = place.build(content, options).await.unwrap();
    assert_eq!((built.rows, built.dimension, built.left_out), (3, 2, 1));
    assert_eq!(place.read("catalog.arrow").rows.product_ids, ["b", "c", "d"]);
    let rejected = std::fs::read_to_string(rejects).unwrap();
    let hint = "\"has 4 numbers, most have 2 (64-bit floats in base64 or binary? 32-bit ones are read)\"";
    assert!(rejected.contains(&format!("line 2,other_dimension,embedding,{hint}")), "{rejected}");
    assert_eq!(rejected.lines().count(), 2);
    // Of as many the first.
    let content = content.replace("b,c,\"[1,2]\"", "b,c,\"[1,2,3,4]\"");
    let options = Options { rejects: Some(place.path("rejects.csv")), ..place.options() };
    assert_eq!(place.build(&content, options).await.unwrap().dimension, 4);
}

#[tokio::test(start_paused = true)]
async fn rows_that_bring_their_vectors_call_no_model_and_are_named_after_none() {
    let place = Place::new();
    let content = "product_id,category,embedding\na,c,\"[1,2,3]\"\nb,c,\"[4,5,6]\"\n";
    let built = place.build(content, place.options()).await.unwrap();
    assert_eq!((built.rows, built.dimension, built.model_id, place.models.calls()), (2, 3, None, 0));
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let rows = Rows {
        product_ids: texts(["a", "b"]),
        categories: texts(["c", "c"]),
        titles: vec![None; 2],
        vectors: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        dimension: 3,
        ..Rows::default()
    };
    assert_eq!(bytes(&place.path("catalog.arrow")), artifact::write(Vec::new(), &rows, "").unwrap());

    let label =
        |dimension| Options { label: Some((MODEL.to_owned(), None)), output: place.path(dimension), ..place.options() };
    let error = place.build(content, label("labelled")).await.unwrap_err().to_string();
    assert!(error.contains("has no dimension 3"), "{error}");
    let own = format!("product_id,category,embedding\na,c,\"{:?}\"\n", vec![0.5; DIMENSION]);
    assert_eq!(place.build(&own, label("labelled")).await.unwrap().model_id.as_deref(), Some(MODEL));
    assert_eq!(place.read("labelled").model_id.as_deref(), Some(MODEL));
    assert_eq!(place.files(), ["catalog.arrow", "labelled", "products"]);
}

#[tokio::test(start_paused = true)]
async fn texts_are_embedded_once_in_the_order_of_their_rows_beside_vectors_of_their_own() {
    let place = Place::new();
    let own = vec![0.5; DIMENSION];
    let content =
        format!("product_id,category,text,embedding\na,c,mug,\nb,c,,\"{own:?}\"\nc,c,cup,\nd,c,mug,\na,c,mug,\n");
    let built = place.build(&content, place.options()).await.unwrap();
    assert_eq!((built.rows, built.model_id.as_deref(), place.models.calls()), (4, Some(MODEL), 2));
    let rows = place.read("catalog.arrow").rows;
    assert_eq!(rows.product_ids, ["a", "b", "c", "d"]);
    let vector = |text| MemoryModels::vector(text, DIMENSION);
    assert_eq!(rows.vectors, [vector("mug"), own, vector("cup"), vector("mug")].concat());
    assert_eq!(place.files(), ["catalog.arrow", "products"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_paid_for_or_written_while_a_row_is_wrong_unless_those_are_left_out() {
    let place = Place::new();
    std::fs::write(place.path("catalog.arrow"), "the old one").unwrap();
    let content = "product_id,category,text\na,c,mug\nb,,cup\nc,c,\na,c,pot\n";
    let error = place.build(content, place.options()).await.unwrap_err().to_string();
    assert!(error.contains("3 rows are not valid: nothing was written"), "{error}");
    assert_eq!((place.models.calls(), bytes(&place.path("catalog.arrow"))), (0, b"the old one".to_vec()));

    let options = Options { rejects: Some(place.path("rejects.csv")), ..place.options() };
    let built = place.build(content, options).await.unwrap();
    assert_eq!((built.rows, built.left_out), (1, 3));
    let rejects = String::from_utf8(bytes(&place.path("rejects.csv"))).unwrap();
    let expected = "place,kind,column,reason,row\n\
        line 3,missing_value,category,is empty,\"b,,cup\"\n\
        line 4,missing_value,text,is empty,\"c,c,\"\n\
        line 5,repeated_product_id,product_id,\"`a` is already used in line 2, with other content\",\"a,c,pot\"\n";
    assert_eq!(rejects, expected);
}

#[tokio::test(start_paused = true)]
async fn a_refused_text_is_named_at_once_or_left_out() {
    let place = Place::new();
    place.models.refuse("POISON");
    let content = "product_id,category,text\na,c,mug\nb,c,POISON\nc,c,cup\n";
    let began = tokio::time::Instant::now();
    let error = place.build(content, place.options()).await.unwrap_err().to_string();
    assert!(error.contains("line 3, product `b`: the embedding model refuses the text"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
    let options = Options { rejects: Some(place.path("rejects.csv")), ..place.options() };
    let built = place.build(content, options).await.unwrap();
    assert_eq!((built.rows, built.left_out, built.refused.count), (2, 1, 1));
    assert_eq!(place.read("catalog.arrow").rows.product_ids, ["a", "c"]);
    assert!(String::from_utf8(bytes(&place.path("rejects.csv"))).unwrap().contains("line 3,text_refused,,"));
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_taken_over_from_the_catalog_before() {
    let place = Place::new();
    let content = |last: &str| format!("product_id,category,text\na,c,mug\nb,c,cup\nc,d,{last}\n");
    let old = Options { output: place.path("old.arrow"), ..place.options() };
    place.build(&content("pot"), old).await.unwrap();
    assert_eq!(place.models.calls(), 3);
    let from = |name: &str| Options { from: Some(place.path(name)), ..place.options() };
    place.build(&content("tea pot"), from("old.arrow")).await.unwrap();
    assert_eq!(place.models.calls(), 4);
    let taken_over = bytes(&place.path("catalog.arrow"));
    place.build(&content("tea pot"), place.options()).await.unwrap();
    assert_eq!(bytes(&place.path("catalog.arrow")), taken_over);

    let rows = place.read("old.arrow").rows;
    for (name, model, why) in [
        ("other.arrow", "cohere.embed-v4:0", "its vectors come from model `cohere.embed-v4:0`"),
        ("own.arrow", MODEL, "it has no column text_sha256"),
    ] {
        artifact::write(std::fs::File::create(place.path(name)).unwrap(), &rows, model).unwrap();
        let error = place.build(&content("x"), from(name)).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_a_person_must_mend_ends_a_build_at_once_and_what_was_paid_for_is_kept() {
    let mut place = Place::new();
    let content = "product_id,category,text\na,c,mug\nb,c,cup\n";
    let plan = FaultPlan::default();
    plan.fail_next("InvokeModel", Moment::Before, Cause::AccessDenied);
    place.models = MemoryModels::new(plan);
    let began = tokio::time::Instant::now();
    let error = place.build(content, place.options()).await.unwrap_err();
    assert!(matches!(&error, CatalogError::Service(fault) if fault.is_permanent()), "{error}");
    assert!(error.to_string().contains("line 2, product `a`"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));

    place.models.refuse("cup");
    place.build(content, place.options()).await.unwrap_err();
    assert_eq!(place.files().len(), 2, "the journal is there: {:?}", place.files());
    place.models = MemoryModels::default();
    place.build(content, place.options()).await.unwrap();
    assert_eq!(place.models.calls(), 1, "only what was refused before");
    assert_eq!(place.files(), ["catalog.arrow", "products"]);
}

#[tokio::test(start_paused = true)]
async fn batch_jobs_embed_all_but_what_they_leave_over() {
    let place = Place::new();
    let mut content = "product_id,category,text\n".to_owned();
    (0..150).for_each(|row| writeln!(content, "p{row},c,text {}", row % 140).unwrap());
    let input = place.path("products");
    std::fs::write(&input, content).unwrap();
    let build = || {
        let source = Source::new(open(&input).unwrap(), Mapping::default(), Dialect::default());
        Build::survey_source(source, place.options(), &|_| {}).unwrap()
    };
    let service = MemoryBatches::new(FaultPlan::default());
    service.refuse("text 7");
    let model = Model::new(MODEL, None, DIMENSION).unwrap();
    let settings = BatchSettings::new("s3://b/p", "role", model.clone()).unwrap();
    let left = build().embed_in_batches(&service, &settings, |_| {}).await.unwrap();
    assert_eq!(left, LeftOver { too_few: 0, unanswered: 11 });
    assert_eq!(service.jobs(), [140], "texts that several rows have are sent once");
    // What was embedded is known: nothing is sent again, and too few are left for a job.
    let build = build();
    let left = build.embed_in_batches(&service, &settings, |_| {}).await.unwrap();
    assert_eq!((left, service.jobs()), (LeftOver { too_few: 11, unanswered: 0 }, vec![140]));
    let limits = Limits::default();
    let embedder = Embedder::start(place.models.clone(), limits, model, Purpose::Document);
    build.finish(Some(&embedder), |_| {}).await.unwrap();
    assert_eq!(place.models.calls(), 11);
    let rows = place.read("catalog.arrow").rows;
    assert_eq!(rows.vectors[DIMENSION..2 * DIMENSION], MemoryModels::vector("text 1", DIMENSION));
    assert_eq!(rows.product_ids.len(), 150);
}
