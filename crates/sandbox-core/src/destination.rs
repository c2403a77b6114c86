//! A destination: the name or the address that a connection goes to, in one spelling.
//!
//! What is decided must be what is dialled. So every spelling that some resolver or system call would take for the same
//! destination becomes the same value here, by the host parser of the WHATWG's URL standard, and what could be understood in
//! two ways is refused: the bytes at which a C string, a proxy or a resolver ends a name: a NUL in a name of
//! SOCKS passed a check of its end in another sandbox, and the resolver stopped at it.

mod pattern;
mod problem;
#[cfg(test)]
mod tests;

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

pub use pattern::{DestinationPattern, Ports};
pub(crate) use pattern::{LOCALHOST, Scope, is_localhost, is_shared_suffix, port};
pub use problem::DestinationProblem;

/// The longest text that is looked at; a name has at most 253 bytes (RFC 1035, 2.3.4), and more as U-labels.
const LONGEST_TEXT: usize = 1024;
/// The longest name, in bytes of its A-labels, without the root's dot.
const LONGEST_NAME: usize = 253;
/// The longest label.
const LONGEST_LABEL: usize = 63;

/// The name of a machine, as names are compared: lower-case A-labels (RFC 5890), without the final dot.
///
/// ```
/// use sandbox_core::Name;
///
/// let name: Name = "GitHub.COM.".parse()?;
/// assert_eq!(name.as_str(), "github.com");
/// assert_eq!("bücher.example".parse::<Name>()?.as_str(), "xn--bcher-kva.example");
/// assert!("127.1".parse::<Name>().is_err(), "it is an address");
/// # Ok::<(), sandbox_core::DestinationProblem>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Its one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means the machine itself: `localhost`, or a name below it (RFC 6761, 6.3).
    pub fn is_localhost(&self) -> bool {
        std::iter::once(self.as_str()).chain(self.above()).last() == Some(LOCALHOST)
    }

    /// The names above it, the longest first: of `a.b.c`, `b.c` and `c`.
    pub(crate) fn above(&self) -> impl Iterator<Item = &str> {
        fn next(name: &str) -> Option<&str> {
            name.split_once('.').map(|(_, above)| above)
        }
        std::iter::successors(next(self.as_str()), |name| next(name))
    }

    /// A name with one more label in front; a longer one than there are, where this one leaves no place.
    pub(crate) fn below(&self, label: &str) -> Self {
        Self(format!("{label}.{self}").into())
    }
}

// For look-ups: it is compared and hashed as its text is.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Name {
    type Err = DestinationProblem;

    /// # Errors
    ///
    /// No machine can have this name, or it is an address.
    fn from_str(text: &str) -> Result<Self, DestinationProblem> {
        match text.parse()? {
            Destination::Name(name) => Ok(name),
            Destination::Address(_) => Err(DestinationProblem::Address),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Where a connection goes.
///
/// From a text comes an address wherever the text is a spelling of one: decimal, octal, hexadecimal, with fewer than four
/// parts, in brackets, or an IPv4 address as an IPv6 one.
///
/// ```
/// use sandbox_core::Destination;
///
/// let loopback: Destination = "127.0.0.1".parse()?;
/// for spelling in ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "::ffff:127.0.0.1", "[::ffff:7f00:1]", "127.0.0.1."] {
///     assert_eq!(spelling.parse::<Destination>()?, loopback, "{spelling}");
/// }
/// assert_eq!("EXAMPLE.com.".parse::<Destination>()?.to_string(), "example.com");
/// assert!("example.com\0.evil.example".parse::<Destination>().is_err());
/// # Ok::<(), sandbox_core::DestinationProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a connection goes to a name or to an address"
)]
pub enum Destination {
    /// To a name, which is still to be resolved.
    Name(Name),
    /// To an address. Made by `From`, it is never an IPv4 address in the form of an IPv6 one.
    Address(IpAddr),
}

impl Destination {
    /// Reads `HOST` or `HOST:PORT`; an IPv6 address with a port is in brackets.
    ///
    /// ```
    /// use sandbox_core::Destination;
    ///
    /// let (destination, port) = Destination::with_port("[::1]:80")?;
    /// assert_eq!((destination.to_string().as_str(), port), ("::1", Some(80)));
    /// assert_eq!(Destination::with_port("example.com")?.1, None);
    /// # Ok::<(), sandbox_core::DestinationProblem>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is no destination, or has no port that is one.
    pub fn with_port(text: &str) -> Result<(Self, Option<u16>), DestinationProblem> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok((address.into(), None));
        }
        pattern::not_a_url(text)?;
        let (host, port) = pattern::split(text)?;
        let port = port.map(pattern::port).transpose()?;
        Ok((host.parse()?, port))
    }

    /// The same destination in its one form.
    pub(crate) fn canonical(&self) -> Cow<'_, Self> {
        match self {
            Self::Address(address) if address.to_canonical() != *address => {
                Cow::Owned((*address).into())
            }
            _ => Cow::Borrowed(self),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationProblem;

    /// # Errors
    ///
    /// It is neither an address nor a name that a machine can have.
    fn from_str(text: &str) -> Result<Self, DestinationProblem> {
        has_length(text)?;
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(address.into());
        }
        // What the parser would decode, or strip, before it looks.
        if text.contains(|character: char| {
            character == '%' || character.is_whitespace() || character.is_control()
        }) {
            return Err(DestinationProblem::Character);
        }
        let host = url::Host::parse(text).map_err(|_| DestinationProblem::NotAHost)?;
        match host {
            url::Host::Ipv4(address) => Ok(address.into()),
            url::Host::Ipv6(address) => Ok(address.into()),
            url::Host::Domain(name) => self::name(&name).map(Self::Name),
        }
    }
}

/// Whether a text is as long as one about a destination can be.
fn has_length(text: &str) -> Result<(), DestinationProblem> {
    match text.len() {
        0 => Err(DestinationProblem::Empty),
        1..=LONGEST_TEXT => Ok(()),
        _ => Err(DestinationProblem::TooLong),
    }
}

/// What the parser has made of a name: A-labels in lower case.
fn name(text: &str) -> Result<Name, DestinationProblem> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > LONGEST_NAME {
        return Err(DestinationProblem::TooLong);
    }
    for label in text.split('.') {
        let is_of_name = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        match label.len() {
            0 => return Err(DestinationProblem::EmptyLabel),
            1..=LONGEST_LABEL => {}
            _ => return Err(DestinationProblem::TooLong),
        }
        // Hyphens at an end and underscores are in no host's name (RFC 1123), and in names that are in use.
        if !label.bytes().all(is_of_name) {
            return Err(DestinationProblem::Character);
        }
    }
    Ok(Name(text.into()))
}

impl From<Name> for Destination {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl From<IpAddr> for Destination {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl From<Ipv4Addr> for Destination {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address.into())
    }
}

impl From<Ipv6Addr> for Destination {
    fn from(address: Ipv6Addr) -> Self {
        IpAddr::from(address).into()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}
