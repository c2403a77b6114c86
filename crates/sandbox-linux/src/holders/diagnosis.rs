//! Asks the kernel for the inode of a socket (`sock_diag(7)`), in the network in which the descriptor was made.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::sys::socket::{MsgFlags, recv, send};

use crate::inits::Init;
use crate::sys;

/// The head of every message of netlink.
const HEAD: usize = 16;
/// `struct inet_diag_req_v2`, of which the last part is `struct inet_diag_sockid`.
const REQUEST: usize = 56;
/// `struct inet_diag_msg`.
const REPLY: usize = 72;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const ALL_STATES: u32 = u32::MAX;
/// `INET_DIAG_NOCOOKIE`.
const NO_COOKIE: [u8; 8] = [0xff; 8];

#[derive(Debug)]
pub(super) struct Diagnosis(Mutex<OwnedFd>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Diagnosis {
    /// For the network of this init.
    pub(super) fn new(init: &Init) -> io::Result<Self> {
        let (family, kind) = (libc::AF_NETLINK, libc::SOCK_RAW);
        let socket = sys::socket_beside(init.pidfd(), [family, kind, libc::NETLINK_SOCK_DIAG])?;
        Ok(Self(Mutex::new(socket)))
    }

    /// The inode of the socket that has these addresses: its own, and that to which it is connected.
    pub(super) fn inode(
        &self,
        transport: Transport,
        inside: SocketAddr,
        other: SocketAddr,
    ) -> Option<u64> {
        let (inside, other) = (canonical(inside), canonical(other));
        inode(&self.ask(transport, inside, other)?, inside, other)
    }

    /// What the kernel answers; none where it knows of nothing.
    pub(super) fn ask(
        &self,
        transport: Transport,
        inside: SocketAddr,
        other: SocketAddr,
    ) -> Option<[u8; REPLY]> {
        let request = request(transport, inside, other)?;
        // Attributes follow, which are cut off.
        let mut reply = [0; HEAD + REPLY];
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fd = socket.as_raw_fd();
        send(fd, &request, MsgFlags::MSG_DONTWAIT).ok()?;
        // It has answered before the call returns.
        recv(fd, &mut reply, MsgFlags::MSG_DONTWAIT).ok()?;
        let (head, reply) = reply.split_at_checked(HEAD)?;
        let is_answer = head.get(4..6)? == SOCK_DIAG_BY_FAMILY.to_ne_bytes();
        is_answer.then(|| reply.try_into().ok())?
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn request(transport: Transport, inside: SocketAddr, other: SocketAddr) -> Option<Vec<u8>> {
    let family = match (inside.ip(), other.ip()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => libc::AF_INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => libc::AF_INET6,
        _ => return None,
    };
    let (protocol, [source, destination]) = match transport {
        Transport::Tcp => (libc::IPPROTO_TCP, [inside, other]),
        // Of UDP the kernel takes them the other way round (`udp_dump_one`).
        Transport::Udp => (libc::IPPROTO_UDP, [other, inside]),
    };
    let [family, protocol] = [family, protocol].map(|number| u8::try_from(number).ok());
    let length = u32::try_from(HEAD + REQUEST).ok()?;
    let bytes = [
        &length.to_ne_bytes()[..],
        &SOCK_DIAG_BY_FAMILY.to_ne_bytes(),
        &NLM_F_REQUEST.to_ne_bytes(),
        // Sequence, and port: of the kernel's choice.
        &[0; 8],
        &[family?, protocol?, 0, 0],
        &ALL_STATES.to_ne_bytes(),
        &source.port().to_be_bytes(),
        &destination.port().to_be_bytes(),
        &octets(source.ip()),
        &octets(destination.ip()),
        // Any interface.
        &[0; 4],
        &NO_COOKIE,
    ]
    .concat();
    Some(bytes)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// The inode in a reply. Where no socket has both addresses the kernel takes one that has the first alone: somebody else may listen there.
fn inode(reply: &[u8; REPLY], inside: SocketAddr, other: SocketAddr) -> Option<u64> {
    let number = |at: usize| Some(u16::from_be_bytes(*reply.get(at..)?.first_chunk()?));
    let address = |at: usize| -> Option<IpAddr> {
        Some(if i32::from(*reply.first()?) == libc::AF_INET {
            Ipv4Addr::from(*reply.get(at..)?.first_chunk::<4>()?).into()
        } else {
            let address = Ipv6Addr::from(*reply.get(at..)?.first_chunk::<16>()?);
            IpAddr::from(address).to_canonical()
        })
    };
    let own = SocketAddr::new(address(8)?, number(4)?);
    let peer = SocketAddr::new(address(24)?, number(6)?);
    let inode = u32::from_ne_bytes(*reply.last_chunk()?);
    // One that nobody has open any more has none.
    (own == inside && peer == other && inode != 0).then_some(inode.into())
}
