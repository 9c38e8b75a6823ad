//! The journal of a build that was stopped, after whatever happened to the disk since.

use std::path::Path;
use std::sync::LazyLock;

use nearline::catalog::artifact;
use nearline::catalog::build::{Build, Options};
use nearline::catalog::source::{Dialect, Mapping, Source, open};
use nearline::embed::{Embedder, Limits, MemoryModels, Model, Purpose};
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use tokio::runtime::{Builder, Runtime};

use crate::trial::measured;

const MODEL: &str = "amazon.titan-embed-text-v2:0";
const DIMENSION: usize = 256;

thread_local! {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().start_paused(true).build().unwrap());
}

pub(crate) fn try_bytes(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("catalog.arrow");
    let salt = hex(&Sha256::digest(format!("2\0{MODEL}\0{DIMENSION}\0")));
    let journal = folder.path().join(format!("catalog.arrow.partial-{}", &salt[..8]));
    std::fs::write(&journal, bytes).unwrap();
    let (built, memory) = measured(|| RUNTIME.with(|runtime| runtime.block_on(build_one(&output))));
    assert!(memory.bytes_total < 16 * bytes.len() as u64 + (4 << 20), "{memory:?} for {} bytes", bytes.len());
    match built {
        Ok(()) => {
            let rows = artifact::read(std::fs::File::open(&output).unwrap()).unwrap().rows;
            assert_eq!((rows.product_ids.as_slice(), rows.vectors.len()), (&["p".to_owned()][..], DIMENSION));
            assert!(!journal.exists(), "what is in an artifact needs no journal");
        }
        // What is no journal is left for whoever knows better.
        Err(message) => {
            assert!(message.contains("is not a journal of this model and dimension"), "{message}");
            assert_eq!(std::fs::read(&journal).unwrap(), bytes);
        }
    }
}

async fn build_one(output: &Path) -> Result<(), String> {
    let limits = Limits::default();
    let model = Model::new(MODEL, None, DIMENSION).unwrap();
    let embedder = Embedder::start(MemoryModels::default(), limits, model.clone(), Purpose::Document);
    let input = output.with_extension("csv");
    std::fs::write(&input, "product_id,category,text\np,c,mug\n").unwrap();
    let source = Source::new(open(&input).unwrap(), Mapping::default(), Dialect::default());
    let options = Options { output: output.to_owned(), model: Some(model), ..Options::default() };
    let build = Build::survey_source(source, options, &|_| {}).unwrap();
    build.finish(Some(&embedder), |_| {}).await.map(drop).map_err(|error| error.to_string())
}
