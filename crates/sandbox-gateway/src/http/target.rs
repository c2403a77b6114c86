//! What a request says of its destination: in its target, and in `Host`. All of it must be one destination, and on a captured
//! connection the one that it was made to. (RFC 9112, 3.2.2 lets a proxy pass over a `Host` that is another; whoever is
//! dialled may not.)

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Uri, Version};
use sandbox_core::Destination;

use super::wire::Fault;
use crate::hall::{Hall, Wish};
use crate::refusal::Why;

/// The port of `http` addresses.
const HTTP: u16 = 80;

const NO_HOST: Fault = Fault::malformed("the request's host is none");

/// A host as a client names it, and the port if it names one.
pub(crate) type Named = (Destination, Option<u16>);

/// Why a request's destination is none.
#[derive(Debug)]
pub(crate) enum Misnamed {
    /// It costs the client the connection.
    Fault(Fault),
    /// It is refused as a connection to this destination is.
    Refused(Destination, u16, Why),
}

impl From<Fault> for Misnamed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The destination of a request to a proxy, and its port; the latter once more if it was written.
pub(crate) fn proxied(head: &Parts) -> Result<(Named, u16), Misnamed> {
    let Some((destination, written)) = authority(&head.uri)? else {
        let reason = "this is a proxy: a request to it names its destination";
        return Err(Fault::malformed(reason).into());
    };
    let port = match (head.uri.scheme_str(), head.method == Method::CONNECT) {
        (None, true) => written.ok_or(Fault::malformed("CONNECT names a port"))?,
        (Some("http"), false) => written.unwrap_or(HTTP),
        _ => {
            let reason = "what is not http:// goes through this proxy by CONNECT";
            return Err(Fault::malformed(reason).into());
        }
    };
    agree(host(&head.headers)?, &destination, port)?;
    Ok(((destination, written), port))
}

/// What a request names on a connection that was made to a destination, which counts where it names none.
///
/// A name on a connection to an address is a claim: it must not be one that a rule denies.
pub(crate) fn captured(head: &Parts, wish: &Wish, hall: &Hall) -> Result<Named, Misnamed> {
    let (destination, port) = (&wish.destination, wish.port);
    if head.method == Method::CONNECT {
        return Err(Fault::malformed("this is no proxy").into());
    }
    if head.uri.scheme_str().is_some_and(|scheme| scheme != "http") {
        return Err(Fault::malformed("the request is for what is not http://").into());
    }
    let (target, host) = (authority(&head.uri)?, host(&head.headers)?);
    let claimed = match (host, target) {
        (Some(host), target) => {
            agree(target, &host.0, port)?;
            host
        }
        (None, Some(target)) => target,
        // Before HTTP/1.1 there was no `Host`; whoever is dialled is told which one it is.
        (None, None) if head.version == Version::HTTP_10 => {
            (destination.clone(), (port != HTTP).then_some(port))
        }
        (None, None) => return Err(Fault::malformed("the request names no host").into()),
    };
    let judged = match (destination, &claimed.0) {
        (Destination::Address(_), Destination::Name(name)) => {
            if let Some(decision) = hall.closed(name, port) {
                let why = Why::Denied(decision.into());
                return Err(Misnamed::Refused(claimed.0, port, why));
            }
            &claimed.0
        }
        _ => destination,
    };
    agree(Some(claimed.clone()), judged, port)?;
    Ok(claimed)
}

/// That a host, if one is named, is this one, and its port this one, if it has one.
fn agree(named: Option<Named>, destination: &Destination, port: u16) -> Result<(), Misnamed> {
    match named {
        Some((other, written)) if other != *destination || written.is_some_and(|it| it != port) => {
            let why = Why::Mismatch(format!("the request is for `{}`", text(&other, written)));
            Err(Misnamed::Refused(destination.clone(), port, why))
        }
        _ => Ok(()),
    }
}

/// What `Host` says.
fn host(headers: &HeaderMap) -> Result<Option<Named>, Fault> {
    let mut all = headers.get_all(HOST).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => host.to_str().ok().and_then(named).map(Some).ok_or(NO_HOST),
        (Some(_), Some(_)) => Err(Fault::malformed("the request names more than one host")),
    }
}

fn authority(uri: &Uri) -> Result<Option<Named>, Fault> {
    let authority = uri.authority();
    authority
        .map(|authority| named(authority.as_str()).ok_or(NO_HOST))
        .transpose()
}

fn named(text: &str) -> Option<Named> {
    Destination::with_port(text).ok()
}

/// `Host` in the one spelling, so that whoever is dialled reads what was judged.
pub(crate) fn header(destination: &Destination, port: Option<u16>) -> Result<HeaderValue, Fault> {
    HeaderValue::try_from(text(destination, port)).map_err(|_| NO_HOST)
}

fn text(destination: &Destination, port: Option<u16>) -> String {
    let host = match destination {
        Destination::Address(IpAddr::V6(address)) => format!("[{address}]"),
        other => other.to_string(),
    };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}
