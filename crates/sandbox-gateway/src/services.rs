//! Where a service of a name is served (SRV, RFC 2782): the host's library looks up addresses only, so its name servers are asked here.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use sandbox_core::{Destination, Name};
use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::bounds;
use crate::resolver::text_of;

/// A machine on which a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) target: Name,
}

/// What name servers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// These, or that there is none.
    Places(Vec<Place>),
    /// There is no such name.
    NoSuchName,
    /// Nothing, or nothing that can be made use of.
    Failed,
}

/// The host's name servers (resolv.conf(5)): as many of them as its library asks.
pub(crate) fn name_servers() -> Vec<SocketAddr> {
    /// The longest file that is read.
    const LONGEST: u64 = 64 << 10;
    // Without one, this machine is asked (resolv.conf(5)).
    let text = text_of("/etc/resolv.conf".as_ref(), LONGEST);
    servers_in(&text.unwrap_or_default())
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    /// `MAXNS` of resolv.h.
    const MOST: usize = 3;
    const PORT: u16 = 53;
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        let address: IpAddr = words.next().filter(|_| is_server)?.parse().ok()?;
        Some(SocketAddr::new(address, PORT))
    });
    let named: Vec<_> = named.take(MOST).collect();
    if named.is_empty() {
        vec![(Ipv4Addr::LOCALHOST, PORT).into()]
    } else {
        named
    }
}

/// Asks one server after the other until one knows; there is nothing where there is none to ask. `service` is a name with a service
/// and a protocol before it.
pub(crate) fn look_up(servers: &[SocketAddr], service: &str) -> Found {
    if servers.is_empty() {
        return Found::Places(Vec::new());
    }
    let answers = servers.iter().map(|server| ask(*server, service));
    let known = answers
        .flatten()
        .find(|found| !matches!(found, Found::Failed));
    known.unwrap_or(Found::Failed)
}

fn ask(server: SocketAddr, service: &str) -> io::Result<Found> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Whoever would answer in the server's place has to know the port, which the kernel chooses, and the number (RFC 5452).
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    let [id, id2, ..] = RandomState::new().hash_one(service).to_ne_bytes();
    let id = u16::from_ne_bytes([id, id2]);
    let question = question(id, service).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&question)?;
    let end = Instant::now() + bounds::NAME_SERVER;
    let mut answer = [0; bounds::MESSAGE];
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(rest))?;
        let count = socket.recv(&mut answer)?;
        if let Some(found) = read(answer.get(..count).unwrap_or_default(), id, service) {
            return Ok(found);
        }
    }
}

fn question(id: u16, service: &str) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        simple_dns::Name::new(service).ok()?,
        QTYPE::TYPE(TYPE::SRV),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    *packet.opt_mut() = Some(OPT {
        opt_codes: Vec::new(),
        udp_packet_size: u16::try_from(bounds::MESSAGE).ok()?,
        version: 0,
    });
    packet.build_bytes_vec().ok()
}

/// What a message says about a service; none where it does not answer that question.
pub(crate) fn read(message: &[u8], id: u16, service: &str) -> Option<Found> {
    let packet = Packet::parse(message).ok()?;
    let [question] = packet.questions.as_slice() else {
        return None;
    };
    let is_answer = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && question.qtype == QTYPE::TYPE(TYPE::SRV)
        && question.qname.to_string().eq_ignore_ascii_case(service);
    if !is_answer {
        return None;
    }
    Some(match packet.rcode() {
        // What has no room is not asked for by a connection: half of the places are not all.
        RCODE::NoError if !packet.has_flags(PacketFlag::TRUNCATION) => {
            let places = packet
                .answers
                .iter()
                .filter_map(|record| place(&record.rdata));
            Found::Places(places.take(bounds::ADDRESSES).collect())
        }
        RCODE::NameError => Found::NoSuchName,
        _ => Found::Failed,
    })
}

/// What a record says; none where it is another, or for no machine that could be connected to (a service that is not there has `.`).
fn place(record: &RData<'_>) -> Option<Place> {
    let RData::SRV(record) = record else {
        return None;
    };
    let Ok(Destination::Name(target)) = record.target.to_string().parse() else {
        return None;
    };
    Some(Place {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target,
    })
}

#[cfg(test)]
pub(crate) mod tests;
