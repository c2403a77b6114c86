//! A connection over which requests are passed on.

use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sandbox_core::Destination;
use tokio::task::{JoinHandle, spawn_local};

use super::forward::Outgoing;
use crate::bounds;
use crate::hall::Wish;
use crate::opened::{Opened, Relay};

/// It ends when it is dropped.
pub(crate) struct Passage {
    destination: Destination,
    port: u16,
    relay: Option<Relay>,
    sender: SendRequest<Outgoing>,
    connection: JoinHandle<Option<Opened>>,
}

impl Passage {
    /// `ended` is called when the other side has nothing more to say.
    pub(crate) async fn new(
        opened: Opened,
        ended: impl FnOnce() + 'static,
    ) -> Result<Self, hyper::Error> {
        let (destination, port) = (opened.line.destination.clone(), opened.line.port);
        let relay = opened.relay.clone();
        let mut client = Builder::new();
        client
            .max_headers(bounds::HTTP_HEADERS)
            .max_buf_size(bounds::HTTP_BUFFER);
        let (sender, connection) = client.handshake(TokioIo::new(opened)).await?;
        let connection = spawn_local(async move {
            let parts = connection.without_shutdown().await.ok();
            ended();
            parts.map(|parts| {
                let mut opened = parts.io.into_inner();
                opened.early = parts.read_buf;
                opened
            })
        });
        Ok(Self {
            destination,
            port,
            relay,
            sender,
            connection,
        })
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Who passes on what is sent, where that is not the destination.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Whether a request can go over it that would be dialled for otherwise; some need a connection to the destination itself.
    pub(crate) async fn serves(&mut self, wish: &Wish, needs_itself: bool) -> bool {
        self.destination == wish.destination
            && self.port == wish.port
            && !(needs_itself && self.relay.is_some())
            && self.sender.ready().await.is_ok()
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.send_request(request).await
    }

    /// The connection, once it does not carry HTTP any more.
    pub(crate) async fn upgraded(mut self) -> Option<Opened> {
        (&mut self.connection).await.ok()?
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
