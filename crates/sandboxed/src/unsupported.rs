//! What exists where there is no backend: a refusal, and the types that a program names all the same.
//!
//! A program that runs commands in sandboxes compiles, and [`Sandbox::new`] tells it that there is none. What only a sandbox
//! leads to can't exist here, so that nothing can be called on it: no code of ours stands behind these functions.

#![expect(
    clippy::needless_pass_by_value,
    unused_variables,
    reason = "the signatures are those of the backend"
)]

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use sandbox_core::{Changes, Context, Enforcement, Event, Policy, PolicyErrors, Ruleset, Usage};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy has errors.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// There is no backend for this system.
    #[error(
        "there is no sandbox for {} on {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )]
    Unsupported,
}

impl Error {
    pub fn remedy(&self) -> Option<String> {
        None
    }
}

/// Never exists on this system.
#[derive(Clone, Debug)]
#[must_use]
pub struct Sandbox(Infallible);

impl Sandbox {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// [`Error::Policy`] if the policy has errors that show without a host, otherwise [`Error::Unsupported`].
    pub fn new(policy: &Policy) -> Result<Self, Error> {
        Self::builder().build(policy)
    }

    pub fn builder() -> Builder {
        Builder(())
    }

    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        match self.0 {}
    }

    pub fn confine(&self, command: &std::process::Command) -> Command<'_> {
        match self.0 {}
    }

    pub fn enforcement(&self) -> Enforcement {
        match self.0 {}
    }

    #[must_use]
    pub fn ruleset(&self) -> &Ruleset {
        match self.0 {}
    }

    pub fn changes(&self) -> Changes {
        match self.0 {}
    }

    pub fn update_network(&self, policy: &Policy) -> Result<(), Error> {
        match self.0 {}
    }
}

/// Makes no sandbox.
#[derive(Debug, Default)]
#[must_use]
pub struct Builder(());

impl Builder {
    pub fn context(self, context: Context) -> Self {
        self
    }

    pub fn environment(self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self
    }

    pub fn on_network(self, tell: impl Fn(&NetworkEvent) + Send + Sync + 'static) -> Self {
        self
    }

    pub fn without_processes(self) -> Self {
        self
    }

    pub fn on_denial(self, tell: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self
    }

    pub fn on_request(
        self,
        answer: impl Fn(&NetworkQuestion) -> NetworkAnswer + Send + Sync + 'static,
    ) -> Self {
        self
    }

    pub fn hosts(self, file: impl Into<PathBuf>) -> Self {
        self
    }

    /// Refuses.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::new`].
    pub fn build(self, policy: &Policy) -> Result<Sandbox, Error> {
        policy.check()?;
        Err(Error::Unsupported)
    }
}

/// Never exists on this system.
#[derive(Clone, Debug)]
pub struct NetworkEvent(Infallible);

impl NetworkEvent {
    pub fn target(&self) -> String {
        match self.0 {}
    }

    pub fn to_json(&self) -> String {
        match self.0 {}
    }
}

impl fmt::Display for NetworkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// Never exists on this system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetworkQuestion(Infallible);

impl fmt::Display for NetworkQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// What a person would say to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkAnswer {
    AllowOnce,
    Allow,
    DenyOnce,
    Deny,
}

/// Never exists on this system.
#[derive(Debug)]
#[must_use]
pub struct Command<'sandbox>(&'sandbox Sandbox);

/// The setters of a command that can't exist.
macro_rules! setters {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        impl Command<'_> {
            $(pub fn $name(&mut self, $($argument: $kind),*) -> &mut Self {
                match self.0.0 {}
            })*
        }
    };
}

setters! {
    arg0(name: impl AsRef<OsStr>);
    arg(arg: impl AsRef<OsStr>);
    args(args: impl IntoIterator<Item = impl AsRef<OsStr>>);
    env(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>);
    envs(variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>);
    env_remove(name: impl AsRef<OsStr>);
    env_clear();
    current_dir(directory: impl AsRef<Path>);
    stdin(stdio: impl Into<Stdio>);
    stdout(stdio: impl Into<Stdio>);
    stderr(stdio: impl Into<Stdio>);
    timeout(limit: Duration);
    process_group(group: i32);
}

impl Command<'_> {
    pub fn spawn(&mut self) -> Result<Child, Error> {
        match self.0.0 {}
    }

    pub fn status(&mut self) -> Result<ExitStatus, Error> {
        match self.0.0 {}
    }

    pub fn output(&mut self) -> Result<Output, Error> {
        match self.0.0 {}
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.0 {}
    }
}

/// Where a standard stream of a command would lead.
#[derive(Debug)]
pub struct Stdio(());

impl Stdio {
    pub fn inherit() -> Self {
        Self(())
    }

    pub fn null() -> Self {
        Self(())
    }

    pub fn piped() -> Self {
        Self(())
    }
}

macro_rules! from {
    ($($source:ty),+) => {$(
        impl From<$source> for Stdio {
            fn from(source: $source) -> Self {
                Self(())
            }
        }
    )+};
}

from!(
    File,
    PipeReader,
    PipeWriter,
    ChildStdin,
    ChildStdout,
    ChildStderr
);

/// Never exists on this system.
#[derive(Debug)]
#[must_use]
pub struct Child {
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
    never: Infallible,
}

impl Child {
    pub fn id(&self) -> u32 {
        match self.never {}
    }

    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        match self.never {}
    }

    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        match self.never {}
    }

    pub fn wait_with_output(self) -> Result<Output, Error> {
        match self.never {}
    }

    pub fn update(&mut self) -> Result<Option<Update>, Error> {
        match self.never {}
    }

    pub fn wake_at(&self) -> Option<Instant> {
        match self.never {}
    }

    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        match self.never {}
    }

    pub fn forward(&self, signal: i32) -> Result<(), Error> {
        match self.never {}
    }

    pub fn forward_key(&self, signal: i32) -> Result<(), Error> {
        match self.never {}
    }

    pub fn kill(&mut self) -> Result<(), Error> {
        match self.never {}
    }

    pub fn kill_tree(&mut self, grace: Duration) -> Result<ExitStatus, Error> {
        match self.never {}
    }

    pub fn pause(&self) -> Result<(), Error> {
        match self.never {}
    }

    pub fn resume(&self) -> Result<(), Error> {
        match self.never {}
    }
}

/// Something that would have happened to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    Stopped { signal: i32 },
    TimeLimit(Duration),
    Ended(ExitStatus),
}

/// Never exists on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExitStatus(Infallible);

impl ExitStatus {
    pub fn success(&self) -> bool {
        match self.0 {}
    }

    pub fn code(&self) -> Option<i32> {
        match self.0 {}
    }

    pub fn signal(&self) -> Option<i32> {
        match self.0 {}
    }

    pub fn core_dumped(&self) -> bool {
        match self.0 {}
    }

    pub fn time_limit(&self) -> Option<Duration> {
        match self.0 {}
    }

    pub fn usage(&self) -> Usage {
        match self.0 {}
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

impl From<ExitStatus> for std::process::ExitStatus {
    fn from(status: ExitStatus) -> Self {
        match status.0 {}
    }
}

/// Never exists on this system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_its_errors_and_a_right_one_that_there_is_no_sandbox() {
        let wrong = Policy::new().read("").write("a\0b");
        let Err(Error::Policy(errors)) = Sandbox::new(&wrong) else {
            panic!("the policy is wrong");
        };
        assert_eq!(errors.iter().count(), 2, "{errors}");
        let refusal = Sandbox::new(&Policy::new().read("/usr")).unwrap_err();
        assert!(matches!(refusal, Error::Unsupported));
        assert!(
            refusal.to_string().starts_with("there is no sandbox for "),
            "{refusal}"
        );
    }
}
