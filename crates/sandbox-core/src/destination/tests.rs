use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> Option<String> {
    text.parse::<Destination>()
        .ok()
        .map(|found| found.to_string())
}

fn pattern(text: &str) -> Result<String, String> {
    let pattern = text.parse::<DestinationPattern>();
    pattern
        .map(|pattern| pattern.to_string())
        .map_err(|problem| match problem.remedy() {
            Some(remedy) => format!("{problem} ({remedy})"),
            None => problem.to_string(),
        })
}

#[test]
fn every_spelling_of_an_address_is_that_address() {
    for (text, expected) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F.0x0.0x0.0x1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("\u{ff11}27.0.0.1", "127.0.0.1"),
        ("127\u{3002}0.0.1", "127.0.0.1"),
        ("\u{2460}.1.1.1", "1.1.1.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:7f00:1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("0:0:0:0:0:ffff:7f00:0001", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("[2001:DB8:0::0001]", "2001:db8::1"),
        // What is translated or compatible is not the IPv4 address to a kernel, and stays what it is.
        ("::127.0.0.1", "::7f00:1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn names_are_lower_case_a_labels_without_the_final_dot() {
    for (text, expected) in [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("B\u{dc}CHER.example", "xn--bcher-kva.example"),
        ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
        ("www\u{3002}example\u{ff0e}com", "www.example.com"),
        ("stra\u{df}e.example", "xn--strae-oqa.example"),
        ("exam\u{ad}ple.com", "example.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("r3---sn-x.example.com", "r3---sn-x.example.com"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("localhost", "localhost"),
        ("Localhost.", "localhost"),
        ("intranet", "intranet"),
    ] {
        assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
    }
    let long = format!("{}.com", "a".repeat(63));
    assert_eq!(canonical(&long).as_deref(), Some(long.as_str()));
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long_name = vec!["a"; 128].join(".");
    for text in [
        "",
        ".",
        "..",
        ".example.com",
        "example..com",
        "example.com..",
        "example.com\0",
        "example.com\0.evil.example",
        "example.com\r\nHost: evil.example",
        "example.com\n",
        "exam\tple.com",
        "example.com ",
        " example.com",
        "ex ample.com",
        "example%2ecom",
        "%31.1.1.1",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "user@example.com",
        "example.com/x",
        "example.com:80",
        "example.com?x",
        "example.com#x",
        "example.com\\x",
        "<example.com>",
        "exam|ple.com",
        "exam,ple.com",
        "exam;ple.com",
        "exam'ple.com",
        "exam(ple).com",
        "*.example.com",
        "[example.com]",
        "[127.0.0.1]",
        "[::1",
        "::1]",
        "[[::1]]",
        "[]",
        "256.1.1.1",
        "1.2.3.4.5",
        "1.2.3.08",
        "example.1",
        "example.0x1",
        "4294967296",
        "xn--a",
        "xn--ls8h=.example",
        &long_label,
        &long_name,
        &"a".repeat(2000),
    ] {
        assert_eq!(canonical(text), None, "{text:?}");
    }
}

#[test]
fn hosts_have_a_port_or_none() {
    for (text, expected) in [
        ("example.com:443", Some(("example.com", Some(443)))),
        ("example.com", Some(("example.com", None))),
        ("127.1:80", Some(("127.0.0.1", Some(80)))),
        ("[::1]:80", Some(("::1", Some(80)))),
        ("[::1]", Some(("::1", None))),
        ("::1", Some(("::1", None))),
        ("example.com:", None),
        ("example.com:0", None),
        ("example.com:1:2", None),
        ("[::1]:", None),
        ("[::1]80", None),
        ("http://example.com", None),
    ] {
        let found = Destination::with_port(text).ok();
        let found = found.map(|(destination, port)| (destination.to_string(), port));
        let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn patterns_have_one_spelling() {
    for (text, expected) in [
        ("GitHub.com", "github.com"),
        ("github.com.", "github.com"),
        ("github.com:443", "github.com:443"),
        ("github.com:443-443", "github.com:443"),
        ("github.com:8000-8999", "github.com:8000-8999"),
        ("github.com:1-65535", "github.com"),
        ("*.GitHub.com.:22", "*.github.com:22"),
        ("*.github.io", "*.github.io"),
        ("*.internal", "*.internal"),
        ("*.b\u{fc}cher.example", "*.xn--bcher-kva.example"),
        ("0x7f.1:80", "127.0.0.1:80"),
        ("127.0.0.1/32", "127.0.0.1"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8:443", "10.0.0.0/8:443"),
        ("0x0a.0.0.0/8:1-1023", "10.0.0.0/8:1-1023"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]:80"),
        ("::1/128", "[::1]"),
        ("fd00::/8", "fd00::/8"),
        ("fd00::/8:443", "fd00::/8:443"),
        ("[fd00::]/8", "fd00::/8"),
        ("::/0", "::/0"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1/128", "10.0.0.1"),
        ("localhost:5432", "localhost:5432"),
    ] {
        assert_eq!(pattern(text).as_deref(), Ok(expected), "{text}");
        assert_eq!(pattern(expected).as_deref(), Ok(expected), "{text}");
    }
}

const REFUSED: &[(&str, &str)] = &[
    ("", "it is empty"),
    (
        "*",
        "it would be about every destination (remove it, or write `default = \"allow\"`)",
    ),
    (
        "*:443",
        "it would be about every destination (remove it, or write `default = \"allow\"`)",
    ),
    (
        "*.com",
        "anybody can register a name below `com` (write `*.example.com`)",
    ),
    (
        "*.CO.UK",
        "anybody can register a name below `co.uk` (write `*.example.co.uk`)",
    ),
    (
        "*.com:443",
        "anybody can register a name below `com` (write `*.example.com`)",
    ),
    (
        "http://example.com",
        "it is a URL; a destination is the name in it (write `example.com`)",
    ),
    (
        "https://u:p@Example.com:8443/x?y",
        "it is a URL; a destination is the name in it (write `example.com:8443`)",
    ),
    ("ssh://", "it is a URL; a destination is the name in it"),
    (
        "example.com/path",
        "it has a path, and a destination is a name or an address (write `example.com`)",
    ),
    (
        "example.com:80/",
        "it has a path, and a destination is a name or an address (write `example.com:80`)",
    ),
    (
        "git@github.com",
        "it has a user, and a destination is a name or an address (write `github.com`)",
    ),
    (
        "a.*.com",
        "`*` stands for whole names at the front only, as in `*.example.com`",
    ),
    (
        "*example.com",
        "`*` stands for whole names at the front only, as in `*.example.com` (write `*.example.com`)",
    ),
    (
        "**.example.com",
        "`*` stands for whole names at the front only, as in `*.example.com` (write `*.example.com`)",
    ),
    (
        "*.*.example.com",
        "`*` stands for whole names at the front only, as in `*.example.com`",
    ),
    (
        "*.10.0.0.1",
        "`*` stands before names only; a range of addresses is written as in `10.0.0.0/8`",
    ),
    ("*.", "it is empty"),
    (
        "*..com",
        "it has nothing between two dots, or before the first",
    ),
    (
        "example.com:0",
        "a port is a number from 1 to 65535, a range two with `-` between, the lower one first (write `example.com`)",
    ),
    (
        "example.com:",
        "a port is a number from 1 to 65535, a range two with `-` between, the lower one first (write `example.com`)",
    ),
    (
        "example.com:90-80",
        "a port is a number from 1 to 65535, a range two with `-` between, the lower one first (write `example.com`)",
    ),
    (
        "example.com:080",
        "a port is a number from 1 to 65535, a range two with `-` between, the lower one first (write `example.com`)",
    ),
    ("example.com:80:443", "it has more than one port"),
    ("10.0.0.0/8:80:443", "it has more than one port"),
    (
        "::1",
        "an IPv6 address is in brackets, so that a port can be told from it (write `[::1]`)",
    ),
    (
        "::1:80",
        "an IPv6 address is in brackets, so that a port can be told from it (write `[::1:80]`)",
    ),
    (
        "[::1",
        "in brackets there is one IPv6 address, and behind them at most a port",
    ),
    (
        "[example.com]",
        "in brackets there is one IPv6 address, and behind them at most a port",
    ),
    (
        "[fd00::/8]:443",
        "in brackets there is one IPv6 address, and behind them at most a port",
    ),
    (
        "10.1.2.3/8",
        "the address has bits beyond the first 8 (write `10.0.0.0/8` or `10.1.2.3`)",
    ),
    (
        "fd00::1/8",
        "the address has bits beyond the first 8 (write `fd00::/8` or `[fd00::1]`)",
    ),
    (
        "10.0.0.0/33",
        "the bits of a range are a number up to 32, for IPv6 up to 128",
    ),
    (
        "10.0.0.0/08",
        "the bits of a range are a number up to 32, for IPv6 up to 128",
    ),
    (
        "10.0.0.0/",
        "the bits of a range are a number up to 32, for IPv6 up to 128",
    ),
    (
        "10.0.0.0/255.0.0.0",
        "the bits of a range are a number up to 32, for IPv6 up to 128",
    ),
    (
        "::/129",
        "the bits of a range are a number up to 32, for IPv6 up to 128",
    ),
    (
        "example..com",
        "it has nothing between two dots, or before the first",
    ),
    (
        "example.com ",
        "it contains a character that is in no name or address",
    ),
    ("1.2.3.4.5", "it is neither a name nor an address"),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com",
        "it is too long: a name has at most 253 characters, 63 between two dots",
    ),
];

#[test]
fn what_cannot_mean_what_it_says_is_refused_with_what_to_write() {
    for (text, expected) in REFUSED {
        assert_eq!(
            pattern(text).as_ref().map_err(String::as_str),
            Err(*expected),
            "{text}"
        );
    }
}

#[test]
fn a_longer_name_is_not_the_one_that_it_ends_with() {
    for (pattern, destination, port, expected) in [
        ("github.com", "github.com", 443, true),
        ("github.com", "GITHUB.com.", 443, true),
        ("github.com", "evil-github.com", 443, false),
        ("github.com", "github.com.evil.example", 443, false),
        ("github.com", "api.github.com", 443, false),
        ("*.github.com", "api.github.com", 443, true),
        ("*.github.com", "a.b.github.com", 443, true),
        ("*.github.com", "github.com", 443, false),
        ("*.github.com", "evil-github.com", 443, false),
        ("github.com:443", "github.com", 443, true),
        ("github.com:443", "github.com", 80, false),
        ("github.com:8000-8999", "github.com", 8999, true),
        ("github.com:8000-8999", "github.com", 9000, false),
        ("10.0.0.0/8", "10.255.255.255", 1, true),
        ("10.0.0.0/8", "0xa.1", 1, true),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 1, true),
        ("10.0.0.0/8", "11.0.0.0", 1, false),
        ("10.0.0.0/8", "::10.0.0.1", 1, false),
        ("localhost", "localhost", 80, true),
        ("localhost", "127.0.0.1", 80, true),
        ("localhost", "::1", 80, true),
        ("localhost", "127.0.0.2", 80, false),
        ("localhost", "a.localhost", 80, false),
        ("127.0.0.1", "localhost", 80, false),
        ("github.com", "github.com", 0, false),
    ] {
        let found: DestinationPattern = pattern.parse().unwrap();
        let matches = found.matches(&destination.parse().unwrap(), port);
        assert_eq!(matches, expected, "{pattern} {destination}:{port}");
    }
}

/// An address in a spelling of it.
fn spelled() -> impl Strategy<Value = (String, std::net::Ipv4Addr)> {
    let number = |radix: u8, number: u32| match radix {
        0 => number.to_string(),
        1 => format!("0x{number:x}"),
        2 => format!("0X{number:08X}"),
        _ => format!("0{number:o}"),
    };
    (any::<u32>(), 0..6_u8, any::<[u8; 4]>()).prop_map(move |(bits, form, radix)| {
        let parts = bits.to_be_bytes().map(u32::from);
        let part = |at: usize| number(radix[at] % 4, parts[at]);
        let rest = |at: usize, mask: u32| number(radix[at] % 4, bits & mask);
        let text = match form {
            0 => rest(0, u32::MAX),
            1 => format!("{}.{}", part(0), rest(1, 0x00ff_ffff)),
            2 => format!("{}.{}.{}", part(0), part(1), rest(2, 0xffff)),
            3 => format!("{}.{}.{}.{}.", part(0), part(1), part(2), part(3)),
            4 => format!("::ffff:{}", std::net::Ipv4Addr::from(bits)),
            _ => format!("[::ffff:{:x}:{:x}]", bits >> 16, bits & 0xffff),
        };
        (text, bits.into())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_address_in_any_spelling_is_the_address((text, address) in spelled()) {
        prop_assert_eq!(text.parse::<Destination>(), Ok(address.into()));
    }

    #[test]
    fn what_is_printed_is_read_as_the_same(text in "(\\*\\.)?[a-zA-Z0-9._-]{1,12}(:[0-9]{1,5}(-[0-9]{1,5})?)?") {
        if let Ok(pattern) = text.parse::<DestinationPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        if let Ok(destination) = text.parse::<Destination>() {
            prop_assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        let _ = text.parse::<DestinationPattern>();
    }
}
