//! Pairs of Unix sockets of datagrams, which programs make to send messages to a part of themselves (`socat` to its signal handlers).
//!
//! The filter can't let them be: `sendmsg` may name any socket of the host behind a pointer, also on one that has a peer. What has the same
//! messages, whole and in their order, and no such call, are sequenced packets (unix(7)); so a pair of those is given. It differs where its
//! other end is closed: that is the end of what is received.
//!
//! Nothing is decided here. Init makes the pair: of a socket that the caller has made the host's network could be asked, and names be taken in it.

use std::fs::File;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::socket::SockFlag;

use super::errand::Errands;
use super::pin::errno;
use crate::sys::notify;

/// Has the pair made, and the call answered; or says why not.
pub(super) fn give(
    errands: &Errands,
    listener: BorrowedFd<'_>,
    call: &libc::seccomp_notif,
) -> Result<(), Errno> {
    let [_, kind, protocol, numbers, ..] = call.data.args;
    let flags = flags(kind, protocol)?;
    // Not by the thread's number, which may be another one's by the time at which it is written to.
    let memory = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/{}/mem", call.pid));
    let memory = memory.map_err(|error| errno(&error))?;
    if !notify::is_valid(listener, call.id) {
        return Err(Errno::EINTR);
    }
    errands.make_pair((listener, call.id), &memory, numbers, flags)
}

/// What comes with the type, if the kernel would take it all.
fn flags(kind: u64, protocol: u64) -> Result<SockFlag, Errno> {
    /// The bits that are a type.
    const TYPE: i32 = 0xf;
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let (kind, protocol) = (kind as i32, protocol as i32);
    if !matches!(protocol, 0 | libc::PF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let known = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let flags = SockFlag::from_bits(kind & !TYPE).filter(|flags| known.contains(*flags));
    flags.ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        let with = |kind: i32, protocol| flags(u64::from(kind.cast_unsigned()), protocol);
        let both = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        assert_eq!(with(libc::SOCK_DGRAM | both.bits(), 0), Ok(both));
        assert_eq!(with(libc::SOCK_DGRAM, 1 << 32 | 1), Ok(SockFlag::empty()));
        assert_eq!(with(libc::SOCK_DGRAM, 2), Err(Errno::EPROTONOSUPPORT));
        assert_eq!(with(libc::SOCK_DGRAM | 0x10, 0), Err(Errno::EINVAL));
    }
}
