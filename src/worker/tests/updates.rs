//! What is answered by a catalog with updates is what the artifact answers that is made of them, to the last digit.

use proptest::prelude::*;

use super::engines;
use crate::catalog::{Catalog, updated_and_compacted};
use crate::compute::Compute;
use crate::telemetry::stages::Stages;
use crate::under_way::UnderWay;
use crate::worker::Engine;

/// Jobs of all kinds. Not every product, category or value is in every catalog: what is refused is compared, too.
fn jobs() -> Vec<String> {
    let targets = [r#""vector":[1,0,0]"#, r#""vector":[-0.5,2,1]"#, r#""product_id":"p0""#, r#""product_id":"p12""#];
    let asks = [
        "",
        r#","return":["title","brand","price","weight","sold","since","tags"]"#,
        r#","group_by":"none","top_k":3"#,
        r#","group_by":"none","top_k":1000,"return":["title"]"#,
        r#","top_k":1,"categories":["b","a","b"]"#,
        r#","categories":["A"]"#,
        r#","min_score":0.5,"exclude":["p1","p2","nobody"]"#,
        r#","filter":{"price":{"$gte":10,"$lt":5000}},"return":["price"]"#,
        r#","filter":{"$or":[{"brand":"x"},{"tags":{"$in":["p"]}}]},"group_by":"none""#,
        r#","filter":{"brand":{"$ne":"y"},"weight":{"$lte":0.34}},"return":["weight"]"#,
        r#","filter":{"since":"2022-01-08"},"return":["since"]"#,
        r#","filter":{"sold":{"$exists":false}},"categories":["c"]"#,
        r#","filter":{"prise":1}"#,
    ];
    let pairs = targets.iter().flat_map(|target| asks.iter().map(move |ask| format!("{target}{ask}")));
    pairs.chain([r#""product_id":"P1""#.to_owned()]).collect()
}

async fn answer(engine: &Engine, fields: &str) -> String {
    match engine.answer(&super::job(fields), &UnderWay::default(), &mut Stages::default()).await {
        Ok(answer) => serde_json::to_string(&answer.results).unwrap(),
        Err(error) => format!("{error:?}"),
    }
}

fn check(updated: Catalog, compacted: Catalog) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engines = engines(Compute::Inline);
        let (updated, compacted) = (engines.start(updated).unwrap(), engines.start(compacted).unwrap());
        for job in jobs() {
            prop_assert_eq!(answer(&updated, &job).await, answer(&compacted, &job).await, "{}", job);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_catalog_with_updates_answers_as_the_artifact_that_is_made_of_them(
        (updated, compacted) in updated_and_compacted(1..20),
    ) {
        check(updated, compacted)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// So many that they are searched by codes.
    #[test]
    fn a_catalog_of_many_products_does_so_too((updated, compacted) in updated_and_compacted(300..420)) {
        check(updated, compacted)?;
    }
}
