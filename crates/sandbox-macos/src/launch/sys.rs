//! What runs between fork and exec, and two calls of wait(2): all that is `unsafe` of what belongs to macOS.

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, fchdir, setsid};
use sandbox_core::Usage;

use super::Report;

/// Where the limit of open files is larger, descriptors are counted instead: a call for each that there might be takes too long.
const MANY: u64 = 64 << 10;
/// How many another thread may open between counting and fork. New ones get the lowest free numbers.
const MORE: RawFd = 4096;

/// The highest number that an open descriptor may have when the child begins, for who makes it at once.
pub(super) fn last_descriptor() -> io::Result<RawFd> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // The limit may have been higher when they were opened.
    let mut last: RawFd = 0;
    for entry in fs::read_dir("/dev/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        last = last.max(number.unwrap_or(last));
    }
    let by_limit = RawFd::try_from(limit.min(MANY)).unwrap_or(RawFd::MAX);
    Ok(by_limit.max(last.saturating_add(MORE)))
}

/// Has the child, before it executes anything, begin a session of its own, enter the directory, keep no descriptor but the three
/// streams, block no signal, and take its limits. `std` has given SIGPIPE its default effect by then; what else the caller ignores the
/// program ignores, as it does on Linux.
pub(super) fn begin(command: &mut Command, directory: File, last: RawFd, open_files: Option<u64>) {
    let prepare = move || {
        setsid()?;
        SigSet::empty().thread_set_mask()?;
        fchdir(&directory)?;
        for number in 3..=last {
            close_on_exec(number);
        }
        if let Some(most) = open_files {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            let most = most.min(hard);
            setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        }
        Ok(())
    };
    // SAFETY: `prepare` makes system calls alone, on values that it owns, and its errors are made of numbers: it neither allocates nor
    // takes a lock, which another thread of the caller might have held at the fork.
    unsafe { command.pre_exec(prepare) };
}

/// A number that no descriptor has is an error that nothing comes of.
fn close_on_exec(number: RawFd) {
    // SAFETY: F_SETFD changes a flag of the table of descriptors, which is the child's own after the fork, and no memory.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// Waits until a child has ended, and leaves it to be waited for. Returns as well if there is no such child.
pub(super) fn wait_for_end(pid: Pid) {
    let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
    let id = pid.as_raw().unsigned_abs();
    loop {
        let how = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: `info` has room for what the kernel writes, and is not read afterwards.
        let result = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), how) };
        if result == 0 || Errno::last() != Errno::EINTR {
            return;
        }
    }
}

/// Waits for a child, and takes it away.
pub(super) fn wait(pid: Pid) -> io::Result<Report> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both are places of this function's for what the kernel writes.
        let result = unsafe { libc::wait4(pid.as_raw(), &raw mut status, 0, usage.as_mut_ptr()) };
        if result == pid.as_raw() {
            break;
        }
        if Errno::last() != Errno::EINTR {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: it was zero, which is a value of each of its fields, and the kernel has written it since.
    let usage = unsafe { usage.assume_init() };
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or_default();
    // Bytes on macOS, elsewhere KiB (getrusage(2)).
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let usage = Usage::new(
        duration(usage.ru_utime),
        duration(usage.ru_stime),
        peak_memory.saturating_mul(unit),
    );
    Ok(Report { status, usage })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}
