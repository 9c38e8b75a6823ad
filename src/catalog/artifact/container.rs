//! Where the parts of an Arrow IPC file lie.
//!
//! Every offset and length of the footer is checked against the file, and the parts together are no longer than it:
//! a footer that names one part a thousand times does not make a thousand of it.

use std::ops::Range;

use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{Block, Message, root_as_footer_with_opts, root_as_message_with_opts};
use flatbuffers::VerifierOptions;

use super::format::{invalid, unreadable};
use crate::catalog::CatalogError;

/// Bytes that verifying metadata may visit for each of its own. A few fields are visited more than once; a name that
/// many fields share is copied by each, and children that fields share double with each level.
const VISITS: usize = 8;

/// The parts of a file.
pub(super) struct Container<'a> {
    /// As the footer has it.
    pub(super) schema: arrow_ipc::Schema<'a>,
    /// Dictionary batches, in the order in which they apply.
    pub(super) dictionaries: Vec<Part<'a>>,
    /// Record batches.
    pub(super) batches: Vec<Part<'a>>,
}

/// A message and its body.
pub(super) struct Part<'a> {
    /// What messages call it.
    pub(super) name: String,
    /// What says where in the body which buffer lies.
    pub(super) message: Message<'a>,
    /// Where the body lies in the file.
    pub(super) body: Range<usize>,
}

impl<'a> Container<'a> {
    pub(super) fn open(file: &'a [u8]) -> Result<Self, CatalogError> {
        let too_short = || invalid(format!("not readable as an Arrow IPC file: it has {} bytes", file.len()));
        let (before, tail) = file.split_last_chunk::<10>().ok_or_else(too_short)?;
        let length = read_footer_length(*tail).map_err(unreadable)?;
        let start = before.len().checked_sub(length).ok_or_else(|| {
            invalid(format!("its footer declares {length} bytes, before it the file has {}", before.len()))
        })?;
        let footer = root_as_footer_with_opts(&verifier(length), &before[start..])
            .map_err(|error| invalid(format!("its footer is damaged: {error}")))?;
        let schema = footer.schema().ok_or_else(|| invalid("its footer has no schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(invalid("its numbers are in another byte order than this machine's"));
        }
        let mut left = file.len();
        let mut parts = |kind: &str, blocks: Option<flatbuffers::Vector<'a, Block>>| {
            let named = blocks.into_iter().flatten().enumerate();
            named.map(|(number, block)| part(file, block, format!("{kind} {number}"), &mut left)).collect()
        };
        let dictionaries: Result<_, CatalogError> = parts("dictionary batch", footer.dictionaries());
        Ok(Self { schema, dictionaries: dictionaries?, batches: parts("record batch", footer.recordBatches())? })
    }
}

/// How metadata of `length` bytes is verified.
fn verifier(length: usize) -> VerifierOptions {
    VerifierOptions { max_apparent_size: length.saturating_mul(VISITS), ..VerifierOptions::default() }
}

fn part<'a>(file: &'a [u8], block: &Block, name: String, left: &mut usize) -> Result<Part<'a>, CatalogError> {
    let [offset, metadata, body] = [block.offset(), block.metaDataLength().into(), block.bodyLength()];
    let outside = || invalid(format!("{name}: {metadata} and {body} bytes at {offset}, the file has {}", file.len()));
    let number = |declared: i64| usize::try_from(declared).map_err(|_| outside());
    let (start, metadata, body) = (number(offset)?, number(metadata)?, number(body)?);
    let middle = start.checked_add(metadata).ok_or_else(outside)?;
    let end = middle.checked_add(body).filter(|&end| end <= file.len()).ok_or_else(outside)?;
    *left = left.checked_sub(end - start).ok_or_else(|| {
        invalid(format!("{name}: the parts up to it are longer than the {} bytes of the file", file.len()))
    })?;
    let metadata = &file[start..middle];
    let ([0xff, 0xff, 0xff, 0xff, _, _, _, _, message @ ..] | [_, _, _, _, message @ ..]) = metadata else {
        return Err(invalid(format!("{name}: its metadata has {} bytes", metadata.len())));
    };
    let message = root_as_message_with_opts(&verifier(message.len()), message)
        .map_err(|error| invalid(format!("{name}: its metadata is damaged: {error}")))?;
    Ok(Part { name, message, body: middle..end })
}
