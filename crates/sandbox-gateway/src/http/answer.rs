//! What the gateway itself answers.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, PROXY_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::wire::Fault;
use crate::refusal::Refusal;
use crate::refuse::{self, HEADER};

/// What is answered: the gateway's own words, or what comes from whoever was dialled.
pub(crate) type Body = Either<Full<Bytes>, Incoming>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"sandbox\"");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Success: a tunnel begins.
pub(crate) fn established() -> Response<Body> {
    Response::new(nothing())
}

pub(crate) fn nothing() -> Body {
    Either::Left(Full::default())
}

/// That a connection was not made, why, and what would allow it.
pub(crate) fn refusal(refusal: &Refusal) -> Response<Body> {
    let (code, _) = refusal.status();
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = own(status, refusal.page());
    if refusal.is_denial() {
        let (name, value) = HEADER;
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// That the client has not shown the secret, and how that is done (RFC 9110, 11.7.1).
pub(crate) fn unauthenticated(refused: &Refusal) -> Response<Body> {
    let mut response = refusal(refused);
    response.headers_mut().insert(PROXY_AUTHENTICATE, CHALLENGE);
    response
}

/// That whoever was dialled gives no answer that is one.
pub(crate) fn unanswered(target: &str, error: &hyper::Error) -> Response<Body> {
    failed(
        target,
        match error {
            error if error.is_parse() => "it does not answer in HTTP",
            _ => "it ended the connection without an answer",
        },
    )
}

/// That whoever was dialled is of no use.
pub(crate) fn failed(target: &str, reason: &str) -> Response<Body> {
    own(
        StatusCode::BAD_GATEWAY,
        format!("sandbox: `{target}`: {reason}\n"),
    )
}

/// That a request is none, or none that is passed on. It costs the client the connection.
pub(crate) fn fault(fault: Fault) -> Response<Body> {
    closing(own(fault.status, text(fault)))
}

/// The same before there is a request to be answered.
pub(crate) fn fault_bytes(fault: Fault) -> Vec<u8> {
    let phrase = fault.status.canonical_reason().unwrap_or_default();
    refuse::response((fault.status.as_u16(), phrase), None, &text(fault)).into_bytes()
}

fn text(fault: Fault) -> String {
    format!("sandbox: {}\n", fault.reason)
}

/// An answer after which nothing more is read.
pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}

fn own(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
