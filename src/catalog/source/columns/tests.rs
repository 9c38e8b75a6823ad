//! Which columns are meant, and what is said of others.

use super::*;

fn layout(flags: &[&str], names: &[&str]) -> Result<Layout, String> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mapping = Mapping::new(&flags, None, false)?;
    mapping.layout(names.iter().copied()).map_err(|error| error.to_string())
}

#[test]
fn names_count_without_case_and_outer_blanks() {
    let found = layout(&[], &["\u{feff} Product_ID", "TEXT ", "Category", "Title", "EMBEDDING"]).unwrap();
    assert_eq!((found.product_id, found.category, found.title, found.embedding), (Some(0), Some(2), Some(3), Some(4)));
    assert_eq!(found.columns(), [0, 1, 2, 3, 4]);
    assert!(found.notes.is_empty());
}

#[test]
fn a_column_that_is_nearly_a_known_one_is_never_passed_over_in_silence() {
    for vectors in ["Embeddings", "vector", "embeding", "emb", "text_embedding", "Embedding Vector"] {
        let error = layout(&[], &["product_id", "category", "text", vectors]).unwrap_err();
        assert!(error.contains(&format!("column `{vectors}` would be ignored")), "{error}");
        assert!(error.contains("did you mean embedding?"), "{error}");
    }
    for title in ["titel", "Titles", "name"] {
        let notes = layout(&[], &["product_id", "category", "text", title]).unwrap().notes;
        assert!(notes[0].contains(&format!("--column title={title} reads it")), "{notes:?}");
    }
    for id in ["id", "SKU", "productId"] {
        let error = layout(&[], &[id, "category", "text"]).unwrap().require().unwrap_err().to_string();
        assert!(error.contains("column product_id is missing; it has"), "{error}");
        assert!(error.contains(&format!("--column product_id={id} reads it")), "{error}");
    }
    assert!(layout(&[], &["product_id", "category", "text", "price", "id"]).unwrap().notes.is_empty());
    assert_eq!(layout(&[], &["product_id", "category", "text", "title", "titel"]).unwrap().notes.len(), 1);
    let many: Vec<String> = (0..100).map(|number| format!("title{number}")).collect();
    let many: Vec<&str> =
        ["product_id", "category", "text"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let notes = layout(&[], &many).unwrap().notes;
    assert_eq!((notes.len(), notes[10].as_str()), (11, "90 more columns that look like known ones are ignored"));
}

#[test]
fn flags_say_what_is_meant() {
    let found = layout(&["product_id=sku", "Embedding= Vec"], &["SKU", "category", "vec"]).unwrap();
    assert_eq!((found.product_id, found.embedding), (Some(0), Some(2)));
    found.require().unwrap();
    let none = layout(&["embedding="], &["product_id", "category", "text", "vector"]).unwrap();
    assert_eq!((none.embedding, none.notes.len()), (None, 0));
    for (flag, why) in [
        ("product_id", "must be KNOWN=NAME"),
        ("colour=red", "is not one of the columns that can be mapped"),
        ("title=nope", "no such column; it has `product_id`, `category`"),
    ] {
        let error = layout(&[flag], &["product_id", "category"]).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn which_products_go_may_have_another_name_in_updates_alone() {
    let mapping = |flag: &str| Mapping::new(&[flag.to_owned()], None, false).unwrap();
    let of_update = |flag, names: [&'static str; 2]| {
        let layout = mapping(flag).of_update(Wanted::default()).layout(names.into_iter());
        layout.map(|layout| layout.deleted.map(|slot| slot.column)).map_err(|error| error.to_string())
    };
    assert_eq!(of_update("deleted=gone", ["product_id", "Gone"]), Ok(Some(1)));
    assert_eq!(of_update("deleted=", ["product_id", "deleted"]), Ok(None));
    assert_eq!(of_update("title=", ["deleted", "product_id"]), Ok(Some(0)));
    assert!(of_update("deleted=gone", ["product_id", "deleted"]).unwrap_err().contains("no such column"));
    let of_build = mapping("deleted=gone").layout(["product_id", "gone"].into_iter()).unwrap_err().to_string();
    assert!(of_build.contains("only `nearline catalog update`"), "{of_build}");
}

#[test]
fn a_repeated_column_is_an_error() {
    let error = layout(&[], &["product_id", "category", "Text", "text"]).unwrap_err();
    assert!(error.contains("column text appears twice: `Text` and `text`"), "{error}");
}
