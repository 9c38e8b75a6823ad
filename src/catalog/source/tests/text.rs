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
fn a_quote_that_is_not_meant_so_is_an_error_that_names_its_line() {
    let header = "product_id,category,text,title\na,c,x,t\n";
    for (rest, line, what) in [
        ("b,c,x,\"open\nd,c,x,t\n", 3, "column title: a quote opens here and never closes"),
        (
            "b,c,x,\"open\nd,c,x,t\ne,c,x,\"closes\nf,c,x,t\n",
            3,
            "column title: a quote opens here and swallows 2 lines, of which 2 look like rows",
        ),
        ("b,c,\"open,t\nd,c,x,t\ne,c,\"x\",t\n", 3, "column text: a quote opens here and swallows"),
        ("b,c,\"two\nlines\",\"open\nd,c,x,t\n", 4, "column title: a quote opens here and never closes"),
    ] {
        let error = rows(format!("{header}{rest}")).unwrap_err();
        assert!(error.starts_with(&format!("line {line}, {what}")), "{error}");
        let crlf = rows(format!("{header}{rest}").replace('\n', "\r\n")).unwrap_err();
        assert!(crlf.starts_with(&format!("line {line}, {what}")), "{crlf}");
    }
    let early = fault(&format!("{header}b,c,\"27\" monitor\",t\nd,c,x,t\n"));
    assert!(early.starts_with("line 3: column text: its quote closes before the cell ends"), "{early}");
    assert!(fault(&format!("{header}b,c,\"several\nlines, of text\n\",\"t\" \n")).is_empty());
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
        "line 6: column embedding: is no JSON array of numbers: expected value at line 1 column 4 (JSON has no NaN)",
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
        "line 2: is no JSON object: expected ident at line 1 column 2",
        "line 3: column product_id: is missing",
    ];
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
    let half = fault("{\"product_id\":\"a\",\"category\":\"c\",\"text\":\"x \\ud83d y\"}\n");
    let expected =
        r"line 1: column text: has half a character (\ud83d) at line 1 column 4: an emoji or the like was cut in two";
    assert_eq!(half, expected);
    let columns = rows(r#"{"product_id":{"0":"a"},"category":{"0":"c"},"name":{"0":"x"}}"#).unwrap_err();
    assert!(columns.contains("orient='records', lines=True"), "{columns}");
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
    assert!(read(&export).unwrap_err().contains("names data/3.json.gz, which is not there"));
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
    for (content, what) in [
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
    assert!(read(folder.0.path()).unwrap_err().contains("the values in the names of folders are not read"));
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
