//! CSV whose quotes are meant, and CSV whose quotes are not: no row is lost in silence, and none refused without need.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const HEADER: &str = "product_id,category,text\n";

/// Ids of products, and faults with their places.
fn found(rows: Rows) -> (Vec<String>, Vec<String>) {
    let (mut ids, mut faults) = (Vec::new(), Vec::new());
    for (place, row) in rows {
        match row {
            Ok(product) => ids.push(product.product_id),
            Err(fault) => faults.push(format!("{place}: {fault}")),
        }
    }
    (ids, faults)
}

fn read_csv(content: &str) -> (Vec<String>, Vec<String>) {
    found(csv_as(content, Dialect::default()).unwrap().0)
}

#[test]
fn a_row_that_a_quote_swallows_is_never_lost_in_silence_whatever_ends_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let read = |rows: &str| read_csv(&format!("{HEADER}{rows}").replace('\n', end));
        // Closed by a quote that is a plain character of another row.
        let (ids, faults) = read("1,k,\"A mug\n2,k,A ruler of 12\"\n3,k,x\n");
        assert_eq!(ids, ["3"]);
        assert!(faults[0].starts_with("line 2: column text: a quote opens here and swallows 1 line, of which 1 looks"));
        let inner = "line 3: column text: looks like a row, but is within the quoted cell that opens in line 2";
        assert_eq!(faults[1..], [inner]);
        // Closed by the next row's own quote.
        let (ids, faults) = read("1,k,\"A mug\n2,k,x\n3,k,\"y, z\"\n4,k,x\n");
        assert_eq!(ids, ["2", "3", "4"]);
        assert!(faults[0].starts_with("line 2: column text: a quote opens here, swallows 2 lines, and closes within"));
        // Never closed.
        let (ids, faults) = read("1,\"two\nlines\",\"A mug\n2,k,x\n3,k,y\n");
        assert_eq!(ids, ["2", "3"]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("line 3: column text: a quote opens here and never closes"), "{faults:?}");
        // Closed by a quote that opens a cell of several lines which begins with a line end.
        let (ids, faults) = read("1,k,\"A mug\n2,\"\nb\",x\n3,k,x\n");
        assert!(ids == ["3"] && faults[0].starts_with("line 2: column text: a quote opens here"), "{ids:?} {faults:?}");
    }
}

#[test]
fn quotes_can_be_taken_at_their_word_or_not_at_all() {
    let content = format!("{HEADER}1,k,\"Mug\nblue, big, round\nof stone\"\n2,k,x\n");
    let (ids, faults) = read_csv(&content);
    assert!(ids == ["2"] && faults[0].contains("--quote '\"' says that all quotes are"), "{faults:?}");
    let trusted = Dialect { quoting: Some(Quoting::By(b'"')), ..Dialect::default() };
    let (rows, _) = csv_as(&content, trusted).unwrap();
    assert_eq!(rows[0].1.as_ref().unwrap().text, "Mug\nblue, big, round\nof stone");
    assert_eq!(found(rows).0, ["1", "2"]);
    let plain = Dialect { quoting: Some(Quoting::None), ..Dialect::default() };
    let (rows, _) = csv_as(format!("{HEADER}1,k,\"27 inch\n2,k,12\"\n"), plain).unwrap();
    let texts: Vec<&str> = rows.iter().map(|(_, row)| row.as_ref().unwrap().text.as_str()).collect();
    assert_eq!(texts, ["\"27 inch", "12\""]);
    let single = Dialect { quoting: Some(Quoting::By(b'\'')), ..Dialect::default() };
    let (rows, _) = csv_as(format!("{HEADER}1,k,'a, \"b\"'\n"), single).unwrap();
    assert_eq!(rows[0].1.as_ref().unwrap().text, "a, \"b\"");
    let escaped = format!("{HEADER}1,k,\"A \\\"big\\\", blue mug\"\n");
    assert!(read_csv(&escaped).1[0].contains("or say --escape '\\'"));
    let (rows, _) = csv_as(escaped, Dialect { escape: Some(b'\\'), ..Dialect::default() }).unwrap();
    assert_eq!(rows[0].1.as_ref().unwrap().text, "A \"big\", blue mug");
}

#[test]
fn a_quote_within_a_line_is_a_fault_of_its_row() {
    let (ids, faults) = read_csv(&format!("{HEADER}1,k,\"27\" monitor\"\n2, \"k\",x\n3, \"a, b\",x\n4,k,\"a\nb\" \n"));
    assert_eq!(ids, ["4"]);
    assert!(faults[0].starts_with("line 2: column text: its quote closes before the cell ends"), "{faults:?}");
    assert!(faults[1].starts_with("line 3: column category: a blank stands before a quote"), "{faults:?}");
    assert!(faults[2].contains("has 4 cells") && faults[2].contains("without a blank before the quote"), "{faults:?}");
}

#[test]
fn a_header_whose_quote_swallows_rows_is_an_error() {
    for header in [
        "product_id,category,\"text\n1,k,\"x\"\n",
        "product_id,\"category,text\n1,k,x\n",
        "product_id,category,text,\"a\n1,k,x,b\"\n",
    ] {
        let error = csv_as(header, Dialect::default()).unwrap_err();
        assert!(error.contains("its header has a quote that does not close in its cell"), "{error}");
    }
    let header = "product_id,category,text,\"Price\n(EUR)\"\n1,k,x,2\n";
    let trusted = Dialect { quoting: Some(Quoting::By(b'"')), ..Dialect::default() };
    assert_eq!(found(csv_as(header, trusted).unwrap().0).0, ["1"]);
    let error = csv_as("product_id, \"category\",text\n", Dialect::default()).unwrap_err();
    assert!(error.contains("a blank stands before a quote"), "{error}");
}

#[test]
fn files_that_were_put_together_and_lines_that_end_in_a_separator_are_read() {
    let file = |id: &str| format!("\u{feff}Product_ID,category,text,\r\n{id},k,\"x, y\",\r\n");
    let (rows, notes) = csv_as([file("1"), file("2")].concat(), Dialect::default()).unwrap();
    assert_eq!(found(rows), (vec!["1".to_owned(), "2".to_owned()], vec![]));
    assert_eq!(notes, ["lines that repeat the header are skipped"]);
    assert_eq!(read_csv(&format!("{HEADER}1,k,x,\n2,k,x, ,\n")).0, ["1", "2"]);
    assert_eq!(read_csv(&format!("{HEADER}1,k,x\n\u{feff}\"2\",k,x\n")).0, ["1", "2"]);
    assert!(read_csv(&format!("{HEADER}1,k,x,y\n")).1[0].contains("has 4 cells, the header 3"));
}

#[test]
fn a_line_or_cell_beyond_all_bounds_is_a_fault_and_the_rest_is_read() {
    let long = "x".repeat(17 << 20);
    for row in [format!("1,k,{long}\n"), format!("1,k,\"{long}\n"), format!("1,k,\"{long}\"\n")] {
        let (ids, faults) = read_csv(&format!("{HEADER}0,k,x\n{row}2,k,y\n"));
        assert_eq!(ids, ["0", "2"]);
        assert!(faults.len() == 1 && faults[0].starts_with("line 3: "), "{} {}", faults.len(), &faults[0][..80]);
    }
    // Exactly at the bound a line ends.
    let row = format!("1,k,{}\n", "x".repeat((16 << 20) - 4));
    let (ids, faults) = read_csv(&format!("{HEADER}{row}2,k,y\n"));
    assert_eq!((ids.last().unwrap().as_str(), ids.len() + faults.len()), ("2", 2));
}

fn texts() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(
        &["a", "Mug ", ", ", ",", "\"", "\"\"", "\n", "\r\n", "\r", "blue", " ", "k,x", ";"][..],
    );
    proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// A table as the csv crate writes it: id, category, text, title.
fn table() -> impl Strategy<Value = (Vec<[String; 4]>, String)> {
    let rows = proptest::collection::vec((texts(), texts(), proptest::sample::select(&["k", "tea", "a b"][..])), 1..7);
    let ends = proptest::sample::select(&["\n", "\r\n", "\r"][..]);
    (rows, ends, any::<bool>()).prop_map(|(rows, end, always)| {
        let rows: Vec<[String; 4]> = rows
            .into_iter()
            .enumerate()
            .map(|(number, (text, title, category))| {
                [format!("id{number}#"), category.to_owned(), format!("t{text}"), title]
            })
            .collect();
        let terminator = match end {
            "\r\n" => ::csv::Terminator::CRLF,
            end => ::csv::Terminator::Any(end.as_bytes()[0]),
        };
        let style = if always { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().terminator(terminator).quote_style(style).from_writer(Vec::new());
        writer.write_record(["product_id", "category", "text", "title"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        (rows, written)
    })
}

/// Whether a line behind the first of a text looks like a row of four cells, or ends like a cell before one that opens:
/// the slow way.
fn looks_like_rows(text: &str, behind: &str) -> bool {
    let written = text.replace('"', "\"\"");
    let whole = format!("{written}\"{behind}").replace("\r\n", "\n").replace('\r', "\n");
    let lines = written.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
    let is_row = |rest: &str| {
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(rest.as_bytes());
        let first = reader.records().next();
        !rest.starts_with('\n')
            && first.is_some_and(|record| {
                record.is_ok_and(|cells| cells.len() >= 4 && cells.iter().skip(4).all(|cell| cell.trim().is_empty()))
            })
    };
    lines > 0
        && (written.ends_with(',') || whole.match_indices('\n').take(lines).any(|(end, _)| is_row(&whole[end + 1..])))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_quoted_well_is_read_unless_a_line_of_it_looks_like_a_row((rows, written) in table()) {
        let (found, _) = csv_as(&written, Dialect { quoting: Some(Quoting::By(b'"')), ..Dialect::default() }).unwrap();
        for (row, (_, product)) in rows.iter().zip(&found) {
            let product = product.as_ref().unwrap();
            prop_assert_eq!(&product.product_id, &row[0]);
            prop_assert_eq!(product.text.as_str(), row[2].trim());
            prop_assert_eq!(product.title.as_deref().unwrap_or_default(), row[3].trim());
        }
        prop_assert_eq!(found.len(), rows.len());
        let is_alike = |row: &[String; 4]| {
            let title = format!("{}\n", row[3].replace('"', "\"\""));
            let plain = !row[3].contains(['"', ',', '\n', '\r']) && !written.starts_with('"');
            let behind = if plain { format!(",{title}") } else { format!(",\"{}\"\n", &title[..title.len() - 1]) };
            looks_like_rows(&row[2], &behind) || looks_like_rows(&row[3], "\n")
        };
        let (_, faults) = read_csv(&written);
        let expected = rows.iter().filter(|row| is_alike(row)).count();
        prop_assert_eq!(faults.iter().filter(|fault| fault.contains("a quote opens here")).count(), expected, "{:?}", faults);
    }

    /// Whatever becomes of a table with one quote more or less: each of its rows is a product, or in a fault.
    #[test]
    fn a_quote_too_many_or_too_few_loses_no_row_in_silence((rows, written) in table(), adds in any::<bool>(), at in any::<Index>()) {
        let quotes: Vec<usize> = written.match_indices('"').map(|(at, _)| at).collect();
        let mut damaged = written.clone();
        if adds || quotes.is_empty() {
            let places: Vec<usize> = written.char_indices().map(|(place, _)| place).collect();
            damaged.insert(*at.get(&places), '"');
        } else {
            damaged.remove(*at.get(&quotes));
        }
        let folder = Folder::new();
        let source = Source::new(open(&folder.put("products", &damaged)).unwrap(), Mapping::default(), Dialect::default());
        let (mut ids, mut faulty) = (Vec::new(), String::new());
        let read = source.read(&mut |_, found: Found<'_>| {
            match found.product {
                Ok(product) => ids.push(product.product_id),
                Err(_) => faulty.push_str(&(found.what)()),
            }
            Ok(())
        });
        if read.is_ok() {
            for row in &rows {
                // An id may be damaged itself: its number is left.
                let id = row[0].trim_end_matches('#');
                let is_found = faulty.replace('"', "").contains(id) || ids.iter().any(|found| found.replace('"', "").contains(id));
                prop_assert!(is_found, "{} is lost of {:?}: {:?} {:?}", id, damaged, ids, faulty);
            }
        }
    }
}
