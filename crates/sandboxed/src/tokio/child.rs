//! A command that runs, as something to be polled.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::net::unix::pipe;
use ::tokio::runtime::Handle;
use ::tokio::time::{Sleep, sleep, timeout};

use super::gathered::Gathered;
use crate::{Error, ExitStatus, Output, Terminal, Update};

/// The other end of a command's standard input.
pub type ChildStdin = pipe::Sender;
/// The other end of a command's standard output.
pub type ChildStdout = pipe::Receiver;
/// The other end of a command's standard error.
pub type ChildStderr = pipe::Receiver;

/// A command that runs, and everything that it started. What waits can be dropped and called again: nothing of it is lost.
///
/// ```
/// use sandboxed::{Policy, Preset, Sandbox, Stdio, tokio::Command};
/// use tokio::io::AsyncWriteExt;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let mut command = Command::new(&sandbox, "cat");
/// let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// if let Some(mut stdin) = child.stdin.take() {
///     stdin.write_all(b"hello").await?;
/// }
/// assert_eq!(child.wait_with_output().await?.stdout, b"hello");
/// # Ok(())
/// # })
/// # }
/// ```
///
/// # Differences from `tokio::process`
///
/// * Those of [`Child`](crate::Child) from `std`, above all: **dropping it ends the command** and everything that it started,
///   and takes as long as that, which is a millisecond or two. A future that owns it and is dropped does the same.
/// * [`id`](Self::id) is that of the sandbox's init.
/// * The pipes are those of `tokio::net::unix`.
#[derive(Debug)]
#[must_use = "dropping it ends the command"]
pub struct Child {
    /// The other end of the command's standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The other end of the command's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The other end of the command's standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    /// The other end of the command's own terminal, if it has one: it blocks. An event loop makes an `AsyncFd` of its
    /// descriptor.
    pub terminal: Option<Terminal>,
    /// A copy of the command's socket, until its end: the runtime must not confuse it with that of the next command, which is
    /// the same.
    socket: Option<AsyncFd<OwnedFd>>,
    /// Until the time limit is to be looked at, and when that is.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
    inner: crate::Child,
}

impl Child {
    /// The child that `spawn` makes.
    pub(super) fn of(spawn: impl FnOnce() -> Result<crate::Child, Error>) -> Result<Self, Error> {
        let watched = |result: io::Result<_>| result.map_err(failed("watch"));
        watched(Handle::try_current().map_err(io::Error::other))?;
        let mut inner = spawn()?;
        let socket = inner.as_fd().try_clone_to_owned().and_then(watch);
        let piped = "open a pipe of";
        let stdin = (inner.stdin.take())
            .map(|stdin| ChildStdin::from_owned_fd(stdin.into()))
            .transpose();
        let stdout = (inner.stdout.take())
            .map(|stdout| ChildStdout::from_owned_fd(stdout.into()))
            .transpose();
        let stderr = (inner.stderr.take())
            .map(|stderr| ChildStderr::from_owned_fd(stderr.into()))
            .transpose();
        Ok(Self {
            stdin: stdin.map_err(failed(piped))?,
            stdout: stdout.map_err(failed(piped))?,
            stderr: stderr.map_err(failed(piped))?,
            terminal: inner.terminal.take(),
            socket: Some(socket.map_err(failed("watch"))?),
            alarm: None,
            inner,
        })
    }

    /// As [`Child::id`](crate::Child::id).
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Waits until the command has ended and nothing that it started is left. Closes its standard input first.
    ///
    /// It is cancel safe: if it is dropped, the command goes on, and the next call waits for it.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report does not arrive.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        drop(self.stdin.take());
        poll_fn(|context| self.poll_wait(context)).await
    }

    /// As [`Child::try_wait`](crate::Child::try_wait).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report cannot be read.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self.inner.try_wait()?;
        if status.is_some() {
            self.has_ended();
        }
        Ok(status)
    }

    /// Waits as [`wait`](Self::wait) does, and collects what the command writes to the pipes meanwhile. If it is dropped the
    /// command ends.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report does not arrive, or a pipe cannot be read.
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        drop(self.stdin.take());
        let mut stdout = Gathered::from(self.stdout.take());
        let mut stderr = Gathered::from(self.stderr.take());
        let status = poll_fn(|context| {
            // The status is looked at first and the pipes last: what was written before the end is in them by then.
            let status = self.poll_wait(context)?;
            let read = failed("read the output of");
            let pipes = [stdout.poll(context), stderr.poll(context)];
            let mut open = false;
            for pipe in pipes {
                match pipe {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(source)) => return Poll::Ready(Err(read(source))),
                    Poll::Pending => open = true,
                }
            }
            if open { Poll::Pending } else { status.map(Ok) }
        })
        .await?;
        Ok(Output {
            status,
            stdout: stdout.into_bytes(),
            stderr: stderr.into_bytes(),
        })
    }

    /// Waits for the next thing that happens to the command; after its end that is always the end. It is cancel safe.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the report cannot be read.
    pub async fn update(&mut self) -> Result<Update, Error> {
        poll_fn(|context| self.poll_update(context)).await
    }

    /// As [`Child::signal`](crate::Child::signal).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if there is no such signal, or it cannot be sent.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.inner.signal(signal)
    }

    /// As [`Child::forward`](crate::Child::forward).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the signal cannot be sent.
    pub fn forward(&self, signal: i32) -> Result<(), Error> {
        self.inner.forward(signal)
    }

    /// As [`Child::forward_key`](crate::Child::forward_key).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the signal cannot be sent.
    pub fn forward_key(&self, signal: i32) -> Result<(), Error> {
        self.inner.forward_key(signal)
    }

    /// Ends the command and everything that it started, without waiting for that.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn start_kill(&mut self) -> Result<(), Error> {
        self.inner.kill()
    }

    /// Ends the command and everything that it started.
    ///
    /// # Errors
    ///
    /// As [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    pub async fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.start_kill()?;
        self.wait().await
    }

    /// Asks everything inside to end (SIGTERM), and ends what is left after `grace`. Closes the standard input first.
    ///
    /// If it is dropped, what was asked may still end, and what does not goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses, or the report does not arrive.
    pub async fn kill_tree(&mut self, grace: Duration) -> Result<ExitStatus, Error> {
        self.inner.ask_all();
        match timeout(grace, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// As [`Child::pause`](crate::Child::pause).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.inner.pause()
    }

    /// As [`Child::resume`](crate::Child::resume).
    ///
    /// # Errors
    ///
    /// [`Error::Child`] if the kernel refuses.
    pub fn resume(&self) -> Result<(), Error> {
        self.inner.resume()
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<Result<ExitStatus, Error>> {
        loop {
            if let Update::Ended(status) = ready!(self.poll_update(context))? {
                return Poll::Ready(Ok(status));
            }
        }
    }

    fn poll_update(&mut self, context: &mut Context<'_>) -> Poll<Result<Update, Error>> {
        loop {
            let is_due = self.poll_alarm(context).is_ready();
            let readable = self
                .socket
                .as_ref()
                .map(|socket| socket.poll_read_ready(context));
            // Without a socket it has ended, and that can be told at any time.
            let mut readable = match readable {
                Some(Poll::Ready(readable)) => Some(readable.map_err(failed("wait for"))?),
                Some(Poll::Pending) if !is_due => return Poll::Pending,
                Some(Poll::Pending) | None => None,
            };
            match (self.inner.update()?, &mut readable) {
                (Some(update), _) => {
                    if matches!(update, Update::Ended(_)) {
                        self.has_ended();
                    }
                    return Poll::Ready(Ok(update));
                }
                // Looked at since it was readable, and empty.
                (None, Some(readable)) => readable.clear_ready(),
                (None, None) => {}
            }
        }
    }

    /// Ready when the time limit is to be looked at; each time once.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(wake_at) = self.inner.wake_at() else {
            self.alarm = None;
            return Poll::Pending;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != wake_at) {
            let rest = wake_at.saturating_duration_since(Instant::now());
            self.alarm = Some((wake_at, Box::pin(sleep(rest))));
        }
        let Some((_, alarm)) = &mut self.alarm else {
            return Poll::Pending;
        };
        ready!(alarm.as_mut().poll(context));
        // The runtime's clock may be another one than that by which the limit is measured.
        self.alarm = None;
        Poll::Ready(())
    }

    /// From here on its socket is the next command's.
    fn has_ended(&mut self) {
        self.socket = None;
        self.alarm = None;
    }
}

/// A descriptor that this runtime says of when it can be read.
#[expect(
    deprecated,
    reason = "unsound for numbers that somebody else may close; this one is owned"
)]
fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Child { action, source }
}
