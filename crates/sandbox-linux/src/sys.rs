//! The system calls of the caller's side that nix has not, one thin function each, and the clone itself.

pub(crate) mod notify;
pub(crate) mod socket;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::raw::{self, nr};

/// A descriptor of the calling process itself: readable by `poll(2)` once it has ended (`pidfd_open(2)`).
pub(crate) fn own_pidfd() -> io::Result<OwnedFd> {
    pidfd(std::process::id().cast_signed())
}

pub(crate) fn pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    owned(fd)
}

/// `SIGKILL` to the process behind `pidfd`; nothing if it has ended.
pub(crate) fn kill(pidfd: BorrowedFd<'_>) {
    signal(pidfd, libc::SIGKILL);
}

/// Continues a process that was stopped.
pub(crate) fn resume(pidfd: BorrowedFd<'_>) {
    signal(pidfd, libc::SIGCONT);
}

fn signal(pidfd: BorrowedFd<'_>, signal: i32) {
    // SAFETY: a null `siginfo_t` stands for that of kill(2).
    let _ = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<()>(),
            0,
        )
    };
}

/// Rows, columns, and twice the unused pixels.
pub(crate) fn set_window_size(terminal: BorrowedFd<'_>, size: [u16; 4]) -> io::Result<()> {
    // SAFETY: `size` is a struct winsize, which is read.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, size.as_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether this process may have so much more memory.
pub(crate) fn has_room(bytes: usize) -> io::Result<()> {
    // SAFETY: the kernel chooses the address.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: mapped above, and nobody refers to it.
    unsafe { libc::munmap(memory, bytes) };
    Ok(())
}

/// A descriptor that has just come in a message.
pub(crate) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has made it for the message that the caller has read, and tells nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(fd) {
        // SAFETY: a fresh descriptor that the kernel has just returned; nobody else knows it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A copy of a descriptor that this process was started with, of which only the number is known; closed on exec.
///
/// # Errors
///
/// `EBADF` if there is none of that number.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed, and a copy takes nothing from whoever has the original.
    owned(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) }.into())
}

/// A copy of `fd` that is out of the way of the numbers which the child of [`clone_init`] fills.
pub(crate) fn above_stdio(fd: &OwnedFd) -> io::Result<OwnedFd> {
    const FIRST_FREE: RawFd = 10;
    // SAFETY: no pointer is passed.
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST_FREE) }.into())
}

/// Makes a memory file that can be executed. `flag`: `MFD_EXEC`, which kernels before 6.3 don't know.
pub(crate) fn executable_memfd(flag: bool) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | if flag { libc::MFD_EXEC } else { 0 };
    // SAFETY: the name ends in NUL.
    owned(unsafe { libc::syscall(libc::SYS_memfd_create, c"sandbox-init".as_ptr(), flags) })
}

/// What a child needs between its clone and its exec, and what it leaves there.
struct Birth {
    image: RawFd,
    control: RawFd,
    /// Of an init whose namespaces are joined; -1 for none.
    other: RawFd,
    /// `CLONE_NEWNET` if their network is joined as well, else 0.
    network: i32,
    /// The end of a stack for the child of the child that joins them.
    stack: *mut u8,
    /// The init that joins: its process id and pidfd.
    beside: (libc::pid_t, RawFd),
    /// Negative: the error number of what failed.
    failed: isize,
}

/// What a child runs on while it has the caller's memory.
#[repr(align(16))]
struct Stack([u8; 16 << 10]);

impl Stack {
    const fn new() -> Self {
        Self([0; 16 << 10])
    }

    fn end(&mut self) -> *mut u8 {
        self.0.as_mut_ptr_range().end
    }
}

/// Clones a child into fresh namespaces and executes `image` in it, with `control` as descriptors 0 to 3 and nothing else.
///
/// The child has the caller's memory until it executes (`CLONE_VM | CLONE_VFORK`): nothing is copied, so that the cost does
/// not depend on how much memory the caller has. All signals are blocked meanwhile, so that none of the caller's handlers
/// runs in the child.
///
/// Both descriptors lie above 3.
pub(crate) fn clone_init(
    image: BorrowedFd<'_>,
    control: BorrowedFd<'_>,
    namespaces: i32,
) -> io::Result<(libc::pid_t, OwnedFd)> {
    let mut stack = Stack::new();
    let mut birth = Birth {
        image: image.as_raw_fd(),
        control: control.as_raw_fd(),
        other: -1,
        network: 0,
        stack: std::ptr::null_mut(),
        beside: (-1, -1),
        failed: 0,
    };
    let mask = block_all_signals();
    let cloned = clone(begin, namespaces | libc::SIGCHLD, &mut birth, stack.end());
    restore_signals(mask);
    let (pid, pidfd) = cloned?;
    let pidfd = owned(pidfd.into())?;
    if birth.failed < 0 {
        reap(&pidfd);
        return Err(errno(birth.failed));
    }
    Ok((pid, pidfd))
}

/// As [`clone_init`], in the namespaces of `other`, an init: but for processes, of which it sees its own, and mounts, of
/// which it has a copy. `network` is `CLONE_NEWNET` if that is to be entered, else 0.
///
/// A process with threads can't enter a user namespace (`setns(2)`). So a child does, and what that clones is ours, too.
pub(crate) fn clone_beside(
    other: BorrowedFd<'_>,
    network: i32,
    image: BorrowedFd<'_>,
    control: BorrowedFd<'_>,
) -> io::Result<(libc::pid_t, OwnedFd)> {
    // Not on our own stack: see below.
    let mut outer = Box::new(Stack::new());
    let mut inner = Box::new(Stack::new());
    let mut birth = Box::new(Birth {
        image: image.as_raw_fd(),
        control: control.as_raw_fd(),
        other: other.as_raw_fd(),
        network,
        stack: inner.end(),
        beside: (-1, -1),
        failed: 0,
    });
    let mask = block_all_signals();
    // CLONE_FILES: the pidfd that the child gets is to be ours. Without a signal to us when the child ends.
    let cloned = clone(join, libc::CLONE_FILES, &mut *birth, outer.end());
    restore_signals(mask);
    reap(&owned(cloned?.1.into())?);
    let (pid, pidfd) = birth.beside;
    if pidfd >= 0 {
        let pidfd = owned(pidfd.into())?;
        if birth.failed < 0 {
            reap(&pidfd);
            return Err(errno(birth.failed));
        }
        return Ok((pid, pidfd));
    }
    if birth.failed == 0 {
        // Somebody killed the child while it waited for its own, which may still be on its stack.
        std::mem::forget((outer, inner, birth));
        return Err(io::ErrorKind::Interrupted.into());
    }
    Err(errno(birth.failed))
}

fn errno(failed: isize) -> io::Error {
    io::Error::from_raw_os_error(i32::try_from(failed.unsigned_abs()).unwrap_or(libc::EINVAL))
}

/// What the child of [`socket_beside`] is told, and what it leaves there.
struct Request {
    other: RawFd,
    /// Domain, type and protocol.
    which: [i32; 3],
    /// The socket, or a negative error number.
    socket: isize,
}

/// A socket of this domain, type and protocol in the network of `other`, an init. Its namespaces are entered by a child that has our
/// descriptors (`CLONE_FILES`), so that what it opens is ours.
pub(crate) fn socket_beside(other: BorrowedFd<'_>, which: [i32; 3]) -> io::Result<OwnedFd> {
    let mut stack = Stack::new();
    let mut request = Request {
        other: other.as_raw_fd(),
        which,
        socket: -isize::try_from(libc::EINTR).unwrap_or(1),
    };
    let mask = block_all_signals();
    let cloned = clone(enter, libc::CLONE_FILES, &mut request, stack.end());
    restore_signals(mask);
    reap(&owned(cloned?.1.into())?);
    if request.socket < 0 {
        return Err(errno(request.socket));
    }
    owned(libc::c_long::try_from(request.socket).unwrap_or(-1))
}

/// The child of [`socket_beside`]; as careful as [`begin`].
extern "C" fn enter(request: &mut Request) -> libc::c_int {
    let namespaces = (libc::CLONE_NEWUSER | libc::CLONE_NEWNET).cast_unsigned() as usize;
    let [domain, kind, protocol] = request.which;
    let kind = kind | libc::SOCK_CLOEXEC;
    let made = call(nr::SETNS, [arg(request.other), namespaces, 0, 0, 0, 0])
        .and_then(|_| call(nr::SOCKET, [arg(domain), arg(kind), arg(protocol), 0, 0, 0]));
    request.socket = match made {
        Ok(socket) => isize::try_from(socket).unwrap_or(-1),
        Err(error) => negative(error),
    };
    0
}

/// Clones a child that runs `run` in our memory, on the stack that ends at `stack` and that nobody else uses, and sleeps
/// until it has executed or ended; its process id and pidfd.
fn clone<T>(
    run: extern "C" fn(&mut T) -> libc::c_int,
    flags: i32,
    told: &mut T,
    stack: *mut u8,
) -> io::Result<(libc::pid_t, RawFd)> {
    let mut pidfd: RawFd = -1;
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
    // SAFETY: a reference is passed to a function as a pointer is (std, `fn`, "ABI compatibility").
    let run = unsafe {
        std::mem::transmute::<
            extern "C" fn(&mut T) -> libc::c_int,
            extern "C" fn(*mut libc::c_void) -> libc::c_int,
        >(run)
    };
    // SAFETY: the stack is ours until the child has executed or ended, which is when `clone` returns (CLONE_VFORK) unless this
    // process is killed meanwhile; `told` too, and nothing here reads or writes it until then. Of the process whose child
    // calls this, `clone_beside` keeps both for good in that case. `pidfd` is where CLONE_PIDFD puts its result.
    let pid = unsafe {
        libc::clone(
            run,
            stack.cast(),
            flags,
            (&raw mut *told).cast(),
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((pid, pidfd))
}

/// Waits for the process behind `pidfd` to be gone, and returns the signal that has ended it. `None` if none has, or nobody
/// knows: the caller may have reaped it already, or ignore its children.
pub(crate) fn reap(pidfd: &OwnedFd) -> Option<i32> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
    use std::os::fd::AsFd;
    loop {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::__WALL;
        return match waitid(Id::PIDFd(pidfd.as_fd()), flags) {
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(signal as i32),
            Ok(_) | Err(_) => None,
        };
    }
}

/// The child of [`clone_init`]. It shares the caller's memory: raw system calls only, no libc, no allocation, no lock.
extern "C" fn begin(birth: &mut Birth) -> libc::c_int {
    if let Err(error) = become_init(birth) {
        birth.failed = negative(error);
    }
    125
}

/// Those of a sandbox but for the network and, of which each init has its own, the numbers of processes.
///
/// None of cgroups: the host's `/sys/fs/cgroup` is seen, in which runtimes look for the limits of the group that `/proc/self/cgroup`
/// names. In a namespace that would be `/`, which is the whole machine there.
pub(crate) const NAMESPACES: i32 =
    libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// The child of [`clone_beside`]: enters the namespaces of the other init, and clones the new one there as a child of the
/// caller. As careful as [`begin`]; of libc it uses the wrapper of clone(2), which touches nothing but `errno`.
extern "C" fn join(birth: &mut Birth) -> libc::c_int {
    let namespaces = (NAMESPACES | birth.network).cast_unsigned() as usize;
    let entered = call(nr::SETNS, [arg(birth.other), namespaces, 0, 0, 0, 0]);
    if let Err(error) = entered {
        birth.failed = negative(error);
        return 125;
    }
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_PARENT;
    let stack = birth.stack;
    match clone(begin, flags, birth, stack) {
        Ok(beside) => birth.beside = beside,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
            birth.failed = negative(raw::Errno(errno));
        }
    }
    0
}

fn negative(error: raw::Errno) -> isize {
    -isize::try_from(error.0).unwrap_or(1)
}

fn become_init(birth: &Birth) -> raw::Result<isize> {
    // SYS_ADMIN, NET_ADMIN, NET_RAW, SYS_CHROOT, SETPCAP, NET_BIND_SERVICE (capabilities(7)).
    const KEPT: [u32; 6] = [21, 12, 13, 18, 8, 10];
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    keep_capabilities(&KEPT)?;
    // 0 to 2 as placeholders: nothing of the caller's stays open in init, and what it opens lies above.
    for number in 0..=3 {
        call(nr::DUP3, [arg(birth.control), number, 0, 0, 0, 0])?;
    }
    call(
        nr::CLOSE_RANGE,
        [4, u32::MAX as usize, CLOSE_RANGE_CLOEXEC, 0, 0, 0],
    )?;
    let args = [c"sandbox-init".as_ptr(), std::ptr::null()];
    let environment = [std::ptr::null::<libc::c_char>()];
    let path = c"".as_ptr();
    let flags = libc::AT_EMPTY_PATH as usize;
    call(
        nr::EXECVEAT,
        [
            arg(birth.image),
            path as usize,
            args.as_ptr() as usize,
            environment.as_ptr() as usize,
            flags,
            0,
        ],
    )?;
    Ok(0)
}

/// Carries `capabilities` of the new user namespace over the exec: it drops them for every uid but 0, and uid 0 is not mapped
/// yet (capabilities(7), "Ambient").
fn keep_capabilities(capabilities: &[u32]) -> raw::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    const PR_CAP_AMBIENT: usize = 47;
    const RAISE: usize = 2;
    let header = [VERSION_3, 0];
    // Twice effective, permitted, inheritable.
    let mut sets = [0_u32; 6];
    call(
        nr::CAPGET,
        [
            header.as_ptr() as usize,
            sets.as_mut_ptr() as usize,
            0,
            0,
            0,
            0,
        ],
    )?;
    let keep = capabilities
        .iter()
        .fold(0, |keep, capability| keep | 1_u32.wrapping_shl(*capability));
    let [_, _, inheritable, _, _, inheritable_high] = &mut sets;
    (*inheritable, *inheritable_high) = (keep, 0);
    call(
        nr::CAPSET,
        [header.as_ptr() as usize, sets.as_ptr() as usize, 0, 0, 0, 0],
    )?;
    for capability in capabilities {
        call(
            nr::PRCTL,
            [PR_CAP_AMBIENT, RAISE, *capability as usize, 0, 0, 0],
        )?;
    }
    Ok(())
}

fn arg(fd: RawFd) -> usize {
    fd.cast_unsigned() as usize
}

/// A raw system call of the child, or one that libc's wrapper would change.
fn call(number: usize, args: [usize; 6]) -> raw::Result<usize> {
    // SAFETY: every pointer passed in this file goes to a local variable of the caller, of the size which the call expects.
    raw::check(unsafe { raw::syscall(number, args) })
}

const SIG_SETMASK: usize = 2;

/// Blocks all 64 signals of the calling thread, those that libc keeps for itself too, and returns what was blocked.
fn block_all_signals() -> u64 {
    let (all, mut old) = (u64::MAX, 0_u64);
    let _ = call(
        nr::RT_SIGPROCMASK,
        [
            SIG_SETMASK,
            (&raw const all) as usize,
            (&raw mut old) as usize,
            8,
            0,
            0,
        ],
    );
    old
}

fn restore_signals(mask: u64) {
    let _ = call(
        nr::RT_SIGPROCMASK,
        [SIG_SETMASK, (&raw const mask) as usize, 0, 8, 0, 0],
    );
}
