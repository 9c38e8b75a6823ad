//! Products from a CSV file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::catalog::CatalogError;

/// One product of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Unique.
    pub product_id: String,
    /// Its category.
    pub category: String,
    /// What is embedded.
    pub text: String,
    /// What people see.
    pub title: Option<String>,
    /// A vector from elsewhere: then the text is not embedded.
    pub embedding: Option<Vec<f32>>,
}

/// Reads the products of a CSV file with the columns `product_id, category, text[, title][, embedding]` (an
/// embedding is a JSON array). Other columns are ignored.
///
/// # Errors
/// [`CatalogError::Invalid`], naming line and column.
pub fn read_csv(path: &Path) -> Result<Vec<Product>, CatalogError> {
    let file = File::open(path).map_err(|source| CatalogError::File { path: path.to_owned(), source })?;
    parse_csv(BufReader::new(file))
}

fn parse_csv(source: impl Read) -> Result<Vec<Product>, CatalogError> {
    let unreadable = |error: csv::Error| CatalogError::Invalid(format!("not readable as CSV: {error}"));
    let mut reader = csv::Reader::from_reader(source);
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}').trim() == name);
    let required = |name: &str| column(name).ok_or_else(|| CatalogError::Invalid(format!("column {name} is missing")));
    let (id, category, text) = (required("product_id")?, required("category")?, required("text")?);
    let (title, embedding) = (column("title"), column("embedding"));
    let mut products = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let invalid = |name: &str, fault: &str| CatalogError::Invalid(format!("line {line}, column {name}: {fault}"));
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let filled = |column: usize, name: &str| match cell(column) {
            "" => Err(invalid(name, "is empty")),
            value => Ok(value.to_owned()),
        };
        let embedding = match embedding.map(cell).filter(|cell| !cell.is_empty()) {
            Some(json) => Some(serde_json::from_str(json).map_err(|error| invalid("embedding", &error.to_string()))?),
            None => None,
        };
        if embedding.is_none() && cell(text).trim().is_empty() {
            return Err(invalid("text", "is empty, and there is no embedding"));
        }
        products.push(Product {
            product_id: filled(id, "product_id")?,
            category: filled(category, "category")?,
            text: cell(text).to_owned(),
            title: title.map(cell).filter(|title| !title.is_empty()).map(str::to_owned),
            embedding,
        });
    }
    if products.is_empty() {
        return Err(CatalogError::Invalid("the source has no rows".into()));
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(csv: &str) -> String {
        parse_csv(csv.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let csv = "text,extra,title,category,product_id,embedding\nred mug,1,Mug,mugs,a,\n,2,,tea,b,\"[0.5,1]\"\n";
        let products = parse_csv(csv.as_bytes()).unwrap();
        assert_eq!(products[0].title.as_deref(), Some("Mug"));
        assert_eq!((products[1].title.as_deref(), products[1].embedding.as_deref()), (None, Some(&[0.5, 1.0][..])));
    }

    #[test]
    fn faults_name_line_and_column() {
        assert!(fault("product_id,text\na,x\n").contains("column category is missing"));
        assert!(fault("product_id,category,text\na,c,x\nb,,y\n").contains("line 3, column category: is empty"));
        assert!(fault("product_id,category,text\na,c, \n").contains("line 2, column text: is empty"));
        assert!(fault("product_id,category,text,embedding\na,c,x,nope\n").contains("line 2, column embedding"));
        assert!(fault("product_id,category,text\n").contains("has no rows"));
        assert!(fault("product_id,category,text\na,c\n").contains("not readable as CSV"));
    }
}
