//! The signals that we receive on behalf of the command.
//!
//! They are blocked before anything is started and read from a descriptor: no handler, so nothing runs between two
//! instructions of ours. Init gives the command an empty mask.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::failure::Failure;

/// Not received: the kernel's faults are about our own instructions, SIGCHLD, SIGPIPE and SIGXFSZ about our own calls, and
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

/// `si_code` of a signal that the kernel itself sent (sigaction(2)): for ours, the terminal's driver.
const SI_KERNEL: i32 = 0x80;

/// The signals that are received for the command; blocked until the process ends.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) number: i32,
    /// The terminal's driver sent it to the whole foreground group, so the command has it already.
    pub(crate) from_terminal: bool,
}

impl Signals {
    /// Blocks SIGXFSZ, so that a write beyond the limit on files (`ulimit -f`) is an error to be told, and not our end.
    pub(crate) fn block_file_size() {
        // It cannot fail: the set is valid.
        let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    }

    /// Blocks them. Has to be called before there is a second thread.
    pub(crate) fn block() -> Result<Self, Failure> {
        let mut set = SigSet::all();
        for signal in OURS {
            set.remove(signal);
        }
        let failed = |errno: Errno| Failure::Own {
            action: "receive signals",
            source: errno.into(),
        };
        set.thread_block().map_err(failed)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map(Self)
            .map_err(failed)
    }

    /// The next one, if there is one.
    pub(crate) fn next(&self) -> Result<Option<Received>, Failure> {
        match self.0.read_signal() {
            Ok(None) | Err(Errno::EINTR) => Ok(None),
            Ok(Some(info)) => Ok(Some(Received {
                number: i32::try_from(info.ssi_signo).unwrap_or_default(),
                from_terminal: info.ssi_code == SI_KERNEL,
            })),
            Err(errno) => Err(Failure::Own {
                action: "receive signals",
                source: errno.into(),
            }),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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
