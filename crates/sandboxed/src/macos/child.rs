//! A command that runs, and its process group.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Error, Sandbox};
use crate::collected::Collected;
use crate::deadline::{Deadline, Due};
use crate::waiting::until_readable;
use crate::{ExitStatus, Output, Update};

/// A command that runs, and its process group.
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
/// * **Dropping it kills the command** and its process group.
/// * When the command has ended, what is left of its group is killed. What has left the group, as `setsid(2)` does, goes on, confined.
/// * [`kill`](Self::kill), [`kill_tree`](Self::kill_tree), [`pause`](Self::pause) and [`resume`](Self::resume) are about the
///   group. [`signal`](Self::signal) is for the command alone.
/// * A command that is stopped is not told of.
/// * For an event loop there are [`as_fd`](AsFd::as_fd), [`wake_at`](Self::wake_at) and [`update`](Self::update).
#[derive(Debug)]
#[must_use = "dropping it kills the command"]
pub struct Child {
    /// The other end of the command's standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The other end of the command's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The other end of the command's standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    inner: sandbox_macos::Child,
    deadline: Option<Deadline>,
    ended: Option<ExitStatus>,
    /// Its private directory is needed as long as the command runs, and whoever is told of denials is told of its.
    _sandbox: Sandbox,
}

/// What a terminal or a session's end sends to all processes of a group.
const OF_GROUP: [i32; 6] = [
    Signal::SIGINT as i32,
    Signal::SIGQUIT as i32,
    Signal::SIGHUP as i32,
    Signal::SIGTSTP as i32,
    Signal::SIGCONT as i32,
    Signal::SIGWINCH as i32,
];

impl Child {
    pub(super) fn new(
        mut inner: sandbox_macos::Child,
        deadline: Option<Deadline>,
        sandbox: Sandbox,
    ) -> Self {
        Self {
            stdin: inner.stdin.take(),
            stdout: inner.stdout.take(),
            stderr: inner.stderr.take(),
            inner,
            deadline,
            ended: None,
            _sandbox: sandbox,
        }
    }

    /// The process id of the command.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Waits until the command has ended. Closes its standard input first.
    ///
    /// A command that writes more than a pipe holds waits for whoever reads it: for that there is
    /// [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if somebody else has waited for it.
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
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        loop {
            match self.update()? {
                Some(Update::Ended(status)) => return Ok(Some(status)),
                Some(Update::Stopped { .. } | Update::TimeLimit(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits as [`wait`](Self::wait) does, and collects what the command writes to the pipes meanwhile, and what those write that have
    /// left its group, until they close them.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if somebody else has waited for it, or a pipe cannot be read.
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
                    collected.read().map_err(failed("read the output of"))?;
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
    /// As [`wait`](Self::wait).
    pub fn update(&mut self) -> Result<Option<Update>, Error> {
        if let Some(status) = self.ended {
            return Ok(Some(Update::Ended(status)));
        }
        if let Some(report) = self.inner.update().map_err(failed("wait for"))? {
            let status = ExitStatus::new(report.status, report.usage, self.deadline.as_ref());
            self.ended = Some(status);
            return Ok(Some(Update::Ended(status)));
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
        match self.ended {
            Some(_) => None,
            None => self.deadline.as_ref().and_then(Deadline::next),
        }
    }

    /// Sends a signal to the command itself. One that has ended is left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if there is no such signal, or it cannot be sent.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.inner.signal(signal).map_err(failed("signal"))
    }

    /// Passes on a signal that this process received: to the whole group what a terminal sends to one, to the command alone what
    /// else there is.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn forward(&self, signal: i32) -> Result<(), Error> {
        if OF_GROUP.contains(&signal) {
            self.signal_all(signal)
        } else {
            self.signal(signal)
        }
    }

    /// Passes on a signal that the terminal sent to this process. The command has not received it, since it is in another session.
    ///
    /// # Errors
    ///
    /// As [`signal`](Self::signal).
    pub fn forward_key(&self, signal: i32) -> Result<(), Error> {
        self.signal_all(signal)
    }

    /// Kills the command and its group.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the system refuses.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.inner.kill().map_err(failed("end"))
    }

    /// Asks the group to end (SIGTERM), and kills what is left after `grace`. Closes the standard input first.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the system refuses, or somebody else has waited for it.
    pub fn kill_tree(&mut self, grace: Duration) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        // What is stopped could not answer the first. What can't be asked is killed afterwards all the same.
        let _ = self
            .signal_all(SIGTERM)
            .and_then(|()| self.signal_all(SIGCONT));
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

    /// Stops the group (SIGSTOP) until [`resume`](Self::resume). The time limit goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the system refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.signal_all(Signal::SIGSTOP as i32)
    }

    /// Continues the group (SIGCONT).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the system refuses.
    pub fn resume(&self) -> Result<(), Error> {
        self.signal_all(SIGCONT)
    }

    fn signal_all(&self, signal: i32) -> Result<(), Error> {
        self.inner.signal_all(signal).map_err(failed("signal"))
    }

    /// Waits until an update or one of the pipes is ready, the time limit is due, or it is `end`; tells which pipes are.
    fn poll(&self, pipes: [Option<&File>; 2], end: Option<Instant>) -> Result<[bool; 2], Error> {
        let own = self.ended.is_none().then(|| self.inner.as_fd());
        let wake_at = self.wake_at().into_iter().chain(end).min();
        until_readable(own, pipes, wake_at).map_err(|errno| failed("wait for")(errno.into()))
    }
}

impl AsFd for Child {
    /// Readable when [`update`](Self::update) tells of the end. To be looked at and nothing else.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

const SIGTERM: i32 = Signal::SIGTERM as i32;
const SIGCONT: i32 = Signal::SIGCONT as i32;

fn failed(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Child { action, source }
}
