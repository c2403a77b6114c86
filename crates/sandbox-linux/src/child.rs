//! A command that runs in its sandbox, as the caller sees it: init's control socket and a pidfd of init.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg};
use sandbox_core::Usage;

use crate::inits::{Init, Inits};
use crate::launch::send_message;
use crate::wire::{Answer, Reader, answer, order};
use crate::{start, sys};

/// A command that runs in its sandbox. Dropping it ends everything inside that the command has started.
#[derive(Debug)]
#[must_use = "dropping it ends the command"]
pub struct Child {
    init: Arc<Init>,
    /// Where init waits for the next command, unless the sandbox is gone by then.
    inits: Weak<Inits>,
    ended: Option<Ended>,
    /// How often it was stopped, as far as the caller has heard.
    stops: u32,
    /// The master of its terminal.
    terminal: Option<OwnedFd>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    report: Report,
    /// Init has said so itself, and waits for another command.
    is_told: bool,
}

/// What happened to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// It was stopped by this signal.
    Stopped(i32),
    /// It has ended, and nothing that it started is left.
    Ended(Report),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The wait status, as `wait(2)` has it.
    pub status: i32,
    /// What it used, with the children that it waited for.
    pub usage: Usage,
}

/// What came from init.
pub(crate) enum Received {
    Answer(Answer),
    /// It has ended, and there is nothing left to read.
    End,
}

impl Child {
    pub(crate) fn new(init: Arc<Init>, inits: Weak<Inits>, terminal: Option<OwnedFd>) -> Self {
        Self {
            init,
            inits,
            ended: None,
            stops: 0,
            terminal,
        }
    }

    /// The master of the command's own terminal, once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The process id of the command's init on the host.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.init.id()
    }

    /// Readable once somebody has killed the command's init, whoever else has a copy of what [`as_fd`](AsFd::as_fd) gives.
    #[must_use]
    pub fn end(&self) -> BorrowedFd<'_> {
        self.init.pidfd()
    }

    /// What has happened, without waiting. After the end it always says so.
    ///
    /// # Errors
    ///
    /// Those of `recv(2)`.
    pub fn update(&mut self) -> io::Result<Option<Update>> {
        self.next(PollTimeout::ZERO)
    }

    /// Waits until the command has ended and nothing that it started is left.
    ///
    /// # Errors
    ///
    /// Those of `recv(2)`.
    pub fn wait(&mut self) -> io::Result<Report> {
        loop {
            if let Some(Update::Ended(report)) = self.next(PollTimeout::NONE)? {
                return Ok(report);
            }
        }
    }

    fn next(&mut self, timeout: PollTimeout) -> io::Result<Option<Update>> {
        if let Some(ended) = self.ended {
            return Ok(Some(Update::Ended(ended.report)));
        }
        // The signal of a stop of which it is not certain that it lasts.
        let mut stop = None;
        let ended = loop {
            let timeout = if stop.is_some() {
                PollTimeout::NONE
            } else {
                timeout
            };
            let got = match self.init.hear(timeout) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
                Ok(Received::Answer(got)) => got,
                // Somebody killed init, and the kernel all that was inside with it.
                Ok(Received::End) => {
                    let report = Report {
                        status: libc::SIGKILL,
                        usage: Usage::default(),
                    };
                    break Ended {
                        report,
                        is_told: false,
                    };
                }
            };
            match (got.kind, stop) {
                // The command may have been continued since, and we with it: then we must not stop because of it.
                (answer::STOPPED, _) => {
                    self.stops = self.stops.wrapping_add(1);
                    stop = Some(got.value);
                    // The answer is waited for, too.
                    self.order_by(&start::small(order::STATE, 0), MsgFlags::empty())?;
                }
                (answer::STATE, Some(signal)) if got.value == 1 => {
                    return Ok(Some(Update::Stopped(signal)));
                }
                (answer::STATE, _) => stop = None,
                _ => {
                    let report = Report {
                        status: got.value,
                        usage: usage(&got.usage),
                    };
                    break Ended {
                        report,
                        is_told: got.kind == answer::ENDED,
                    };
                }
            }
        };
        self.init.settle();
        self.ended = Some(ended);
        if !ended.is_told {
            self.init.reap();
        } else if let Some(inits) = self.inits.upgrade() {
            // From here on it is only known by its descriptors.
            inits.put(Arc::clone(&self.init));
        }
        Ok(Some(Update::Ended(ended.report)))
    }

    /// Sends `signal` to the command itself.
    ///
    /// # Errors
    ///
    /// Those of `sendmsg(2)`: it does not wait for an init that does not read. A command that has ended is no error.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        self.order(&start::small(order::SIGNAL, signal.cast_unsigned()))
    }

    /// Passes on a `signal` that the calling process received from another one. If it was sent to the whole process group,
    /// the command has received it already, and gets no second one: init, a member of the group, knows.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn forward(&self, signal: i32) -> io::Result<()> {
        let words = [order::FORWARD, signal.cast_unsigned(), self.stops];
        self.order(&words.map(u32::to_ne_bytes).concat())
    }

    /// Passes on a `signal` that the terminal sent to the calling process, maybe before the command was there. If it was there
    /// it has received it already, and gets no second one.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn forward_key(&self, signal: i32) -> io::Result<()> {
        self.order(&start::small(order::KEY, signal.cast_unsigned()))
    }

    /// Ends everything inside. [`wait`](Self::wait) tells when that is done.
    ///
    /// An init that somebody has stopped goes on, to do it. One that has not read what it was told before is killed, and with it the kernel ends all
    /// inside; then nothing is known of what the command used.
    ///
    /// # Errors
    ///
    /// Those of `sendmsg(2)`. A command that has ended is no error.
    pub fn kill(&mut self) -> io::Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        match self.signal_all(libc::SIGKILL) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.init.kill() => Ok(()),
            other => {
                self.init.resume();
                other
            }
        }
    }

    /// Sends `signal` to everything inside.
    ///
    /// # Errors
    ///
    /// Those of `sendmsg(2)`: it does not wait for an init that does not read. A command that has ended is no error.
    pub fn signal_all(&self, signal: i32) -> io::Result<()> {
        self.order(&start::small(order::KILL, signal.cast_unsigned()))
    }

    fn order(&self, message: &[u8]) -> io::Result<()> {
        self.order_by(message, MsgFlags::MSG_DONTWAIT)
    }

    fn order_by(&self, message: &[u8], flags: MsgFlags) -> io::Result<()> {
        if self.ended.is_some() {
            return Ok(());
        }
        match send_message(self.as_fd(), message, &[], flags) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            other => other,
        }
    }
}

impl AsFd for Child {
    /// Readable when there is an [`Update`]; see [`end`](Child::end), too.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.init.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Another thread may be about to join this init, and hold it.
        if self.ended.is_none() {
            self.init.end();
        }
    }
}

/// The next answer of init.
pub(crate) fn receive(control: BorrowedFd<'_>, flags: MsgFlags) -> io::Result<Received> {
    let mut buffer = [0_u8; size_of::<Answer>()];
    loop {
        match recv(control.as_raw_fd(), &mut buffer, flags) {
            Ok(0) => return Ok(Received::End),
            Ok(length) => return parse(buffer.get(..length).unwrap_or(&[])),
            // ECONNRESET only says that init ended with a message of ours unread: what it sent lies behind it.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The next answer of init, and the descriptor that comes with it.
pub(crate) fn receive_with(
    control: BorrowedFd<'_>,
    flags: MsgFlags,
) -> io::Result<(Received, Option<OwnedFd>)> {
    let mut buffer = [0_u8; size_of::<Answer>()];
    let mut space = nix::cmsg_space!(RawFd);
    loop {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = match recvmsg::<()>(control.as_raw_fd(), &mut slices, Some(&mut space), flags)
        {
            Ok(message) => message,
            // As in `receive`.
            Err(Errno::EINTR | Errno::ECONNRESET) => continue,
            Err(errno) => return Err(errno.into()),
        };
        // It is cut off where this process has no number left for what comes along (unix(7)).
        let control = message.cmsgs().map_err(|_| Errno::EMFILE)?;
        let mut fds = control.flat_map(|control| match control {
            ControlMessageOwned::ScmRights(fds) => fds,
            _ => Vec::new(),
        });
        let fd = fds.next().map(sys::received);
        let length = message.bytes;
        if length == 0 {
            return Ok((Received::End, None));
        }
        return parse(buffer.get(..length).unwrap_or(&[])).map(|received| (received, fd));
    }
}

fn parse(message: &[u8]) -> io::Result<Received> {
    Answer::read(&mut Reader(message))
        .map(Received::Answer)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// From `struct rusage`: two timevals, then the largest resident set in KiB (`getrusage(2)`).
fn usage(rusage: &[i64; 18]) -> Usage {
    let [
        user_seconds,
        user_micros,
        system_seconds,
        system_micros,
        peak_kib,
        ..,
    ] = *rusage;
    let time = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds.unsigned_abs())
            .saturating_add(Duration::from_micros(micros.unsigned_abs()))
    };
    let peak_memory = peak_kib.unsigned_abs().saturating_mul(1024);
    Usage::new(
        time(user_seconds, user_micros),
        time(system_seconds, system_micros),
        peak_memory,
    )
}
