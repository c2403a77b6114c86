//! What the fuzz targets reach of the inside: functions that take any bytes, and must return.

mod proxies;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::Packet;

use crate::bounds;
use crate::dns::{Answer, Record, parse};
use crate::protocol::Protocol;
use crate::services::{Found, read};
use crate::tls::{Hello, Progress};

pub use self::proxies::{proxies, requests};

/// The longest answer: two names of 255 bytes, and what stands around them.
const LONGEST: usize = 600;

/// A message of DNS is answered by one that can be read, as short as any client takes, or not at all.
pub fn dns(input: &[u8]) {
    let answers: [fn() -> Answer; 6] = [
        || Answer::address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        || Answer::address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        || Answer::Nothing,
        || Answer::NoSuchName,
        || Answer::Failed,
        || Answer::Refused,
    ];
    for answer in answers {
        let reply = match parse(input) {
            Ok(query) => {
                if let Some(name) = query.name.clone() {
                    assert_eq!(
                        name.as_str().parse().as_ref(),
                        Ok(&name),
                        "a name in two spellings"
                    );
                    let reply = parse(input)
                        .ok()
                        .and_then(|query| query.reply(Answer::Record(Record::Pointer(name)), 1));
                    assert!(reply.is_some_and(|reply| reply.len() <= LONGEST));
                }
                query.reply(answer(), 1)
            }
            Err(reply) => reply,
        };
        if let Some(reply) = reply {
            assert_eq!(reply.get(..2), input.get(..2), "another question's answer");
            assert!(reply.len() <= LONGEST && Packet::parse(&reply).is_ok());
        }
    }
    // The same bytes may be a name server's.
    if let Some(id) = input.first_chunk()
        && let Some(Found::Places(places)) =
            read(input, u16::from_be_bytes(*id), "_db._tcp.a.example")
    {
        assert!(places.len() <= bounds::ADDRESSES);
    }
}

/// The name in a `ClientHello` is the same, however it is split.
pub fn hello(input: &[u8]) {
    let whole = Hello::default().read(input);
    let mut split = Hello::default();
    let mut last = Progress::Incomplete;
    for byte in input {
        last = split.read(std::slice::from_ref(byte));
        if last != Progress::Incomplete {
            break;
        }
    }
    // What comes behind a name is not looked at, and may be too much if it comes at once.
    if let Progress::Complete(_) = whole {
        assert_eq!(whole, last, "the name depends on how it is split");
    }
}

/// What is spoken is never another thing with more bytes.
pub fn protocol(input: &[u8]) {
    let mut known = Protocol::Unknown;
    for end in 0..=input.len() {
        let next = Protocol::of(input.get(..end).unwrap_or_default());
        assert!(known == Protocol::Unknown || known == next);
        known = next;
    }
}
