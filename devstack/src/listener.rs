//! A listener that can go away for a while and come back on its port, with connections that can be reset.
//!
//! While it is away the port stays bound, so that nobody else gets it, but not listened on: connecting is refused.

use std::future::Future as _;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

const BACKLOG: u32 = 1024;
/// Accepting fails when the process has too many files open, for one.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Listens on 127.0.0.1 while `listening` holds true, or forever if nobody can change it.
#[derive(Debug)]
pub(crate) struct Listener {
    /// None while it is away.
    inner: Option<TcpListener>,
    address: SocketAddr,
    listening: watch::Receiver<bool>,
    /// The parent of all that is open, cancelled when it goes away.
    connections: CancellationToken,
}

impl Listener {
    /// Listens on the port; 0 takes a free one.
    pub(crate) async fn bind(port: u16, listening: watch::Receiver<bool>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { inner: Some(listener), address, listening, connections: CancellationToken::new() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections and refuses new ones until it may listen again.
    async fn stay_away(&mut self) -> io::Result<()> {
        self.connections.cancel();
        // Two sockets on a port are only allowed if neither listens.
        self.inner = None;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        // Nobody left to ask for it means the same as being asked.
        let _ = self.listening.wait_for(|listening| *listening).await;
        self.connections = CancellationToken::new();
        self.inner = Some(socket.listen(BACKLOG)?);
        Ok(())
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            let Some(listener) = &self.inner else {
                tracing::error!(address = %self.address, "lost its port while it was away");
                return std::future::pending().await;
            };
            tokio::select! {
                biased;
                () = is_sent_away(&mut self.listening) => {
                    if let Err(error) = self.stay_away().await {
                        tracing::error!(address = %self.address, %error, "cannot listen again");
                    }
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => return (Stream::new(stream, self.connections.child_token()), peer),
                    Err(error) => {
                        tracing::warn!(address = %self.address, %error, "cannot accept a connection; trying again");
                        tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn is_sent_away(listening: &mut watch::Receiver<bool>) {
    if listening.wait_for(|listening| !*listening).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A connection, for the handlers of its requests.
#[derive(Debug, Clone)]
pub(crate) struct Connection(CancellationToken);

impl Connection {
    /// Ends it without an answer to the request; what handles that is dropped while it waits here.
    pub(crate) async fn reset(&self) -> ! {
        self.0.cancel();
        std::future::pending().await
    }
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(incoming: IncomingStream<'_, Listener>) -> Self {
        Self(incoming.io().token.clone())
    }
}

/// The bytes of a connection, which end in an error when it is reset.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: TcpStream,
    token: CancellationToken,
    reset: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream {
    fn new(inner: TcpStream, token: CancellationToken) -> Self {
        // A body's pieces must not wait for an acknowledgement of those before. It only fails on a closed socket.
        let _ = inner.set_nodelay(true);
        Self { inner, reset: Box::pin(token.clone().cancelled_owned()), token }
    }

    /// Also has the task woken that reads or writes, once it is reset.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.reset.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        // Without lingering the client hears of a reset, not of an end.
        self.inner.set_zero_linger()?;
        Err(ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
