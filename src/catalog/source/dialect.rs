//! How CSV is written: what separates cells, and what its quotes are.

/// What the person who builds says of CSV files. What is not said is found out, or as in RFC 4180.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// What separates cells; `None`: found by the header.
    pub delimiter: Option<u8>,
    /// What quotes are; `None`: `"`, and a quoted cell with a line that looks like a row is a fault.
    pub quoting: Option<Quoting>,
    /// What makes the next character within a quoted cell a plain one, beside a quote that is written twice.
    pub escape: Option<u8>,
}

/// What was said of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// They are characters like any other: a line is a row.
    None,
    /// This is one, and what it encloses is a cell, whatever its lines look like.
    By(u8),
}

impl Dialect {
    /// The marks of a file with this delimiter.
    pub(super) fn marks(self, delimiter: u8) -> Marks {
        let quote = match self.quoting {
            None => Some(b'"'),
            Some(Quoting::None) => None,
            Some(Quoting::By(quote)) => Some(quote),
        };
        Marks { delimiter, quote, escape: self.escape }
    }

    /// Whether quotes mean what they enclose, whatever it looks like.
    pub(super) fn trusts_quotes(self) -> bool {
        self.quoting.is_some()
    }
}

/// The characters that structure a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
}

impl Marks {
    /// A reader of the csv crate for them, of which no row is a header.
    pub(super) fn builder(self) -> ::csv::ReaderBuilder {
        let mut builder = ::csv::ReaderBuilder::new();
        builder.delimiter(self.delimiter).has_headers(false).flexible(true).escape(self.escape);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder
    }
}
