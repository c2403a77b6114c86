//! Datagrams, where rules allow any.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::sys::socket::{MsgFlags, SockaddrStorage, sendto, setsockopt, sockopt};

use super::*;

/// A datagram: who sent it, to whom, and what.
fn receive(socket: &OwnedFd) -> (SocketAddr, SocketAddr, Vec<u8>) {
    setsockopt(socket, sockopt::Ipv4OrigDstAddr, &true).unwrap();
    setsockopt(socket, sockopt::Ipv6OrigDstAddr, &true).unwrap();
    let mut payload = [0; 64];
    let mut space = nix::cmsg_space!(libc::in6_pktinfo, libc::sockaddr_in6);
    let mut vectors = [IoSliceMut::new(&mut payload)];
    let flags = MsgFlags::empty();
    let got = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut vectors, Some(&mut space), flags);
    let got = got.unwrap();
    let to = got.cmsgs().unwrap().find_map(|message| match message {
        ControlMessageOwned::Ipv4OrigDstAddr(to) => {
            let address = Ipv4Addr::from(u32::from_be(to.sin_addr.s_addr));
            Some((IpAddr::from(address), u16::from_be(to.sin_port)))
        }
        ControlMessageOwned::Ipv6OrigDstAddr(to) => {
            let address = Ipv6Addr::from(to.sin6_addr.s6_addr);
            Some((address.into(), u16::from_be(to.sin6_port)))
        }
        _ => None,
    });
    let (from, length) = (got.address.unwrap(), got.bytes);
    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
    (from, to.unwrap().into(), payload[..length].to_vec())
}

/// Answers a datagram of IPv4 by a packet: its header is the test's own, and its sum is left out.
fn answer(socket: &OwnedFd, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
    let (IpAddr::V4(from_ip), IpAddr::V4(to_ip)) = (from.ip(), to.ip()) else {
        panic!("{from} {to}");
    };
    let length = u16::try_from(8 + payload.len()).unwrap();
    let packet = [
        &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0][..],
        &from_ip.octets(),
        &to_ip.octets(),
        &from.port().to_be_bytes(),
        &to.port().to_be_bytes(),
        &length.to_be_bytes(),
        &[0, 0],
        payload,
    ]
    .concat();
    let to = SockaddrStorage::from(SocketAddr::new(to.ip(), 0));
    let sent = sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty());
    assert_eq!(sent.unwrap(), packet.len());
}

#[test]
fn every_datagram_comes_to_one_socket_and_is_answered_from_where_it_was_sent_to() {
    let (prepared, doors) = sandbox_with(&[], Some(&[5432]));
    let (socket, packets) = (doors.datagrams.unwrap(), doors.packets_v4.unwrap());
    thread::spawn(move || {
        loop {
            let (from, to, payload) = receive(&socket);
            if to.is_ipv4() && payload == b"who?" {
                answer(&packets, to, from, format!("{to}\n").as_bytes());
            } else if to.is_ipv6() {
                // Told by the next one.
                let (from, _, _) = receive(&socket);
                answer(
                    &packets,
                    "7.7.7.7:7".parse().unwrap(),
                    from,
                    to.to_string().as_bytes(),
                );
            }
        }
    });
    for (host, port) in [
        ("7.7.7.7", 443),
        ("169.254.169.254", 80),
        ("255.255.255.254", 65535),
        ("9.9.9.9", 880),
        ("127.0.0.1", 5432),
    ] {
        let script = format!(
            "exec 3<>/dev/udp/{host}/{port}; printf who? >&3; [ \"$(timeout 9 head -n1 <&3)\" = {host}:{port} ]"
        );
        assert_eq!(status(&prepared, &script), 0, "{host}:{port}");
    }
    let script = "exec 3<>/dev/udp/2001:db8::7/8443 4<>/dev/udp/7.7.7.7/7; echo >&3; echo >&4; \
                  [ \"$(timeout 9 head -c 18 <&4)\" = [2001:db8::7]:8443 ]";
    assert_eq!(status(&prepared, script), 0);
    // By a socket that has the very port that it sends to.
    for host in ["7.7.7.7", "127.0.0.1"] {
        let script = format!(
            "/usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"127.0.0.2\" if \"{host}\" == \"127.0.0.1\" else \"0.0.0.0\", 5432))
s.connect((\"{host}\", 5432))
s.settimeout(9)
s.send(b\"who?\")
assert s.recv(99) == b\"{host}:5432\\n\"
'"
        );
        assert_eq!(status(&prepared, &script), 0, "{host}");
    }
    // Loopback is the command's own, but for the named port; and questions about names go where they went.
    let own = "/usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"127.0.0.1\", 5433))
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.sendto(b\"mine\", (\"127.0.0.1\", 5433))
assert s.recv(9) == b\"mine\"
'";
    assert_eq!(status(&prepared, own), 0);
    let names = doors.names.unwrap();
    thread::spawn(move || answer_one(&names));
    let script = "exec 3<>/dev/udp/9.9.9.9/53 && echo question >&3 && [ \"$(timeout 9 head -n1 <&3)\" = 9.9.9.9 ]";
    assert_eq!(status(&prepared, script), 0);
}

#[test]
fn there_is_no_such_socket_where_no_rule_allows_any() {
    let (_prepared, doors) = sandbox(&[]);
    assert!(doors.datagrams.is_none());
    assert!(doors.packets_v4.is_none() && doors.packets_v6.is_none());
    let (_prepared, doors) = sandbox_with(&[], Some(&[]));
    assert!(doors.datagrams.is_some());
}
