//! The published schemas are those of the types. `UPDATE_DOCS=1` writes them anew.

use std::path::Path;

#[test]
fn published_schemas_match_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    for (name, schema) in nearline_contract::schema::schemas() {
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(name), &generated).unwrap();
        }
        let published = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(published == generated, "docs/schemas/{name} is stale: run `make docs`");
    }
}
