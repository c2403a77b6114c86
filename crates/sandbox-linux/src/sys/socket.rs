//! Sockets by addresses of any family, as bytes: what was read of a command is handed on as it is.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// A number of `SOL_SOCKET`.
pub(crate) fn option(socket: BorrowedFd<'_>, option: i32) -> nix::Result<i32> {
    let mut value = 0_i32;
    let mut length = 4;
    // SAFETY: `value` has the four bytes that are said.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    Errno::result(got).map(|_| value)
}

/// How much of what was sent by a Unix socket the other side has not read (`SIOCOUTQ` of unix(7)'s family), with what the kernel needs for it:
/// as `SO_SNDBUF` counts.
pub(crate) fn unread(socket: BorrowedFd<'_>) -> nix::Result<i32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: `bytes` is the number that is written.
    let got = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    Errno::result(got).map(|_| bytes)
}

/// How an address of a family begins.
pub(crate) fn family_bytes(family: i32) -> [u8; 2] {
    u16::try_from(family).unwrap_or(0).to_ne_bytes()
}

/// `connect(2)`.
pub(crate) fn connect(socket: BorrowedFd<'_>, address: &[u8]) -> nix::Result<()> {
    // SAFETY: `address` is as long as said.
    let done =
        unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), length(address)) };
    Errno::result(done).map(drop)
}

/// `bind(2)`.
pub(crate) fn bind(socket: BorrowedFd<'_>, address: &[u8]) -> nix::Result<()> {
    // SAFETY: `address` is as long as said.
    let done = unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length(address)) };
    Errno::result(done).map(drop)
}

fn length(address: &[u8]) -> libc::socklen_t {
    libc::socklen_t::try_from(address.len()).unwrap_or(0)
}
