//! Packets for a command, as if they came from where it has sent something: its socket may hear nobody else.
//!
//! The socket that sends them takes headers as they are, but for IPv4's length, number and checksum (raw(7)).

use std::net::{IpAddr, SocketAddr};

/// A command's socket and whoever it speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) command: SocketAddr,
    pub(crate) other: SocketAddr,
}

const UDP: u8 = 17;
const ICMP_V4: u8 = 1;
const ICMP_V6: u8 = 58;

/// Length of a head of UDP (RFC 768).
const UDP_HEAD: usize = 8;

/// What precedes a datagram from the other side to the command; none where it is too long for one.
pub(super) fn answer_head(pair: Pair, payload: &[u8]) -> Option<Vec<u8>> {
    let (from, to) = (pair.other, pair.command);
    let length = u16::try_from(UDP_HEAD + payload.len()).ok()?;
    let unsummed = udp_head(from, to, length, 0);
    let pseudo = pseudo_head(from.ip(), to.ip(), UDP, length);
    // 0 means that there is none.
    let sum = match checksum(&[&pseudo, &unsummed, payload]) {
        0 => u16::MAX,
        sum => sum,
    };
    let head = ip_head(from.ip(), to.ip(), UDP, length)?;
    Some([head, udp_head(from, to, length, sum)].concat())
}

/// Tells the command that nobody is at a port that it has sent to (RFC 792; RFC 4443, 3.1).
pub(super) fn unreachable(pair: Pair) -> Option<Vec<u8>> {
    let (from, to) = (pair.other.ip(), pair.command.ip());
    let kind: [u8; 2] = if from.is_ipv4() { [3, 3] } else { [1, 4] };
    // Whose datagram it is about: its heads suffice.
    let length = u16::try_from(UDP_HEAD).ok()?;
    let sent = [
        ip_head(to, from, UDP, length)?,
        udp_head(pair.command, pair.other, length, 0),
    ]
    .concat();
    let message = |sum: u16| [&kind[..], &sum.to_be_bytes(), &[0; 4], &sent].concat();
    let length = u16::try_from(message(0).len()).ok()?;
    let (protocol, pseudo) = match from {
        IpAddr::V4(_) => (ICMP_V4, Vec::new()),
        IpAddr::V6(_) => (ICMP_V6, pseudo_head(from, to, ICMP_V6, length)),
    };
    let sum = checksum(&[&pseudo, &message(0)]);
    Some([ip_head(from, to, protocol, length)?, message(sum)].concat())
}

/// The header before so many bytes (RFC 791, 3.1; RFC 8200, 3); none between addresses of two kinds, or where they are too many.
fn ip_head(from: IpAddr, to: IpAddr, protocol: u8, length: u16) -> Option<Vec<u8>> {
    const LIFE: u8 = 64;
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            const HEAD: u16 = 20;
            let [high, low] = length.checked_add(HEAD)?.to_be_bytes();
            let start = [0x45, 0, high, low, 0, 0, 0, 0, LIFE, protocol, 0, 0];
            Some([&start[..], &from.octets(), &to.octets()].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = length.to_be_bytes();
            let start = [0x60, 0, 0, 0, high, low, protocol, LIFE];
            Some([&start[..], &from.octets(), &to.octets()].concat())
        }
        _ => None,
    }
}

fn udp_head(from: SocketAddr, to: SocketAddr, length: u16, sum: u16) -> Vec<u8> {
    [from.port(), to.port(), length, sum]
        .map(u16::to_be_bytes)
        .concat()
}

/// What is summed beside a message (RFC 768; RFC 8200, 8.1). Zeros count nothing, so that one form does for both kinds.
fn pseudo_head(from: IpAddr, to: IpAddr, protocol: u8, length: u16) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let end = [[0, protocol], length.to_be_bytes()].concat();
    [octets(from), octets(to), end].concat()
}

/// Of these one behind the other (RFC 1071). All but the last are of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words
        .map(|word| match word {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            [high] => u64::from(*high) << 8,
            _ => 0,
        })
        .sum();
    let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(command: &str, other: &str) -> Pair {
        Pair {
            command: command.parse().unwrap(),
            other: other.parse().unwrap(),
        }
    }

    /// What a receiver sums is all ones where the sum is right.
    fn is_summed_right(from: IpAddr, to: IpAddr, protocol: u8, message: &[u8]) -> bool {
        let length = u16::try_from(message.len()).unwrap();
        checksum(&[&pseudo_head(from, to, protocol, length), message]) == 0
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 1071, 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), !0xddf2);
        assert_eq!(checksum(&[&bytes[..2], &bytes[2..]]), !0xddf2);
        assert_eq!(checksum(&[&[1]]), !0x0100);
        assert_eq!(checksum(&[&vec![0xff; 1 << 17]]), 0);
    }

    #[test]
    fn an_answer_comes_from_where_was_sent_to() {
        let pair4 = pair("198.18.0.1:40000", "8.8.8.8:443");
        for payload in [&b""[..], b"a", b"ab"] {
            let head = answer_head(pair4, payload).unwrap();
            assert_eq!(head.len(), 28);
            assert_eq!(
                (&head[12..16], &head[16..20]),
                (&[8, 8, 8, 8][..], &[198, 18, 0, 1][..])
            );
            assert_eq!(head[20..24], [1, 187, 0x9c, 0x40]);
            let message = [&head[20..], payload].concat();
            assert!(is_summed_right(
                pair4.other.ip(),
                pair4.command.ip(),
                UDP,
                &message
            ));
            let pair6 = pair("[2001:db8::1]:40000", "[2001:db8::2]:443");
            let head = answer_head(pair6, payload).unwrap();
            assert_eq!(head.len(), 48);
            let message = [&head[40..], payload].concat();
            assert!(is_summed_right(
                pair6.other.ip(),
                pair6.command.ip(),
                UDP,
                &message
            ));
        }
        assert!(answer_head(pair4, &vec![0; 65_507]).is_some());
        assert!(answer_head(pair4, &vec![0; 65_508]).is_none());
        assert!(answer_head(pair("1.1.1.1:1", "[::1]:1"), b"").is_none());
    }

    #[test]
    fn a_refusal_says_what_was_refused() {
        let pair4 = pair("198.18.0.1:40000", "8.8.8.8:443");
        let packet = unreachable(pair4).unwrap();
        assert_eq!(packet[20..22], [3, 3]);
        assert_eq!(checksum(&[&packet[20..]]), 0);
        assert_eq!(packet[40..44], [198, 18, 0, 1]);
        assert_eq!(packet[48..52], [0x9c, 0x40, 1, 187]);
        let pair6 = pair("[2001:db8::1]:40000", "[2001:db8::2]:443");
        let packet = unreachable(pair6).unwrap();
        assert_eq!(packet[40..42], [1, 4]);
        assert!(is_summed_right(
            pair6.other.ip(),
            pair6.command.ip(),
            ICMP_V6,
            &packet[40..]
        ));
    }
}
