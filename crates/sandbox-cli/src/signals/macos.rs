//! The signals that we receive on behalf of the command.
//!
//! They are blocked before anything is started, and a thread waits for them: no handler, so nothing runs between two instructions of
//! ours. The command has an empty mask.

use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};

use crate::failure::Failure;

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

/// The signals that are received for the command; blocked until the process ends.
#[derive(Debug)]
pub(crate) struct Signals(PipeReader);

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) number: i32,
    /// The command has it already: never, since it has a session of its own.
    pub(crate) from_terminal: bool,
}

impl Signals {
    /// Blocks SIGXFSZ, so that a write beyond the limit on files (`ulimit -f`) is an error to be told, and not our end.
    pub(crate) fn block_file_size() {
        // It cannot fail: the set is valid.
        let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    }

    /// Blocks them.
    pub(crate) fn block() -> Result<Self, Failure> {
        let mut set = SigSet::all();
        for signal in OURS {
            set.remove(signal);
        }
        let failed = |source: io::Error| Failure::Own {
            action: "receive signals",
            source,
        };
        set.thread_block().map_err(|errno| failed(errno.into()))?;
        let (reader, mut writer) = io::pipe().map_err(failed)?;
        let wait = move || {
            // It ends with the process, or when nobody reads any more.
            while let Ok(signal) = set.wait() {
                let number = u8::try_from(signal as i32).unwrap_or_default();
                if writer.write_all(&[number]).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(wait).map_err(failed)?;
        Ok(Self(reader))
    }

    /// The next one, if there is one.
    pub(crate) fn next(&self) -> Result<Option<Received>, Failure> {
        let failed = |source: io::Error| Failure::Own {
            action: "receive signals",
            source,
        };
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        let mut number = [0];
        (&self.0).read_exact(&mut number).map_err(failed)?;
        let [number] = number.map(i32::from);
        Ok(Some(Received {
            number,
            from_terminal: false,
        }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Stops us as the command was stopped; returns when we are continued.
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
    // Raised while it is blocked, for this thread alone.
    if raise(signal).is_ok() && set.thread_unblock().is_ok() {
        // It cannot fail: the set is valid, and unblocking it has just worked.
        let _ = set.thread_block();
    }
}
