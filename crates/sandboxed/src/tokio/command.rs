//! The command, whose builder is the other one's.

use std::ffi::OsStr;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use super::Child;
use crate::{Error, ExitStatus, Output, Sandbox, Stdio, TerminalSize};

/// A [`Command`](crate::Command) that is waited for asynchronously, in the shape of `tokio::process::Command`.
///
/// ```
/// use sandboxed::{Policy, Preset, Sandbox, tokio::Command};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// assert!(Command::new(&sandbox, "true").status().await?.success());
///
/// // One that somebody else built for tokio.
/// let mut linter = tokio::process::Command::new("echo");
/// linter.arg("no problems");
/// let output = Command::from(sandbox.confine(linter.as_std())).output().await?;
/// assert_eq!(output.stdout, b"no problems\n");
/// # Ok(())
/// # })
/// # }
/// ```
///
/// # Differences from `tokio::process`
///
/// * Those of [`Command`](crate::Command) from `std`.
/// * There is no `kill_on_drop`: a [`Child`] that is dropped always ends what is confined, and so does a future of
///   [`status`](Self::status) and [`output`](Self::output).
#[derive(Debug)]
#[must_use]
pub struct Command<'sandbox>(crate::Command<'sandbox>);

macro_rules! as_there {
    ($(fn $name:ident($($arg:ident: $type:ty),*);)+) => {$(
        #[doc = concat!("As [`Command::", stringify!($name), "`](crate::Command::", stringify!($name), ").")]
        pub fn $name(&mut self, $($arg: $type),*) -> &mut Self {
            self.0.$name($($arg),*);
            self
        }
    )+};
}

impl<'sandbox> Command<'sandbox> {
    /// A command that will run in `sandbox`.
    pub fn new(sandbox: &'sandbox Sandbox, program: impl AsRef<OsStr>) -> Self {
        Self(sandbox.command(program))
    }

    as_there! {
        fn arg0(name: impl AsRef<OsStr>);
        fn arg(arg: impl AsRef<OsStr>);
        fn args(args: impl IntoIterator<Item = impl AsRef<OsStr>>);
        fn env(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>);
        fn envs(variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>);
        fn env_remove(name: impl AsRef<OsStr>);
        fn env_clear();
        fn current_dir(directory: impl AsRef<Path>);
        fn stdin(stdio: impl Into<Stdio>);
        fn stdout(stdio: impl Into<Stdio>);
        fn stderr(stdio: impl Into<Stdio>);
        fn fd(number: RawFd, fd: impl Into<OwnedFd>);
        fn process_group(group: i32);
        fn pty(size: TerminalSize);
    }

    /// As [`Command::timeout`](crate::Command::timeout), by the runtime's clock: it is carried out by [`Child::wait`],
    /// [`Child::wait_with_output`], [`Child::update`] and [`Child::kill_tree`] while they are polled. If nobody polls them, the
    /// sandbox's init ends everything three seconds after the limit.
    pub fn timeout(&mut self, limit: Duration) -> &mut Self {
        self.0.timeout(limit);
        self
    }

    /// Starts the command, on the calling thread: milliseconds for the first one of a sandbox, tenths of one for those after it,
    /// as `posix_spawn` does. A launch that must not hold up others goes through `spawn_blocking`, with a clone of the
    /// [`Sandbox`].
    ///
    /// # Errors
    ///
    /// As [`Command::spawn`](crate::Command::spawn), and [`Error::Child`] outside of a runtime.
    ///
    /// # Panics
    ///
    /// If the runtime has its I/O not enabled, as everything of tokio's that does I/O.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        Child::of(|| self.0.spawn())
    }

    /// Starts the command, at once, and waits for its end. If the future is dropped, the command ends.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    pub fn status(&mut self) -> impl Future<Output = Result<ExitStatus, Error>> + Send + use<> {
        let child = self.spawn();
        async { child?.wait().await }
    }

    /// Starts the command, at once, and collects what it writes. If the future is dropped, the command ends.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    pub fn output(&mut self) -> impl Future<Output = Result<Output, Error>> + Send + use<> {
        let child = Child::of(|| self.0.spawn_for_output());
        async { child?.wait_with_output().await }
    }
}

impl<'sandbox> From<crate::Command<'sandbox>> for Command<'sandbox> {
    /// The same command.
    fn from(command: crate::Command<'sandbox>) -> Self {
        Self(command)
    }
}
