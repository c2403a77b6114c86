//! The host's own addresses. They change while a sandbox lives: a machine moves to another network, a tunnel comes up.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};

/// The addresses of all interfaces, in one order.
pub(crate) fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut addresses: Vec<IpAddr> = getifaddrs()?.filter_map(|it| address(&it)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn address(interface: &InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address.as_ref()?;
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopbacks_address_is_one_of_them() {
        assert!(addresses().unwrap().contains(&[127, 0, 0, 1].into()));
    }
}
