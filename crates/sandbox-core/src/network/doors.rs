//! What of the network is not a destination: a port of the sandbox on the host's loopback, and the proxy that the host's own
//! connections go through.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::destination::DestinationProblem;
use crate::{Destination, DestinationPattern, destination};

/// A port of the sandbox, reachable on the host's loopback.
///
/// | written | means |
/// |---|---|
/// | `3000` | the host's port 3000 leads to port 3000 inside |
/// | `8080:3000` | the host's port 8080 leads to port 3000 inside |
/// | `0:3000` | a free port of the host's leads to port 3000 inside |
///
/// ```
/// use sandbox_core::PublishedPort;
///
/// let port: PublishedPort = "8080:3000".parse()?;
/// assert_eq!((port.host().map(u16::from), port.inside().get()), (Some(8080), 3000));
/// assert_eq!("0:3000".parse::<PublishedPort>()?.host(), None);
/// # Ok::<(), sandbox_core::DestinationProblem>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishedPort {
    host: Option<NonZeroU16>,
    inside: NonZeroU16,
}

impl PublishedPort {
    /// The host's port; `None` where a free one is chosen.
    pub fn host(self) -> Option<NonZeroU16> {
        self.host
    }

    /// The port inside.
    pub fn inside(self) -> NonZeroU16 {
        self.inside
    }
}

impl FromStr for PublishedPort {
    type Err = DestinationProblem;

    /// # Errors
    ///
    /// It is neither a port nor two with a colon between.
    fn from_str(text: &str) -> Result<Self, DestinationProblem> {
        let port = |text| destination::port(text).map(NonZeroU16::new).ok().flatten();
        let both = match text.split_once(':') {
            None => port(text).map(|port| (Some(port), port)),
            Some(("0", inside)) => port(inside).map(|inside| (None, inside)),
            Some((host, inside)) => port(host)
                .zip(port(inside))
                .map(|(host, inside)| (Some(host), inside)),
        };
        let (host, inside) = both.ok_or(DestinationProblem::Published)?;
        Ok(Self { host, inside })
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) if host == self.inside => write!(f, "{host}"),
            host => write!(f, "{}:{}", host.map_or(0, u16::from), self.inside),
        }
    }
}

/// The HTTP proxy through which the host reaches other machines.
///
/// ```
/// use sandbox_core::Upstream;
///
/// let upstream: Upstream = "http://Proxy.Example:3128/".parse()?;
/// assert_eq!(upstream.to_string(), "http://proxy.example:3128");
/// assert!("http://ana:s3cret@proxy.example:3128".parse::<Upstream>().is_err(), "the command can read policies");
/// # Ok::<(), sandbox_core::DestinationProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    destination: Destination,
    port: u16,
}

impl Upstream {
    /// Where it is.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Upstream {
    type Err = DestinationProblem;

    /// # Errors
    ///
    /// It is not `http://HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, DestinationProblem> {
        let rest = text
            .strip_prefix("http://")
            .ok_or(DestinationProblem::Upstream)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(DestinationProblem::Password);
        }
        match Destination::with_port(rest)? {
            (destination, Some(port)) => Ok(Self { destination, port }),
            (_, None) => Err(DestinationProblem::Upstream),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = DestinationPattern::exactly(&self.destination, self.port);
        write!(f, "http://{place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_one_or_two() {
        for (text, expected) in [
            ("3000", Some("3000")),
            ("3000:3000", Some("3000")),
            ("8080:80", Some("8080:80")),
            ("0:80", Some("0:80")),
            ("65535", Some("65535")),
            ("", None),
            ("0", None),
            ("80:0", None),
            ("0:0", None),
            ("65536", None),
            ("080", None),
            ("+80", None),
            ("1:2:3", None),
            ("127.0.0.1:80", None),
            ("80-90", None),
        ] {
            let port = text.parse::<PublishedPort>().ok();
            assert_eq!(
                port.map(|port| port.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn an_upstream_is_an_address_of_http_with_a_port() {
        for (text, expected) in [
            ("http://10.0.0.1:3128", Some("http://10.0.0.1:3128")),
            ("http://0xa.1:3128/", Some("http://10.0.0.1:3128")),
            ("http://[::1]:3128", Some("http://[::1]:3128")),
            ("http://proxy:80", Some("http://proxy:80")),
            ("http://proxy", None),
            ("https://proxy:3128", None),
            ("socks5://proxy:1080", None),
            ("proxy:3128", None),
            ("http://proxy:3128/x", None),
            ("http://u@proxy:3128", None),
            ("http://proxy:0", None),
            ("http://::1:80", None),
        ] {
            let upstream = text.parse::<Upstream>().ok();
            assert_eq!(
                upstream.map(|proxy| proxy.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
