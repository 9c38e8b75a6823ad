//! Bodies that do not arrive as they should: cut short, or in small pieces with pauses.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};

/// The first bytes, then a broken connection.
pub(crate) fn cut(whole: &Bytes, sent_bytes: usize) -> Body {
    let sent = whole.slice(..sent_bytes.min(whole.len()));
    let broken = async {
        // What was sent goes out only while the rest is waited for.
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    Body::from_stream(stream::iter([Ok(sent)]).chain(stream::once(broken)))
}

/// All of it, in so many pieces, with a pause before each.
pub(crate) fn dribble(whole: &Bytes, pieces: usize, pause: Duration) -> Body {
    let piece_bytes = whole.len().div_ceil(pieces).max(1);
    let pieces: Vec<Bytes> = (0..whole.len())
        .step_by(piece_bytes)
        .map(|start| whole.slice(start..(start + piece_bytes).min(whole.len())))
        .collect();
    Body::from_stream(stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, io::Error>(piece)
    }))
}
