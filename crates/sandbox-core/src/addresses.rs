//! The addresses of the host's interfaces, at which its own services listen. They change while a sandbox lives: a machine moves to
//! another network, a tunnel comes up.

use std::io;
use std::net::IpAddr;

/// The addresses of all interfaces of the calling process's network, as they are now, in one order.
///
/// # Errors
///
/// Those of `getifaddrs(3)`; `Unsupported` where there is none.
#[cfg(unix)]
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    use nix::ifaddrs::{InterfaceAddress, getifaddrs};
    let address = |interface: InterfaceAddress| -> Option<IpAddr> {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
        v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
    };
    let mut addresses: Vec<IpAddr> = getifaddrs()?.filter_map(address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// As elsewhere, where there is a backend.
///
/// # Errors
///
/// `Unsupported`.
#[cfg(not(unix))]
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;

    /// `/proc/net/if_inet6` and the addresses of `/proc/net/fib_trie`, which say the same in other words.
    #[test]
    fn they_are_those_that_the_kernel_lists() {
        let own = own_addresses().unwrap();
        let listed = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        for line in listed.lines() {
            let digits = line.split_whitespace().next().unwrap();
            let address = Ipv6Addr::from(u128::from_str_radix(digits, 16).unwrap());
            assert!(own.contains(&address.into()), "{address} of {own:?}");
        }
        let tree = std::fs::read_to_string("/proc/net/fib_trie").unwrap();
        let mut last = "";
        for line in tree.lines().map(str::trim) {
            // A broadcast address is local in another sense.
            if line == "/32 host LOCAL" {
                let address: IpAddr = last.rsplit(' ').next().unwrap().parse().unwrap();
                assert!(own.contains(&address), "{address} of {own:?}");
            }
            last = line;
        }
        assert!(!own.is_empty());
    }
}
