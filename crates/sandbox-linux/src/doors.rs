//! The sockets of the sandbox's own network that the caller's side serves. A socket stays in the namespace in which it was made
//! (network_namespaces(7)).

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;

use crate::wire::door;

/// The gateway's sockets in the sandbox's network: whoever has them decides what becomes of every connection.
///
/// ```
/// use sandbox_linux::Doors;
///
/// let Doors { streams, names, .. } = Doors::default();
/// assert!(streams.is_none() && names.is_none());
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Doors {
    /// A listener: it accepts connections to every address and port. The accepted socket's own address is the one that was
    /// dialled.
    pub streams: Option<OwnedFd>,
    /// A socket that gets the datagrams to port 53 of every address; it says which with each (`IPV6_PKTINFO`, ipv6(7)).
    pub names: Option<OwnedFd>,
}

impl Doors {
    pub(crate) fn put(&mut self, which: i32, socket: Option<OwnedFd>) {
        match which {
            door::STREAMS => self.streams = socket,
            door::NAMES => self.names = socket,
            _ => {}
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.streams.is_some() && self.names.is_some()
    }
}
