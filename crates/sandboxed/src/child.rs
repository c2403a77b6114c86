//! A command that runs, and everything that it started.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::collected::Collected;
use crate::deadline::{Deadline, Due};
use crate::waiting::until_readable;
use crate::{Error, ExitStatus, Output, Terminal, Update};

/// A command that runs, and everything that it started.
///
/// ```
/// use std::io::Write;
/// # use sandboxed::{Policy, Preset, Sandbox, Stdio};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let mut child = sandbox.command("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// if let Some(mut stdin) = child.stdin.take() {
///     stdin.write_all(b"hello")?;
/// }
/// assert_eq!(child.wait_with_output()?.stdout, b"hello");
/// # Ok(())
/// # }
/// ```
///
/// # Differences from std
///
/// * **Dropping it ends the command** and everything that the command started.
/// * [`wait`](Self::wait) returns when nothing inside is left running, not when the command itself ends: what it left in
///   the background is ended first.
/// * [`kill`](Self::kill), [`kill_tree`](Self::kill_tree), [`pause`](Self::pause) and [`resume`](Self::resume) are about everything
///   inside. [`signal`](Self::signal) is for the command alone.
/// * For an event loop there are [`as_fd`](AsFd::as_fd), [`wake_at`](Self::wake_at) and [`update`](Self::update).
#[derive(Debug)]
#[must_use = "dropping it ends the command"]
pub struct Child {
    /// The other end of the command's standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The other end of the command's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The other end of the command's standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    /// The other end of the command's own terminal, if it has one. Dropping it hangs up.
    pub terminal: Option<Terminal>,
    inner: sandbox_linux::Child,
    deadline: Option<Deadline>,
    ended: Option<ExitStatus>,
}

impl Child {
    pub(crate) fn new(
        mut inner: sandbox_linux::Child,
        deadline: Option<Deadline>,
        pipes: [Option<OwnedFd>; 3],
    ) -> Self {
        let [stdin, stdout, stderr] = pipes;
        Self {
            stdin: stdin.map(Into::into),
            stdout: stdout.map(Into::into),
            stderr: stderr.map(Into::into),
            terminal: inner.take_terminal().map(Into::into),
            inner,
            deadline,
            ended: None,
        }
    }

    /// The process id of the sandbox's init, which stands for all that is inside.
    ///
    /// It stands for the next command as well: after the end of this one nothing is to be done with it.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Waits until the command has ended and nothing that it started is left. Closes its standard input first.
    ///
    /// A command that writes more than a pipe holds waits for whoever reads it: for that there is
    /// [`wait_with_output`](Self::wait_with_output). One that writes to a [`terminal`](Self::terminal) of its own waits, too, and
    /// that one is read by the caller alone.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report does not arrive.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            self.poll([None, None], None)?;
        }
    }

    /// The status, if the command has ended; does not wait.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report cannot be read.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        loop {
            match self.update()? {
                Some(Update::Ended(status)) => return Ok(Some(status)),
                Some(Update::Stopped { .. } | Update::TimeLimit(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits as [`wait`](Self::wait) does, and collects what the command writes to the pipes meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report does not arrive, or a pipe cannot be read.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        drop(self.stdin.take());
        let mut stdout = Collected::from(self.stdout.take().map(OwnedFd::from));
        let mut stderr = Collected::from(self.stderr.take().map(OwnedFd::from));
        let status = loop {
            // The status is looked at first and the pipes last: what was written before the end is in them by then.
            let status = self.try_wait()?;
            let ready = match (status, stdout.is_open() || stderr.is_open()) {
                (Some(status), false) => break status,
                _ => self.poll([stdout.pipe(), stderr.pipe()], None)?,
            };
            for (collected, ready) in [&mut stdout, &mut stderr].into_iter().zip(ready) {
                if ready {
                    collected.read().map_err(|source| Error::Child {
                        action: "read the output of",
                        source,
                    })?;
                }
            }
        };
        Ok(Output {
            status,
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
        })
    }

    /// What happened since the last call; does not wait. The time limit is carried out here.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report cannot be read.
    pub fn update(&mut self) -> Result<Option<Update>, Error> {
        if let Some(status) = self.ended {
            return Ok(Some(Update::Ended(status)));
        }
        match self.inner.update().map_err(|source| Error::Child {
            action: "wait for",
            source,
        })? {
            Some(sandbox_linux::Update::Stopped(signal)) => {
                return Ok(Some(Update::Stopped { signal }));
            }
            Some(sandbox_linux::Update::Ended(report)) => {
                let status = ExitStatus::new(report.status, report.usage, self.deadline.as_ref());
                self.ended = Some(status);
                return Ok(Some(Update::Ended(status)));
            }
            Some(_) | None => {}
        }
        let Some(deadline) = &mut self.deadline else {
            return Ok(None);
        };
        match deadline.due(Instant::now()) {
            Some(Due::Ask) => {
                let limit = deadline.limit();
                // One that can't be asked is killed afterwards all the same. A stopped one could not answer the first.
                let _ = self.signal(SIGTERM).and_then(|()| self.signal(SIGCONT));
                Ok(Some(Update::TimeLimit(limit)))
            }
            Some(Due::Kill) => self.kill().map(|()| None),
            None => Ok(None),
        }
    }

    /// When [`update`](Self::update) has to be called although nothing is readable.
    pub fn wake_at(&self) -> Option<Instant> {
        if self.ended.is_some() {
            None
        } else {
            self.deadline.as_ref().and_then(Deadline::next)
        }
    }

    /// Sends a signal to the command itself. One that has ended is left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if there is no such signal, or it cannot be sent.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        if !(1..=64).contains(&signal) {
            return Err(Error::Child {
                action: "signal",
                source: Errno::EINVAL.into(),
            });
        }
        self.inner.signal(signal).map_err(|source| Error::Child {
            action: "signal",
            source,
        })
    }

    /// Passes on a signal that this process received from another one. If it was sent to the whole process group, the
    /// command has received it as well, and gets no second one.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the signal cannot be sent.
    pub fn forward(&self, signal: i32) -> Result<(), Error> {
        self.inner.forward(signal).map_err(|source| Error::Child {
            action: "signal",
            source,
        })
    }

    /// Passes on a signal that the terminal sent to this process (`SI_KERNEL`, `sigaction(2)`), maybe before the command was
    /// there. If it was there it has received it already, as a member of the group, and gets no second one.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the signal cannot be sent.
    pub fn forward_key(&self, signal: i32) -> Result<(), Error> {
        self.inner
            .forward_key(signal)
            .map_err(|source| Error::Child {
                action: "signal",
                source,
            })
    }

    /// Ends the command and everything that it started.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.inner.kill().map_err(|source| Error::Child {
            action: "end",
            source,
        })
    }

    /// Asks everything inside to end (SIGTERM), and ends what is left after `grace`. Closes the standard input first.
    ///
    /// ```
    /// # use sandboxed::{Policy, Preset, Sandbox};
    /// # use std::time::Duration;
    /// # fn main() -> Result<(), sandboxed::Error> {
    /// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
    /// let mut server = sandbox.command("sleep").arg("1000").spawn()?;
    /// let status = server.kill_tree(Duration::from_secs(5))?;
    /// assert_eq!(status.signal(), Some(15));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses, or the report does not arrive.
    pub fn kill_tree(&mut self, grace: Duration) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        self.ask_all();
        let end = Instant::now().checked_add(grace);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                self.kill()?;
                return self.wait();
            }
            self.poll([None, None], end)?;
        }
    }

    /// Stops everything inside (SIGSTOP) until [`resume`](Self::resume). The time limit goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.signal_all(Signal::SIGSTOP as i32)
    }

    /// Continues everything inside (SIGCONT).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn resume(&self) -> Result<(), Error> {
        self.signal_all(SIGCONT)
    }

    /// Asks everything inside to end. What can't be asked is killed afterwards all the same.
    pub(crate) fn ask_all(&self) {
        // What is stopped could not answer the first.
        let _ = self
            .signal_all(SIGTERM)
            .and_then(|()| self.signal_all(SIGCONT));
    }

    fn signal_all(&self, signal: i32) -> Result<(), Error> {
        self.inner
            .signal_all(signal)
            .map_err(|source| Error::Child {
                action: "signal",
                source,
            })
    }

    /// Waits until an update or one of the pipes is ready, the time limit is due, or it is `end`; tells which pipes are.
    fn poll(&self, pipes: [Option<&File>; 2], end: Option<Instant>) -> Result<[bool; 2], Error> {
        let own = [self.inner.as_fd(), self.inner.end()];
        let own = own.into_iter().filter(|_| self.ended.is_none());
        let wake_at = self.wake_at().into_iter().chain(end).min();
        until_readable(own, pipes, wake_at).map_err(|errno| Error::Child {
            action: "wait for",
            source: errno.into(),
        })
    }
}

impl AsFd for Child {
    /// Readable when [`update`](Self::update) has an answer: after a stop, and after the end, when nothing that the command
    /// started is left. Any `poll(2)`, `epoll(7)` or event loop will do; what is edge-triggered calls `update` until it has
    /// none.
    ///
    /// It is init's socket, to be looked at and nothing else: whoever reads from it takes the answer away. From the moment at
    /// which the end was told it is another command's. A pidfd would not do: that of the command ends before what it left
    /// behind, and init's serves command after command.
    ///
    /// ```
    /// # use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    /// # use sandboxed::{Policy, Preset, Sandbox};
    /// # use std::os::fd::AsFd;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
    /// let mut child = sandbox.command("true").spawn()?;
    /// let status = loop {
    ///     poll(&mut [PollFd::new(child.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    ///     if let Some(status) = child.try_wait()? {
    ///         break status;
    ///     }
    /// };
    /// assert!(status.success());
    /// # Ok(())
    /// # }
    /// ```
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

const SIGTERM: i32 = Signal::SIGTERM as i32;
const SIGCONT: i32 = Signal::SIGCONT as i32;

#[cfg(test)]
mod tests;
