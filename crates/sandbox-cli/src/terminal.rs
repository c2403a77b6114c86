//! The terminal that the command shares with us.
//!
//! A shell with job control inside makes a process group of its own the terminal's foreground, and cannot give it back at
//! its end: our group has no number in its namespace. So we take it back.

use std::fs::OpenOptions;
use std::io::{stderr, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// Whether there is a terminal that our session belongs to, from which a shell could continue us.
pub(crate) fn is_there() -> bool {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open("/dev/tty")
        .is_ok()
}

/// The terminal, if we are in its foreground.
#[derive(Debug)]
pub(crate) struct Foreground {
    group: Pid,
}

impl Foreground {
    /// `None` without a terminal, or in its background.
    pub(crate) fn detect() -> Option<Self> {
        let group = getpgrp();
        let ours = |terminal| matches!(terminal, Ok(foreground) if foreground == group);
        (ours(tcgetpgrp(stdin())) || ours(tcgetpgrp(stderr()))).then_some(Self { group })
    }

    /// Makes our process group the terminal's foreground again. SIGTTOU has to be blocked: we may be in the background.
    pub(crate) fn take_back(&self) {
        // A terminal that has gone away has no foreground to take.
        if !self.restore(stdin()) {
            self.restore(stderr());
        }
    }

    fn restore(&self, terminal: impl AsFd) -> bool {
        match tcgetpgrp(&terminal) {
            Ok(foreground) if foreground == self.group => true,
            Ok(_) => tcsetpgrp(&terminal, self.group).is_ok(),
            Err(_) => false,
        }
    }
}
