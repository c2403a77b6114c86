//! The sockets of the sandbox's own network that the caller's side serves. A socket stays in the namespace in which it was made
//! (`network_namespaces(7)`).

#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use nix::sys::socket::{SockaddrIn6, connect, setsockopt, sockopt};
use nix::sys::time::TimeVal;

use crate::inits::{Init, Inits};
use crate::sys::{self, socket};
use crate::wire::{self, Answer, BROUGHT, door};

/// How long a server inside may take to take a connection that the host makes.
const PATIENCE: TimeVal = TimeVal::new(2, 0);

/// A way into a sandbox's network, for connections that the host makes to servers inside. It does not keep the sandbox.
#[derive(Clone, Debug)]
pub struct WayIn(pub(crate) Weak<Inits>);

impl WayIn {
    /// A connection to a port of the sandbox's loopback.
    ///
    /// # Errors
    ///
    /// `NotConnected` where the sandbox is gone or has had no command yet; else those of `setns(2)`, `socket(2)` and `connect(2)`,
    /// which waits for two seconds at most, for IPv4 and for IPv6; while the first command starts it waits for that.
    pub fn connect(&self, port: u16) -> io::Result<OwnedFd> {
        let init = self.init()?;
        let to = |address: Ipv6Addr| {
            // It reaches IPv4 as well.
            let socket = sys::socket_beside(init.pidfd(), [libc::AF_INET6, libc::SOCK_STREAM, 0])?;
            let address = SocketAddrV6::new(address, port, 0, 0);
            // It counts for connect(2), which waits for minutes otherwise (socket(7)).
            setsockopt(&socket, sockopt::SendTimeout, &PATIENCE)?;
            connect(socket.as_raw_fd(), &SockaddrIn6::from(address))?;
            Ok(socket)
        };
        to(Ipv4Addr::LOCALHOST.to_ipv6_mapped()).or_else(|_: io::Error| to(Ipv6Addr::LOCALHOST))
    }

    /// The init that has made the network.
    ///
    /// # Errors
    ///
    /// `NotConnected` where there is none.
    pub(crate) fn init(&self) -> io::Result<Arc<Init>> {
        let inits = self.0.upgrade();
        let init = inits.and_then(|inits| inits.set_up().done.upgrade());
        Ok(init.ok_or(io::ErrorKind::NotConnected)?)
    }
}

/// The gateway's sockets in the sandbox's network: whoever has them decides what becomes of every connection.
///
/// ```
/// use sandbox_linux::Doors;
///
/// let doors = Doors::default();
/// assert!(doors.streams.is_none() && doors.names.is_none() && doors.proxies.is_none());
/// assert!(doors.datagrams.is_none() && doors.packets_v4.is_none() && doors.packets_v6.is_none());
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Doors {
    /// A listener: it accepts connections to every address and port. The accepted socket's own address is the one that was
    /// dialled.
    pub streams: Option<OwnedFd>,
    /// Whether this kernel brings connections to `streams`, and datagrams to `datagrams`. It does not without the transparent proxy of `nf_tables`: then whoever does not
    /// ask a proxy is refused, or [brought](Self::brought).
    pub captured: bool,
    /// Whether init brings them where the kernel does not, as far as a notifier has it connect: to port 53 of the address that was dialled. What port
    /// was dialled [`port_of`](Self::port_of) tells.
    pub brought: bool,
    /// A socket that gets the datagrams to port 53 of every address; it says which with each (`IPV6_PKTINFO`, ipv6(7)).
    pub names: Option<OwnedFd>,
    /// A listener on [`Doors::PROXY`] of loopback, for programs that ask a proxy.
    pub proxies: Option<OwnedFd>,
    /// Where rules allow datagrams of UDP, a socket that gets those to all other ports of every address; it says which with
    /// each, if it is asked to (`IP_RECVORIGDSTADDR`, ip(7)).
    pub datagrams: Option<OwnedFd>,
    /// With it, a socket that sends IPv4 packets with a header of the sender's own (raw(7)): what answers a datagram comes from
    /// where that was sent to. Such packets are not brought to `datagrams`.
    pub packets_v4: Option<OwnedFd>,
    /// The same for IPv6.
    pub packets_v6: Option<OwnedFd>,
}

impl Doors {
    /// The port of [`proxies`](Self::proxies).
    pub const PROXY: u16 = wire::PROXY;

    /// The port that an accepted connection was made to, if init has brought it.
    #[must_use]
    pub fn port_of(connection: BorrowedFd<'_>) -> Option<u16> {
        let mark = socket::option(connection, libc::SO_MARK).ok()?;
        let port = mark.cast_unsigned().checked_sub(BROUGHT)?;
        u16::try_from(port).ok()
    }

    pub(crate) fn put(&mut self, got: &Answer, socket: Option<OwnedFd>) {
        self.captured = got.errno == 0;
        self.brought = got.detail != 0;
        match got.value {
            door::STREAMS => self.streams = socket,
            door::NAMES => self.names = socket,
            door::PROXIES => self.proxies = socket,
            door::DATAGRAMS => self.datagrams = socket,
            door::PACKETS_V4 => self.packets_v4 = socket,
            door::PACKETS_V6 => self.packets_v6 = socket,
            _ => {}
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.streams.is_some() && self.names.is_some() && self.proxies.is_some()
    }
}
