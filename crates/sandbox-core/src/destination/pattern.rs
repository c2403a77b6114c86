//! What a rule is about: a name, the names below one, an address, a range of addresses; of each, all ports or some.
//!
//! A text that cannot mean what it says is refused with what to write instead. Names are compared label by label, never by
//! how their text ends: `evil-github.com` ends with `github.com`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use super::{Destination, DestinationProblem, Name, has_length};

/// Ports, from one to another.
///
/// ```
/// use sandbox_core::Ports;
///
/// assert!(Ports::ANY.contains(1) && !Ports::ANY.contains(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// All of them. There is no port 0.
    pub const ANY: Self = Self {
        first: 1,
        last: u16::MAX,
    };

    /// Whether a port is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The lowest.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest.
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many more than one they are.
    pub(crate) fn spread(self) -> u16 {
        self.last - self.first
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }
}

impl fmt::Display for Ports {
    /// As they are written behind a destination; nothing where they are all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.spread()) {
            (Self::ANY, _) => Ok(()),
            (_, 0) => write!(f, ":{}", self.first),
            _ => write!(f, ":{}-{}", self.first, self.last),
        }
    }
}

/// The destinations that a rule is about.
///
/// | written | means |
/// |---|---|
/// | `example.com` | this name |
/// | `*.example.com` | every name below it, at any depth, never the name itself |
/// | `192.0.2.1`, `[2001:db8::1]` | this address, in any spelling |
/// | `10.0.0.0/8`, `fd00::/8` | every address in the range |
/// | `localhost` | the name, and the addresses `127.0.0.1` and `::1` |
/// | behind each of them `:443`, `:8000-8999` | these ports; all of them otherwise |
///
/// Two texts that mean the same are equal, and [`Display`](fmt::Display) writes both in the same way.
///
/// ```
/// use sandbox_core::{Destination, DestinationPattern};
///
/// let pattern: DestinationPattern = "*.GitHub.com:443".parse()?;
/// assert!(pattern.matches(&"api.github.com".parse()?, 443));
/// assert!(!pattern.matches(&"github.com".parse()?, 443));
/// assert!(!pattern.matches(&"evil-github.com".parse()?, 443));
/// assert!(!pattern.matches(&"api.github.com".parse()?, 80));
/// assert_eq!(pattern, "*.github.com.:443".parse()?);
/// # Ok::<(), sandbox_core::DestinationProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationPattern {
    pub(crate) scope: Scope,
    pub(crate) ports: Ports,
}

/// What a pattern is about, whatever the port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Name(Name),
    /// All names below.
    Below(Name),
    /// A range without bits beyond its prefix, of IPv4 wherever it can be; an address is a range of one.
    Range(IpNet),
}

/// The name whose rules are about addresses as well.
pub(crate) const LOCALHOST: &str = "localhost";

/// Whether an address is one that `localhost` resolves to everywhere.
pub(crate) fn is_localhost(address: IpAddr) -> bool {
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

impl DestinationPattern {
    /// This destination at this port, and nothing else; nothing at all for port 0.
    ///
    /// ```
    /// use sandbox_core::{Destination, DestinationPattern};
    ///
    /// let loopback: Destination = "::1".parse()?;
    /// assert_eq!(DestinationPattern::exactly(&loopback, 80).to_string(), "[::1]:80");
    /// # Ok::<(), sandbox_core::DestinationProblem>(())
    /// ```
    pub fn exactly(destination: &Destination, port: u16) -> Self {
        Self {
            scope: destination.canonical().into_owned().into(),
            ports: port.into(),
        }
    }

    /// This destination at every port.
    pub(crate) fn of(destination: &Destination) -> Self {
        let ports = Ports::ANY;
        Self {
            ports,
            ..Self::exactly(destination, 1)
        }
    }

    /// Whether it is about a connection.
    pub fn matches(&self, destination: &Destination, port: u16) -> bool {
        self.ports.contains(port) && self.scope.contains(&destination.canonical())
    }

    /// The ports that it is about.
    pub fn ports(&self) -> Ports {
        self.ports
    }
}

impl Scope {
    /// The destination is in its one form.
    pub(crate) fn contains(&self, destination: &Destination) -> bool {
        match (self, destination) {
            (Self::Name(name), Destination::Name(other)) => name == other,
            (Self::Below(name), Destination::Name(other)) => {
                other.above().any(|above| above == name.as_str())
            }
            (_, Destination::Address(address)) => self.range_around(*address).is_some(),
            (Self::Range(_), Destination::Name(_)) => false,
        }
    }

    /// Whether it is the one name that has addresses everywhere.
    pub(crate) fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name.as_str() == LOCALHOST)
    }

    /// Whether all of it is loopback.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(_) => self.is_localhost(),
            Self::Below(_) => false,
            Self::Range(range) => range.network().is_loopback() && range.broadcast().is_loopback(),
        }
    }

    /// The range of its addresses in which this one is.
    pub(crate) fn range_around(&self, address: IpAddr) -> Option<IpNet> {
        match self {
            Self::Range(range) => range.contains(&address).then_some(*range),
            Self::Name(_) if self.is_localhost() && is_localhost(address) => Some(address.into()),
            Self::Name(_) | Self::Below(_) => None,
        }
    }
}

impl From<Destination> for Scope {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Name(name) => Self::Name(name),
            Destination::Address(address) => Self::Range(address.into()),
        }
    }
}

impl fmt::Display for DestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::Name(name) => name.fmt(f)?,
            Scope::Below(name) => write!(f, "*.{name}")?,
            Scope::Range(range) if range.prefix_len() == range.max_prefix_len() => {
                match range.addr() {
                    IpAddr::V4(address) => address.fmt(f)?,
                    IpAddr::V6(address) => write!(f, "[{address}]")?,
                }
            }
            Scope::Range(range) => range.fmt(f)?,
        }
        self.ports.fmt(f)
    }
}

impl FromStr for DestinationPattern {
    type Err = DestinationProblem;

    /// # Errors
    ///
    /// No connection goes to what is written, or it cannot mean what it says.
    fn from_str(text: &str) -> Result<Self, DestinationProblem> {
        has_length(text)?;
        not_a_url(text)?;
        if let Some((before, after)) = text.split_once('/') {
            return match before.parse() {
                Ok(Destination::Address(_)) => range(before, after),
                Err(_) if before.starts_with('[') => Err(DestinationProblem::InBrackets),
                _ => Err(DestinationProblem::Path {
                    instead: within(before),
                }),
            };
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(DestinationProblem::Brackets {
                instead: format!("[{text}]"),
            });
        }
        let (host, ports) = split(text)?;
        let scope = scope(host)?;
        let ports = match ports {
            None => Ports::ANY,
            Some(text) => self::ports(text).ok_or_else(|| DestinationProblem::Port {
                instead: Some(
                    Self {
                        scope: scope.clone(),
                        ports: Ports::ANY,
                    }
                    .to_string(),
                ),
            })?,
        };
        Ok(Self { scope, ports })
    }
}

/// What begins with a scheme or a user is not a destination, but has one in it.
pub(super) fn not_a_url(text: &str) -> Result<(), DestinationProblem> {
    if let Some((_, rest)) = text.split_once("://") {
        let instead = within(rest);
        return Err(DestinationProblem::Url { instead });
    }
    if let Some((_, rest)) = text.rsplit_once('@') {
        let instead = within(rest);
        return Err(DestinationProblem::User { instead });
    }
    Ok(())
}

/// The destination at the front of a text that has something behind it.
fn within(text: &str) -> Option<String> {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let pattern: DestinationPattern = host.parse().ok()?;
    Some(pattern.to_string())
}

/// What is before the port, and the port or ports. Brackets stay: who reads the address knows them.
pub(super) fn split(text: &str) -> Result<(&str, Option<&str>), DestinationProblem> {
    if text.starts_with('[') {
        let Some((host, rest)) = text.find(']').map(|end| text.split_at(end + 1)) else {
            return Err(DestinationProblem::InBrackets);
        };
        return match rest.strip_prefix(':') {
            Some(port) if port.contains(':') => Err(DestinationProblem::Ports),
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(DestinationProblem::InBrackets),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(DestinationProblem::Ports),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn scope(host: &str) -> Result<Scope, DestinationProblem> {
    if host.starts_with('[') {
        let destination: Destination = host.parse().map_err(|_| DestinationProblem::InBrackets)?;
        return Ok(Scope::from(destination));
    }
    if host == "*" {
        return Err(DestinationProblem::Everything);
    }
    let Some(below) = host.strip_prefix("*.") else {
        if let Some((_, rest)) = host.rsplit_once('*') {
            let meant = format!("*.{}", rest.trim_start_matches(['.', '-']));
            let instead = host.starts_with('*').then(|| within(&meant)).flatten();
            return Err(DestinationProblem::Wildcard { instead });
        }
        return Ok(Scope::from(host.parse::<Destination>()?));
    };
    if below.contains('*') {
        return Err(DestinationProblem::Wildcard { instead: None });
    }
    match below.parse()? {
        Destination::Address(_) => Err(DestinationProblem::WildcardAddress),
        Destination::Name(name) if is_public_suffix(&name) => {
            Err(DestinationProblem::PublicSuffix {
                suffix: name.to_string(),
            })
        }
        Destination::Name(name) => Ok(Scope::Below(name)),
    }
}

/// Whether a company gives its customers names below (`github.io`): of the list of public suffixes, the part of theirs.
pub(crate) fn is_shared_suffix(name: &Name) -> bool {
    suffix_type(name) == Some(psl::Type::Private)
}

/// Whether a registry lets anybody have a name right below: of the list of public suffixes, the part of ICANN's.
fn is_public_suffix(name: &Name) -> bool {
    suffix_type(name) == Some(psl::Type::Icann)
}

/// Which part of the list of public suffixes has this one.
fn suffix_type(name: &Name) -> Option<psl::Type> {
    let bytes = name.as_str().as_bytes();
    psl::suffix(bytes)
        .filter(|suffix| suffix.as_bytes() == bytes)?
        .typ()
}

/// `ADDRESS/BITS`, with ports behind it or without.
fn range(address: &str, after: &str) -> Result<DestinationPattern, DestinationProblem> {
    let (bits, ports) = match after.split_once(':') {
        Some((bits, ports)) => (bits, Some(ports)),
        None => (after, None),
    };
    let bits = number(bits).ok_or(DestinationProblem::Bits)?;
    // `FromStr` of an IPv6 address keeps the form that the bits are counted in.
    let written = match address.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        Ok(address) => IpAddr::V6(address),
        Err(_) => match address.parse()? {
            Destination::Address(address) => address,
            Destination::Name(_) => return Err(DestinationProblem::Bits),
        },
    };
    let (address, bits) = match (written, written.to_canonical()) {
        // Of a range of IPv4 addresses in the form of IPv6, 96 bits are the form.
        (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if bits >= 96 => (canonical, bits - 96),
        _ => (written, bits),
    };
    let range = u8::try_from(bits)
        .ok()
        .and_then(|bits| IpNet::new(address, bits).ok())
        .ok_or(DestinationProblem::Bits)?;
    let pattern = |range: IpNet| DestinationPattern {
        scope: Scope::Range(range),
        ports: Ports::ANY,
    };
    if range.trunc() != range {
        return Err(DestinationProblem::HostBits {
            bits: range.prefix_len(),
            range: pattern(range.trunc()).to_string(),
            address: pattern(address.into()).to_string(),
        });
    }
    let ports = match ports {
        None => Ports::ANY,
        Some(text) if text.contains(':') => return Err(DestinationProblem::Ports),
        Some(text) => self::ports(text).ok_or_else(|| DestinationProblem::Port {
            instead: Some(pattern(range).to_string()),
        })?,
    };
    Ok(DestinationPattern {
        ports,
        ..pattern(range)
    })
}

/// `443` or `8000-8999`.
fn ports(text: &str) -> Option<Ports> {
    let port = |text| number(text).filter(|port| *port != 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(Ports { first, last })
}

/// One port.
pub(crate) fn port(text: &str) -> Result<u16, DestinationProblem> {
    let port = number(text).filter(|port| *port != 0);
    port.ok_or(DestinationProblem::Port { instead: None })
}

/// A number without a sign or a zero before it, in which somebody would see an octal one.
fn number(text: &str) -> Option<u16> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}
