//! Messages of DNS (RFC 1035, 4), as far as we answer them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sandbox_core::{Destination, Name};
use simple_dns::rdata::{A, AAAA, PTR, RData, SRV};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use crate::bounds;
use crate::services::Place;

/// A message with one question.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    packet: Packet<'a>,
    /// The name that it is about; none where no machine can have it.
    pub(crate) name: Option<Name>,
    pub(crate) kind: Kind,
    /// The whole of the name in question, where that is of a service.
    pub(crate) service: Option<String>,
}

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its IPv4 address.
    V4,
    /// Its IPv6 address.
    V6,
    /// The name of this address; none where the name in question is that of no address.
    Pointer(Option<IpAddr>),
    /// Where a service of it is.
    Service,
    /// Records by which much can be said: MX, TXT.
    Tunnel,
    /// What we have nothing of. To say of HTTPS and SVCB that there is something would bring in names and keys that nobody
    /// decides.
    Other,
}

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This.
    Record(Record),
    /// The service is at these.
    Places(Vec<Place>),
    /// There is the name, and nothing of that kind.
    Nothing,
    /// There is no such name.
    NoSuchName,
    /// Nobody knows at the moment.
    Failed,
    /// Such questions are not answered.
    Refused,
}

/// A record of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// An address.
    Address(IpAddr),
    /// The name of an address.
    Pointer(Name),
}

impl Answer {
    pub(crate) fn address(address: IpAddr) -> Self {
        Self::Record(Record::Address(address))
    }
}

/// Length of a message's head (RFC 1035, 4.1.1).
const HEAD: usize = 12;
/// A message that every client takes (RFC 1035, 4.2.1). Only several places of a service may be longer; those that come first are enough.
const SHORT: usize = 512;
const RESPONSE: u8 = 0x80;
const OPERATION: u8 = 0x78;
const DESIRED: u8 = 1;
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;

/// Reads a message that asks one question.
///
/// # Errors
///
/// It does not; then with what to answer, if with anything.
pub(crate) fn parse(message: &[u8]) -> Result<Query<'_>, Option<Vec<u8>>> {
    let head: [u8; HEAD] = match message.first_chunk() {
        Some(head) if message.len() <= bounds::MESSAGE => *head,
        _ => return Err(None),
    };
    let [id, id2, flags, _, counts @ ..] = head;
    // Whoever answers answers lets two talk for ever.
    if flags & RESPONSE != 0 {
        return Err(None);
    }
    let reply = |code: u8| {
        let flags = RESPONSE | flags & (OPERATION | DESIRED);
        Err(Some([&[id, id2, flags, code][..], &[0; 8]].concat()))
    };
    if flags & OPERATION != 0 {
        return reply(NOT_IMPLEMENTED);
    }
    // One question, and at most one record beside it: the extension's (RFC 6891).
    let [0, 1, 0, 0, 0, 0, 0, 0 | 1] = counts else {
        return reply(FORMAT_ERROR);
    };
    let Ok(packet) = Packet::parse(message) else {
        return reply(FORMAT_ERROR);
    };
    let Some(question) = packet.questions.first() else {
        return reply(FORMAT_ERROR);
    };
    let labels: Vec<&[u8]> = question.qname.as_bytes().collect();
    let kind = match question.qtype {
        QTYPE::TYPE(TYPE::A) => Kind::V4,
        QTYPE::TYPE(TYPE::AAAA) => Kind::V6,
        QTYPE::TYPE(TYPE::PTR) => Kind::Pointer(reversed(&labels)),
        QTYPE::TYPE(TYPE::SRV) => Kind::Service,
        QTYPE::TYPE(TYPE::MX | TYPE::TXT) => Kind::Tunnel,
        _ => Kind::Other,
    };
    // Services of a name are named below it (RFC 2782): the name is the machine's.
    let services = match kind {
        Kind::Other | Kind::Service | Kind::Tunnel => labels
            .iter()
            .take_while(|label| label.starts_with(b"_"))
            .count(),
        _ => 0,
    };
    let name = name(labels.get(services..).unwrap_or_default());
    let is_service = services == 2 && labels.first_chunk().is_some_and(is_service);
    let service = name.as_ref().filter(|_| is_service);
    let service = service.map(|_| question.qname.to_string());
    Ok(Query {
        packet,
        name,
        kind,
        service,
    })
}

/// Whether these are a service and a protocol (RFC 6335, 5.1): of other names nothing leaves this machine.
fn is_service([service, protocol]: &[&[u8]; 2]) -> bool {
    const LONGEST: usize = 1 + 15;
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_name = service.len() <= LONGEST && service.iter().skip(1).all(is_of_name);
    let is_protocol = [b"_tcp", b"_udp"]
        .iter()
        .any(|known| protocol.eq_ignore_ascii_case(*known));
    is_name && is_protocol
}

/// The name of these labels. A dot in a label is no border between two.
fn name(labels: &[&[u8]]) -> Option<Name> {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let is_label = |label: &&[u8]| label.iter().all(is_of_name);
    if !labels.iter().all(is_label) {
        return None;
    }
    let text = labels.join(&b'.');
    match str::from_utf8(&text).ok()?.parse() {
        Ok(Destination::Name(name)) => Some(name),
        _ => None,
    }
}

/// The address whose name is asked for (RFC 1035, 3.5; RFC 3596, 2.5).
fn reversed(labels: &[&[u8]]) -> Option<IpAddr> {
    let labels: Vec<String> = labels
        .iter()
        .map(|label| String::from_utf8_lossy(label).to_ascii_lowercase())
        .collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match labels.as_slice() {
        [d, c, b, a, "in-addr", "arpa"] => format!("{a}.{b}.{c}.{d}")
            .parse()
            .ok()
            .map(|address: Ipv4Addr| address.into()),
        [digits @ .., "ip6", "arpa"] if digits.len() == 32 => {
            let mut address: u128 = 0;
            for digit in digits.iter().rev() {
                let is_digit = digit.len() == 1;
                let digit = u128::from_str_radix(digit, 16).ok().filter(|_| is_digit)?;
                address = address << 4 | digit;
            }
            Some(Ipv6Addr::from(address).into())
        }
        _ => None,
    }
}

impl Query<'_> {
    /// The message that answers it.
    pub(crate) fn reply(self, answer: Answer, life: u32) -> Option<Vec<u8>> {
        let mut reply = Packet::new_reply(self.packet.id());
        let flags = self.packet.has_flags(PacketFlag::RECURSION_DESIRED);
        if flags {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
        let question = self.packet.questions.into_iter().next()?;
        let name = question.qname.clone();
        reply.questions.push(question);
        let (pointer, targets): (_, Vec<String>);
        match answer {
            Answer::Record(record) => {
                let data = match record {
                    Record::Address(IpAddr::V4(address)) => RData::A(A::from(address)),
                    Record::Address(IpAddr::V6(address)) => RData::AAAA(AAAA::from(address)),
                    Record::Pointer(target) => {
                        pointer = target.to_string();
                        RData::PTR(PTR(simple_dns::Name::new(&pointer).ok()?))
                    }
                };
                let record = ResourceRecord::new(name, CLASS::IN, life, data);
                reply.answers.push(record);
            }
            Answer::Places(places) => {
                targets = places
                    .iter()
                    .map(|place| place.target.to_string())
                    .collect();
                for (place, target) in places.iter().zip(&targets) {
                    let service = SRV {
                        priority: place.priority,
                        weight: place.weight,
                        port: place.port,
                        target: simple_dns::Name::new(target).ok()?,
                    };
                    let data = RData::SRV(service);
                    let record = ResourceRecord::new(name.clone(), CLASS::IN, life, data);
                    reply.answers.push(record);
                }
            }
            Answer::Nothing => {}
            Answer::NoSuchName => *reply.rcode_mut() = RCODE::NameError,
            Answer::Failed => *reply.rcode_mut() = RCODE::ServerFailure,
            Answer::Refused => *reply.rcode_mut() = RCODE::Refused,
        }
        let mut message = reply.build_bytes_vec_compressed().ok()?;
        while message.len() > SHORT && reply.answers.len() > 1 {
            reply.answers.pop();
            message = reply.build_bytes_vec_compressed().ok()?;
        }
        Some(message)
    }
}
