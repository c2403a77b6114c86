//! The signals that we receive on behalf of the command.
//!
//! They are blocked before anything is started and read from a descriptor: no handler, so nothing runs between two
//! instructions of ours. The command has an empty mask.

#[cfg(backend = "linux")]
mod linux;
#[cfg(backend = "macos")]
mod macos;

use nix::sys::signal::{SigSet, Signal, raise};

use crate::failure::Failure;

#[cfg(backend = "linux")]
pub(crate) use self::linux::Signals;
#[cfg(backend = "macos")]
pub(crate) use self::macos::Signals;

/// Not received: the system's faults are about our own instructions, SIGCHLD, SIGPIPE and SIGXFSZ about our own calls, and
/// the last two cannot be.
const OURS: [Signal; 12] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
    Signal::SIGCHLD,
    Signal::SIGPIPE,
    Signal::SIGXFSZ,
    Signal::SIGKILL,
    Signal::SIGSTOP,
];

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) number: i32,
    /// The terminal's driver sent it to the whole foreground group, so the command has it already. Never on macOS, where a command has a
    /// session of its own.
    pub(crate) from_terminal: bool,
}

/// Blocks SIGXFSZ, so that a write beyond the limit on files (`ulimit -f`) is an error to be told, and not our end.
pub(crate) fn block_file_size() {
    // It cannot fail: the set is valid.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
}

/// Those that are received.
fn received() -> SigSet {
    let mut set = SigSet::all();
    for signal in OURS {
        set.remove(signal);
    }
    set
}

fn failed(source: impl Into<std::io::Error>) -> Failure {
    Failure::Own {
        action: "receive signals",
        source: source.into(),
    }
}

/// Stops us as the command was stopped; returns when we are continued.
///
/// SIGSTOP becomes SIGTSTP, which the kernel drops where no shell of our session is there to continue us (an orphaned
/// process group, setpgid(2)).
pub(crate) fn stop(number: i32) {
    suffer(if number == Signal::SIGSTOP as i32 {
        Signal::SIGTSTP as i32
    } else {
        number
    });
}

/// Lets a signal have its default effect on us; returns when we are continued, or if it has none.
pub(crate) fn suffer(number: i32) {
    let Ok(signal) = Signal::try_from(number) else {
        return;
    };
    let mut set = SigSet::empty();
    set.add(signal);
    // Raised while it is blocked, so that it coalesces with one that is pending already, and we stop once.
    if raise(signal).is_ok() && set.thread_unblock().is_ok() {
        // It cannot fail: the set is valid, and unblocking it has just worked.
        let _ = set.thread_block();
    }
}
