//! How a command ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Usage;
use crate::deadline::Deadline;

/// Something that happened to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// A signal stopped the command; SIGCONT continues it. Never told on macOS.
    Stopped {
        /// Its number.
        signal: i32,
    },
    /// The time limit is reached; the command has been asked to end, and is killed if it does not.
    TimeLimit(Duration),
    /// The command has ended, and nothing that it started is left; on macOS nothing of its process group.
    Ended(ExitStatus),
}

/// How a command ended, and what it used.
///
/// ```
/// # use sandboxed::{Policy, Preset, Sandbox};
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let status = sandbox.command("sh").args(["-c", "exit 3"]).status()?;
/// assert_eq!(status.code(), Some(3));
/// assert_eq!(status.to_string(), "exit status: 3");
/// # Ok(())
/// # }
/// ```
///
/// # Differences from std
///
/// A command that never ran has none: nothing makes one of a number. It carries what the command and its children used ([`usage`](Self::usage)), and whether it was ended for its time
/// limit ([`time_limit`](Self::time_limit)). It exists only when nothing inside is left running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExitStatus {
    status: std::process::ExitStatus,
    usage: Usage,
    time_limit: Option<Duration>,
}

impl ExitStatus {
    /// Of a wait status that has just come.
    pub(crate) fn new(status: i32, usage: Usage, deadline: Option<&Deadline>) -> Self {
        let killed = status == Signal::SIGKILL as i32;
        let time_limit = deadline.and_then(|it| it.reached(Instant::now(), killed));
        Self {
            status: std::process::ExitStatus::from_raw(status),
            usage,
            time_limit,
        }
    }

    /// Whether the command exited with 0, within its time limit.
    pub fn success(&self) -> bool {
        self.status.success() && self.time_limit.is_none()
    }

    /// The exit code; `None` if a signal ended the command.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the command.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Whether the signal that ended the command dumped core.
    pub fn core_dumped(&self) -> bool {
        self.status.core_dumped()
    }

    /// The wait status, as `wait(2)` has it.
    pub fn into_raw(self) -> i32 {
        self.status.into_raw()
    }

    /// The time limit, if the command was ended for it.
    pub fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    /// Processor time and memory of the command and the children that it waited for. Nothing, if somebody killed the sandbox's
    /// init: nobody has counted then.
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        match self.time_limit {
            Some(limit) => write!(f, " (time limit of {limit:?} reached)"),
            None => Ok(()),
        }
    }
}

impl From<ExitStatus> for std::process::ExitStatus {
    /// The status alone, as `std` has it.
    fn from(status: ExitStatus) -> Self {
        status.status
    }
}

/// How a command ended, and what it wrote. `std`'s own is made of it by [`From`], without what it used and whether it was ended
/// for its time limit.
///
/// ```
/// # use sandboxed::{Policy, Preset, Sandbox};
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let output = sandbox.command("sh").args(["-c", "echo out; echo err >&2"]).output()?;
/// assert!(output.status.success());
/// assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Output {
    /// How the command ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output, if that was a pipe.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, if that was a pipe.
    pub stderr: Vec<u8>,
}

impl From<Output> for std::process::Output {
    /// The same, with the status alone.
    fn from(output: Output) -> Self {
        Self {
            status: output.status.into(),
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}
