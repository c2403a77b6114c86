//! What init asks of the kernel about the sandbox's own network: netlink messages, made here, sent there as they are.
//!
//! In the network namespace every address is local, and a transparent proxy brings every connection to the gateway's one listener:
//! on the socket that is accepted `getsockname(2)` is the address that was dialled (kernel, `networking/tproxy.rst`). Datagrams
//! come to one socket the same way, where a rule allows any; where none does they meet no socket, and the kernel says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::{Connectivity, Step};
use crate::wire::{ANSWER, DOOR, PROXY};

/// The sandbox's own addresses beyond loopback: of the ranges that stand for names inside (RFC 2544; a range of RFC 4193 of our own).
const OWN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// See [`OWN_V4`].
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd73, 0x616e, 0x6462, 0x6f78, 0, 0, 0, 1);

type Ports = RangeInclusive<u16>;

impl Connectivity {
    /// What init does for it.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let alone = [Step::Network, Step::Netlink(NetworkRequest::LoopbackUp)];
        let requests = |loopback: &[Ports], datagrams: &Option<Vec<Ports>>| {
            [
                NetworkRequest::Address(OWN_V4.into()),
                NetworkRequest::Address(OWN_V6.into()),
                NetworkRequest::AllLocal(Family::V4),
                NetworkRequest::AllLocal(Family::V6),
                NetworkRequest::Capture {
                    loopback: loopback.to_vec(),
                    datagrams: datagrams.clone(),
                },
            ]
        };
        match self {
            Self::Host => Vec::new(),
            Self::Alone => alone.into(),
            Self::Gateway {
                loopback,
                datagrams,
            } => alone
                .into_iter()
                .chain(requests(loopback, datagrams).map(Step::Netlink))
                .chain([Step::Doors {
                    datagrams: datagrams.is_some(),
                }])
                .collect(),
        }
    }
}

/// One request about the sandbox's own network.
///
/// ```
/// use sandbox_linux::{HostFacts, NetworkRequest, Plan, Step};
/// # use sandbox_core::{Context, Policy, Preset, Ruleset};
/// # let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &HostFacts::complete())?;
/// assert!(plan.steps().contains(&Step::Netlink(NetworkRequest::LoopbackUp)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkRequest {
    /// Brings up the loopback interface.
    LoopbackUp,
    /// Gives it an address beyond loopback, without which `getaddrinfo(3)` asks for no address of that kind (`AI_ADDRCONFIG`).
    Address(IpAddr),
    /// Makes every address of this kind local.
    AllLocal(Family),
    /// Brings every connection to the gateway's listener, but for those to loopback; of these only the ones to such ports.
    Capture {
        /// Ports of services on the host's loopback.
        loopback: Vec<RangeInclusive<u16>>,
        /// Brings every datagram there as well, but for the questions about names, which come by themselves; ports as above.
        datagrams: Option<Vec<RangeInclusive<u16>>>,
    },
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Protocols (netlink(7)).
const ROUTE: u32 = 0;
const NETFILTER: u32 = 12;

/// Flags of a message (netlink(7)).
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `lo` in every fresh network namespace.
const LOOPBACK: u32 = 1;

impl Family {
    const fn number(self) -> u8 {
        match self {
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }
}

impl NetworkRequest {
    /// What it does, as a plan says it.
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::LoopbackUp => "bring up the loopback interface",
            Self::Address(_) => "give the loopback interface an address",
            Self::AllLocal(Family::V4) => "make every IPv4 address local",
            Self::AllLocal(Family::V6) => "make every IPv6 address local",
            Self::Capture { .. } => "bring every connection to the gateway",
        }
    }

    /// The protocol of the netlink socket.
    pub(crate) const fn protocol(&self) -> u32 {
        match self {
            Self::Capture { .. } => NETFILTER,
            _ => ROUTE,
        }
    }

    /// Whether the sandbox is as closed without it: what is not routed or not captured reaches nobody.
    pub(crate) const fn may_fail(&self) -> bool {
        match self {
            Self::LoopbackUp => false,
            Self::Address(address) => address.is_ipv6(),
            Self::AllLocal(family) => matches!(family, Family::V6),
            Self::Capture { .. } => true,
        }
    }

    /// The messages, of which the kernel acknowledges one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::LoopbackUp => loopback_up(),
            Self::Address(address) => new_address(*address),
            Self::AllLocal(family) => local_route(*family),
            Self::Capture {
                loopback,
                datagrams,
            } => capture(loopback, datagrams.as_deref()),
        }
    }
}

/// A message under construction, and the attributes in it: each knows its length when it is finished.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, head: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        // Sequence and port: one question, one answer.
        bytes.extend([0; 8]);
        bytes.extend(head);
        Self(bytes)
    }

    fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        // Attributes begin at multiples of four.
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An attribute that consists of attributes.
    fn nested(self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        const NESTED: u16 = 0x8000;
        let inner = fill(Self(Vec::new()));
        self.bytes(kind | NESTED, &inner.0)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.splice(..4, length.to_ne_bytes());
        self.0
    }
}

/// An `ifinfomsg`: family, type, index, flags, change (rtnetlink(7)).
fn loopback_up() -> Vec<u8> {
    const NEWLINK: u16 = 16;
    const UP: u32 = 1;
    let head = [
        &[AF_UNSPEC, 0, 0, 0],
        &LOOPBACK.to_ne_bytes()[..],
        &UP.to_ne_bytes(),
        &UP.to_ne_bytes(),
    ];
    Message::new(NEWLINK, ACK, &head.concat()).finish()
}

/// An `ifaddrmsg`: family, prefix length, flags, scope, index.
fn new_address(address: IpAddr) -> Vec<u8> {
    const NEWADDR: u16 = 20;
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    /// Nobody else is asked whether they have it.
    const NODAD: u8 = 2;
    let (family, octets) = match address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    let prefix = u8::try_from(octets.len() * 8).unwrap_or(0);
    let head = [&[family, prefix, NODAD, 0][..], &LOOPBACK.to_ne_bytes()];
    Message::new(NEWADDR, ACK | CREATE, &head.concat())
        .bytes(IFA_LOCAL, &octets)
        .bytes(IFA_ADDRESS, &octets)
        .finish()
}

/// An `rtmsg`: family, lengths of destination and source, service, table, protocol, scope, type, flags.
fn local_route(family: Family) -> Vec<u8> {
    const NEWROUTE: u16 = 24;
    const TABLE_LOCAL: u8 = 255;
    const PROTOCOL_BOOT: u8 = 3;
    const SCOPE_HOST: u8 = 254;
    const TYPE_LOCAL: u8 = 2;
    const RTA_OIF: u16 = 4;
    const RTA_PREFSRC: u16 = 7;
    let head = [
        &[family.number(), 0, 0, 0, TABLE_LOCAL, PROTOCOL_BOOT][..],
        &[SCOPE_HOST, TYPE_LOCAL],
        &[0; 4],
    ];
    let route = Message::new(NEWROUTE, ACK | CREATE, &head.concat())
        .bytes(RTA_OIF, &LOOPBACK.to_ne_bytes());
    match family {
        // Else IPv4 takes the address that is dialled for the sender's as well: where the ports are alike, too, who dials reaches
        // itself.
        Family::V4 => route.bytes(RTA_PREFSRC, &OWN_V4.octets()),
        Family::V6 => route,
    }
    .finish()
}

/// What `nft` would send for this table, in one transaction (kernel, `include/uapi/linux/netfilter/nf_tables.h`):
///
/// ```text
/// table inet sandbox { chain capture { type filter hook prerouting priority -150;
///     tcp dport 53 tproxy …; ip daddr 127.0.0.0/8 tcp dport 880 accept; ip daddr 127.0.0.0/8 tcp dport PORTS tproxy …; ip daddr 127.0.0.0/8 accept; tproxy … } }
/// ```
///
/// With datagrams:
///
/// ```text
///     meta mark 1 accept; …; udp dport 53 accept; ip daddr 127.0.0.0/8 udp dport PORTS tproxy …; ip daddr 127.0.0.0/8 accept; …; udp tproxy …
/// ```
fn capture(loopback: &[Ports], datagrams: Option<&[Ports]>) -> Vec<u8> {
    let mut batch = vec![batch_mark(BATCH_BEGIN), table(), chain()];
    let mut rules: Vec<Vec<Expression>> = Vec::new();
    if datagrams.is_some() {
        // An answer is for the command, not for whoever has given it.
        rules.push(is_answer().chain([accept()]).collect());
    }
    for family in [Family::V4, Family::V6] {
        let tcp = || is_family(family).chain(is_protocol(TCP));
        let udp = || is_family(family).chain(is_protocol(UDP));
        let dns = tcp().chain(port_within(&(DOOR..=DOOR)));
        rules.push(dns.chain(to_port(family, DOOR)).collect());
        // Whatever ports of the host's are named: the proxies' socket listens there.
        let on_loopback = || tcp().chain(is_loopback(family));
        let proxies = on_loopback().chain(port_within(&(PROXY..=PROXY)));
        rules.push(proxies.chain([accept()]).collect());
        for ports in loopback {
            let host = on_loopback().chain(port_within(ports));
            rules.push(host.chain(to_port(family, DOOR)).collect());
        }
        if let Some(loopback) = datagrams {
            let dns = udp().chain(port_within(&(DOOR..=DOOR)));
            rules.push(dns.chain([accept()]).collect());
            for ports in loopback {
                let host = udp().chain(is_loopback(family)).chain(port_within(ports));
                rules.push(host.chain(to_port(family, PROXY)).collect());
            }
        }
        let stays = is_family(family).chain(is_loopback(family));
        rules.push(stays.chain([accept()]).collect());
        rules.push(tcp().chain(to_port(family, DOOR)).collect());
        if datagrams.is_some() {
            rules.push(udp().chain(to_port(family, PROXY)).collect());
        }
    }
    let last = rules.len().saturating_sub(1);
    let rules = rules.into_iter().enumerate();
    batch.extend(rules.map(|(at, expressions)| rule(expressions, at == last)));
    batch.push(batch_mark(BATCH_END));
    batch.concat()
}

const TABLE: &str = "sandbox";
const CHAIN: &str = "capture";
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const INET: u8 = 1;

/// A `nfgenmsg`: family, version, resource.
fn netfilter(message: u16, flags: u16, family: u8, resource: u16) -> Message {
    let head = [&[family, 0][..], &resource.to_be_bytes()];
    Message::new(message, flags, &head.concat())
}

fn batch_mark(message: u16) -> Vec<u8> {
    netfilter(message, 0, AF_UNSPEC, SUBSYSTEM).finish()
}

fn table() -> Vec<u8> {
    const NEWTABLE: u16 = SUBSYSTEM << 8;
    const NAME: u16 = 1;
    netfilter(NEWTABLE, CREATE, INET, 0)
        .text(NAME, TABLE)
        .finish()
}

fn chain() -> Vec<u8> {
    const NEWCHAIN: u16 = SUBSYSTEM << 8 | 3;
    const TABLE_NAME: u16 = 1;
    const NAME: u16 = 3;
    const HOOK: u16 = 4;
    const TYPE: u16 = 7;
    const HOOK_NUMBER: u16 = 1;
    const HOOK_PRIORITY: u16 = 2;
    const PREROUTING: u32 = 0;
    const MANGLE: i32 = -150;
    netfilter(NEWCHAIN, CREATE, INET, 0)
        .text(TABLE_NAME, TABLE)
        .text(NAME, CHAIN)
        .nested(HOOK, |hook| {
            hook.number(HOOK_NUMBER, PREROUTING)
                .number(HOOK_PRIORITY, MANGLE.cast_unsigned())
        })
        .text(TYPE, "filter")
        .finish()
}

fn rule(expressions: Vec<Expression>, acknowledge: bool) -> Vec<u8> {
    const NEWRULE: u16 = SUBSYSTEM << 8 | 6;
    const TABLE_NAME: u16 = 1;
    const CHAIN_NAME: u16 = 2;
    const EXPRESSIONS: u16 = 4;
    const ELEMENT: u16 = 1;
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    let flags = CREATE | APPEND | if acknowledge { ACK } else { 0 };
    netfilter(NEWRULE, flags, INET, 0)
        .text(TABLE_NAME, TABLE)
        .text(CHAIN_NAME, CHAIN)
        .nested(EXPRESSIONS, |list| {
            expressions.into_iter().fold(list, |list, (name, data)| {
                list.nested(ELEMENT, |element| {
                    element.text(NAME, name).nested(DATA, |_| data)
                })
            })
        })
        .finish()
}

/// Its name and its attributes.
type Expression = (&'static str, Message);

const REGISTER: u32 = 1;
const REGISTER_OF_VERDICT: u32 = 0;
const VALUE: u16 = 1;

fn attributes() -> Message {
    Message(Vec::new())
}

fn is_family(family: Family) -> impl Iterator<Item = Expression> + use<> {
    const NFPROTO: u32 = 15;
    meta_is(NFPROTO, &[family.number()])
}

const TCP: u8 = 6;
const UDP: u8 = 17;

fn is_protocol(number: u8) -> impl Iterator<Item = Expression> + use<> {
    const L4PROTO: u32 = 16;
    meta_is(L4PROTO, &[number])
}

/// It comes from a socket of the gateway's that has a mark, which a command can't give its own (socket(7)).
fn is_answer() -> impl Iterator<Item = Expression> + use<> {
    const MARK: u32 = 3;
    meta_is(MARK, &ANSWER.to_ne_bytes())
}

fn meta_is(key: u32, value: &[u8]) -> impl Iterator<Item = Expression> + use<> {
    const DREG: u16 = 1;
    const KEY: u16 = 2;
    let load = attributes().number(DREG, REGISTER).number(KEY, key);
    [("meta", load), compare(EQUAL, value)].into_iter()
}

const EQUAL: u32 = 0;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;

fn compare(how: u32, value: &[u8]) -> Expression {
    const SREG: u16 = 1;
    const OP: u16 = 2;
    const DATA: u16 = 3;
    let compared = attributes()
        .number(SREG, REGISTER)
        .number(OP, how)
        .nested(DATA, |data| data.bytes(VALUE, value));
    ("cmp", compared)
}

fn payload(base: u32, offset: u32, length: u32) -> Expression {
    const DREG: u16 = 1;
    const BASE: u16 = 2;
    const OFFSET: u16 = 3;
    const LENGTH: u16 = 4;
    let load = attributes()
        .number(DREG, REGISTER)
        .number(BASE, base)
        .number(OFFSET, offset)
        .number(LENGTH, length);
    ("payload", load)
}

/// The destination: 127.0.0.0/8, of which the first byte tells, or `::1`.
fn is_loopback(family: Family) -> impl Iterator<Item = Expression> + use<> {
    const NETWORK_HEADER: u32 = 1;
    let (offset, address) = match family {
        Family::V4 => (16, vec![Ipv4Addr::LOCALHOST.octets()[0]]),
        Family::V6 => (24, Ipv6Addr::LOCALHOST.octets().to_vec()),
    };
    let length = u32::try_from(address.len()).unwrap_or(0);
    let load = payload(NETWORK_HEADER, offset, length);
    [load, compare(EQUAL, &address)].into_iter()
}

fn port_within(ports: &Ports) -> impl Iterator<Item = Expression> + use<> {
    const TRANSPORT_HEADER: u32 = 2;
    let bounds = [
        payload(TRANSPORT_HEADER, 2, 2),
        compare(AT_LEAST, &ports.start().to_be_bytes()),
        compare(AT_MOST, &ports.end().to_be_bytes()),
    ];
    bounds.into_iter()
}

fn to_port(family: Family, port: u16) -> impl Iterator<Item = Expression> + use<> {
    const FAMILY: u16 = 1;
    const PORT: u16 = 3;
    const DREG: u16 = 1;
    const DATA: u16 = 2;
    let port = attributes()
        .number(DREG, REGISTER)
        .nested(DATA, |data| data.bytes(VALUE, &port.to_be_bytes()));
    let proxy = attributes()
        .number(FAMILY, family.number().into())
        .number(PORT, REGISTER);
    [("immediate", port), ("tproxy", proxy), accept()].into_iter()
}

fn accept() -> Expression {
    const DREG: u16 = 1;
    const DATA: u16 = 2;
    const VERDICT: u16 = 2;
    const CODE: u16 = 1;
    const ACCEPT: u32 = 1;
    let verdict = attributes()
        .number(DREG, REGISTER_OF_VERDICT)
        .nested(DATA, |data| {
            data.nested(VERDICT, |verdict| verdict.number(CODE, ACCEPT))
        });
    ("immediate", verdict)
}
