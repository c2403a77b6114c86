//! The process that measures, and what it is besides: its home, its heap, its threads.

use std::hint::black_box;
use std::process::Command;
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::{Error, Home, sandbox_binary};

/// Starts this benchmark again, with `args`, in the project of a made home: the library takes home, directory and environment from
/// its process, and how large that is, is a property of a process, too.
#[must_use]
pub fn again(home: &Home, args: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(args)
        .current_dir(home.workspace())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("SANDBOX_BIN", sandbox_binary());
    command
}

/// So many MiB of touched heap, each page with an entry in the page table, which a fork would have to copy; and threads that wait.
/// Both stay as long as the process.
pub fn grow(mebibytes: usize, threads: usize) {
    let mut heap = vec![0_u8; mebibytes << 20];
    for page in heap.chunks_mut(4096) {
        page.fill(1);
    }
    black_box(heap.leak());
    for _ in 0..threads {
        thread::spawn(thread::park);
    }
}

/// Keeps this process, and all that it starts, on one CPU. Where the scheduler puts what a shell forks would else decide how long that
/// takes: the same loop outside, measured twice, differs by a fifth.
///
/// # Errors
///
/// [`Error::Pin`].
pub fn pin() -> Result<(), Error> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).map_err(Error::Pin)?;
    let is_allowed = |cpu: &usize| allowed.is_set(*cpu).unwrap_or(false);
    // The first one usually has the interrupts.
    let last = (0..CpuSet::count()).rfind(is_allowed).unwrap_or(0);
    let mut one = CpuSet::new();
    one.set(last)
        .and_then(|()| sched_setaffinity(this, &one))
        .map_err(Error::Pin)
}

/// A number of a process as `/proc/PID/status` has it: `VmRSS` is its resident memory in KiB, shared pages counted whole, `RssAnon` that
/// without files. What is proportional can't be read of processes that are not dumpable.
#[must_use]
pub fn status(process: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = |line: &str| {
        let value = line.strip_prefix(field)?.strip_prefix(':')?;
        value.split_whitespace().next()?.parse().ok()
    };
    status.lines().find_map(value).unwrap_or(0)
}
