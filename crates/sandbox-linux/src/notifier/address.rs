//! A socket and the address that a call gives it, read once and pinned: the descriptor itself, and the bytes.
//!
//! Whose address it is says the socket, not the bytes: a descriptor is of one family for good. Of a Unix socket it may be a path.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::pin::{Pinned, Thread};
use super::procfs::Threads;
use crate::sys::notify::{descriptor_of, read_memory};
use crate::sys::socket;
use crate::wire::errand::ADDRESS;

/// The longest address of a Unix socket (`struct sockaddr_un`).
const LONGEST_UNIX: usize = 110;
/// Where the path begins in that.
const PATH: usize = 2;

/// A socket and an address as registers have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) socket: i32,
    /// Where the address begins, and its length.
    pub(super) address: u64,
    pub(super) length: i32,
    /// Whether a name is made at a path, for which the umask counts.
    pub(super) binds: bool,
}

/// A socket of the calling process, and an address.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) socket: OwnedFd,
    /// `AF_UNIX` and its like.
    pub(super) family: i32,
    /// `SOCK_STREAM` and its like.
    pub(super) kind: i32,
    pub(super) address: Vec<u8>,
    /// What the address means if it is a path.
    pub(super) path: Option<Pinned>,
    pub(super) umask: u32,
}

impl Thread {
    /// The socket and address of its call, with the errnos of the kernel's own reading.
    pub(super) fn named(self, given: Given, threads: &Threads) -> Result<Named, Errno> {
        let socket = descriptor_of(self.0, given.socket)?;
        let family = socket::option(socket.as_fd(), libc::SO_DOMAIN)?;
        let kind = socket::option(socket.as_fd(), libc::SO_TYPE)?;
        let length = usize::try_from(given.length).map_err(|_| Errno::EINVAL)?;
        // Before there is memory for it: the length is the command's.
        if length > ADDRESS {
            return Err(Errno::EINVAL);
        }
        let mut address = vec![0; length];
        if length > 0 && read_memory(self.0, given.address, &mut address)? < length {
            return Err(Errno::EFAULT);
        }
        let path = path(family, &address).map(|path| self.pinned(libc::AT_FDCWD, path, threads));
        let path = path.transpose()?;
        let umask = if given.binds && path.is_some() {
            threads.umask(self)?
        } else {
            0
        };
        Ok(Named {
            socket,
            family,
            kind,
            address,
            path,
            umask,
        })
    }
}

/// The path that an address of a socket is, as the kernel reads it: up to the first NUL, or the end (unix(7), BUGS).
fn path(family: i32, address: &[u8]) -> Option<CString> {
    let is_unix = address.starts_with(&socket::family_bytes(libc::AF_UNIX));
    if family != libc::AF_UNIX || !is_unix || address.len() > LONGEST_UNIX {
        return None;
    }
    let path = address.get(PATH..)?.split(|byte| *byte == 0).next()?;
    // Without a path it has a name of its own, or gets one.
    (!path.is_empty()).then(|| CString::new(path).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_unix_socket_is_a_path() {
        let address = |family: i32, rest: &[u8]| [&socket::family_bytes(family), rest].concat();
        let (unix, inet) = (libc::AF_UNIX, libc::AF_INET);
        for (family, address, expected) in [
            (unix, address(unix, b"/a/b\0"), Some(c"/a/b")),
            (unix, address(unix, b"/a/b"), Some(c"/a/b")),
            (unix, address(unix, b"a\0b"), Some(c"a")),
            (
                unix,
                address(unix, b"/twelve bytes."),
                Some(c"/twelve bytes."),
            ),
            // As long as one of IPv4, and no other family makes it something else.
            (inet, address(unix, b"/twelve bytes."), None),
            (unix, address(inet, b"/a"), None),
            // Abstract, or to be chosen.
            (unix, address(unix, b"\0a"), None),
            (unix, address(unix, b""), None),
            (unix, b"\x01".to_vec(), None),
            (unix, Vec::new(), None),
            // The kernel takes none that is longer.
            (unix, address(unix, &[b'a'; 109]), None),
        ] {
            assert_eq!(path(family, &address).as_deref(), expected, "{address:?}");
        }
        assert_eq!(
            path(unix, &address(unix, &[b'a'; 108]))
                .unwrap()
                .count_bytes(),
            108
        );
    }
}
