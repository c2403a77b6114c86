//! What a program speaks, by its first bytes.
//!
//! Only two protocols name a destination once more, TLS and HTTP, and a server that is dialled for one name would serve another by
//! it. So what could be one of them to a lenient server is one of them here; what can't be passes.

use std::ops::RangeInclusive;

/// What the first bytes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// TLS (RFC 8446, 5.1), or something that begins like it.
    Tls,
    /// HTTP before its second version, or something that a server might take for it.
    Http,
    /// Something that names no destination.
    Other,
    /// It takes more bytes to know.
    Unknown,
}

/// Methods by which a line is HTTP before it has ended (the registry of RFC 9110, 18.2, those in use).
const METHODS: &[&[u8]] = &[
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

/// Before TLS or HTTP this says from where they come (the PROXY protocol of haproxy, 2.1 and 2.2): to a server that takes it from
/// anybody all else is said behind it. It counts as HTTP, in which there is no such thing.
const PROXY: (&[u8], &[u8]) = (b"PROXY", b"\r\n\r\n\0\r\nQUIT\n");

/// How TLS may begin to some server, byte by byte. Go's takes records of any version below 16.0, and an alert before the
/// handshake; OpenSSL a hello as SSL 2 had it (RFC 5246, E.2).
const TLS: &[&[RangeInclusive<u8>]] = &[
    &[HANDSHAKE, 3..=3],
    &[HANDSHAKE, VERSION, ANY, ANY, ANY, 1..=1],
    &[21..=21, VERSION, ANY, 0..=0, 2..=2],
    &[20..=20, VERSION, ANY, 0..=0, 1..=1],
    &[0x80..=0xff, ANY, 1..=1, 0..=3],
];
const HANDSHAKE: RangeInclusive<u8> = 22..=22;
const VERSION: RangeInclusive<u8> = 0..=15;
const ANY: RangeInclusive<u8> = 0..=255;

impl Protocol {
    /// What these bytes begin.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let begins = |shape: &&&[_]| {
            let mut both = bytes.iter().zip(shape.iter());
            both.all(|(byte, range): (_, &RangeInclusive<u8>)| range.contains(byte))
        };
        let mut shapes = TLS.iter().filter(begins);
        if shapes.clone().any(|shape| bytes.len() >= shape.len()) {
            return Self::Tls;
        }
        if shapes.next().is_some() {
            return Self::Unknown;
        }
        if bytes.starts_with(PROXY.1) {
            return Self::Http;
        }
        if PROXY.1.starts_with(bytes) {
            return Self::Unknown;
        }
        // Empty lines before a request are skipped (RFC 9112, 2.2), blanks by some.
        let start = bytes.iter().position(|byte| !is_blank(*byte));
        let Some((_, line)) = start.and_then(|start| bytes.split_at_checked(start)) else {
            return Self::Unknown;
        };
        let end = line.iter().position(|byte| *byte == b'\n');
        let (line, is_whole) = match end.and_then(|end| line.split_at_checked(end)) {
            Some((line, _)) => (line, true),
            None => (line, false),
        };
        let (method, has_more) = match line.iter().position(|byte| is_blank(*byte)) {
            Some(end) => (line.get(..end).unwrap_or_default(), true),
            None => (line, false),
        };
        if has_more && (METHODS.contains(&method) || method == PROXY.0) {
            return Self::Http;
        }
        // A method is a token (RFC 9110, 5.6.2). The first line of git's own protocol begins with its length, and does not end.
        let length = method.first_chunk::<4>();
        let is_git = length.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if !method.iter().all(|byte| is_of_token(*byte)) || is_git && line.contains(&0) {
            return Self::Other;
        }
        match (is_whole, has_version(line)) {
            (true, true) => Self::Http,
            (true, false) => Self::Other,
            (false, _) => Self::Unknown,
        }
    }
}

/// What parts a line to some server: Python's parts it at all of these.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | 0x1c..=b' ' | 0x85 | 0xa0)
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn has_version(line: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/";
    let mut places = line.windows(VERSION.len());
    places.any(|place| place.eq_ignore_ascii_case(VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::*;

    #[test]
    fn the_first_bytes_say_what_it_is() {
        let cases: &[(&[u8], Protocol)] = &[
            (b"", Unknown),
            (b"\x16", Unknown),
            (b"\x16\x03\x01", Tls),
            (b"\x16\x03\x07garbage", Tls),
            (b"\x16\x02", Unknown),
            (b"\x16\x02\0\0\x05\x01", Tls),
            (b"\x16\x0f\xff\0\x05\x01", Tls),
            (b"\x16\x10", Other),
            (b"\x16\x01\0\x01\x85", Unknown),
            (b"\x16\x01\0\x01\x85\xa6", Other),
            (b"\x15\x03\x01\0\x02\x01\x5a", Tls),
            (b"\x14\x03\x03\0\x01\x01", Tls),
            (b"\x80\x2e\x01\x03\x01", Tls),
            (b"\x80\x00\x00\x05", Other),
            (b"\xff\xfb\x01\xff", Other),
            (b"GET ", Http),
            (b"GET", Unknown),
            (b"POST\t/ HTTP/1.1\r\n", Http),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", Http),
            (b" \nGET /", Http),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http),
            (b"BREW /pot HTTP/1.1\r\n", Http),
            (b"BREW /pot HTTP/1.1", Unknown),
            (b"BREW /\0pot HTTP/1.1\r\n", Http),
            (b"get / http/1.1\n", Http),
            (b"X\rGET / HTTP/1.1\r\n", Http),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 443\r\nGET", Http),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Http),
            (b"\r\n\r\n\0\r\nQUI", Unknown),
            (b"\r\n\r\n\0\r\nQUIX", Other),
            (b"\x80\x2e\x01\x03\x01", Tls),
            (b"\x80\x2e\x01\x00\x02", Tls),
            (b"\x80\x2e\x01", Unknown),
            (b"\x80\x01\x00\x01", Other),
            (b"\xff\xfd\x18", Other),
            (b"GET\x0b/\x0bHTTP/1.1\r\n", Http),
            (b"\xa0GET\x1f/ HTTP/1.1\r\n", Http),
            (b"EHLO me\r\n", Other),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Other),
            (b"SSH-2.0-Open", Unknown),
            (b"0032git-upload-pack /a.git\0host=example.com\0", Other),
            (b"*1\r\n$4\r\nPING\r\n", Other),
            (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Other),
            (b"AMQP\x00\x00\x09\x01", Other),
            (b"{\"id\": 1}", Other),
            (b"\r\n", Unknown),
        ];
        for (bytes, expected) in cases {
            let text = bytes.escape_ascii();
            assert_eq!(Protocol::of(bytes), *expected, "{text}");
        }
    }

    #[test]
    fn more_bytes_never_change_what_is_known() {
        let texts: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"BREW /pot HTTP/1.1\r\n\r\n",
            b"EHLO me\r\nGET / HTTP/1.1\r\n",
            b"0032git-upload-pack /a.git\0host=b\0\n",
            b"\x16\x03\x01\x00\x05",
            b"\x16\x02\x01\x00\x05\x01",
            b"\x15\x0a\x01\x00\x02\x01",
            b"\xa0\x85\x01GET / HTTP/1.1\n",
        ];
        for text in texts {
            let mut known = Unknown;
            for end in 0..=text.len() {
                let next = Protocol::of(&text[..end]);
                assert!(known == Unknown || next == known, "{}", text.escape_ascii());
                known = next;
            }
            assert_ne!(known, Unknown);
        }
    }
}
