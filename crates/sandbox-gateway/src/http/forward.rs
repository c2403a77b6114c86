//! A request that is passed on, and its answer: written anew, without what concerns one connection only (RFC 9110, 7.6.1).
//!
//! There is no `Via`: servers that find one leave out compression, and the machine's own programs need not be told. Of answers
//! before the last one (1xx) only that which asks for the body is passed back, in hyper's own words.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::{response, uri};
use hyper::{Request, StatusCode, Uri, Version};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bounds;
use crate::opened::Relay;

/// What concerns one connection only, whether or not `Connection` names it.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    UPGRADE,
];

/// What says where a message ends and for whom it is; `Connection` may name them, and they stay.
const FRAMING: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

/// What may take the place of HTTP on a connection. In another version of HTTP, or in TLS, other hosts could be named.
const WEBSOCKET: &[u8] = b"websocket";

const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const TE_OPTION: HeaderValue = HeaderValue::from_static("te");
const UPGRADE_OPTION: HeaderValue = HeaderValue::from_static("upgrade");

/// The request as it is passed on. `host` is the destination in the spelling that was judged.
pub(crate) fn request(
    head: Parts,
    body: Incoming,
    host: HeaderValue,
    relay: Option<&Relay>,
) -> Request<Outgoing> {
    let upgrade = protocol(&head, &body).cloned();
    let takes_trailers = has_token(&head.headers, &TE, "trailers");
    let mut headers = head.headers;
    strip(&mut headers);
    let path = origin(head.uri);
    let uri = match relay {
        None => path,
        Some(relay) => {
            if let Some(authorization) = &relay.authorization {
                headers.insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            absolute(&host, path)
        }
    };
    headers.insert(HOST, host);
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, UPGRADE_OPTION);
        headers.insert(UPGRADE, protocol);
    } else if takes_trailers {
        headers.insert(CONNECTION, TE_OPTION);
        headers.insert(TE, TRAILERS);
    }
    let waits = !body.is_end_stream() && has_token(&headers, &EXPECT, "100-continue");
    let mut request = Request::new(Outgoing { body, wait: None });
    *request.method_mut() = head.method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    if waits {
        let wanted = Arc::new(Notify::new());
        request.body_mut().wait = Some(Box::pin(wait(Arc::clone(&wanted))));
        hyper::ext::on_informational(&mut request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                wanted.notify_one();
            }
        });
    }
    request
}

/// The answer as it is passed back. `upgraded` is what takes the place of HTTP after it.
pub(crate) fn answer(head: &mut response::Parts, upgraded: Option<HeaderValue>) {
    if head.headers.remove(TRANSFER_ENCODING).is_some() {
        // It does not count beside chunks (RFC 9112, 6.3), and would beside none.
        head.headers.remove(CONTENT_LENGTH);
    }
    strip(&mut head.headers);
    if let Some(protocol) = upgraded {
        head.headers.insert(CONNECTION, UPGRADE_OPTION);
        head.headers.insert(UPGRADE, protocol);
    }
    head.version = Version::HTTP_11;
}

/// What is to take the place of HTTP after a request, if that is passed on. A server may pass over `Upgrade` (RFC 9110, 7.8).
pub(crate) fn protocol<'a>(head: &'a Parts, body: &Incoming) -> Option<&'a HeaderValue> {
    let is_known = |value: &&HeaderValue| value.as_bytes().eq_ignore_ascii_case(WEBSOCKET);
    let is_possible = head.version == Version::HTTP_11
        && body.is_end_stream()
        && has_token(&head.headers, &CONNECTION, "upgrade");
    head.headers
        .get(UPGRADE)
        .filter(|_| is_possible)
        .filter(is_known)
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        .filter(|name| !FRAMING.contains(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|other| other.eq_ignore_ascii_case(token))
}

/// The target without the destination, as servers expect it (RFC 9112, 3.2.1).
fn origin(uri: Uri) -> Uri {
    let mut parts = uri::Parts::default();
    parts.path_and_query = uri.into_parts().path_and_query;
    Uri::from_parts(parts).unwrap_or_default()
}

/// The target with the destination, as proxies expect it (RFC 9112, 3.2.2).
fn absolute(host: &HeaderValue, path: Uri) -> Uri {
    let mut parts = path.into_parts();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = uri::Authority::try_from(host.as_bytes()).ok();
    Uri::from_parts(parts).unwrap_or_default()
}

/// The body of a request that is passed on.
pub(crate) struct Outgoing {
    body: Incoming,
    /// The client sends nothing before it is told to (RFC 9110, 10.1.1), which it is when the body is read first.
    wait: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

/// Until whoever was dialled wants the body; many servers never say so.
async fn wait(wanted: Arc<Notify>) {
    let _ = timeout(bounds::HTTP_CONTINUE, wanted.notified()).await;
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(wait) = &mut this.wait {
            ready!(wait.as_mut().poll(context));
            this.wait = None;
        }
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
