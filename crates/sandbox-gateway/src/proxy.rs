//! The proxies' door: one port for every protocol, told apart by the first byte.

#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bounds;
use crate::event::Door;
use crate::guard::Guard;
use crate::hall::{Hall, Wish};
use crate::opened::Opened;
use crate::processes::Maker;
use crate::{capture, http, socks};

/// Serves a connection to the proxies.
pub(crate) async fn serve(client: TcpStream, hall: Rc<Hall>) {
    let maker = hall.maker(|searches| searches.stream(&client));
    if let Some(tunnel) = speak(client, Rc::clone(&hall), maker, None, bounds::GREETING).await {
        tunnel.pass(hall).await;
    }
}

/// The same where anybody on the host can connect: who does not show the secret is refused.
pub(crate) async fn serve_guarded(client: TcpStream, hall: Rc<Hall>, guard: Guard) {
    let (maker, guard) = (Maker::default(), Some(guard));
    if let Some(tunnel) = speak(client, Rc::clone(&hall), maker, guard, bounds::GREETING).await {
        tunnel.pass(hall).await;
    }
}

/// Speaks whichever protocol the client speaks, until there is a tunnel, or nothing. `patience` is for each thing that the
/// client has to say. `guard` is there where it has to show the secret.
pub(crate) async fn speak<S>(
    mut client: S,
    hall: Rc<Hall>,
    maker: Maker,
    guard: Option<Guard>,
    patience: Duration,
) -> Option<Tunnel<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = Vec::new();
    let read = read_some(&mut client, &mut first);
    timeout(patience, read).await.ok()?.ok()?;
    match first.first() {
        Some(version) if socks::speaks(*version) => {
            socks::serve(first, client, hall, maker, guard, patience).await
        }
        _ => http::serve_proxied(first, client, hall, maker, guard, patience).await,
    }
}

/// A client that has been connected to where it wanted to go.
pub(crate) struct Tunnel<S> {
    pub(crate) client: S,
    /// What the client has said already.
    pub(crate) first: Vec<u8>,
    pub(crate) opened: Opened,
    pub(crate) carries: Carries,
}

/// What is known of that which goes through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Nothing: it is judged as what is captured.
    Anything(Door),
    /// It has been judged.
    Judged,
}

impl Tunnel<TcpStream> {
    /// Lets it pass.
    pub(crate) async fn pass(self, hall: Rc<Hall>) {
        let (client, first, opened) = (self.client, self.first, self.opened);
        match self.carries {
            Carries::Judged => hall.relay(client, first, opened).await,
            Carries::Anything(door) => {
                let line = &opened.line;
                let (destination, port) = (line.destination.clone(), line.port);
                let wish = Wish {
                    destination,
                    port,
                    door,
                    maker: opened.record.maker.clone(),
                };
                capture::pass(client, first, wish, opened, hall).await;
            }
        }
    }
}

/// Reads once; an error at the end of the stream.
pub(crate) async fn read_some<S>(client: &mut S, into: &mut Vec<u8>) -> io::Result<()>
where
    S: AsyncRead + Unpin,
{
    into.reserve(bounds::CLIENT_READ);
    match client.read_buf(into).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Ends a connection so that what was said last arrives: what is closed while there is something to be read is reset.
pub(crate) async fn linger<S>(mut client: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let drain = async {
        client.shutdown().await?;
        let mut rest = client.take(bounds::LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    let _ = timeout(bounds::LINGER, drain).await;
}
