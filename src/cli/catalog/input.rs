//! Where products come from: a file, a folder, standard input, S3 or DynamoDB; and how their columns are read.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::aws::Sdk;
use crate::aws::sources::{self, Table};
use crate::catalog::ObjectName;
use crate::catalog::source::{Dialect, Mapping, Parts, Quoting, Shard, Source, Tree, Wanted, open, reads_below};
use crate::cli::output::CliError;
use crate::cli::progress::Progress;

/// Where products come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    Stdin,
    Path(PathBuf),
    /// An object, or all objects below.
    S3(ObjectName),
    DynamoDb(Table),
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        match text.split_once("://") {
            None => Ok(Self::Path(PathBuf::from(text))),
            Some(("s3", _)) => text.parse().map(Self::S3),
            Some(("dynamodb", rest)) => rest.parse().map(Self::DynamoDb),
            Some((scheme, _)) => Err(format!("{scheme}:// is not supported: use a path, -, s3:// or dynamodb://")),
        }
    }
}

/// How the columns of a source are read.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct ColumnArgs {
    /// What a column is called: product_id, category, text, title or embedding (in updates also deleted)
    /// = its name in the source. Repeatable. An empty name says the source has no such column
    #[arg(long = "column", value_name = "KNOWN=NAME")]
    columns: Vec<String>,
    /// What is embedded, with columns in braces: '{title}. {description}' [default: the column text, and nothing else]
    #[arg(long, value_name = "TEMPLATE")]
    text: Option<String>,
    /// Columns that the catalog keeps for filter and return: A,B. Repeatable. all: those not used otherwise whose types
    /// can be kept. NAME:KIND (string, number, boolean, strings or numbers) says what its values are: any other value
    /// is a fault of its row, where CSV would turn the column into text
    #[arg(long, value_name = "A,B|all", value_delimiter = ',')]
    attributes: Vec<String>,
    /// What separates the cells of a CSV file: one character, or tab [default: detected, one of , ; tab |]
    #[arg(long, value_parser = delimiter)]
    delimiter: Option<u8>,
    /// What quotes cells of a CSV file: one character, and every quoted cell is taken as it is; or none: quotes are plain
    /// characters, and each line is a row [default: ", but a quoted cell with a line that looks like a row is a fault]
    #[arg(long, value_name = "CHARACTER|none", value_parser = quoting)]
    quote: Option<Quoting>,
    /// What precedes a quote within a quoted cell of a CSV file, such as \ [default: the quote is written twice]
    #[arg(long, value_name = "CHARACTER", value_parser = character)]
    escape: Option<u8>,
}

impl ColumnArgs {
    /// An update changes the attributes that the catalog has.
    pub(super) fn check_no_attributes(&self) -> Result<(), CliError> {
        if self.attributes.is_empty() {
            return Ok(());
        }
        let what = "--attributes: an update changes those that the catalog has; `catalog build` chooses them";
        Err(CliError::Usage(what.to_owned()))
    }

    fn mapping(&self, needs_vectors: bool) -> Result<Mapping, String> {
        let mapping = Mapping::new(&self.columns, self.text.as_deref(), needs_vectors)?;
        Ok(mapping.with_attributes(Wanted::new(&self.attributes)?))
    }

    fn dialect(&self) -> Result<Dialect, CliError> {
        let Self { delimiter, quote: quoting, escape, .. } = *self;
        let quote = match quoting {
            Some(Quoting::By(quote)) => Some(quote),
            Some(Quoting::None) => None,
            None => Some(b'"'),
        };
        if quote.is_some() && (quote == delimiter || quote == escape) || escape.is_some() && escape == delimiter {
            return Err(CliError::Other("--delimiter, --quote and --escape must be different characters".to_owned()));
        }
        Ok(Dialect { delimiter, quoting, escape })
    }
}

fn quoting(text: &str) -> Result<Quoting, String> {
    if text == "none" { Ok(Quoting::None) } else { character(text).map(Quoting::By) }
}

fn character(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_graphic() => Ok(*byte),
        _ => Err("must be one visible ASCII character".to_owned()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if *byte != b'"' && *byte != b'\n' && *byte != b'\r' => Ok(*byte),
        _ => Err("must be one ASCII character, or tab".to_owned()),
    }
}

impl Input {
    /// The products, fetched to this machine. Those of a path are read where they are. `needs_vectors`: no model is to be
    /// called for those that bring none.
    pub(super) async fn source(&self, columns: &ColumnArgs, needs_vectors: bool) -> Result<Source, CliError> {
        let mapping = columns.mapping(needs_vectors).map_err(CliError::Other)?;
        let dialect = columns.dialect()?;
        let parts = match self {
            Self::Path(path) => open(path)?,
            Self::Stdin => {
                let what = "standard input";
                let mut file = tempfile::tempfile().map_err(CliError::io(what))?;
                std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(CliError::io(what))?;
                Shard::new(what.to_owned(), file)?.into()
            }
            Self::S3(name) => self.fetch(name).await?,
            Self::DynamoDb(table) => {
                let sdk = Sdk::load_usable().await?;
                let progress = Progress::counting("reading items");
                let file = sources::read_table(&sdk, table, |items| progress.set(items)).await?;
                progress.finish();
                Shard::new(table.to_string(), file)?.into()
            }
        };
        Ok(Source::new(parts, mapping, dialect))
    }

    async fn fetch(&self, name: &ObjectName) -> Result<Parts, CliError> {
        let sdk = Sdk::load_usable().await?;
        let progress = Progress::counting("fetching MiB");
        let done = |bytes: u64| progress.set((bytes >> 20) as usize);
        if let Some(file) = sources::object(&sdk, name, done).await? {
            progress.finish();
            return Ok(Shard::new(name.to_string(), file)?.into());
        }
        // Below a prefix everything counts, as in a folder. Keys may be what no path is, so files are named by numbers.
        let folder = tempfile::tempdir().map_err(CliError::io("a folder for what is fetched"))?;
        let prefix = below(&name.key);
        let objects = sources::below(&sdk, &name.bucket, &prefix).await?;
        if objects.is_empty() {
            return Err(CliError::Other(format!("{name}: no such object, and none under {prefix}")));
        }
        let mut tree = Tree::default();
        for (number, (object, bytes)) in objects.iter().enumerate() {
            let relative = object.key.strip_prefix(&prefix).unwrap_or(&object.key);
            // What consoles make to show a folder.
            let is_folder = *bytes == 0 && (relative.is_empty() || relative.ends_with('/'));
            if is_folder || Tree::is_passed_over(relative) {
                continue;
            }
            let path = folder.path().join(number.to_string());
            sources::object_to(&sdk, object, &path).await?;
            tree.add(relative, path);
        }
        progress.finish();
        Ok(tree.parts(&name.to_string(), Vec::new())?.fetched_to(folder))
    }

    /// Whether a build would write over what it reads, or leave it where the next one reads it. `flag`: what names the
    /// file.
    pub(super) fn check_written(&self, flag: &str, path: &Path) -> Result<(), CliError> {
        let Self::Path(input) = self else { return Ok(()) };
        if is_same(input, path) {
            return Err(CliError::Other(format!("{flag} is --input, {}: name another file", path.display())));
        }
        if input.is_dir() && reads_below(input, folder_of(path))? { Err(next_reads(flag)) } else { Ok(()) }
    }

    /// The same of an object that is the output.
    pub(super) fn check_object(&self, output: &ObjectName) -> Result<(), CliError> {
        let Self::S3(input) = self else { return Ok(()) };
        if input == output {
            return Err(CliError::Other(format!("--output is --input, {output}: name another object")));
        }
        let prefix = below(&input.key);
        if input.bucket == output.bucket && output.key.starts_with(&prefix) {
            return Err(next_reads("--output"));
        }
        Ok(())
    }
}

/// Whether two paths lead to one file, whatever they are called.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn next_reads(flag: &str) -> CliError {
    let what = "is inside the --input folder, so the next build would read it: choose another folder";
    CliError::Other(format!("{flag} {what}"))
}

/// How the keys of all objects below one begin.
fn below(key: &str) -> String {
    if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        let parse = |text: &str| text.parse::<Input>();
        assert_eq!(parse("-").unwrap(), Input::Stdin);
        assert_eq!(parse("a/b.csv").unwrap(), Input::Path("a/b.csv".into()));
        let name = ObjectName { bucket: "b".into(), key: "k/x.parquet".into() };
        assert_eq!(parse("s3://b/k/x.parquet").unwrap(), Input::S3(name));
        assert!(matches!(parse("dynamodb://products").unwrap(), Input::DynamoDb(_)));
        assert!(parse("gs://b/k").unwrap_err().contains("gs:// is not supported"));
        assert!(parse("s3://b").unwrap_err().contains("must be s3://BUCKET/KEY"));
    }

    #[test]
    fn what_structures_csv_is_one_character_each() {
        assert_eq!((quoting("none"), quoting("'")), (Ok(Quoting::None), Ok(Quoting::By(b'\''))));
        assert!(quoting("\"\"").is_err() && quoting("é").is_err() && character("\\").is_ok());
        let dialect = |delimiter, quote, escape| {
            let columns = ColumnArgs { delimiter, quote, escape, ..ColumnArgs::default() };
            columns.dialect().map_err(|error| error.to_string())
        };
        let (quote, escape) = (Some(Quoting::By(b'\'')), Some(b'\\'));
        assert_eq!(dialect(None, quote, escape), Ok(Dialect { delimiter: None, quoting: quote, escape }));
        assert!(dialect(Some(b'|'), Some(Quoting::None), None).is_ok());
        for (delimiter, quote, escape) in
            [(Some(b'\''), quote, None), (None, None, Some(b'"')), (Some(b'|'), None, Some(b'|'))]
        {
            assert!(dialect(delimiter, quote, escape).unwrap_err().contains("must be different characters"));
        }
    }
}
