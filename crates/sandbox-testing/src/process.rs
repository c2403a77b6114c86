//! Processes of this machine, found by a word in their arguments.

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::Pid,
};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// A word that no other process of this machine has in its arguments.
pub fn marker() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!(
        "marker-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// The processes that have this word among their arguments. Zombies have no arguments.
pub fn marked(marker: &str) -> Vec<Pid> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            // A process may end while we look.
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                line.split(|byte| *byte == 0)
                    .any(|word| word == marker.as_bytes())
            })
        })
        .map(Pid::from_raw)
        .collect()
}

/// What `/proc/PID/stat` says about a process; none when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// `R`, `S`, `T`, `Z` …
    pub letter: char,
    /// Its process group.
    pub group: i32,
    /// Its nice value.
    pub nice: i32,
}

impl State {
    /// The state of a process.
    pub fn of(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain anything.
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        let letter = fields.next()?.chars().next()?;
        let group = fields.nth(1)?.parse().ok()?;
        let nice = fields.nth(13)?.parse().ok()?;
        Some(Self {
            letter,
            group,
            nice,
        })
    }
}

/// A process that is meant also when its number has been given to another one.
#[derive(Debug)]
pub struct Victim(OwnedFd);

impl Victim {
    /// The process that has this number.
    pub fn new(pid: u32) -> Self {
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
        Self(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    /// `SIGKILL`; returns when it has ended. One that is gone is left alone.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
        let mut end = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        while poll(&mut end, PollTimeout::NONE).is_err() {}
    }
}

/// Looks until it holds; the test fails if it never does.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "never came true: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
