//! An artifact that is read once, from start to end, into the memory in which it stays, and hashed on the way.
//!
//! What is hashed is what is kept: vectors are hashed where they lie, by another thread. Nobody sees any of it before
//! the hash is known.

use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use nearline_contract::hash::hex;
use nearline_search::{Numbers, as_bytes, as_bytes_mut};
use sha2::{Digest, Sha256};

use super::read::{Opened, append, check_kind, model_id, numbers, read_bytes};
use crate::catalog::CatalogError;
use crate::catalog::attributes::Builders;
use crate::catalog::ipc::{Blob, Budget, Once, invalid};
use crate::catalog::kind::HEAD_BYTES;
use crate::catalog::table::Table;
use crate::catalog::vectors::Vectors;

/// Bytes that are read and hashed together.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes that come one after the other.
pub(in crate::catalog) trait Source: Send {
    /// Fills `bytes` with the next ones.
    ///
    /// # Errors
    /// They do not come.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), CatalogError>;
}

/// The columns of an artifact and what its file says of them.
#[derive(Debug)]
pub(in crate::catalog) struct Content {
    pub(in crate::catalog) table: Table,
    pub(in crate::catalog) model_id: Option<String>,
    /// Of the file, as lower-case hex.
    pub(in crate::catalog) sha256: String,
}

/// What is known of an artifact before it is read.
#[derive(Debug)]
pub(in crate::catalog) enum Known {
    /// What says where its parts lie.
    Parts(Blob),
    /// Its length.
    Length(u64),
}

impl Known {
    fn length(&self) -> u64 {
        match self {
            Self::Parts(blob) => blob.len(),
            Self::Length(length) => *length,
        }
    }
}

/// Reads an artifact whose bytes come from `source`. `name` is for messages, `expected` the SHA-256 that they must have,
/// `place` where vectors lie.
///
/// # Errors
/// [`CatalogError::Corrupt`] if they have another; [`CatalogError::Invalid`], naming batch or row, and column; those of
/// the source.
pub(in crate::catalog) fn read_once(
    known: Known,
    mut source: impl Source,
    name: &str,
    expected: Option<&str>,
    place: &Vectors,
) -> Result<Content, CatalogError> {
    let length = known.length();
    let plan = Plan::new(known);
    let mut vectors = Numbers::default();
    if let Ok(Plan::InOrder { parts, .. }) = &plan {
        let (rows, dimension) = (parts.once.rows, parts.dimension);
        vectors = place.room(rows, dimension)?;
    }
    let numbers = &mut vectors[..];
    let (hashes, pieces) = channel();
    // A thread that is alone hashes when it has read: then what it keeps for that must be little.
    let alone = rayon::current_num_threads() == 1;
    let hashing = if alone {
        drop(hashes);
        Hashing::Here(Sha256::new())
    } else {
        Hashing::Beside(hashes)
    };
    let mut progress = Progress { source: &mut source, hashing, at: 0 };
    let reading = move || {
        let read = match plan {
            Ok(Plan::InOrder { parts, model_id }) => {
                parts.read(&mut progress, numbers).map(|table| Read::Columns(Box::new(table), model_id))
            }
            Ok(Plan::Whole) => progress.until(length).map(Read::Whole),
            Err(error) => Err(error),
        };
        // What is wrong with the content counts only if it is the content that is expected.
        let ended = if matches!(read, Err(CatalogError::Invalid(_))) { progress.pass(length) } else { Ok(()) };
        (ended.and(read), progress.hashing.finish())
    };
    let ((read, here), beside) = rayon::join(reading, move || hash(&pieces));
    let sha256 = here.unwrap_or(beside);
    if let (Some(expected), Ok(_) | Err(CatalogError::Invalid(_))) = (expected, &read)
        && sha256 != expected
    {
        let why = format!("its SHA-256 is {sha256}, expected {expected}");
        return Err(CatalogError::Corrupt { what: name.to_owned(), why });
    }
    match read? {
        Read::Columns(table, model_id) => Ok(Content { table: Table { vectors, ..*table }, model_id, sha256 }),
        Read::Whole(bytes) => {
            let artifact = read_bytes(&bytes)?;
            let mut table = Table::of(artifact.rows)?;
            if !place.stay_in_memory() {
                let mut numbers = place.room(table.category_of.len(), table.dimension)?;
                numbers.copy_from_slice(&table.vectors);
                table.vectors = numbers;
            }
            Ok(Content { table, model_id: artifact.model_id, sha256 })
        }
    }
}

enum Read {
    Columns(Box<Table>, Option<String>),
    Whole(Bytes),
}

/// How an artifact is read.
enum Plan {
    InOrder {
        parts: Box<Parts>,
        model_id: Option<String>,
    },
    /// The parts lie in another order than they apply in, or are too many to know all before.
    Whole,
}

impl Plan {
    fn new(known: Known) -> Result<Self, CatalogError> {
        let Known::Parts(blob) = known else { return Ok(Self::Whole) };
        check_kind(&blob.read(0..blob.len().min(HEAD_BYTES as u64))?)?;
        let Opened { file, schema, dimension, attributes, mut budget } = Opened::new(blob)?;
        let column = schema.index_of("embedding").map_err(|error| invalid(error.to_string()))?;
        let Some(once) = Once::new(file, column, dimension, &mut budget)? else { return Ok(Self::Whole) };
        if once.rows == 0 {
            return Err(invalid("it has no rows"));
        }
        let parts = Box::new(Parts { once, attributes, budget, dimension });
        Ok(Self::InOrder { parts, model_id: model_id(&schema) })
    }
}

struct Parts {
    once: Once,
    attributes: Builders,
    budget: Budget,
    dimension: usize,
}

impl Parts {
    /// Reads all columns; the numbers of vectors into `place`.
    fn read<'a>(
        mut self,
        progress: &mut Progress<'a, impl Source>,
        mut place: &'a mut [f32],
    ) -> Result<Table, CatalogError> {
        let mut table = Table::with_rows(self.once.rows, self.dimension);
        for number in 0..self.once.batches.len() {
            let (body, vectors) = (self.once.batches[number].body.clone(), self.once.batches[number].vectors.clone());
            let rows = self.once.batches[number].rows;
            let here;
            (here, place) = place.split_at_mut(rows * self.dimension);
            let metadata_at = progress.at;
            let metadata = progress.until(body.start)?;
            if self.once.contradicts(metadata_at, &metadata) {
                return Err(invalid("it was written to while it was read"));
            }
            let cut = vectors.clone().unwrap_or(body.end..body.end);
            let before = progress.until(cut.start)?;
            let is_cut = vectors.is_some();
            let mut here = Some(here);
            if is_cut && let Some(here) = here.take() {
                progress.fill(here)?;
            }
            let behind = progress.until(body.end)?;
            let Some(batch) = self.once.decode(number, [&before, &behind], &mut self.budget)? else { continue };
            let first = table.products.len();
            append(&mut table, &batch, &mut self.budget)?;
            self.attributes.append(&batch, &mut self.budget)?;
            if let Some(here) = here {
                here.copy_from_slice(&numbers(&batch, self.dimension, first)?);
            }
        }
        let metadata_at = progress.at;
        let footer = progress.until(self.once.length())?;
        if self.once.contradicts(metadata_at, &footer) {
            return Err(invalid("it was written to while it was read"));
        }
        Ok(Table { attributes: self.attributes.finish(), ..table.shrunk() })
    }
}

/// What is hashed.
enum Piece<'a> {
    Numbers(&'a [f32]),
    Bytes(Bytes),
}

impl Piece<'_> {
    fn update(&self, hasher: &mut Sha256) {
        match self {
            Piece::Numbers(numbers) => hasher.update(as_bytes(numbers)),
            Piece::Bytes(bytes) => hasher.update(bytes),
        }
    }
}

fn hash(pieces: &Receiver<Piece<'_>>) -> String {
    let mut hasher = Sha256::new();
    for piece in pieces {
        piece.update(&mut hasher);
    }
    hex(&hasher.finalize())
}

/// Who hashes.
enum Hashing<'a> {
    Here(Sha256),
    Beside(Sender<Piece<'a>>),
}

impl<'a> Hashing<'a> {
    fn take(&mut self, piece: Piece<'a>) {
        match self {
            Self::Here(hasher) => piece.update(hasher),
            // Who receives ends after this does.
            Self::Beside(hashes) => drop(hashes.send(piece)),
        }
    }

    /// The hash, if it was made here.
    fn finish(self) -> Option<String> {
        match self {
            Self::Here(hasher) => Some(hex(&hasher.finalize())),
            Self::Beside(_) => None,
        }
    }
}

/// How far a source was read.
struct Progress<'a, S> {
    source: &'a mut S,
    hashing: Hashing<'a>,
    at: u64,
}

impl<'a, S: Source> Progress<'a, S> {
    /// What lies before `end`.
    fn until(&mut self, end: u64) -> Result<Bytes, CatalogError> {
        let mut bytes = vec![0; end.saturating_sub(self.at) as usize];
        self.source.fill(&mut bytes)?;
        let bytes = Bytes::from(bytes);
        self.at += bytes.len() as u64;
        self.hashing.take(Piece::Bytes(bytes.clone()));
        Ok(bytes)
    }

    /// Fills `numbers` with what comes.
    fn fill(&mut self, numbers: &'a mut [f32]) -> Result<(), CatalogError> {
        for piece in numbers.chunks_mut(PIECE_BYTES / size_of::<f32>()) {
            self.source.fill(as_bytes_mut(piece))?;
            self.at += size_of_val(piece) as u64;
            self.hashing.take(Piece::Numbers(piece));
        }
        Ok(())
    }

    /// Hashes what lies before `end`.
    fn pass(&mut self, end: u64) -> Result<(), CatalogError> {
        while self.at < end {
            self.until(end.min(self.at + PIECE_BYTES as u64))?;
        }
        Ok(())
    }
}
