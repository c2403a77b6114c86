//! Seccomp's notifications, and what it takes to make a call in another thread's place (`seccomp_unotify(2)`).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::owned;

// linux/seccomp.h, as `_IOC` of asm-generic/ioctl.h makes them.
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const IS_VALID: libc::c_ulong = 0x4008_2102;
const ADD_DESCRIPTOR: libc::c_ulong = 0x4018_2103;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;
const SYNC_WAKE_UP: u64 = 1;

/// The next call that waits. Fails with `ENOENT` where its thread was killed meanwhile.
pub(crate) fn receive(listener: BorrowedFd<'_>) -> nix::Result<libc::seccomp_notif> {
    let mut call = libc::seccomp_notif {
        id: 0,
        pid: 0,
        flags: 0,
        data: libc::seccomp_data {
            nr: 0,
            arch: 0,
            instruction_pointer: 0,
            args: [0; 6],
        },
    };
    request(listener, RECEIVE, &mut call)?;
    Ok(call)
}

/// Whether the call still waits: then its thread was there all the time, and its number meant no other.
pub(crate) fn is_valid(listener: BorrowedFd<'_>, mut call: u64) -> bool {
    request(listener, IS_VALID, &mut call).is_ok()
}

/// What the call returns.
pub(crate) fn answer(
    listener: BorrowedFd<'_>,
    call: u64,
    outcome: nix::Result<i64>,
) -> nix::Result<()> {
    let mut response = libc::seccomp_notif_resp {
        id: call,
        val: outcome.unwrap_or(0),
        error: outcome.err().map_or(0, |errno| -(errno as i32)),
        flags: 0,
    };
    request(listener, SEND, &mut response).map(drop)
}

/// As the kernel ends a call itself for the sake of a signal: it sees to whether the call is made again (`ERESTARTSYS` of linux/errno.h).
pub(crate) fn restart(listener: BorrowedFd<'_>, call: u64) -> nix::Result<()> {
    const RESTART: i32 = 512;
    let mut response = libc::seccomp_notif_resp {
        id: call,
        val: 0,
        error: -RESTART,
        flags: 0,
    };
    request(listener, SEND, &mut response).map(drop)
}

/// Lets the kernel make the call after all, with whatever its arguments point to by then. Right where they point to nothing.
pub(crate) fn go_on(listener: BorrowedFd<'_>, call: u64) {
    let mut response = libc::seccomp_notif_resp {
        id: call,
        val: 0,
        error: 0,
        flags: u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
    };
    let _ = request(listener, SEND, &mut response);
}

/// Puts `file` into the thread's table of descriptors, whose number there is what the call returns.
pub(crate) fn answer_with(
    listener: BorrowedFd<'_>,
    call: u64,
    file: BorrowedFd<'_>,
    close_on_exec: bool,
) -> nix::Result<()> {
    let mut added = libc::seccomp_notif_addfd {
        id: call,
        flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap_or(2),
        srcfd: file.as_raw_fd().cast_unsigned(),
        newfd: 0,
        newfd_flags: if close_on_exec {
            libc::O_CLOEXEC.cast_unsigned()
        } else {
            0
        },
    };
    request(listener, ADD_DESCRIPTOR, &mut added).map(drop)
}

/// Whoever asks hands its processor over, instead of waking another one up. Kernels before 6.6 don't.
pub(crate) fn wake_on_its_cpu(listener: BorrowedFd<'_>) {
    // SAFETY: the flags are the argument itself.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            listener.as_raw_fd(),
            SET_FLAGS,
            SYNC_WAKE_UP,
        )
    };
}

fn request<T>(
    listener: BorrowedFd<'_>,
    request: libc::c_ulong,
    data: &mut T,
) -> nix::Result<libc::c_long> {
    // SAFETY: `data` is the structure whose size is part of each of these requests, and every pattern of bits is one.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_ioctl,
            listener.as_raw_fd(),
            request,
            (&raw mut *data),
        )
    })
}

/// Reads another process's memory at `address`; less than `buffer` takes where a page is missing.
pub(crate) fn read_memory(thread: u32, address: u64, buffer: &mut [u8]) -> nix::Result<usize> {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0)),
        iov_len: buffer.len(),
    };
    // SAFETY: `local` is `buffer`, which is borrowed; what `remote` means is the other process's.
    let read = unsafe {
        libc::process_vm_readv(
            thread.cast_signed(),
            &raw const local,
            1,
            &raw const remote,
            1,
            0,
        )
    };
    Errno::result(read).map(isize::unsigned_abs)
}

/// `openat2(2)`.
pub(crate) fn open_resolved(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    resolve: u64,
) -> nix::Result<OwnedFd> {
    // SAFETY: `open_how` is three numbers, for which 0 is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from(flags.cast_unsigned());
    how.resolve = resolve;
    // SAFETY: `path` ends in NUL, and `how` is as large as said.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    owned(fd).map_err(|error| errno(&error))
}

/// `openat(2)` with the flags as they are: libc's wrapper adds some.
pub(crate) fn open_at(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    mode: u32,
) -> nix::Result<OwnedFd> {
    // SAFETY: `path` ends in NUL.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat,
            directory.as_raw_fd(),
            path.as_ptr(),
            flags,
            mode,
        )
    };
    owned(fd).map_err(|error| errno(&error))
}

/// `renameat2(2)`, which musl has no function for.
pub(crate) fn rename_at(
    from: (BorrowedFd<'_>, &CStr),
    to: (BorrowedFd<'_>, &CStr),
    flags: u32,
) -> nix::Result<()> {
    // SAFETY: both names end in NUL.
    let renamed = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            from.0.as_raw_fd(),
            from.1.as_ptr(),
            to.0.as_raw_fd(),
            to.1.as_ptr(),
            flags,
        )
    };
    Errno::result(renamed).map(drop)
}

/// A mount, by the kernel's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    number: u64,
    /// Kernels before 6.8 give the number of one that is gone to another.
    pub(crate) is_unique: bool,
}

/// Which mount something lies on.
pub(crate) fn mount_of(file: BorrowedFd<'_>) -> nix::Result<Mount> {
    const UNIQUE: u32 = libc::STATX_MNT_ID_UNIQUE;
    // SAFETY: `statx` is numbers, for which 0 is valid.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is empty and ends in NUL; `stat` is what is filled.
    let found = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID | UNIQUE,
            &raw mut stat,
        )
    };
    Errno::result(found)?;
    if stat.stx_mask & (libc::STATX_MNT_ID | UNIQUE) == 0 {
        return Err(Errno::ENOSYS);
    }
    Ok(Mount {
        number: stat.stx_mnt_id,
        is_unique: stat.stx_mask & UNIQUE != 0,
    })
}

/// Whether names in a directory are the same in small and capital letters (`FS_CASEFOLD_FL` of linux/fs.h). One that can't be asked may have
/// it, unless its file system has no such flags.
pub(crate) fn is_case_folded(directory: BorrowedFd<'_>) -> bool {
    const GET_FLAGS: libc::c_ulong = 0x8008_6601;
    const CASEFOLD: libc::c_uint = 0x4000_0000;
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let Ok(directory) = open_at(directory, c".", flags, 0) else {
        return true;
    };
    let mut flags: libc::c_uint = 0;
    // The kernel writes an `int`, whatever the request's number says (ioctl_iflags(2)).
    match request(directory.as_fd(), GET_FLAGS, &mut flags) {
        Ok(_) => flags & CASEFOLD != 0,
        Err(errno) => !matches!(errno, Errno::ENOTTY | Errno::EOPNOTSUPP),
    }
}

/// A copy of another thread's descriptor (`pidfd_getfd(2)`).
pub(crate) fn descriptor_of(thread: u32, number: i32) -> nix::Result<OwnedFd> {
    let pidfd = thread_pidfd(thread)?;
    // SAFETY: no pointer is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    owned(fd).map_err(|error| errno(&error))
}

/// `RLIMIT_FSIZE` of another process (`prlimit(2)`).
pub(crate) fn file_size_limit(thread: u32) -> nix::Result<u64> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is what is filled; no limit is set.
    let got = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            thread,
            libc::RLIMIT_FSIZE,
            std::ptr::null::<libc::rlimit64>(),
            &raw mut limit,
        )
    };
    Errno::result(got)?;
    Ok(limit.rlim_cur)
}

/// Kernels before 6.9 have it for the first thread of a process only, whose descriptors all others share but for those that have asked
/// for some of their own.
fn thread_pidfd(thread: u32) -> nix::Result<OwnedFd> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    let open = |thread: u32, flags: i32| {
        // SAFETY: no pointer is passed.
        owned(unsafe { libc::syscall(libc::SYS_pidfd_open, thread, flags) })
            .map_err(|error| errno(&error))
    };
    open(thread, PIDFD_THREAD).or_else(|errno| open(process_of(thread).ok_or(errno)?, 0))
}

/// The first thread of a thread's process.
fn process_of(thread: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// Effective, permitted and inheritable capabilities, first of the lower 32 and then of the others (capget(2)).
type Capabilities = [u32; 6];

const CAPABILITIES_OF_THIS_THREAD: [u32; 2] = [0x2008_0522, 0];

fn capabilities() -> nix::Result<Capabilities> {
    let mut data = [0; 6];
    // SAFETY: header and data have the sizes of version 3, which the header asks for.
    let got = unsafe {
        libc::syscall(
            libc::SYS_capget,
            CAPABILITIES_OF_THIS_THREAD.as_ptr(),
            data.as_mut_ptr(),
        )
    };
    Errno::result(got).map(|_| data)
}

/// Those to change the ids of a thread. Where the process calls `setuid` and its like, libc has every thread do so, and ends the process
/// if one of them can't (nptl(7)). No call that is about a file asks for either.
const CHANGE_IDS: u32 = 1 << 6 | 1 << 7; // CAP_SETGID, CAP_SETUID

/// Acts with no capability in effect but those to change ids: looks up what any process of this user may. `None` where that can't be had.
pub(crate) fn without_capabilities<T>(act: impl FnOnce() -> T) -> Option<T> {
    let all = capabilities().ok()?;
    let mut fewer = all;
    let [low, _, _, high, ..] = &mut fewer;
    (*low, *high) = (*low & CHANGE_IDS, 0);
    if fewer == all {
        return Some(act());
    }
    set_capabilities(fewer).ok()?;
    let outcome = act();
    // What is permitted can be had again; a thread that could not would be without.
    let _ = set_capabilities(all);
    Some(outcome)
}

/// Gives up all capabilities of the calling thread but those to change its ids, as far as it has them.
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    let [_, permitted, ..] = capabilities()?;
    let kept = permitted & CHANGE_IDS;
    set_capabilities([kept, kept, 0, 0, 0, 0])
}

/// By the raw call it is about this thread alone.
fn set_capabilities(data: Capabilities) -> nix::Result<()> {
    // SAFETY: as in `capabilities`.
    let set = unsafe {
        libc::syscall(
            libc::SYS_capset,
            CAPABILITIES_OF_THIS_THREAD.as_ptr(),
            data.as_ptr(),
        )
    };
    Errno::result(set).map(drop)
}

/// Gives the calling thread, and those that it starts, the class of what runs where nothing else would (`SCHED_IDLE` of sched(7)).
pub(crate) fn stand_back() -> nix::Result<()> {
    // The kernel's `struct sched_param`; musl's is larger.
    let priority: libc::c_int = 0;
    // SAFETY: `priority` is what the call reads. 0 is the calling thread, for which one libc has no function, since that is none of POSIX's.
    let set = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_IDLE,
            &raw const priority,
        )
    };
    Errno::result(set).map(drop)
}

/// Puts the calling thread into the Landlock domain of `ruleset`, for good.
pub(crate) fn enter_domain(ruleset: BorrowedFd<'_>) -> nix::Result<()> {
    no_new_privs()?;
    // SAFETY: no pointer is passed.
    let entered =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    Errno::result(entered).map(drop)
}

fn no_new_privs() -> nix::Result<()> {
    // SAFETY: no pointer is passed.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    Errno::result(set).map(drop)
}

const LISTENER: libc::c_ulong =
    libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

/// Whether the kernel knows listeners whose callers wait for the answer (Linux 5.19). It looks at the flags before it looks for the
/// program.
pub(crate) fn knows_listeners() -> bool {
    let nowhere = std::ptr::null::<libc::sock_fprog>();
    // SAFETY: a null program is refused.
    let installed = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            LISTENER,
            nowhere,
        )
    };
    Errno::result(installed) == Err(Errno::EFAULT)
}

/// Whether the calling thread has a filter already, which may have a listener: a second is refused with EBUSY.
pub(crate) fn is_filtered() -> bool {
    // SAFETY: no pointer is passed.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// Whether the calling thread gets a listener, which is closed at once. The filter, which allows everything, stays.
pub(crate) fn can_listen() -> bool {
    let mut program = [libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: program.as_mut_ptr(),
    };
    if no_new_privs().is_err() {
        return false;
    }
    // SAFETY: `program` has the one instruction.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            LISTENER,
            &raw const program,
        )
    };
    owned(listener).is_ok()
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_of_its_process() {
        // Tests have threads of their own.
        let thread = nix::unistd::gettid().as_raw().cast_unsigned();
        let process = std::process::id();
        assert_ne!(thread, process);
        assert_eq!(process_of(thread), Some(process));
        assert_eq!(process_of(process), Some(process));
    }
}
