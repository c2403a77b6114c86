//! The addresses that are closed unless a rule names them: what no name on the internet has any business to resolve to.
//!
//! A service that hands out credentials to whoever asks from this machine, a router's settings, a database that trusts its
//! network: they are reached by address, or by a name that somebody else points there. So these ranges are closed whatever a
//! rule about a name or a default says, and a rule opens what lies in one only if it lies in it itself: `0.0.0.0/0` opens
//! none, `10.0.0.0/8` opens that, `169.254.0.0/16` does not open the metadata service in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

/// A range, and what is there.
pub(crate) struct ClosedRange {
    first: IpAddr,
    bits: u8,
    pub(crate) reason: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8, reason: &'static str) -> ClosedRange {
    ClosedRange {
        first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        bits,
        reason,
    }
}

const fn v6(groups: [u16; 8], bits: u8, reason: &'static str) -> ClosedRange {
    ClosedRange {
        first: IpAddr::V6(Ipv6Addr::from_segments(groups)),
        bits,
        reason,
    }
}

/// From IANA's registries of special-purpose addresses (RFC 6890 and its successors), and the clouds' documents. Not the ranges for
/// documentation (RFC 5737, RFC 3849, RFC 9637): nothing is there but in networks that stand for the internet, whose gateways have such addresses. Those that
/// lie in others are narrower: of all that an address is in, the narrowest counts.
#[rustfmt::skip]
pub(crate) const CLOSED: &[ClosedRange] = &[
    v4(0, 0, 0, 0, 8, "this network (RFC 791): Linux takes it for the machine itself"),
    v4(10, 0, 0, 0, 8, "private (RFC 1918)"),
    v4(100, 64, 0, 0, 10, "a provider's own network (RFC 6598)"),
    v4(100, 100, 100, 200, 32, "metadata service of Alibaba Cloud"),
    v4(127, 0, 0, 0, 8, "the host's loopback (RFC 1122)"),
    v4(168, 63, 129, 16, 32, "metadata and configuration service of Azure"),
    v4(169, 254, 0, 0, 16, "link-local (RFC 3927)"),
    v4(169, 254, 169, 254, 32, "metadata service of AWS, Azure, Google Cloud, Oracle Cloud, DigitalOcean, OpenStack"),
    v4(169, 254, 170, 2, 32, "credentials of AWS ECS tasks"),
    v4(169, 254, 170, 23, 32, "credentials of AWS EKS pods"),
    v4(169, 254, 42, 42, 32, "metadata service of Scaleway"),
    v4(172, 16, 0, 0, 12, "private (RFC 1918)"),
    v4(192, 0, 0, 0, 24, "protocol assignments (RFC 6890)"),
    v4(192, 0, 0, 192, 32, "metadata service of Oracle Cloud's older machines"),
    v4(192, 88, 99, 0, 24, "relays of 6to4 (RFC 7526)"),
    v4(192, 168, 0, 0, 16, "private (RFC 1918)"),
    v4(198, 18, 0, 0, 15, "benchmarks (RFC 2544)"),
    v4(224, 0, 0, 0, 4, "multicast (RFC 5771)"),
    v4(240, 0, 0, 0, 4, "reserved, and broadcast (RFC 1112, RFC 919)"),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, "an IPv4 address in an old form (RFC 4291), and the unspecified one"),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "the host's loopback (RFC 4291)"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "a translated IPv4 address (RFC 2765)"),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "translated addresses of the local network (RFC 8215)"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 32, "discarded (RFC 6666, RFC 9780)"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments (RFC 2928), Teredo with the IPv4 addresses in it among them"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4, with the IPv4 addresses in it (RFC 7526)"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing (RFC 9602)"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private (RFC 4193)"),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, "metadata and credentials of AWS"),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, "metadata service of Google Cloud"),
    v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, "metadata service of Oracle Cloud"),
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128, "metadata service of Scaleway"),
    v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128, "metadata service of Akamai Cloud"),
    v6([0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200], 128, "metadata service of Alibaba Cloud"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local (RFC 4291)"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, "metadata service of OpenStack"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local (RFC 3879)"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast (RFC 4291)"),
];

/// What an address of the host itself is.
pub(crate) const OWN: &str = "an address of this machine";

/// Whoever translates between the two puts an IPv4 address behind this (RFC 6052): on a network without IPv4 all of the
/// internet is there, and all of the private network as well.
const TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

impl ClosedRange {
    /// Its addresses.
    pub(crate) fn range(&self) -> IpNet {
        IpNet::new_assert(self.first, self.bits)
    }
}

/// The narrowest closed range that an address is in. It is in its one form.
pub(crate) fn around(address: IpAddr, own: &[IpAddr]) -> Option<(IpNet, &'static str)> {
    // The loopback's addresses are the machine's own too, and a range of them can be named.
    if own.contains(&address) && !address.is_loopback() {
        return Some((address.into(), OWN));
    }
    if let IpAddr::V6(inner) = address
        && TRANSLATED.contains(&inner)
    {
        let [.., a, b, c, d] = inner.octets();
        let (range, reason) = around(Ipv4Addr::new(a, b, c, d).into(), own)?;
        return Some((translated(range), reason));
    }
    CLOSED
        .iter()
        .map(|closed| (closed.range(), closed.reason))
        .filter(|(range, _)| range.contains(&address))
        .max_by_key(|(range, _)| range.prefix_len())
}

/// Whether everybody around hears what is sent to an address.
pub(crate) fn is_of_many(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// A range of IPv4 addresses as it is translated.
pub(crate) fn translated(range: IpNet) -> IpNet {
    let IpNet::V4(range) = range else {
        return range;
    };
    let mut octets = TRANSLATED.addr().octets();
    octets[12..].copy_from_slice(&range.addr().octets());
    let bits = TRANSLATED.prefix_len() + range.prefix_len();
    IpNet::new_assert(Ipv6Addr::from(octets).into(), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_no_bits_beyond_their_prefix_and_are_there_once() {
        let mut ranges: Vec<_> = CLOSED.iter().map(ClosedRange::range).collect();
        assert!(ranges.iter().all(|range| range.trunc() == *range));
        ranges.sort();
        ranges.dedup();
        assert_eq!(ranges.len(), CLOSED.len());
    }

    #[test]
    fn the_narrowest_range_counts() {
        let own = ["192.0.2.7", "198.41.0.4", "127.0.0.1"].map(|own| own.parse().unwrap());
        for (address, expected) in [
            ("8.8.8.8", None),
            ("2606:4700::1111", None),
            ("0.0.0.0", Some("0.0.0.0/8")),
            ("10.255.255.255", Some("10.0.0.0/8")),
            ("100.63.255.255", None),
            ("100.64.0.0", Some("100.64.0.0/10")),
            ("100.100.100.200", Some("100.100.100.200/32")),
            ("127.255.0.1", Some("127.0.0.0/8")),
            ("127.0.0.1", Some("127.0.0.0/8")),
            ("168.63.129.16", Some("168.63.129.16/32")),
            ("169.254.169.254", Some("169.254.169.254/32")),
            ("169.254.169.253", Some("169.254.0.0/16")),
            ("172.15.255.255", None),
            ("172.31.255.255", Some("172.16.0.0/12")),
            ("172.32.0.0", None),
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("198.41.0.4", Some("198.41.0.4/32")),
            ("198.19.255.255", Some("198.18.0.0/15")),
            ("224.0.0.251", Some("224.0.0.0/4")),
            ("255.255.255.255", Some("240.0.0.0/4")),
            ("::", Some("::/96")),
            ("::1", Some("::1/128")),
            ("::10.0.0.1", Some("::/96")),
            ("::ffff:0:10.0.0.1", Some("::ffff:0:0:0/96")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b::10.1.2.3", Some("64:ff9b::a00:0/104")),
            ("64:ff9b::198.41.0.4", Some("64:ff9b::c629:4/128")),
            ("64:ff9b:1::1", Some("64:ff9b:1::/48")),
            ("2001::1", Some("2001::/23")),
            ("2001:4860:4860::8888", None),
            ("2001:db8::1", None),
            ("203.0.113.7", None),
            ("2002:a00:1::", Some("2002::/16")),
            ("fd00::1", Some("fc00::/7")),
            ("fd00:ec2::254", Some("fd00:ec2::/32")),
            ("fe80::1", Some("fe80::/10")),
            ("ff02::fb", Some("ff00::/8")),
        ] {
            let found = around(address.parse().unwrap(), &own);
            let found = found.map(|(range, _)| range.to_string());
            assert_eq!(found.as_deref(), expected, "{address}");
        }
    }
}
