//! Processes and signals.

use core::mem::size_of;
use core::ptr::null_mut;

use super::super::entry::end_of_handler;
use super::super::raw::{Errno, Result, check, nr, syscall};
use super::{Fd, O_CLOEXEC, to_fd};

pub(crate) const SIGKILL: i32 = 9;
pub(crate) const SIGCHLD: i32 = 17;
pub(crate) const SIGCONT: i32 = 18;
pub(crate) const SIGIO: i32 = 29;
/// By it init has a child stop to wait; nobody else sends it to a process group.
pub(crate) const INTERRUPT: i32 = 64;
/// Those with which a terminal stops a group: SIGTSTP, SIGTTIN, SIGTTOU.
pub(crate) const STOPS: u64 = 1 << 19 | 1 << 20 | 1 << 21;

pub(crate) fn signal_bit(signal: i32) -> u64 {
    1_u64.wrapping_shl((signal as u32).wrapping_sub(1))
}

pub(crate) fn kill(pid: i32, signal: i32) -> Result<()> {
    call!(nr::KILL, pid, signal; "no pointer").map(drop)
}

/// The process group of a process; 0 for the caller's own process. A group from outside has the id 0.
pub(crate) fn process_group(pid: i32) -> Result<i32> {
    call!(nr::GETPGID, pid; "no pointer").map(|group| group as i32)
}

/// The calling process leads a process group of its own.
pub(crate) fn new_process_group() -> Result<()> {
    call!(nr::SETPGID, 0, 0; "no pointer").map(drop)
}

/// Default, or ignored.
pub(crate) fn set_disposition(signal: i32, ignored: bool) -> Result<()> {
    // struct kernel_sigaction: handler (SIG_DFL 0, SIG_IGN 1), flags, restorer, mask.
    let action = [u64::from(ignored), 0, 0, 0];
    call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8; "`action` has the four words of the kernel's structure").map(drop)
}

/// From here on a call of this process that waits ends with `EINTR` when `signal` arrives, which was blocked.
pub(crate) fn interrupt_by(signal: i32) -> Result<()> {
    const SIG_UNBLOCK: usize = 1;
    const SA_RESTORER: u64 = 0x0400_0000;
    extern "C" fn nothing(_: i32) {}
    let handler = nothing as extern "C" fn(i32) as usize as u64;
    let restorer = end_of_handler as extern "C" fn() as usize as u64;
    // struct kernel_sigaction: handler, flags, restorer, mask.
    let action = [handler, SA_RESTORER, restorer, 0];
    call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8; "`action` has the four words of the kernel's structure, and its functions are what the kernel expects")?;
    let mask = signal_bit(signal);
    call!(nr::RT_SIGPROCMASK, SIG_UNBLOCK, &raw const mask, 0, 8; "`mask` has the 8 bytes said")
        .map(drop)
}

pub(crate) fn set_signal_mask(mask: u64) -> Result<()> {
    const SIG_SETMASK: usize = 2;
    call!(nr::RT_SIGPROCMASK, SIG_SETMASK, &raw const mask, 0, 8; "`mask` has the 8 bytes said")
        .map(drop)
}

pub(crate) fn signalfd(mask: u64) -> Result<Fd> {
    const SFD_NONBLOCK: usize = 0o4000;
    call!(nr::SIGNALFD4, -1_isize, &raw const mask, 8, O_CLOEXEC | SFD_NONBLOCK; "`mask` has the 8 bytes said").map(to_fd)
}

/// A signal that was sent to init: which, how (`si_code`), and the sender as far as it is visible inside.
pub(crate) struct Received {
    pub(crate) signal: i32,
    pub(crate) code: i32,
    pub(crate) sender: i32,
}

/// The next pending signal of `signals`, a signalfd.
pub(crate) fn next_signal(signals: Fd) -> Option<Received> {
    // struct signalfd_siginfo: signo, errno, code, pid, …; 128 bytes.
    let mut info = [0_i32; 32];
    call!(nr::READ, signals.arg(), info.as_mut_ptr(), size_of::<[i32; 32]>(); "`info` is as large as said").ok()?;
    let [signal, _, code, sender, ..] = info;
    Some(Received {
        signal,
        code,
        sender,
    })
}

#[repr(C)]
pub(crate) struct Poll {
    fd: i32,
    events: i16,
    results: i16,
}

impl Poll {
    const IN: i16 = 1;
    const PRI: i16 = 2;
    const ERR_HUP_NVAL: i16 = 0x08 | 0x10 | 0x20;

    pub(crate) fn new(fd: Fd) -> Self {
        Self {
            fd: fd.0,
            events: Self::IN,
            results: 0,
        }
    }

    /// For what is exceptional: of a list of mounts, that it has changed since it was asked (`proc_pid_mounts(5)`).
    pub(crate) fn exceptional(fd: Fd) -> Self {
        Self {
            fd: fd.0,
            events: Self::PRI,
            results: 0,
        }
    }

    pub(crate) fn is_exceptional(&self) -> bool {
        self.results & Self::PRI != 0
    }

    pub(crate) fn readable(&self) -> bool {
        self.results & Self::IN != 0
    }

    pub(crate) fn broken(&self) -> bool {
        self.results & Self::ERR_HUP_NVAL != 0
    }
}

/// A timeout of [`poll`].
pub(crate) const FOR_EVER: i32 = -1;
pub(crate) const NO_WAIT: i32 = 0;

/// Waits until one of `fds` has something, or for so many milliseconds.
pub(crate) fn poll(fds: &mut [Poll], timeout: i32) -> Result<usize> {
    // A struct timespec; null waits for ever.
    let limit = u64::try_from(timeout).ok();
    let mut limit = limit.map(|limit| [limit / 1000, limit % 1000 * 1_000_000]);
    let limit = limit
        .as_mut()
        .map_or(null_mut(), |limit| limit.as_mut_ptr());
    call!(nr::PPOLL, fds.as_mut_ptr(), fds.len(), limit, 0, 0; "`fds` is as long as said, `limit` a struct timespec or null")
}

/// Sleeps for some nanoseconds, less than a second.
pub(crate) fn sleep(nanoseconds: u64) {
    let mut limit = [0, nanoseconds];
    let _ = call!(nr::PPOLL, null_mut::<Poll>(), 0, limit.as_mut_ptr(), 0, 0; "no descriptors, and `limit` is a struct timespec");
}

/// Milliseconds of a clock that goes on while the machine sleeps (`CLOCK_BOOTTIME`).
pub(crate) fn milliseconds() -> u64 {
    const CLOCK_BOOTTIME: usize = 7;
    in_milliseconds(clock(CLOCK_BOOTTIME))
}

/// The time of day, in seconds and nanoseconds, as file systems write it down (`CLOCK_REALTIME_COARSE`).
pub(crate) fn time_of_day() -> [u64; 2] {
    const CLOCK_REALTIME_COARSE: usize = 5;
    clock(CLOCK_REALTIME_COARSE)
}

pub(crate) fn in_milliseconds([seconds, nanoseconds]: [u64; 2]) -> u64 {
    seconds
        .wrapping_mul(1000)
        .wrapping_add(nanoseconds / 1_000_000)
}

fn clock(clock: usize) -> [u64; 2] {
    let mut time = [0_u64; 2];
    // It does not fail for a clock that exists (clock_gettime(2)).
    let _ = call!(nr::CLOCK_GETTIME, clock, time.as_mut_ptr(); "`time` is a struct timespec");
    time
}

/// A child that has ended, was stopped or continued: its id, wait status and resource usage. `None` while no child has.
pub(crate) fn wait_any() -> Result<Option<(i32, i32, [i64; 18])>> {
    const WNOHANG_WUNTRACED_WCONTINUED_WALL: usize = 1 | 2 | 8 | 0x4000_0000;
    let mut status = 0_i32;
    let mut usage = [0_i64; 18];
    let pid = call!(nr::WAIT4, -1_isize, &raw mut status, WNOHANG_WUNTRACED_WCONTINUED_WALL, usage.as_mut_ptr(); "`status` and `usage` have the kernel's sizes")?;
    Ok((pid != 0).then_some((pid as i32, status, usage)))
}

/// Waits for the end of the child `pid`, and for nobody else.
pub(crate) fn wait_for(pid: i32) {
    const WALL: usize = 0x4000_0000;
    while call!(nr::WAIT4, pid, 0, WALL, 0; "no pointer") == Err(Errno::INTR) {}
}

/// Replaces the program; returns only its failure.
///
/// # Safety
/// `args` and `environment` point to null-terminated tables of strings that end in NUL.
pub(crate) unsafe fn execve(
    program: *const u8,
    args: *const usize,
    environment: *const usize,
) -> Errno {
    // SAFETY: passed on from the caller.
    match check(unsafe {
        syscall(
            nr::EXECVE,
            [
                program as usize,
                args as usize,
                environment as usize,
                0,
                0,
                0,
            ],
        )
    }) {
        Err(errno) => errno,
        Ok(_) => Errno::INVAL,
    }
}

/// Ends the process (all of its threads).
pub(crate) fn exit(code: i32) -> ! {
    loop {
        let _ = call!(nr::EXIT_GROUP, code; "no pointer");
    }
}

/// Ends the calling task only: a child of [`clone_on`](super::entry::clone_on) has its parent's memory.
pub(crate) fn exit_task(code: i32) -> ! {
    loop {
        let _ = call!(nr::EXIT, code; "no pointer");
    }
}
