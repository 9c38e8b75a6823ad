//! Where the parts of an Arrow IPC file or stream lie.
//!
//! Every offset and length is checked against the file, and the parts together are no longer than it: a footer that
//! names one part a thousand times does not make a thousand of it.

use std::ops::Range;

use arrow_buffer::Buffer;
use arrow_ipc::reader::read_footer_length;
use arrow_ipc::{Block, Int, Message, MessageHeader, root_as_footer_with_opts, root_as_message_with_opts};
use flatbuffers::VerifierOptions;

use super::blob::Blob;
use super::invalid;
use crate::catalog::CatalogError;

/// Bytes that verifying metadata may visit for each of its own. A few fields are visited more than once; a name that
/// many fields share is copied by each, and children that fields share double with each level.
const VISITS: usize = 8;
/// Where one Arrow file ends and another begins.
const BETWEEN_FILES: &[u8] = b"ARROW1ARROW1";
/// How each message of a stream begins.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The parts of a file or stream.
#[derive(Debug)]
pub(super) struct Container {
    /// The footer of a file, the first message of a stream.
    metadata: Buffer,
    is_stream: bool,
    /// Whether it says that it ends where it does, which a stream may leave out.
    has_end: bool,
    /// In the order in which they apply.
    pub(super) parts: Vec<Part>,
}

/// A message and its body.
#[derive(Debug)]
pub(super) struct Part {
    /// What messages call it.
    pub(super) name: String,
    /// Verified.
    pub(super) metadata: Buffer,
    /// Where the body lies in the file.
    pub(super) body: Range<u64>,
    /// Whether a stream begins with it, which has dictionaries of its own.
    pub(super) begins: bool,
}

impl Part {
    /// What says where in the body which buffer lies.
    pub(super) fn message(&self) -> Result<Message<'_>, CatalogError> {
        message(&self.name, &self.metadata)
    }
}

impl Container {
    pub(super) fn open(blob: &Blob) -> Result<Self, CatalogError> {
        let start = blob.read(0..blob.len().min(8))?;
        if start.starts_with(&CONTINUATION) { Self::open_stream(blob) } else { Self::open_file(blob) }
    }

    /// Whether it is a stream, in which a dictionary may be replaced.
    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Whether it says that it ends where it does.
    pub(super) fn has_end(&self) -> bool {
        self.has_end
    }

    /// The schema.
    ///
    /// # Errors
    /// There is none, or its numbers are not of this machine.
    pub(super) fn schema(&self) -> Result<arrow_ipc::Schema<'_>, CatalogError> {
        let schema = if self.is_stream {
            message("schema", &self.metadata)?.header_as_schema()
        } else {
            footer(&self.metadata)?.schema()
        };
        let schema = schema.ok_or_else(|| invalid("it has no schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(invalid("its numbers are in another byte order than this machine's"));
        }
        Ok(schema)
    }

    /// Gives numbers of a width that the reader does not know one that it knows: they are passed over, and lie alike.
    pub(super) fn with_known_widths(mut self) -> Result<Self, CatalogError> {
        let mut places = Vec::new();
        for field in self.schema()?.fields().into_iter().flatten() {
            places.extend(unknown_widths(field, self.metadata.len())?);
        }
        let mut metadata = self.metadata.to_vec();
        for place in places {
            metadata[place..place + 4].copy_from_slice(&64_i32.to_le_bytes());
        }
        self.metadata = metadata.into();
        Ok(self)
    }

    /// Where the footer of a file lies, by its last bytes.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn footer_place(blob: &Blob) -> Result<Range<u64>, CatalogError> {
        let length = blob.len();
        let tail_start = length
            .checked_sub(10)
            .ok_or_else(|| invalid(format!("not readable as an Arrow IPC file: it has {length} bytes")))?;
        let tail: Vec<u8> = blob.read(tail_start..length)?.to_vec();
        let unreadable = || {
            let what = "not readable as an Arrow IPC file: it does not end in a correct footer";
            invalid(format!("{what} (cut short, or not written to its end)"))
        };
        let tail = tail.first_chunk::<10>().ok_or_else(unreadable)?;
        let footer_length = read_footer_length(*tail).map_err(|_| unreadable())?;
        let start = tail_start.checked_sub(footer_length as u64).ok_or_else(|| {
            invalid(format!("its footer declares {footer_length} bytes, before it the file has {tail_start}"))
        })?;
        Ok(start..tail_start)
    }

    /// Where the metadata of each part of a file lies, by its footer, and what lies behind the last part.
    ///
    /// # Errors
    /// The footer is damaged.
    pub(super) fn metadata_places(blob: &Blob) -> Result<Vec<Range<u64>>, CatalogError> {
        let place = Self::footer_place(blob)?;
        let metadata = blob.read(place.clone())?;
        let footer = footer(&metadata)?;
        let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
        let mut places = Vec::new();
        let mut behind = 0;
        for block in blocks {
            let place = || {
                let start = u64::try_from(block.offset()).ok()?;
                let middle = start.checked_add(u64::try_from(block.metaDataLength()).ok()?)?;
                let end = middle.checked_add(u64::try_from(block.bodyLength()).ok()?)?;
                (end <= place.start).then_some((start..middle, end))
            };
            // Whoever reads it says what is wrong.
            let Some((metadata, end)) = place() else { return Ok(Vec::new()) };
            places.push(metadata);
            behind = behind.max(end);
        }
        places.push(behind..place.start);
        Ok(places)
    }

    fn open_file(blob: &Blob) -> Result<Self, CatalogError> {
        let length = blob.len();
        let Range { start, end: tail_start } = Self::footer_place(blob)?;
        let metadata = blob.read(start..tail_start)?;
        let footer = footer(&metadata)?;
        let mut left = length;
        let mut parts = Vec::new();
        for (kind, blocks) in [("dictionary batch", footer.dictionaries()), ("record batch", footer.recordBatches())] {
            for (number, block) in blocks.into_iter().flatten().enumerate() {
                parts.push(part(blob, block, format!("{kind} {number}"), &mut left)?);
            }
        }
        // The places of another file before it would be taken for those of this one.
        let end = parts.iter().map(|part| part.body.end).max().unwrap_or_default();
        if blob.holds(end..start, BETWEEN_FILES)? {
            return Err(invalid("several Arrow files one after the other: put each in its own file"));
        }
        Ok(Self { metadata, is_stream: false, has_end: true, parts })
    }

    fn open_stream(blob: &Blob) -> Result<Self, CatalogError> {
        let (mut metadata, mut parts, mut at, mut batches) = (None::<Buffer>, Vec::new(), 0, 0);
        let (mut has_end, mut begins) = (false, true);
        while at < blob.len() {
            let cut = |what: &str| invalid(format!("the stream is cut short: {what} at byte {at} goes past its end"));
            if has_end && blob.is_zero(at)? {
                break;
            }
            let head = blob.read(at..blob.len().min(at + 8))?;
            if head.len() < 8 {
                return Err(cut("a message"));
            }
            let Some((&CONTINUATION, length)) = head.split_first_chunk() else {
                let bytes = blob.len() - at;
                return Err(invalid(if has_end {
                    format!(
                        "after the end of the Arrow stream, at byte {at}, are {bytes} bytes that are not another stream"
                    )
                } else {
                    format!("no message of an Arrow stream begins at byte {at}")
                }));
            };
            let length = length.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
            if length == 0 {
                (has_end, at) = (true, at + 8);
                continue;
            }
            let start = at + 8;
            let length = u64::try_from(length).map_err(|_| cut("a message"))?;
            let middle = start + length;
            if middle > blob.len() {
                return Err(cut("a message"));
            }
            let bytes = blob.read(start..middle)?;
            let read = message(&format!("the message at byte {at}"), &bytes)?;
            let body = u64::try_from(read.bodyLength()).map_err(|_| cut("a body"))?;
            let end = middle.checked_add(body).filter(|&end| end <= blob.len()).ok_or_else(|| cut("a body"))?;
            match (read.header_type(), &metadata) {
                (MessageHeader::Schema, None) => metadata = Some(bytes),
                // Streams one after the other, as `cat` makes them.
                (MessageHeader::Schema, Some(first)) if *first == bytes => begins = true,
                (MessageHeader::Schema, Some(_)) => {
                    let what = "another Arrow stream begins, with other columns: put each stream in its own file";
                    return Err(invalid(format!("at byte {at} {what}")));
                }
                (MessageHeader::DictionaryBatch, Some(_)) if !has_end => {
                    let name = format!("the dictionary batch at byte {at}");
                    parts.push(Part { name, metadata: bytes, body: middle..end, begins });
                    begins = false;
                }
                (MessageHeader::RecordBatch, Some(_)) if !has_end => {
                    let name = format!("record batch {batches}");
                    parts.push(Part { name, metadata: bytes, body: middle..end, begins });
                    (begins, batches) = (false, batches + 1);
                }
                _ => return Err(invalid(format!("the message at byte {at} does not belong in an Arrow stream"))),
            }
            has_end = false;
            at = end;
        }
        let metadata = metadata.ok_or_else(|| invalid("the Arrow stream has no schema"))?;
        Ok(Self { metadata, is_stream: true, has_end, parts })
    }
}

fn footer(metadata: &[u8]) -> Result<arrow_ipc::Footer<'_>, CatalogError> {
    root_as_footer_with_opts(&verifier(metadata.len()), metadata)
        .map_err(|error| invalid(format!("its footer is damaged: {error}")))
}

pub(super) fn message<'a>(name: &str, metadata: &'a [u8]) -> Result<Message<'a>, CatalogError> {
    root_as_message_with_opts(&verifier(metadata.len()), metadata)
        .map_err(|error| invalid(format!("{name}: its metadata is damaged: {error}")))
}

/// How metadata of `length` bytes is verified.
fn verifier(length: usize) -> VerifierOptions {
    VerifierOptions { max_apparent_size: length.saturating_mul(VISITS), ..VerifierOptions::default() }
}

fn part(blob: &Blob, block: &Block, name: String, left: &mut u64) -> Result<Part, CatalogError> {
    let [offset, metadata, body] = [block.offset(), block.metaDataLength().into(), block.bodyLength()];
    let length = blob.len();
    let outside = || invalid(format!("{name}: {metadata} and {body} bytes at {offset}, the file has {length}"));
    let number = |declared: i64| u64::try_from(declared).map_err(|_| outside());
    let (start, metadata, body) = (number(offset)?, number(metadata)?, number(body)?);
    let middle = start.checked_add(metadata).ok_or_else(outside)?;
    let end = middle.checked_add(body).filter(|&end| end <= length).ok_or_else(outside)?;
    *left = left
        .checked_sub(end - start)
        .ok_or_else(|| invalid(format!("{name}: the parts up to it are longer than the {length} bytes of the file")))?;
    let metadata = blob.read(start..middle)?;
    // Releases before Arrow 0.15 wrote no continuation.
    let head = match &metadata[..] {
        [0xff, 0xff, 0xff, 0xff, _, _, _, _, ..] => 8,
        [_, _, _, _, ..] => 4,
        short => return Err(invalid(format!("{name}: its metadata has {} bytes", short.len()))),
    };
    let part = Part { name, metadata: metadata.slice(head), body: middle..end, begins: false };
    part.message()?;
    Ok(part)
}

/// Places in the metadata of widths that no reader here knows, of a field and its children.
fn unknown_widths(field: arrow_ipc::Field<'_>, length: usize) -> Result<Vec<usize>, CatalogError> {
    let mut places = Vec::new();
    if field.type_type().variant_name().is_none() {
        let name = nearline_contract::clip(field.name().unwrap_or_default());
        return Err(invalid(format!("column {name} has a type that is newer than this release: leave it out")));
    }
    if let Some(int) = field.type_as_int().filter(|int| !matches!(int.bitWidth(), 8 | 16 | 32 | 64)) {
        let table = int._tab;
        let place = table.loc() + usize::from(table.vtable().get(Int::VT_BITWIDTH));
        // Both lie in the verified metadata.
        if place > table.loc() && place + 4 <= length {
            places.push(place);
        }
    }
    for child in field.children().into_iter().flatten() {
        places.extend(unknown_widths(child, length)?);
    }
    Ok(places)
}
