//! As much of HTTP/1.1 as the SDKs speak: requests with a length, answered one after the other on a connection.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

const HEADERS_MAX: usize = 64;

/// A request, its body still in the buffer.
#[derive(Debug)]
pub(crate) struct Request {
    /// The operation: `x-amz-target` after its point, or `InvokeModel`.
    pub(crate) operation: String,
    head: usize,
    length: usize,
}

impl Request {
    /// Reads the next request; `None`: the other end has closed.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        loop {
            if let Some(request) = parse(buffer)?
                && buffer.len() >= request.head + request.length
            {
                return Ok(Some(request));
            }
            buffer.reserve(16 << 10);
            if stream.read_buf(buffer).await? == 0 {
                return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    pub(crate) fn body<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.head..self.head + self.length]
    }

    /// Forgets the request.
    pub(crate) fn finish(self, buffer: &mut Vec<u8>) {
        buffer.drain(..self.head + self.length);
    }
}

fn parse(buffer: &[u8]) -> io::Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).map_err(io::Error::other)? else { return Ok(None) };
    let header = |name: &str| {
        let header = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| str::from_utf8(header.value).ok())
    };
    let operation = header("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or("InvokeModel");
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    Ok(Some(Request { operation: operation.to_owned(), head, length }))
}

/// An answer with head and body in one piece.
pub(crate) fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
         x-amzn-requestid: 7a62c49f-347e-4fc4-9331-6e8e7a96aa73\r\n\r\n{body}",
        body.len()
    )
}
