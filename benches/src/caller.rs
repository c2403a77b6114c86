//! The process that measures, and what it is besides: its home, its heap, its threads.

use std::hint::black_box;
use std::process::Command;
use std::thread;

use crate::{Home, sandbox_binary};

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
