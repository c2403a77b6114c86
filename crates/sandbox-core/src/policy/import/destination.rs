//! Names and addresses in settings. What cannot be meant is refused, also while nothing at all can be reached: whoever wrote
//! `*` believed in it.

use std::net::IpAddr;

/// Why this cannot be an entry of `allowedDomains`.
pub(super) fn wrong_allowed(entry: &str) -> Option<&'static str> {
    let (host, port) = match split(entry) {
        Ok(parts) => parts,
        Err(reason) => return Some(reason),
    };
    if let Some(reason) = port.and_then(wrong_port) {
        return Some(reason);
    }
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    match name {
        "*" => Some("it would allow every host"),
        _ if name.contains('*') => {
            Some("`*` stands for whole names at the front only, as in `*.example.com`")
        }
        _ if name.starts_with('.') || name.ends_with('.') => {
            Some("a name neither begins nor ends with a dot")
        }
        _ if !name.bytes().all(is_of_name) || name.is_empty() => Some(NO_HOST),
        "localhost" if name == host => None,
        _ if !name.contains('.') && name == host => {
            Some("a name has a dot in it, unless it is `localhost`")
        }
        _ if !name.contains('.') => Some("it would allow every host of a top-level domain"),
        _ => None,
    }
}

/// Why this cannot be an entry of `deniedDomains`, which may name every host.
pub(super) fn wrong_denied(entry: &str) -> Option<&'static str> {
    match entry.strip_prefix('*') {
        Some("") => None,
        Some(port) if port.starts_with(':') => wrong_port(port.get(1..).unwrap_or_default()),
        _ => wrong_allowed(entry),
    }
}

/// Why this is neither an address nor a range of addresses.
pub(super) fn wrong_range(entry: &str) -> Option<&'static str> {
    let (address, bits) = match entry.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (entry, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Some("it is neither an address nor a range of addresses");
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let fits = |bits: &str| bits.parse::<u8>().is_ok_and(|bits| bits <= most);
    (!bits.is_none_or(fits)).then_some("the range has more bits than the address")
}

const NO_HOST: &str = "it is not a host's name: no scheme, path or user belongs there";

/// Host and port; an IPv6 address is in brackets.
fn split(entry: &str) -> Result<(&str, Option<&str>), &'static str> {
    if entry.contains('/') {
        return Err(NO_HOST);
    }
    if let Some(rest) = entry.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("`[` is not closed by `]`")?;
        if !address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_ipv6())
        {
            return Err("there is no IPv6 address in the brackets");
        }
        return match port.strip_prefix(':') {
            Some(port) => Ok((address, Some(port))),
            None if port.is_empty() => Ok((address, None)),
            None => Err(NO_HOST),
        };
    }
    match entry.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an IPv6 address is written in brackets"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((entry, None)),
    }
}

fn wrong_port(port: &str) -> Option<&'static str> {
    let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    (!is_port).then_some("a port is a number from 1 to 65535")
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hosts_with_a_port_or_without() {
        for entry in [
            "example.com",
            "EXAMPLE.com",
            "*.example.com",
            "example.com:443",
            "*.example.com:8080",
            "localhost",
            "localhost:3000",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "a_b.example.com",
        ] {
            assert_eq!(wrong_allowed(entry), None, "{entry}");
        }
        for entry in [
            "",
            "*",
            "*:443",
            "*.com",
            "*.",
            "*.*",
            "a.*.com",
            "*a.com",
            "com",
            "https://example.com",
            "example.com/x",
            "a@example.com",
            ".example.com",
            "example.com.",
            "example.com:",
            "example.com:0",
            "example.com:080",
            "example.com:65536",
            "example.com:+80",
            "::1",
            "[::1",
            "[1.2.3.4]",
            "[::1]x",
            "ex ample.com",
            "exa\u{e4}mple.com",
            "*.localhost",
        ] {
            assert!(wrong_allowed(entry).is_some(), "{entry}");
        }
    }

    #[test]
    fn every_host_can_be_denied() {
        for (entry, is_right) in [
            ("*", true),
            ("*:25", true),
            ("*:0", false),
            ("example.com", true),
            ("*.com", false),
        ] {
            assert_eq!(wrong_denied(entry).is_none(), is_right, "{entry}");
        }
    }

    #[test]
    fn ranges_have_as_many_bits_as_their_addresses() {
        for (entry, is_right) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1", true),
            ("fd00::/8", true),
            ("::1/128", true),
            ("10.0.0.0/33", false),
            ("::/129", false),
            ("10.0.0.0/", false),
            ("10.0.0/8", false),
            ("example.com", false),
        ] {
            assert_eq!(wrong_range(entry).is_none(), is_right, "{entry}");
        }
    }
}
