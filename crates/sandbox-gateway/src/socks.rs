//! SOCKS 5 (RFC 1928), 4 and 4a: CONNECT, for whoever is inside. BIND and UDP ASSOCIATE are not carried out: they open ways
//! that nobody has judged.
//!
//! The bytes are read here: the crates for it tell the program's log of names as they come, with escape sequences and all,
//! and answer by themselves what a rule is to answer.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use sandbox_core::Destination;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::bounds;
use crate::event::Door;
use crate::guard::Guard;
use crate::hall::{Hall, Wish};
use crate::processes::Maker;
use crate::proxy::{Carries, Tunnel, linger, read_some};
use crate::refusal::Why;

const FIVE: u8 = 5;
const FOUR: u8 = 4;
const CONNECT: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// The version of the negotiation with a password, and its outcomes.
const NEGOTIATION: u8 = 1;
const GRANTED: u8 = 0;
const FAILED: u8 = 1;
/// The longest user or name in a request of SOCKS 4: as long as in one of SOCKS 5.
const LONGEST: usize = 255;

/// Whether a connection whose first byte is this one speaks SOCKS.
pub(crate) fn speaks(first: u8) -> bool {
    matches!(first, FOUR | FIVE)
}

/// Serves a connection, of which `read` has been read.
pub(crate) async fn serve<S>(
    read: Vec<u8>,
    client: S,
    hall: Rc<Hall>,
    maker: Maker,
    guard: Option<Guard>,
    patience: Duration,
) -> Option<Tunnel<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let version = *read.first()?;
    let mut peer = Peer {
        version,
        read,
        client,
    };
    if let Some(guard) = &guard {
        let is_known = timeout(patience, peer.shows_secret(guard))
            .await
            .ok()?
            .ok()?;
        if !is_known {
            guard.refuse(&hall, Door::Socks);
            linger(peer.client).await;
            return None;
        }
    }
    let asked = timeout(patience, peer.asks(guard.is_some()))
        .await
        .ok()?
        .ok()?;
    let reply = match asked {
        Err(reply) => reply,
        Ok((destination, port)) => {
            let door = Door::Socks;
            let wish = Wish {
                destination,
                port,
                door,
                maker,
            };
            match hall.open(wish).await {
                Ok(opened) => {
                    peer.answer(Reply::Granted).await.ok()?;
                    return Some(Tunnel {
                        client: peer.client,
                        first: peer.read,
                        opened,
                        carries: Carries::Anything(door),
                    });
                }
                Err(refusal) => Reply::from(&refusal.why),
            }
        }
    };
    peer.answer(reply).await.ok()?;
    linger(peer.client).await;
    None
}

/// A client, and what it has said that has not been understood.
struct Peer<S> {
    version: u8,
    read: Vec<u8>,
    client: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Whether it shows the secret (RFC 1929), of which it is told the outcome. SOCKS 4 has no way to.
    async fn shows_secret(&mut self, guard: &Guard) -> io::Result<bool> {
        if self.version == FOUR {
            self.answer(Reply::Denied).await?;
            return Ok(false);
        }
        if !self.parsed(|bytes| greeting(bytes, PASSWORD)).await? {
            self.client.write_all(&[FIVE, NO_METHOD]).await?;
            return Ok(false);
        }
        self.client.write_all(&[FIVE, PASSWORD]).await?;
        let (user, password) = self.parsed(credentials).await?;
        let is_known = guard.admits(&user, &password);
        let outcome = if is_known { GRANTED } else { FAILED };
        self.client.write_all(&[NEGOTIATION, outcome]).await?;
        Ok(is_known)
    }

    /// Where it wants to go, or what it is answered at once.
    async fn asks(&mut self, is_known: bool) -> io::Result<Result<(Destination, u16), Reply>> {
        if is_known {
            return self.parsed(five).await;
        }
        if self.version == FOUR {
            return self.parsed(four).await;
        }
        if self
            .parsed(|bytes| greeting(bytes, NO_AUTHENTICATION))
            .await?
        {
            self.client.write_all(&[FIVE, NO_AUTHENTICATION]).await?;
            return self.parsed(five).await;
        }
        self.client.write_all(&[FIVE, NO_METHOD]).await?;
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Reads until there is enough of it.
    async fn parsed<T>(&mut self, parse: fn(&mut Bytes<'_>) -> Parsed<T>) -> io::Result<T> {
        loop {
            let mut bytes = Bytes(&self.read);
            match parse(&mut bytes) {
                Ok(parsed) => {
                    let rest = bytes.0.len();
                    self.read.drain(..self.read.len() - rest);
                    return Ok(parsed);
                }
                Err(Unread::More) => read_some(&mut self.client, &mut self.read).await?,
                Err(Unread::Malformed) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    async fn answer(&mut self, reply: Reply) -> io::Result<()> {
        const V4: u8 = 1;
        // The address from which it was dialled is nobody's business.
        let five = [FIVE, reply as u8, 0, V4, 0, 0, 0, 0, 0, 0];
        let four = [
            0,
            if reply == Reply::Granted { 90 } else { 91 },
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        let bytes: &[u8] = if self.version == FOUR { &four } else { &five };
        timeout(bounds::GREETING, self.client.write_all(bytes)).await?
    }
}

/// What is answered; the numbers are those of SOCKS 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Granted = 0,
    Failed = 1,
    Denied = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    TimedOut = 6,
    NoSuchCommand = 7,
    NoSuchAddress = 8,
}

impl From<&Why> for Reply {
    fn from(why: &Why) -> Self {
        match why {
            Why::Denied(_) | Why::Unanswered(_) | Why::Mismatch(_) | Why::Unauthenticated => {
                Self::Denied
            }
            Why::Unresolved => Self::HostUnreachable,
            Why::TimedOut => Self::TimedOut,
            Why::Unreachable(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Self::Refused,
                io::ErrorKind::HostUnreachable => Self::HostUnreachable,
                io::ErrorKind::NetworkUnreachable => Self::NetworkUnreachable,
                _ => Self::Failed,
            },
        }
    }
}

/// Why bytes are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// There are too few.
    More,
    Malformed,
}

type Parsed<T> = Result<T, Unread>;

/// Where a request leads, or what it is answered at once.
type Asked = Result<(Destination, u16), Reply>;

/// Bytes that are still to be read.
#[derive(Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unread::More)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Unread::More)
    }

    /// Up to a NUL, which is taken too.
    fn text(&mut self) -> Parsed<&'a [u8]> {
        match self.0.iter().take(LONGEST + 1).position(|byte| *byte == 0) {
            Some(length) => {
                let text = self.take(length)?;
                self.take(1)?;
                Ok(text)
            }
            None if self.0.len() > LONGEST => Err(Unread::Malformed),
            None => Err(Unread::More),
        }
    }
}

/// Whether a client would be known by this method.
fn greeting(bytes: &mut Bytes<'_>, method: u8) -> Parsed<bool> {
    let [_, methods] = bytes.array()?;
    Ok(bytes.take(methods.into())?.contains(&method))
}

/// A user and a password.
fn credentials(bytes: &mut Bytes<'_>) -> Parsed<(Vec<u8>, Vec<u8>)> {
    let [version, length] = bytes.array()?;
    if version != NEGOTIATION {
        return Err(Unread::Malformed);
    }
    let user = bytes.take(length.into())?.to_vec();
    let [length] = bytes.array()?;
    let password = bytes.take(length.into())?.to_vec();
    Ok((user, password))
}

fn five(bytes: &mut Bytes<'_>) -> Parsed<Asked> {
    const V4: u8 = 1;
    const NAME: u8 = 3;
    const V6: u8 = 4;
    let [version, command, _, kind] = bytes.array()?;
    if version != FIVE {
        return Err(Unread::Malformed);
    }
    let destination = match kind {
        V4 => Some(Ipv4Addr::from(bytes.array::<4>()?).into()),
        V6 => Some(Ipv6Addr::from(bytes.array::<16>()?).into()),
        NAME => {
            let [length] = bytes.array()?;
            named(bytes.take(length.into())?)
        }
        _ => return Ok(Err(Reply::NoSuchAddress)),
    };
    let port = u16::from_be_bytes(bytes.array()?);
    Ok(asked(command, destination, port))
}

fn four(bytes: &mut Bytes<'_>) -> Parsed<Asked> {
    let [_, command] = bytes.array()?;
    let port = u16::from_be_bytes(bytes.array()?);
    let address: [u8; 4] = bytes.array()?;
    let _user = bytes.text()?;
    let destination = match address {
        // 4a: a name follows.
        [0, 0, 0, last] if last != 0 => named(bytes.text()?),
        address => Some(Ipv4Addr::from(address).into()),
    };
    Ok(asked(command, destination, port))
}

fn asked(command: u8, destination: Option<Destination>, port: u16) -> Asked {
    match destination {
        _ if command != CONNECT => Err(Reply::NoSuchCommand),
        Some(destination) => Ok((destination, port)),
        None => Err(Reply::Denied),
    }
}

/// A name, or an address as text, which has no brackets here.
fn named(text: &[u8]) -> Option<Destination> {
    let text = str::from_utf8(text)
        .ok()
        .filter(|text| !text.contains(['[', ']']))?;
    text.parse().ok()
}
