//! Connections that init brings to the gateway, where the kernel has no transparent proxy for it: those that such a proxy would.
//!
//! All addresses are local in the sandbox's network, so the gateway's listener accepts at each of them, at one port. The port that was
//! dialled comes with the connection, as its mark: what the gateway decides about is one value, and no table that could be another connection's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;

use super::address::Named;
use crate::sys::socket;
use crate::wire::{DOOR, PROXY};

/// Which they are: all of TCP but those to loopback, and of these the ones to some ports.
#[derive(Debug)]
pub(crate) struct Brought {
    loopback: Vec<RangeInclusive<u16>>,
}

impl Brought {
    pub(crate) const fn new(loopback: Vec<RangeInclusive<u16>>) -> Self {
        Self { loopback }
    }

    pub(super) fn is(&self, named: &Named) -> bool {
        let is_tcp =
            || socket::option(named.socket.as_fd(), libc::SO_PROTOCOL) == Ok(libc::IPPROTO_TCP);
        let destination = destination(&named.address);
        destination.is_some_and(|(address, port)| self.takes(address, port)) && is_tcp()
    }

    fn takes(&self, address: IpAddr, port: u16) -> bool {
        match (address, port) {
            // The gateway's own ports, and the one that nobody has.
            (_, 0 | DOOR) => false,
            // Nowhere is here (ip(7)).
            (address, port) if address.is_loopback() || address.is_unspecified() => {
                port != PROXY && self.loopback.iter().any(|ports| ports.contains(&port))
            }
            _ => true,
        }
    }
}

/// The address and port of a `sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)); what is shorter is none to the kernel either.
fn destination(address: &[u8]) -> Option<(IpAddr, u16)> {
    let field = |at: usize| address.get(at..)?.first_chunk().copied();
    let port = u16::from_be_bytes(address.get(2..)?.first_chunk().copied()?);
    let begins = |family| address.starts_with(&socket::family_bytes(family));
    let ip = if begins(libc::AF_INET) && address.len() >= 16 {
        IpAddr::from(Ipv4Addr::from(field(4)?))
    } else if begins(libc::AF_INET6) && address.len() >= 24 {
        let octets: [u8; 16] = address.get(8..)?.first_chunk().copied()?;
        Ipv6Addr::from(octets).to_canonical()
    } else {
        return None;
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn bytes(address: SocketAddr) -> Vec<u8> {
        let port = address.port().to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) => {
                let family = socket::family_bytes(libc::AF_INET);
                [&family[..], &port, &ip.octets(), &[0; 8]].concat()
            }
            IpAddr::V6(ip) => {
                let family = socket::family_bytes(libc::AF_INET6);
                [&family[..], &port, &[0; 4], &ip.octets(), &[0; 4]].concat()
            }
        }
    }

    #[test]
    fn what_a_proxy_of_the_kernels_would_take_is_brought() {
        let brought = Brought::new(vec![5432..=5432, 880..=880]);
        for (text, expected) in [
            ("7.7.7.7:443", true),
            ("7.7.7.7:53", false),
            ("7.7.7.7:0", false),
            ("198.18.0.1:80", true),
            ("127.0.0.1:5432", true),
            ("127.8.8.8:5432", true),
            ("127.0.0.1:5433", false),
            ("127.0.0.1:880", false),
            ("7.7.7.7:880", true),
            ("0.0.0.0:5432", true),
            ("0.0.0.0:80", false),
            ("[::1]:80", false),
            ("[::1]:5432", true),
            ("[::]:80", false),
            ("[2001:db8::7]:443", true),
            ("[::ffff:7.7.7.7]:443", true),
            ("[::ffff:127.0.0.1]:443", false),
        ] {
            let (address, port) = destination(&bytes(text.parse().unwrap())).unwrap();
            assert_eq!(brought.takes(address, port), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in ["7.7.7.7:443", "[2001:db8::7]:443"] {
            let whole = bytes(text.parse().unwrap());
            let least = if text.starts_with('[') { 24 } else { 16 };
            for length in 0..whole.len() {
                let is_one = destination(&whole[..length]).is_some();
                assert_eq!(is_one, length >= least, "{text} {length}");
            }
        }
        assert_eq!(destination(&[0; 16]), None);
    }
}
