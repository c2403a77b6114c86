//! What a rule is limited to.

use regex::bytes::Regex;

use crate::pattern;
use crate::query::{Query, Side, VnodeType};
use crate::reader::{Datum, Error, Value};

/// A condition on what an operation is about.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The path is this one.
    Literal(Vec<u8>),
    /// The path is this one, or below it.
    Subpath(Vec<u8>),
    /// The path begins with it, also in the middle of a name.
    Prefix(Vec<u8>),
    /// The path matches.
    Regex(Regex),
    Vnode(Vec<VnodeType>),
    /// The name is one of these.
    Name(Vec<String>),
    /// The name begins with one of these.
    NamePrefix(Vec<String>),
    Target(String),
    Address(Side, Address),
    /// A Unix socket whose path passes these.
    Socket(Side, Vec<Self>),
    /// A number that nothing asks about: of a protocol, an ioctl.
    Number,
}

/// `HOST:PORT`, of which either may be any.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// `localhost`, or any.
    is_local: bool,
    port: Option<u16>,
}

impl Filter {
    pub(crate) fn parse(datum: &Datum) -> Result<Self, Error> {
        let Some((word, rest)) = datum.form() else {
            return Err(datum.error("a filter is a list that begins with its name"));
        };
        let all = || rest.iter().map(Self::parse).collect::<Result<Vec<_>, _>>();
        let one = || match rest {
            [one] => Ok(one),
            _ => Err(datum.error(format!("`{word}` takes one argument"))),
        };
        // Of several, one has to match.
        let each = |make: fn(&Datum) -> Result<Self, Error>| match rest {
            [] => Err(datum.error(format!("`{word}` takes an argument"))),
            [one] => make(one),
            many => many
                .iter()
                .map(make)
                .collect::<Result<_, _>>()
                .map(Self::Any),
        };
        let names = || rest.iter().map(text).collect::<Result<Vec<_>, _>>();
        match word {
            "require-all" => all().map(Self::All),
            "require-any" => all().map(Self::Any),
            "require-not" => Ok(Self::Not(Box::new(Self::parse(one()?)?))),
            "literal" | "path" | "path-literal" => each(|path| Ok(Self::Literal(absolute(path)?))),
            "subpath" | "path-subpath" => each(|path| Ok(Self::Subpath(absolute(path)?))),
            "prefix" | "path-prefix" => each(|path| Ok(Self::Prefix(beginning(path)?))),
            "regex" | "path-regex" => each(|datum| match &datum.value {
                Value::Regex(regex) | Value::Text(regex) => {
                    let regex = pattern::compile(regex).map_err(|why| datum.error(why))?;
                    Ok(Self::Regex(regex))
                }
                _ => Err(datum.error("a regular expression is expected")),
            }),
            "vnode-type" => {
                let known = |datum: &Datum| {
                    let known = datum.symbol().and_then(VnodeType::of_symbol);
                    known.ok_or_else(|| datum.error("an unknown type of vnode"))
                };
                rest.iter()
                    .map(known)
                    .collect::<Result<_, _>>()
                    .map(Self::Vnode)
            }
            "global-name"
            | "local-name"
            | "sysctl-name"
            | "preference-domain"
            | "iokit-user-client-class"
            | "iokit-registry-entry-class"
            | "iokit-connection"
            | "ipc-posix-name"
            | "extension-class"
            | "notification-name" => names().map(Self::Name),
            "global-name-prefix" | "sysctl-name-prefix" | "ipc-posix-name-prefix" => {
                names().map(Self::NamePrefix)
            }
            "socket-domain" => {
                let one = one()?;
                let domain = one
                    .symbol()
                    .ok_or_else(|| one.error("a domain is expected"))?;
                Ok(Self::Name(vec![domain.to_owned()]))
            }
            "socket-protocol" | "socket-type" | "ioctl-command" => Ok(Self::Number),
            "target" => {
                let one = one()?;
                match one.symbol() {
                    Some(who @ ("self" | "same-sandbox" | "others" | "children" | "pgrp")) => {
                        Ok(Self::Target(who.to_owned()))
                    }
                    _ => Err(one.error("an unknown target")),
                }
            }
            "local" => Self::end(datum, Side::Local, rest),
            "remote" => Self::end(datum, Side::Remote, rest),
            _ => Err(datum.error(format!("an unknown filter `{word}`"))),
        }
    }

    /// `(local KIND ...)` and `(remote KIND ...)`.
    fn end(datum: &Datum, side: Side, rest: &[Datum]) -> Result<Self, Error> {
        match rest {
            [kind, paths @ ..] if kind.symbol() == Some("unix-socket") => {
                let paths = paths.iter().map(Self::parse).collect::<Result<_, _>>()?;
                Ok(Self::Socket(side, paths))
            }
            [kind, address]
                if matches!(
                    kind.symbol(),
                    Some("ip" | "ip4" | "ip6" | "tcp" | "tcp4" | "tcp6" | "udp" | "udp4" | "udp6")
                ) =>
            {
                Address::parse(address).map(|address| Self::Address(side, address))
            }
            _ => Err(datum.error(
                "an end of a connection is `ip \"HOST:PORT\"`, or `unix-socket` with paths",
            )),
        }
    }

    pub(crate) fn matches(&self, query: &Query) -> bool {
        let path = query.path.as_deref();
        let name = query.name.as_deref();
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(query)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(query)),
            Self::Not(filter) => !filter.matches(query),
            Self::Literal(literal) => path.is_some_and(|path| path == literal),
            Self::Subpath(above) => path.is_some_and(|path| is_within(path, above)),
            Self::Prefix(prefix) => path.is_some_and(|path| path.starts_with(prefix)),
            Self::Regex(regex) => path.is_some_and(|path| regex.is_match(path)),
            Self::Vnode(types) => query.vnode.is_some_and(|vnode| types.contains(&vnode)),
            Self::Name(names) => name.is_some_and(|name| names.iter().any(|known| known == name)),
            Self::NamePrefix(prefixes) => {
                name.is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            }
            Self::Target(target) => query.target.as_ref() == Some(target),
            Self::Address(side, address) => query
                .address
                .as_ref()
                .is_some_and(|(asked, text)| asked == side && address.matches(text)),
            Self::Socket(side, filters) => query.socket.as_ref().is_some_and(|(asked, path)| {
                let path = Query::path(path);
                asked == side && filters.iter().all(|filter| filter.matches(&path))
            }),
            Self::Number => false,
        }
    }
}

impl Address {
    /// A host is `*` or `localhost`, as on a Mac; any other is an error there.
    fn parse(datum: &Datum) -> Result<Self, Error> {
        let text = text(datum)?;
        let parts = text.rsplit_once(':');
        let address = parts.and_then(|(host, port)| {
            Some(Self {
                is_local: match host {
                    "*" => false,
                    "localhost" => true,
                    _ => return None,
                },
                port: match port {
                    "*" => None,
                    port => Some(port.parse().ok()?),
                },
            })
        });
        address.ok_or_else(|| {
            datum.error("an address is `*:PORT`, `localhost:PORT`, and a port a number or `*`")
        })
    }

    fn matches(&self, asked: &str) -> bool {
        let Some((host, port)) = asked.rsplit_once(':') else {
            return false;
        };
        let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        (is_local || !self.is_local) && self.port.is_none_or(|own| port.parse() == Ok(own))
    }
}

fn text(datum: &Datum) -> Result<String, Error> {
    match &datum.value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(datum.error("a string is expected")),
    }
}

/// A path as rules have to write it: what the kernel compares it with has no other form.
fn absolute(datum: &Datum) -> Result<Vec<u8>, Error> {
    let path = text(datum)?;
    let is_plain = path == "/"
        || path.strip_prefix('/').is_some_and(|below| {
            below
                .split('/')
                .all(|name| !matches!(name, "" | "." | ".."))
        });
    if is_plain {
        Ok(path.into_bytes())
    } else {
        Err(datum.error("a path is absolute, without `.`, `..` and a slash at its end"))
    }
}

fn is_within(path: &[u8], above: &[u8]) -> bool {
    above == b"/"
        || path
            .strip_prefix(above)
            .is_some_and(|below| below.first().is_none_or(|first| *first == b'/'))
}

/// The beginning of a path, which may end in the middle of a name, or behind a slash.
fn beginning(datum: &Datum) -> Result<Vec<u8>, Error> {
    let path = text(datum)?;
    if path.starts_with('/') && !path.contains("//") {
        Ok(path.into_bytes())
    } else {
        Err(datum.error("what a path begins with is absolute"))
    }
}
