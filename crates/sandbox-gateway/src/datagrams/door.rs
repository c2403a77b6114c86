//! The socket that all datagrams of a sandbox come to, and those by which they are answered.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use nix::libc::{in6_pktinfo, sockaddr_in6};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::coop::consume_budget;
use tokio::time::sleep;

use super::packet::{Pair, answer_head, unreachable};
use super::{Inside, LONGEST};
use crate::bounds;
use crate::hall::Hall;

/// Has the kernel say with each datagram to whom it was sent.
///
/// # Errors
///
/// It is no such socket.
pub(crate) fn ask_destinations(socket: &OwnedFd) -> io::Result<()> {
    setsockopt(socket, sockopt::Ipv4OrigDstAddr, &true)?;
    setsockopt(socket, sockopt::Ipv6OrigDstAddr, &true)?;
    Ok(())
}

/// Sockets that send packets as they are given.
struct Packets {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Packets {
    /// What does not get through is lost, as a datagram may be.
    fn send(&self, to: IpAddr, head: &[u8], payload: &[u8]) {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        // raw(7) and ipv6(7) know no ports.
        let to = SockaddrStorage::from(SocketAddr::new(to, 0));
        let vectors = [IoSlice::new(head), IoSlice::new(payload)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let _ = sendmsg(socket.as_raw_fd(), &vectors, &[], flags, Some(&to));
    }
}

impl Inside for Packets {
    fn answer(&self, pair: Pair, payload: &[u8]) {
        if let Some(head) = answer_head(pair, payload) {
            self.send(pair.command.ip(), &head, payload);
        }
    }

    fn refuse(&self, pair: Pair) {
        if let Some(packet) = unreachable(pair) {
            self.send(pair.command.ip(), &packet, &[]);
        }
    }
}

/// Takes datagrams as they come.
pub(crate) async fn serve(socket: UdpSocket, [v4, v6]: [OwnedFd; 2], hall: Rc<Hall>) {
    let inside: Rc<dyn Inside> = Rc::new(Packets { v4, v6 });
    let mut buffer = vec![0; LONGEST];
    loop {
        // Whoever sends without end holds up nobody else.
        consume_budget().await;
        if socket.readable().await.is_err() {
            return;
        }
        match socket.try_io(Interest::READABLE, || receive(&socket, &mut buffer)) {
            Ok(Some((pair, length))) => {
                let payload = buffer.get(..length).unwrap_or_default();
                hall.datagram(pair, payload, &inside);
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => sleep(bounds::RECOVERY).await,
        }
    }
}

/// A datagram, which lies at the beginning of the buffer; none if it is not known to whom it was sent.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(Pair, usize)>> {
    let mut space = nix::cmsg_space!(in6_pktinfo, sockaddr_in6);
    let mut vectors = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let got = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut vectors, Some(&mut space), flags)?;
    let to = got.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4OrigDstAddr(to) => {
            let address = Ipv4Addr::from(u32::from_be(to.sin_addr.s_addr));
            Some((IpAddr::from(address), to.sin_port))
        }
        ControlMessageOwned::Ipv6OrigDstAddr(to) => {
            let address = Ipv6Addr::from(to.sin6_addr.s6_addr);
            Some((address.into(), to.sin6_port))
        }
        _ => None,
    });
    let pair = got.address.zip(to).map(|(from, (to, port))| Pair {
        command: SocketAddr::new(from.ip().to_canonical(), from.port()),
        other: SocketAddr::new(to.to_canonical(), u16::from_be(port)),
    });
    Ok(pair.map(|pair| (pair, got.bytes)))
}
