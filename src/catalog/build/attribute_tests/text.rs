//! Text, JSON, items of DynamoDB, and what a model embeds.

use super::*;

#[test]
fn text_files_and_json_have_the_same_attributes() {
    let csv = "product_id,category,embedding, Brand ,price,stock,tags,sizes,new\n\
        a,c,\"[1,2]\",acme ,19.99,3,\"[\"\"x\"\",\"\"y\"\"]\",\"[1,2]\",TRUE\n\
        b,c,\"[1,3]\",,5,18446744073709551615,[],[0.5],\nc,c,\"[1,4]\",zed,,,,,false\n";
    let json = "{\"product_id\":\"a\",\"category\":\"c\",\"embedding\":[1,2],\"Brand\":\"acme\",\"price\":19.99,\"stock\":3,\"tags\":[\"x\",null,\"y\"],\"sizes\":[1,2],\"new\":true}\n\
        {\"product_id\":\"b\",\"category\":\"c\",\"embedding\":[1,3],\"Brand\":null,\"price\":5,\"stock\":18446744073709551615,\"tags\":[],\"sizes\":[0.5]}\n\
        {\"product_id\":\"c\",\"category\":\"c\",\"embedding\":[1,4],\"Brand\":\"zed\",\"new\":false}\n";
    let items = "{\"Item\":{\"product_id\":{\"S\":\"a\"},\"category\":{\"S\":\"c\"},\"embedding\":{\"L\":[{\"N\":\"1\"},{\"N\":\"2\"}]},\"Brand\":{\"S\":\"acme\"},\"price\":{\"N\":\"19.99\"},\"stock\":{\"N\":\"3\"},\"tags\":{\"SS\":[\"x\",\"y\"]},\"sizes\":{\"NS\":[\"1\",\"2\"]},\"new\":{\"BOOL\":true}}}\n\
        {\"Item\":{\"product_id\":{\"S\":\"b\"},\"category\":{\"S\":\"c\"},\"embedding\":{\"L\":[{\"N\":\"1\"},{\"N\":\"3\"}]},\"Brand\":{\"NULL\":true},\"price\":{\"N\":\"5\"},\"stock\":{\"N\":\"18446744073709551615\"},\"tags\":{\"L\":[]},\"sizes\":{\"L\":[{\"N\":\"0.5\"}]}}}\n\
        {\"Item\":{\"product_id\":{\"S\":\"c\"},\"category\":{\"S\":\"c\"},\"embedding\":{\"L\":[{\"N\":\"1\"},{\"N\":\"4\"}]},\"Brand\":{\"S\":\"zed\"},\"new\":{\"BOOL\":false}}}\n";
    for (form, content) in [("CSV", csv), ("JSON", json), ("items", items)] {
        let made = build_text(content, &["all"]).unwrap();
        assert_eq!(
            made.types(),
            "Brand Utf8, price Float64, stock UInt64, tags [Utf8], sizes [Float64], new Boolean",
            "{form}"
        );
        assert_eq!(made.column("Brand"), json!(["acme", null, "zed"]), "{form}");
        assert_eq!(made.column("price"), json!([19.99, 5.0, null]), "{form}");
        assert_eq!(made.column("stock"), json!([3, u64::MAX, null]), "{form}");
        assert_eq!(made.column("tags"), json!([["x", "y"], [], null]), "{form}");
        assert_eq!(made.column("sizes"), json!([[1.0, 2.0], [0.5], null]), "{form}");
        assert_eq!(made.column("new"), json!([true, null, false]), "{form}");
        let named = build_text(content, &["BRAND", "stock:string"]).unwrap();
        assert_eq!(named.types(), "Brand Utf8, stock Utf8");
        assert_eq!(named.column("stock"), json!(["3", "18446744073709551615", null]));
    }
}

#[test]
fn values_of_another_kind_are_faults_of_their_rows() {
    let line = |id: &str, value: &str| {
        format!("{{\"product_id\":\"{id}\",\"category\":\"c\",\"embedding\":[1,2],\"x\":{value}}}\n")
    };
    let content = [line("a", "\"s\""), line("b", "1"), line("c", "2"), line("d", "{\"w\":1}")].concat();
    let error = build_text(&content, &["x"]).unwrap_err();
    let expected = "line 1: column x: is the string `s`, but a number is expected, as in most rows; \
                    line 4: column x: is an object, {\"w\":1}";
    assert!(error.ends_with(expected), "{error}");
    let made = build_files(&[("products", content.into_bytes())], &["x"], true).unwrap();
    assert_eq!(made.column("x"), json!([1, 2]));
    assert_eq!(made.rejects.lines().count(), 3);
    // Beyond 2^53 no float is exact.
    let content = [line("a", "0.5"), line("b", "9007199254740993"), line("c", "9007199254740992")].concat();
    let error = build_text(&content, &["x"]).unwrap_err();
    assert!(error.contains("line 2: column x: is 9007199254740993, which is not exact as a float"), "{error}");
    // What is never anything else is left out, unless it was named.
    let content = [line("a", "{}"), line("b", "[[1]]"), line("c", "7")].concat();
    let made = build_text(&content, &["all"]).unwrap();
    assert_eq!((made.types().as_str(), made.metadata), ("", None));
    assert_eq!(made.notes, ["x is left out of the attributes: a value is an object, {}"]);
    let error = build_text(&line("a", "7"), &["y"]).unwrap_err();
    assert!(error.contains("--attributes: no product has the key `y`"), "{error}");
}

#[test]
fn a_cell_that_is_no_number_makes_text_of_a_column_with_a_warning_or_is_a_fault_if_a_kind_was_said() {
    let mut content = "product_id,category,embedding,price\n".to_owned();
    (0..99).for_each(|row| writeln!(content, "p{row},c,\"[1,2]\",{row}.5").unwrap());
    content.push_str("last,c,\"[1,2]\",n/a\n");
    let made = build_text(&content, &["price"]).unwrap();
    assert_eq!(made.types(), "price Utf8");
    let warning = "attribute price is kept as text: 1 of 100 cells is not a number, the first is `n/a`, in line 101 \
                   (--attributes price:number treats such rows as faults)";
    assert_eq!(made.notes, [warning]);
    let error = build_text(&content, &["price:number"]).unwrap_err();
    assert!(error.ends_with("line 101: column price: is `n/a`, not a number"), "{error}");
    let worse = content.replace("p1,c,\"[1,2]\",1.5", "p1,c,\"[1,2]\",-");
    assert!(build_text(&worse, &["price"]).unwrap().notes.is_empty());
}

#[test]
fn all_takes_what_is_not_read_otherwise_and_a_catalog_keeps_what_it_has() {
    let content = "product_id,category,text,title,embedding,Brand,titel,,$x\na,c,t,T,\"[1,2]\",acme,x,7,1\n";
    let made = build_text(content, &["all"]).unwrap();
    assert_eq!(made.types(), "Brand Utf8, titel Utf8");
    assert_eq!(made.notes.len(), 3, "{:?}", made.notes);
    assert!(made.notes[0].starts_with("column `titel` is an attribute only; title is read"), "{:?}", made.notes);
    let named = build_text(content, &["text", "brand"]).unwrap();
    assert_eq!((named.types().as_str(), named.column("text")), ("text Utf8, Brand Utf8", json!(["t"])));
    let none = build_text(content, &[]).unwrap();
    assert_eq!((none.types().as_str(), none.metadata), ("", None));
    let error = build_text("product_id,category,vec,x\na,c,\"[1]\",1\n", &["all"]).unwrap_err();
    assert!(error.contains("column `vec` would be an attribute only: did you mean embedding?"), "{error}");
    let mut file = FileWriter::try_new(Vec::new(), &made.batch.schema()).unwrap();
    file.write(&made.batch).unwrap();
    let again = build_files(&[("catalog", file.into_inner().unwrap())], &["all"], false).unwrap();
    assert_eq!((again.types(), again.metadata), (made.types(), made.metadata));
    assert_eq!(again.batch, made.batch);
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        proptest::num::f64::NORMAL.prop_map(Into::into),
        (-9_i32..9).prop_map(|number| json!(f64::from(number) / 4.0)),
        any::<bool>().prop_map(Into::into),
        ".{0,4}".prop_map(Into::into),
        proptest::collection::vec("[a-c]{0,2}", 0..3).prop_map(Into::into),
        proptest::collection::vec(-3_i64..3, 0..3).prop_map(Into::into),
        Just(json!({"w": 1})),
        Just(json!([1, "a"])),
    ]
}

/// Whether two values say the same: a whole number may be kept as a float.
fn says_the_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) if one.is_f64() != other.is_f64() => {
            let whole =
                |number: &serde_json::Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            let (whole, float) =
                (whole(one).or(whole(other)), one.as_f64().filter(|_| one.is_f64()).or(other.as_f64()));
            whole.zip(float).is_some_and(|(whole, float)| float as i128 == whole)
        }
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| says_the_same(one, other))
        }
        _ => one == other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the values: those that are kept are what was written, and most of one kind are kept.
    #[test]
    fn what_is_kept_of_json_is_what_was_written(values in proptest::collection::vec(value(), 1..12)) {
        let lines: String = values.iter().enumerate().map(|(row, value)| {
            json!({"product_id": format!("p{row}"), "category": "c", "embedding": [1], "x": value}).to_string() + "\n"
        }).collect();
        // A build of which no row is left, or nothing could be kept.
        let Ok(made) = build_files(&[("products", lines.into_bytes())], &["x"], true) else { return Ok(()) };
        let ids = made.batch.column(0).as_string::<i32>();
        let kept = made.column("x");
        for (row, kept) in kept.as_array().unwrap().iter().enumerate() {
            let written: usize = ids.value(row)[1..].parse().unwrap();
            prop_assert!(says_the_same(kept, &values[written]), "{kept} was {}", values[written]);
        }
        let faulty = made.rejects.lines().count() - 1;
        prop_assert_eq!(ids.len() + faulty, values.len());
    }

    /// The same values in a file of text are read as they would be by themselves.
    #[test]
    fn what_is_kept_of_text_is_what_was_written(cells in proptest::collection::vec("(-?[0-9]{1,3}|[0-9]\\.[0-9]|true|False|\\[[0-9]?\\]|[a-b]{1,2}|)", 1..6)) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["product_id", "category", "embedding", "x"]).unwrap();
        for (row, cell) in cells.iter().enumerate() {
            writer.write_record([&format!("p{row}"), "c", "[1]", cell]).unwrap();
        }
        let made = build_files(&[("products", writer.into_inner().unwrap())], &["x"], false).unwrap();
        for (kept, cell) in made.column("x").as_array().unwrap().iter().zip(&cells) {
            let parsed: Json = serde_json::from_str(&cell.to_lowercase()).unwrap_or(Json::Null);
            let is_right = match kept {
                Json::Null => cell.is_empty(),
                Json::String(kept) => kept == cell,
                kept => says_the_same(kept, &parsed),
            };
            prop_assert!(is_right, "{kept} was {cell}");
        }
    }
}

/// Builds from text with a model in memory.
fn embed(
    folder: &std::path::Path,
    content: &str,
    attributes: &str,
    from: Option<&str>,
    models: &MemoryModels,
) -> Vec<u8> {
    let (input, output) = (folder.join("products"), folder.join("embedded.arrow"));
    std::fs::write(&input, content).unwrap();
    let wanted = Wanted::new(&[attributes.to_owned()]).unwrap();
    let mapping = Mapping::new(&[], Some("{brand} {color}"), false).unwrap().with_attributes(wanted);
    let model = Model::new("amazon.titan-embed-text-v2:0", None, 256).unwrap();
    let from = from.map(|name| folder.join(name));
    let options = Options { output: output.clone(), model: Some(model.clone()), from, ..Options::default() };
    let source = Source::new(open(&input).unwrap(), mapping, Dialect::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let build = Build::survey_source(source, options, &|_| {}).unwrap();
        let limits = Limits::default();
        let embedder = Embedder::start(models.clone(), limits, model, Purpose::Document);
        build.finish(Some(&embedder), |_| {}).await.unwrap()
    });
    std::fs::read(output).unwrap()
}

#[test]
fn attributes_are_kept_beside_texts_and_what_is_taken_over_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let models = MemoryModels::default();
    let content = "product_id,category,brand,color,price\na,c,acme,red,1.5\nb,c,,blue,\nc,c,zed,,2\n";
    let first = embed(folder.path(), content, "color", None, &models);
    let read = FileReader::try_new(std::io::Cursor::new(&first), None).unwrap().next().unwrap().unwrap();
    let names: Vec<String> = read.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["product_id", "category", "title", "embedding", "color", "text_sha256"]);
    assert_eq!(read.column(4).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("red"), Some("blue"), None]);
    std::fs::rename(folder.path().join("embedded.arrow"), folder.path().join("old.arrow")).unwrap();
    let calls = models.calls();
    let second = embed(folder.path(), content, "price", Some("old.arrow"), &models);
    assert_eq!(models.calls(), calls, "all texts are known");
    let read = FileReader::try_new(std::io::Cursor::new(&second), None).unwrap().next().unwrap().unwrap();
    let prices = read.column(4).as_primitive::<types::Float64Type>();
    assert_eq!(prices.iter().collect::<Vec<_>>(), [Some(1.5), None, Some(2.0)]);
    assert_eq!(embed(folder.path(), content, "price", None, &models), second, "the same rows give the same bytes");
}

#[test]
fn a_row_that_changed_in_nothing_but_an_attribute_is_no_repetition() {
    let content = "product_id,category,embedding,price\na,c,[1],5\na,c,[1],5\na,c,[1],6\n";
    let error = build_text(content, &["price"]).unwrap_err();
    assert!(error.contains("line 4: column product_id: `a` is already used in line 2, with other content"), "{error}");
    assert_eq!(build_text(content, &[]).unwrap().batch.num_rows(), 1);
}
