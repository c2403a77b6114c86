//! Connecting to addresses that somebody has judged: nothing here looks up a name.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::vec;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tower_service::Service;

use crate::bounds;

/// Answers every name with the same addresses: those that were judged.
#[derive(Clone)]
struct Judged(Vec<SocketAddr>);

impl Service<Name> for Judged {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(self.0.clone().into_iter()))
    }
}

/// Connects to the first of the addresses that answers; both kinds are tried side by side (RFC 8305).
///
/// # Errors
///
/// None of them answers.
pub(crate) async fn dial(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let addresses = addresses
        .iter()
        .map(|address| SocketAddr::new(*address, port));
    let mut connector = HttpConnector::new_with_resolver(Judged(addresses.collect()));
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(bounds::DIAL));
    connector.set_happy_eyeballs_timeout(Some(bounds::HEAD_START));
    let uri = Uri::builder()
        .scheme("http")
        .authority(format!("judged:{port}"))
        .path_and_query("/")
        .build()
        .map_err(io::Error::other)?;
    match timeout(bounds::DIAL, connector.call(uri)).await {
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(from_chain(&error)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The error of the system that an error comes of.
fn from_chain(error: &(dyn Error + 'static)) -> io::Error {
    let mut found = None;
    let mut next = Some(error);
    while let Some(error) = next {
        found = error.downcast_ref::<io::Error>().or(found);
        next = error.source();
    }
    match found {
        Some(error) => match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::new(error.kind(), error.to_string()),
        },
        None => io::Error::other(error.to_string()),
    }
}

/// Has a proxy that is connected to connect to `target`. What the other side says at once comes with it.
///
/// # Errors
///
/// The proxy does not.
pub(crate) async fn tunnel(
    proxy: TcpStream,
    target: &str,
    authorization: Option<&HeaderValue>,
) -> io::Result<(TcpStream, Bytes)> {
    let connected = timeout(
        bounds::UPSTREAM_ANSWER,
        connect(proxy, target, authorization),
    );
    connected.await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn connect(
    proxy: TcpStream,
    target: &str,
    authorization: Option<&HeaderValue>,
) -> io::Result<(TcpStream, Bytes)> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(target)
        .header(HOST, target);
    if let Some(authorization) = authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(proxy))
        .await
        .map_err(io::Error::other)?;
    let connection = spawn_local(connection.with_upgrades());
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| from_chain(&error))?;
    if response.status() != StatusCode::OK {
        connection.abort();
        let message = format!("the upstream proxy answers {}", response.status().as_u16());
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, message));
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(io::Error::other)?;
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .map_err(|_| io::ErrorKind::Unsupported)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}
