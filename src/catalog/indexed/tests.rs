//! Names, faults and guards of a catalog.

use nearline_search::Kernel;

use super::*;

fn rows() -> Rows {
    Rows {
        product_ids: ["a", "b", "c"].map(String::from).to_vec(),
        categories: ["tea", "mugs", "tea"].map(String::from).to_vec(),
        titles: vec![Some("Assam".into()), None, Some("Sencha".into())],
        vectors: vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8],
        dimension: 2,
        ..Rows::default()
    }
}

#[test]
fn rows_and_categories_are_found_by_name_and_number() {
    let catalog = Catalog::new(rows(), "v".into(), None, Kernel::fastest()).unwrap();
    assert_eq!((catalog.row("c"), catalog.row("d")), (Some(2), None));
    assert_eq!((catalog.category("mugs"), catalog.category_name(0)), (Some(1), "tea"));
    assert_eq!((catalog.title(0), catalog.title(1)), (Some("Assam"), None));
    assert_eq!(catalog.rows_by_category(), [2, 1]);
}

#[test]
fn faults_name_row_and_column() {
    let check = |change: fn(&mut Rows), part: &str| {
        let mut rows = rows();
        change(&mut rows);
        let message = Catalog::new(rows, "v".into(), None, Kernel::fastest()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    check(|rows| rows.product_ids[2] = "a".into(), "row 2, column product_id: `a` is already used in row 0");
    check(|rows| rows.vectors[3] = f32::NAN, "row 1");
    check(|rows| rows.vectors[0] = 0.0, "row 0");
}

#[test]
fn a_guard_names_both_sides_and_ignores_region_prefixes() {
    let catalog = Catalog::new(rows(), "v".into(), Some("eu.cohere.embed-v4:0".into()), Kernel::fastest()).unwrap();
    let guard =
        |model: &str, dimension| CatalogGuard { model_id: Some(model.into()), dimension, ..CatalogGuard::default() };
    assert!(catalog.check(&guard("us.cohere.embed-v4:0", Some(2))).is_ok());
    let message = catalog.check(&guard("amazon.titan-embed-text-v2:0", None)).unwrap_err().to_string();
    assert!(message.contains("`amazon.titan-embed-text-v2:0`") && message.contains("`eu.cohere.embed-v4:0`"));
    let message = catalog.check(&guard("cohere.embed-v4:0", Some(256))).unwrap_err().to_string();
    assert!(message.starts_with("NEARLINE_EMBEDDING_DIMENSION is `256`, but the catalog has `2`"), "{message}");
}

#[test]
fn the_model_that_is_set_is_called_instead_of_another_regions_profile_of_it() {
    let rows = Rows { vectors: vec![1.0; 3 * 256], dimension: 256, ..rows() };
    let catalog = Catalog::new(rows, "v".into(), Some("eu.cohere.embed-v4:0".into()), Kernel::fastest()).unwrap();
    let called = |guard: &CatalogGuard| catalog.query_model(guard).unwrap().unwrap().id().to_owned();
    assert_eq!(called(&CatalogGuard::default()), "eu.cohere.embed-v4:0");
    let guard = CatalogGuard { model_id: Some("us.cohere.embed-v4:0".into()), ..CatalogGuard::default() };
    assert_eq!(called(&guard), "us.cohere.embed-v4:0");
}

#[test]
fn the_family_says_which_model_an_application_profile_is_of() {
    const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    const TITAN: &str = "amazon.titan-embed-text-v2:0";
    let catalog = |model: Option<&str>| {
        let rows = Rows { vectors: vec![1.0; 3 * 256], dimension: 256, ..rows() };
        Catalog::new(rows, "v".into(), model.map(str::to_owned), Kernel::fastest()).unwrap()
    };
    let guard = |model: Option<&str>, family: Option<&str>| CatalogGuard {
        model_id: model.map(str::to_owned),
        model_family: family.map(str::to_owned),
        dimension: None,
    };
    let called = |own, model, family| {
        let model = catalog(Some(own)).query_model(&guard(model, family)).map_err(|error| error.to_string())?;
        Ok::<_, String>(model.unwrap().called().to_owned())
    };
    // The catalog names the profile, or the model; the worker calls the one or the other.
    assert_eq!(called(PROFILE, None, Some(TITAN)).unwrap(), PROFILE);
    assert_eq!(called(TITAN, Some(PROFILE), Some(TITAN)).unwrap(), PROFILE);
    assert_eq!(called(PROFILE, Some(TITAN), Some(TITAN)).unwrap(), TITAN);
    for (own, model) in [(PROFILE, None), (PROFILE, Some(TITAN))] {
        let message = called(own, model, None).unwrap_err();
        assert!(message.contains("set NEARLINE_EMBEDDING_MODEL_FAMILY"), "{message}");
    }
    let message = called("cohere.embed-v4:0", Some(PROFILE), Some(TITAN)).unwrap_err();
    assert!(message.starts_with("NEARLINE_EMBEDDING_MODEL_FAMILY is `amazon.titan"), "{message}");
    let message = catalog(None).check(&guard(None, Some(TITAN))).unwrap_err().to_string();
    assert!(message.contains("the catalog has `no model`"), "{message}");
}
