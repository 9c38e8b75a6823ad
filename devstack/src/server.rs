//! An HTTP server of our own on 127.0.0.1: bound before `start` returns, and gone when stopped or dropped.
//!
//! Stopping does not wait for answers that are still being thought about (long polls would never end): their
//! connections close.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::DevstackError;
use crate::listener::{Connection, Listener};

const STOP_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `routes` on the port; 0 takes a free one.
    pub(crate) async fn start(port: u16, routes: Router) -> Result<Self, DevstackError> {
        let (_, listening) = watch::channel(true);
        Self::start_while(listening, port, routes).await
    }

    /// The same, but away while `listening` holds false.
    pub(crate) async fn start_while(
        listening: watch::Receiver<bool>,
        port: u16,
        routes: Router,
    ) -> Result<Self, DevstackError> {
        let listener =
            Listener::bind(port, listening).await.map_err(|source| DevstackError::Listen { port, source })?;
        let address = listener.address();
        let shutdown = CancellationToken::new();
        let routes = routes.layer(middleware::from_fn_with_state(shutdown.clone(), end_at_shutdown));
        let routes = routes.into_make_service_with_connect_info::<Connection>();
        let ended = shutdown.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(ended).await {
                tracing::error!(%address, %error, "server ended");
            }
        });
        Ok(Self { address, shutdown, task })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server; returns once the port is closed and all that were being answered have been turned away.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        // Bounded, for a client that keeps a half-sent request open.
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn end_at_shutdown(State(shutdown): State<CancellationToken>, request: Request, next: Next) -> Response {
    tokio::select! {
        response = next.run(request) => response,
        () = shutdown.cancelled() => (StatusCode::SERVICE_UNAVAILABLE, [("connection", "close")]).into_response(),
    }
}
