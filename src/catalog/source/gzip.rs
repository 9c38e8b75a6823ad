//! Files of gzip one after the other, as gzip itself reads them: zeros behind one are nothing.

use std::io::{BufRead, Read};

use flate2::bufread::GzDecoder;

/// The bytes of what is packed.
pub(super) struct Gzip<R: BufRead>(Option<GzDecoder<R>>);

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(Some(GzDecoder::new(reader)))
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(bytes)?;
            if read > 0 || bytes.is_empty() {
                return Ok(read);
            }
            let mut rest = self.0.take().map(GzDecoder::into_inner);
            while let Some(reader) = &mut rest {
                let buffer = reader.fill_buf()?;
                let (length, zeros) = (buffer.len(), buffer.iter().take_while(|&&byte| byte == 0).count());
                reader.consume(zeros);
                if length == 0 {
                    return Ok(0);
                }
                if zeros < length {
                    break;
                }
            }
            self.0 = rest.map(GzDecoder::new);
        }
        Ok(0)
    }
}
