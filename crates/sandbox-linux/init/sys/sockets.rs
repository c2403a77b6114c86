//! Sockets, and memory for what comes through them.

use core::mem::size_of;

use super::super::raw::{Errno, Result, check, nr, syscall};
use super::super::wire::AT_ONCE;
use super::{Fd, O_CLOEXEC, close, to_fd};

#[repr(C)]
struct MessageHeader {
    name: usize,
    name_length: usize,
    vectors: *const [usize; 2],
    vector_count: usize,
    control: *mut u64,
    control_length: usize,
    flags: usize,
}

/// `cmsg_level` and `cmsg_type` of descriptors, and the length of a `struct cmsghdr` (cmsg(3)).
const SOL_SOCKET_SCM_RIGHTS: u64 = 0x1_0000_0001;
const HEADER: usize = 16;

/// A pair of Unix sockets of sequenced packets, closed on execution; `flags` may have them never wait.
pub(crate) fn packet_pair(flags: u32) -> Result<[Fd; 2]> {
    const AF_UNIX: usize = 1;
    const SEQPACKET: usize = 5;
    const NONBLOCK: usize = 0o4000;
    let mut ends = [Fd::NONE; 2];
    let kind = SEQPACKET | O_CLOEXEC | flags as usize & NONBLOCK;
    call!(nr::SOCKETPAIR, AF_UNIX, kind, 0, ends.as_mut_ptr(); "`ends` has room for two numbers")?;
    Ok(ends)
}

/// Writes two numbers to a place of a file; whether there was room for both.
pub(crate) fn write_at(file: Fd, at: u64, numbers: [Fd; 2]) -> Result<bool> {
    let length = size_of_val(&numbers);
    let written = call!(nr::PWRITE64, file.arg(), numbers.as_ptr(), length, at as usize; "`numbers` is as long as said")?;
    Ok(written == length)
}

/// One message and its descriptors, into the front of `fds`. Length 0 is the end; a cut-off message is an error, and so is
/// one of whose descriptors some found no room: then none of them stays open.
pub(crate) fn receive(socket: Fd, buffer: &mut [u8], fds: &mut [Fd], wait: bool) -> Result<usize> {
    const MSG_DONTWAIT: usize = 0x40;
    const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
    const MSG_CTRUNC: usize = 0x08;
    const MSG_TRUNC_CTRUNC: usize = 0x20 | MSG_CTRUNC;
    // A cmsghdr (length, level and type) and room for the descriptors.
    let mut control = [0_u64; 2 + AT_ONCE.div_ceil(2)];
    let vectors = [buffer.as_mut_ptr() as usize, buffer.len()];
    let mut header = MessageHeader {
        name: 0,
        name_length: 0,
        vectors: &raw const vectors,
        vector_count: 1,
        control: control.as_mut_ptr(),
        control_length: size_of_val(&control),
        flags: 0,
    };
    let flags = MSG_CMSG_CLOEXEC | if wait { 0 } else { MSG_DONTWAIT };
    let length = call!(nr::RECVMSG, socket.arg(), &raw mut header, flags; "`header` points to `buffer` and `control`, with their lengths")?;
    let mut lost = header.flags & MSG_TRUNC_CTRUNC;
    let [size, kind, numbers @ ..] = &control;
    let count = if header.control_length > HEADER && *kind == SOL_SOCKET_SCM_RIGHTS {
        (*size as usize).saturating_sub(HEADER) / size_of::<i32>()
    } else {
        0
    };
    let come = || {
        numbers
            .iter()
            .flat_map(|pair| [*pair as i32, (*pair >> 32) as i32])
            .take(count)
            .map(Fd)
    };
    if count > fds.len() {
        lost |= MSG_CTRUNC;
    }
    if lost != 0 {
        for fd in come() {
            let _ = close(fd);
        }
        // The kernel cuts off where this process has no more numbers, too (unix(7)).
        return Err(if lost & MSG_CTRUNC != 0 {
            Errno::MFILE
        } else {
            Errno::INVAL
        });
    }
    for (slot, fd) in fds.iter_mut().zip(come()) {
        *slot = fd;
    }
    Ok(length)
}

/// Sends `value` as one message; without `wait` only if there is room for it.
pub(crate) fn send<T: Copy>(socket: Fd, value: &T, wait: bool) -> Result<()> {
    const MSG_NOSIGNAL: usize = 0x4000;
    const MSG_DONTWAIT: usize = 0x40;
    let flags = MSG_NOSIGNAL | if wait { 0 } else { MSG_DONTWAIT };
    call!(nr::SENDTO, socket.arg(), &raw const *value, size_of::<T>(), flags; "`value` is as large as said").map(drop)
}

/// As [`send`], with a descriptor; waits.
pub(crate) fn send_with<T: Copy>(socket: Fd, value: &T, fd: Fd) -> Result<()> {
    const MSG_NOSIGNAL: usize = 0x4000;
    let length = HEADER.wrapping_add(size_of::<i32>()) as u64;
    let mut control = [length, SOL_SOCKET_SCM_RIGHTS, u64::from(fd.0 as u32)];
    let vectors = [(&raw const *value) as usize, size_of::<T>()];
    let header = MessageHeader {
        name: 0,
        name_length: 0,
        vectors: &raw const vectors,
        vector_count: 1,
        control: control.as_mut_ptr(),
        control_length: size_of_val(&control),
        flags: 0,
    };
    call!(nr::SENDMSG, socket.arg(), &raw const header, MSG_NOSIGNAL; "`header` points to `value` and `control`, with their lengths")
        .map(drop)
}

/// Asks the kernel by a netlink message of `protocol`, and waits for its acknowledgement.
pub(crate) fn netlink(protocol: u32, message: &[u8]) -> Result<()> {
    const AF_NETLINK: usize = 16;
    const SOCK_RAW: usize = 3;
    let socket =
        to_fd(call!(nr::SOCKET, AF_NETLINK, SOCK_RAW | O_CLOEXEC, protocol; "no pointer")?);
    let answered = ask(socket, message);
    close(socket)?;
    match answered? {
        0 => Ok(()),
        error => Err(Errno(error.wrapping_neg())),
    }
}

/// What the kernel says to `message`: 0, or a negative error number.
fn ask(socket: Fd, message: &[u8]) -> Result<i32> {
    call!(nr::SENDTO, socket.arg(), message.as_ptr(), message.len(), 0; "`message` is as long as said")?;
    // nlmsghdr (16 bytes), then nlmsgerr: the error (netlink(7)).
    let mut answer = [0_i32; 64];
    call!(nr::RECVFROM, socket.arg(), answer.as_mut_ptr(), size_of::<[i32; 64]>(); "`answer` is as large as said")?;
    let [_, _, _, _, error, ..] = answer;
    Ok(error)
}

/// A socket of a kind, bound to a port of every address, IPv4 and IPv6 alike, that answers for each of them.
pub(crate) fn bound(kind: usize, port: u16) -> Result<Fd> {
    const SOL_IP: usize = 0;
    const SOL_IPV6: usize = 41;
    const V6ONLY: usize = 26;
    const RECVPKTINFO: usize = 49;
    const TRANSPARENT_V6: usize = 75;
    const TRANSPARENT: usize = 19;
    let socket = to_fd(call!(nr::SOCKET, AF_INET6, kind | O_CLOEXEC, 0; "no pointer")?);
    for (level, option, value) in [
        (SOL_IPV6, V6ONLY, 0_i32),
        (SOL_IPV6, TRANSPARENT_V6, 1),
        (SOL_IP, TRANSPARENT, 1),
        (SOL_IPV6, RECVPKTINFO, 1),
    ] {
        call!(nr::SETSOCKOPT, socket.arg(), level, option, &raw const value, size_of::<i32>(); "`value` is as large as said")?;
    }
    // sockaddr_in6: family, port in network order, flow, address, scope (ipv6(7)).
    let mut address = [0_u16; 14];
    let [family, in_port, ..] = &mut address;
    (*family, *in_port) = (AF_INET6 as u16, port.to_be());
    call!(nr::BIND, socket.arg(), address.as_ptr(), size_of::<[u16; 14]>(); "`address` is as large as said")?;
    Ok(socket)
}

/// Connects `socket` to an address of any family.
pub(crate) fn connect(socket: Fd, address: &[u8]) -> Result<()> {
    call!(nr::CONNECT, socket.arg(), address.as_ptr(), address.len(); "`address` is as long as said").map(drop)
}

/// Marks what `socket` sends (socket(7), `SO_MARK`).
pub(crate) fn set_mark(socket: Fd, mark: u32) -> Result<()> {
    const SOL_SOCKET: usize = 1;
    const SO_MARK: usize = 36;
    call!(nr::SETSOCKOPT, socket.arg(), SOL_SOCKET, SO_MARK, &raw const mark, size_of::<u32>(); "`mark` is as large as said")
        .map(drop)
}

/// Whether calls of `socket` that send, and connect, wait for some time only (`SO_SNDTIMEO` of socket(7)).
pub(crate) fn has_send_timeout(socket: Fd) -> Result<bool> {
    const SOL_SOCKET: usize = 1;
    const SO_SNDTIMEO: usize = 21;
    let mut time = [0_u64; 2];
    let mut length = size_of::<[u64; 2]>() as u32;
    call!(nr::GETSOCKOPT, socket.arg(), SOL_SOCKET, SO_SNDTIMEO, time.as_mut_ptr(), &raw mut length; "`time` is a struct timeval, and as large as said")?;
    Ok(time != [0; 2])
}

/// Binds `socket` to an address of any family.
pub(crate) fn bind(socket: Fd, address: &[u8]) -> Result<()> {
    call!(nr::BIND, socket.arg(), address.as_ptr(), address.len(); "`address` is as long as said")
        .map(drop)
}

pub(crate) const SOCK_DGRAM: usize = 2;
pub(crate) const AF_INET: usize = 2;
pub(crate) const AF_INET6: usize = 10;

/// A socket that sends packets with headers as they are given, and hears nothing (raw(7)). The packets have a mark.
pub(crate) fn sender(family: usize, mark: u32) -> Result<Fd> {
    const SOCK_RAW: usize = 3;
    const IPPROTO_RAW: usize = 255;
    let socket = to_fd(call!(nr::SOCKET, family, SOCK_RAW | O_CLOEXEC, IPPROTO_RAW; "no pointer")?);
    set_mark(socket, mark)?;
    Ok(socket)
}

/// A listener as [`bound`] makes it.
pub(crate) fn listener(port: u16) -> Result<Fd> {
    const SOCK_STREAM: usize = 1;
    const BACKLOG: usize = 4096;
    let socket = bound(SOCK_STREAM, port)?;
    call!(nr::LISTEN, socket.arg(), BACKLOG; "no pointer")?;
    Ok(socket)
}

/// Gives a mapping back.
///
/// # Safety
/// `memory` is a whole mapping of [`map`], and nobody refers to it any more.
pub(crate) unsafe fn unmap(memory: &[u8]) {
    // It fails for what is no mapping only (munmap(2)).
    let _ = call!(nr::MUNMAP, memory.as_ptr(), memory.len(); "by the contract of this function");
}

/// `length` bytes of `file`, or of fresh memory where that is [`Fd::NONE`]. They stay until they are given back.
pub(crate) fn map(file: Fd, length: usize) -> Result<&'static mut [u8]> {
    const PROT_READ_WRITE: usize = 1 | 2;
    const MAP_PRIVATE: usize = 2;
    const MAP_ANONYMOUS: usize = 0x20;
    if length == 0 {
        return Err(Errno::INVAL);
    }
    let flags = MAP_PRIVATE | if file == Fd::NONE { MAP_ANONYMOUS } else { 0 };
    let address = call!(nr::MMAP, 0, length, PROT_READ_WRITE, flags, file.arg(), 0; "the kernel chooses the address")?;
    // SAFETY: a fresh private mapping of `length` bytes which nobody else knows; a file behind it is sealed against
    // shrinking by the caller.
    Ok(unsafe {
        core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(address), length)
    })
}
