//! CSV, JSON, exports of DynamoDB, what packs them, folders of them.

use std::fmt::Write as _;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;

#[test]
fn any_separator_line_end_mark_and_case_of_names_is_read() {
    let lines = [
        "Product_ID,CATEGORY, text ,Title",
        " a ,tea,green \"tea\",",
        "b,\"mugs, big\",\"two\nlines\",Mug",
        ",,,",
        "   ,, ,",
        "c,tea,x,",
    ];
    for (separator, end, mark) in
        [(',', "\n", ""), (';', "\r\n", "\u{feff}"), ('\t', "\r\n", ""), ('|', "\n", "sep=|\n"), (',', "\r", "")]
    {
        let text = lines
            .map(|line| line.replace(',', &separator.to_string()))
            .join(end)
            .replace("two\nlines", &format!("two{end}lines"));
        let found = rows(format!("{mark}{text}{end}")).unwrap();
        assert_eq!(ids(&found), ["a", "b", "c"]);
        let first = if mark.starts_with("sep") { 3 } else { 2 };
        assert_eq!(
            places(&found),
            [first, first + 1, first + 5].map(|line| format!("line {line}")),
            "{separator:?} {end:?}"
        );
        let product = |row: usize| found[row].1.as_ref().unwrap();
        assert_eq!((product(0).title.as_deref(), product(1).title.as_deref()), (None, Some("Mug")));
        assert_eq!(product(0).text, "green \"tea\"");
        assert_eq!(
            (product(1).category.as_str(), product(1).text.replace(end, "\n").as_str()),
            (format!("mugs{separator} big").as_str(), "two\nlines")
        );
    }
}

#[test]
fn all_faults_of_rows_are_named_with_line_and_column() {
    let csv =
        "product_id,category,text,embedding\na,,x,\n ,c, ,\nb,c,x,nope!\nc,c\nd,c,x,\"[1,NaN]\"\ne,c,x,\"[0, -0]\"\n";
    let expected = [
        "line 2: column category: is empty",
        "line 3: column product_id: is empty; column text: is empty, and there is no embedding",
        "line 4: column embedding: is neither a JSON array of numbers nor base64 of 32-bit floats",
        "line 5: has 2 cells, the header 4: quote a cell that holds the separator `,`",
        "line 6: column embedding: is not a JSON array of numbers: expected value at column 4 (JSON has no NaN)",
        "line 7: column embedding: is all zero: it has no direction to compare",
    ];
    assert_eq!(fault(csv).lines().collect::<Vec<_>>(), expected);
    assert!(
        rows("product_id,text\na,x\n")
            .unwrap_err()
            .starts_with("column category is missing; it has `product_id`, `text`")
    );
    assert!(rows("a:b:c\n1:2:3\n").unwrap_err().contains("it has `a:b:c`"));
    assert!(
        rows("product_id,category,text\na,c,caf\u{e9}\n".chars().map(|c| c as u8).collect::<Vec<_>>())
            .is_ok_and(|rows| rows[0].1.as_ref().unwrap_err().contains("is not UTF-8; if it is Windows-1252"))
    );
}

#[test]
fn json_is_read_as_lines_as_objects_and_as_an_array() {
    let objects = [
        r#"{"product_id": 17, "category": "tea", "text": "green", "embedding": [1.00000005960464488, 2]}"#,
        r#"{"category": "te\u0061", "product_id": "b", "text": null, "title": "B", "embedding": "AACAPwAAAEA="}"#,
    ];
    let pretty = objects.map(|object| object.replace(", ", ",\n  "));
    for (content, lines) in [
        (objects.join("\n"), [1, 2]),
        (format!("\u{feff}{}\r\n\r\n", objects.join("\r\n\n")), [1, 3]),
        (format!("[\n{}\n]", objects.join(",\n")), [2, 3]),
        (pretty.join("\n"), [1, 6]),
        (format!("[{}]", pretty.join(",\n")), [1, 6]),
    ] {
        let found = rows(&content).unwrap();
        assert_eq!(ids(&found), ["17", "b"], "{content}");
        assert_eq!(places(&found), lines.map(|line| format!("line {line}")), "{content}");
        let vectors: Vec<_> = found.iter().map(|(_, row)| row.as_ref().unwrap().embedding.clone().unwrap()).collect();
        assert_eq!(vectors, [[f32::from_bits(0x3f80_0001), 2.0], [1.0, 2.0]]);
        assert_eq!(found[1].1.as_ref().unwrap().category, "tea");
    }
    let faults =
        fault("{\"product_id\":\"a\",\"category\":[1],\"text\":\"x\"}\nnope\n{\"category\":\"c\",\"text\":\"x\"}\n");
    let expected = [
        "line 1: column category: is [1]: a string or number was expected",
        "line 2: is not a JSON object: expected ident at column 2",
        "line 3: column product_id: is missing",
    ];
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
    let half = fault("{\"product_id\":\"a\",\"category\":\"c\",\"text\":\"x \\ud83d y\"}\n");
    let expected = r"line 1: column text: is no string: it has half a character (\ud83d) at column 4: an emoji or the like was cut in two";
    assert_eq!(half, expected);
    let columns = rows(r#"{"product_id":{"0":"a"},"category":{"0":"c"},"name":{"0":"x"}}"#).unwrap_err();
    assert!(columns.contains("orient='records', lines=True"), "{columns}");
}

#[test]
fn a_fault_of_one_object_is_a_fault_of_its_line_wherever_it_stands() {
    let good = r#"{"product_id":"a","category":"c","text":"x"}"#;
    for (bad, why) in [
        (r#"{"product_id":NaN}"#, "(JSON has no NaN and no Infinity: write null)"),
        (r#"{"product_id":"b","category":"c","text":"x"#, "is not a JSON object"),
        (r#"{"product_id":"b","category":"c","text":"x","Text":"y"}"#, "column text appears twice"),
        (r#"{"product_id":"b","category":"c","text":"x","vector":[1]}"#, "column `vector` would be ignored"),
        (r#"{"product_id":"b","tags":[{"name":"t"}],"text":"x"}"#, "column category: is missing"),
        (r#"{"product_id":"b","\ud83d":1}"#, r"it has half a character (\ud83d) at column 20"),
        (r#"["b","c","x"]"#, "is not a JSON object"),
    ] {
        for (lines, place) in [([bad, good], 1), ([good, bad], 2)] {
            if bad.starts_with('[') && place == 1 {
                continue;
            }
            let found = rows(lines.join("\n")).unwrap_or_else(|error| panic!("{bad}: {error}"));
            let [(_, one), (_, other)] = &found[..] else { panic!("{found:?}") };
            let (product, fault) = if place == 1 { (other, one) } else { (one, other) };
            assert_eq!(product.as_ref().unwrap().product_id, "a");
            assert!(fault.as_ref().unwrap_err().contains(why), "{fault:?}");
            assert_eq!(found[place - 1].0, format!("line {place}"));
        }
    }
    let long = format!("{{\"product_id\":\"{}\"}}\n{good}\n", "x".repeat(17 << 20));
    let found = rows(long).unwrap();
    assert!(found[0].1.as_ref().unwrap_err().contains("is a line of more than"));
    assert_eq!(found[1].1.as_ref().unwrap().product_id, "a");
    let array = rows("[\"a\",\"c\",\"x\"]\n[\"b\",\"c\",\"x\"]\n").unwrap_err();
    assert!(array.contains("each line is an array: write one object for each product"), "{array}");
    for (broken, why) in [
        (format!("[{good},\n{good}"), "from line 2 on: the array does not end"),
        (format!("[{good}\n{good}]"), "from line 2 on: a comma was expected between two products, not `{`"),
        (format!("[{good}]\n[{good},{good},\n{good}]"), "each line is an array"),
        (format!("[{good},\n{good}]\n{good}"), "from line 3 on: something follows the array"),
        (format!("[{good},\n{{\"a\":\"1\n]"), "from line 2 on: a value begins here and does not end"),
    ] {
        let error = rows(&broken).unwrap_err();
        assert!(error.contains(why), "{broken}: {error}");
    }
}

#[test]
fn an_object_may_lack_a_key_that_was_named_but_not_all_of_them() {
    let folder = Folder::new();
    let lines =
        "{\"sku\":\"a\",\"category\":\"c\",\"about\":\"x\"}\n{\"category\":\"c\",\"name\":\"B\",\"sku\":\"b\"}\n";
    let path = folder.put("products", format!("{lines}{{\"sku\":\"c\",\"category\":\"c\"}}"));
    let mapping = |title: &str| {
        let columns = ["product_id=SKU".to_owned(), format!("title={title}")];
        Mapping::new(&columns, Some("{name}: {about}"), false).unwrap()
    };
    let (found, _) = read_with(&path, mapping("name")).unwrap();
    let texts: Vec<_> = found.iter().map(|(_, row)| row.as_ref().map(|product| product.text.as_str())).collect();
    assert_eq!(texts, [Ok(": x"), Ok("B:"), Err(&"column --text: is empty".to_owned())]);
    assert_eq!(found[1].1.as_ref().unwrap().title.as_deref(), Some("B"));
    let error = read_with(&path, mapping("nmae")).unwrap_err();
    assert!(error.contains("title: no product has the key `nmae`; they have `about`, `category`, `name`"), "{error}");
}

#[test]
fn objects_whose_keys_vary_are_read_and_what_is_said_of_them_is_bounded() {
    let folder = Folder::new();
    let lines = (0..3_000).fold(String::new(), |mut lines, number| {
        writeln!(lines, "{{\"product_id\":{number},\"category\":\"c\",\"text\":\"x\",\"title{}\":1}}", number % 1_000)
            .unwrap();
        lines
    });
    let (found, notes) = read_with(&folder.put("products", lines), Mapping::default()).unwrap();
    assert_eq!((ids(&found).len(), notes.len()), (3_000, 50));
}

#[test]
fn items_as_a_scan_prints_them_are_read() {
    let item = r#"{"product_id":{"S":"a"},"category":{"S":"c"},"text":{"S":"x"},"price":{"N":"7"}}"#;
    let scan = rows(format!("{{\n\"Items\":[{item}],\"Count\":1}}")).unwrap_err();
    assert!(
        scan.contains("are under the key `Items`: write them alone, one per line (jq -c '.\"Items\"[]')"),
        "{scan}"
    );
    for content in [item.to_owned(), format!("[{item}]")] {
        assert_eq!(ids(&rows(content).unwrap()), ["a"]);
    }
}

#[test]
fn items_of_dynamodb_are_read_with_their_types() {
    let item = r#"{"Item":{"product_id":{"S":"a"},"category":{"S":"c"},"text":{"NULL":true},"embedding":{"L":[{"N":"0.1"},{"N":"-2E-3"}]}}}"#;
    let binary = r#"{"Item":{"product_id":{"N":"7"},"category":{"S":"c"},"embedding":{"B":"AACAPwAAAEA="}}}"#;
    let found = rows(format!("{item}\n{binary}\n")).unwrap();
    assert_eq!(ids(&found), ["a", "7"]);
    assert_eq!(found[0].1.as_ref().unwrap().embedding.as_deref(), Some(&[0.1, -2e-3][..]));
    assert_eq!(found[1].1.as_ref().unwrap().embedding.as_deref(), Some(&[1.0, 2.0][..]));
    let set = item.replace(r#"{"L":[{"N":"0.1"},{"N":"-2E-3"}]}"#, r#"{"NS":["1","2"]}"#);
    assert!(fault(&set).contains("is a set of numbers, which has no order"), "{}", fault(&set));
    let huge = item.replace("0.1", "1e39");
    assert!(fault(&huge).contains("number 0 is beyond 32-bit floats"), "{}", fault(&huge));

    let folder = Folder::new();
    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{{\"itemCount\":1,\"dataFileS3Key\":\"x/data/{name}\"}}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    folder.put("export/manifest-summary.json", "{}");
    folder.put("export/data/2.json.gz", gzip(item.as_bytes()));
    folder.put("export/data/1.json.gz", gzip(binary.as_bytes()));
    folder.put("export/manifest-files.json", list(&["2.json.gz", "1.json.gz"]));
    let export = folder.0.path().join("export");
    assert_eq!(ids(&read(&export).unwrap()), ["a", "7"]);
    folder.put("export/manifest-files.json", list(&["2.json.gz", "1.json.gz", "3.json.gz"]));
    assert!(read(&export).unwrap_err().contains("names data/3.json.gz, which is missing"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn what_is_packed_is_unpacked_and_what_is_no_source_is_named() {
    let csv = "product_id,category,text\na,c,x\n";
    let packed = gzip(csv.as_bytes());
    assert_eq!(ids(&rows(&packed).unwrap()), ["a"]);
    assert_eq!(ids(&rows(zstd::encode_all(csv.as_bytes(), 1).unwrap()).unwrap()), ["a"]);
    // Files that gzip appended to each other are one.
    assert_eq!(ids(&rows([&packed[..], &gzip(b"b,c,x\n")].concat()).unwrap()), ["a", "b"]);
    // Tapes and object stores fill files up; gzip reads them.
    assert_eq!(ids(&rows([&packed[..], &[0; 700], &gzip(b"b,c,x\n"), &[0; 9_000]].concat()).unwrap()), ["a", "b"]);
    let mut skipped = b"\x50\x2a\x4d\x18\x04\0\0\0note".to_vec();
    skipped.extend(zstd::encode_all(csv.as_bytes(), 1).unwrap());
    assert_eq!(ids(&rows(skipped).unwrap()), ["a"]);
    for content in [csv, "[{\"product_id\":\"a\",\"category\":\"c\",\"text\":\"x\"}]"] {
        assert_eq!(ids(&rows(format!("{}{content}", "\n".repeat(9_000))).unwrap()), ["a"]);
    }
    for (content, what) in [
        ([&packed[..], b"\0\0x"].concat(), "it cannot be unpacked as gzip"),
        (packed[..packed.len() - 9].to_vec(), "it cannot be unpacked as gzip"),
        (b"PK\x03\x04 xl/workbook.xml".to_vec(), "this is an Excel workbook: save the sheet as CSV UTF-8"),
        (csv.encode_utf16().flat_map(u16::to_le_bytes).collect(), "this is UTF-16 text: save it as UTF-8"),
        (Vec::new(), "this is empty"),
        (gzip(b"\x93NUMPY"), "this is a NumPy array: a catalog needs product_id and category"),
    ] {
        let error = rows(&content).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_folder_is_its_files_in_the_order_of_their_names() {
    let folder = Folder::new();
    let line = |id: &str| format!("{{\"product_id\":\"{id}\",\"category\":\"c\",\"text\":\"x\"}}\n");
    folder.put("part-1.jsonl", line("b"));
    folder.put("part-0.csv", "product_id,category,text\na,c,x\n");
    folder.put("more/part-2", line("d"));
    folder.put("_SUCCESS", "");
    folder.put(".hidden", "");
    let found = read(folder.0.path()).unwrap();
    assert_eq!(ids(&found), ["d", "a", "b"]);
    assert_eq!(places(&found), ["more/part-2 line 1", "part-0.csv line 2", "part-1.jsonl line 1"]);
    folder.put("category=tea/x.jsonl", line("e"));
    assert!(read(folder.0.path()).unwrap_err().contains("values in folder names are not read"));
    assert!(read(Folder::new().0.path()).unwrap_err().contains("the folder has no files"));
}

#[test]
fn a_template_says_what_is_embedded() {
    let folder = Folder::new();
    let path = folder.put("p.csv", "sku,category,name,about,price\na,c,Mug,blue,7\nb,c,,,8\n");
    let mapping =
        Mapping::new(&["product_id=SKU".to_owned(), "title=name".to_owned()], Some("{name}. {About}"), false).unwrap();
    let (found, notes) = read_with(&path, mapping).unwrap();
    let product = found[0].1.as_ref().unwrap();
    assert_eq!((product.text.as_str(), product.title.as_deref()), ("Mug. blue", Some("Mug")));
    assert_eq!(found[1].1.as_ref().unwrap_err(), "column --text: is empty");
    assert!(notes.is_empty(), "{notes:?}");
}

fn cell() -> impl Strategy<Value = String> {
    "[a-zé,;|\t\" '\n]{0,12}".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the csv crate and serde_json write is read back, with the lines on which each row begins.
    #[test]
    fn what_is_written_is_read_back(
        cells in proptest::collection::vec((cell(), cell(), proptest::option::of((-9_i32..9, 1_i32..9))), 1..12),
        separator in proptest::sample::select(&b",;\t|"[..]),
        crlf in any::<bool>(),
    ) {
        let products: Vec<Product> = cells.into_iter().enumerate().map(|(number, (text, title, vector))| Product {
            product_id: format!("p{number}"),
            category: format!("c{}", number % 3),
            // Inner lines with as many separators as the header are taken for rows that a quote swallowed.
            text: format!("t{}", text.replace('\n', " ")),
            title: Some(title.replace([',', ';', '|', '\t'], "").trim().to_owned()).filter(|title| !title.is_empty()),
            embedding: vector.map(|(one, two)| vec![one as f32 / 8.0, two as f32]),
            attributes: Vec::new(),
            change: None,
        }).collect();
        let end = if crlf { "\r\n" } else { "\n" };
        let terminator = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
        let mut writer = ::csv::WriterBuilder::new().delimiter(separator).terminator(terminator).from_writer(Vec::new());
        writer.write_record(["product_id", "category", "text", "title", "embedding"]).unwrap();
        let (mut json, mut lines, mut line) = (String::new(), Vec::new(), 2);
        for product in &products {
            let vector = product.embedding.as_ref().map(|vector| serde_json::to_string(vector).unwrap());
            let title = product.title.clone().unwrap_or_default();
            lines.push(line);
            line += 1 + title.matches('\n').count();
            writer.write_record([&product.product_id, &product.category, &product.text, &title, &vector.unwrap_or_default()]).unwrap();
            let object = serde_json::json!({"title": product.title, "text": product.text, "category": product.category, "product_id": product.product_id, "embedding": product.embedding});
            write!(json, "{object}{end}").unwrap();
        }
        let found = rows(writer.into_inner().unwrap()).unwrap();
        prop_assert_eq!(places(&found), lines.iter().map(|line| format!("line {line}")).collect::<Vec<_>>());
        prop_assert_eq!(found.into_iter().map(|(_, row)| row.unwrap()).collect::<Vec<_>>(), products.clone());
        let found = rows(json).unwrap();
        prop_assert_eq!(found.into_iter().map(|(_, row)| row.unwrap()).collect::<Vec<_>>(), products);
    }
}
