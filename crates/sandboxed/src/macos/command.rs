//! A command, and how it is started under a profile.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbox_core::escaped;
use sandbox_macos::Start;

use super::{Child, Error, Sandbox, Stdio};
use crate::changes::Changes;
use crate::deadline::Deadline;
use crate::directory::working_directory;
use crate::strings::c_string;
use crate::{ExitStatus, Output, Stream, search};

/// A command that will run confined, in the shape of [`std::process::Command`].
///
/// ```
/// # use sandboxed::{Policy, Preset, Sandbox};
/// # fn main() -> Result<(), sandboxed::Error> {
/// let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
/// let mut command = sandbox.command("printenv");
/// command.arg("GREETING").env("GREETING", "hello");
/// assert_eq!(command.output()?.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Differences from std
///
/// * Dropping the [`Child`] kills the command and its process group.
/// * It has a session and a process group of its own: keys of a terminal reach the caller alone, who passes them on.
/// * A name without a slash is searched in the `PATH` *inside*. A relative path of the program starts in the directory of the
///   command, and a relative [`current_dir`](Self::current_dir) in the one that the policy was resolved for.
/// * The program is told the path by which it was found as its name.
/// * The environment is what the policy passes of the caller's, then what is set here. macOS takes `DYLD_*` out of it.
/// * Descriptors other than the standard streams are never inherited.
/// * There is no other user, group, root or `pre_exec`, and there is a time limit.
#[must_use]
pub struct Command<'sandbox> {
    sandbox: &'sandbox Sandbox,
    program: OsString,
    arg0: Option<OsString>,
    args: Vec<OsString>,
    environment: Changes,
    directory: Option<PathBuf>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    process_group: i32,
    timeout: Option<Duration>,
}

impl<'sandbox> Command<'sandbox> {
    pub(super) fn new(sandbox: &'sandbox Sandbox, program: &OsStr) -> Self {
        Self {
            sandbox,
            program: program.to_owned(),
            arg0: None,
            args: Vec::new(),
            environment: Changes::default(),
            directory: None,
            stdin: None,
            stdout: None,
            stderr: None,
            process_group: 0,
            timeout: None,
        }
    }

    /// The name by which the program is told it was called: refused when it is spawned, since there is none but its path.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.arg0 = Some(name.as_ref().to_owned());
        self
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable, whatever the policy says about its name: who writes this has decided.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.set(name.as_ref(), value.as_ref());
        self
    }

    /// Sets variables, as [`env`](Self::env) does.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable, also one that the policy sets.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.remove(name.as_ref());
        self
    }

    /// Removes every variable, also those that the policy sets.
    pub fn env_clear(&mut self) -> &mut Self {
        self.environment = Changes::cleared();
        self
    }

    /// The directory in which the command starts. Default: the one that the policy was resolved for.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Standard input. Default: inherited; `/dev/null` for [`output`](Self::output).
    pub fn stdin(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.stdin = Some(stdio.into());
        self
    }

    /// Standard output. Default: inherited; a pipe for [`output`](Self::output).
    pub fn stdout(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.stdout = Some(stdio.into());
        self
    }

    /// Standard error. Default: inherited; a pipe for [`output`](Self::output).
    pub fn stderr(&mut self, stdio: impl Into<Stdio>) -> &mut Self {
        self.stderr = Some(stdio.into());
        self
    }

    /// The process group of the command: 0 is one of its own, which it has anyway.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.process_group = group;
        self
    }

    /// How long the command may run: then it gets SIGTERM, and 2 s later its group is killed. The policy's own limit holds if it
    /// is shorter. Default: the policy's.
    ///
    /// It is carried out by whoever waits: [`Child::wait`], [`Child::try_wait`], [`Child::wait_with_output`],
    /// [`Child::update`].
    pub fn timeout(&mut self, limit: Duration) -> &mut Self {
        self.timeout = Some(limit);
        self
    }

    /// Starts the command.
    ///
    /// # Errors
    ///
    /// [`Error::Launch`] if the program is not there or cannot be started, [`Error::OpenStream`], [`Error::ProcessGroup`],
    /// [`Error::Arg0`], [`Error::HiddenDirectory`], [`Error::Nul`] and [`Error::VariableName`] for what has no meaning inside. Nothing is
    /// left running.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        self.spawn_with([&Stdio::inherit(), &Stdio::inherit(), &Stdio::inherit()])
    }

    /// Runs the command and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    pub fn status(&mut self) -> Result<ExitStatus, Error> {
        self.spawn()?.wait()
    }

    /// Runs the command and collects what it writes.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    pub fn output(&mut self) -> Result<Output, Error> {
        self.spawn_with([&Stdio::null(), &Stdio::piped(), &Stdio::piped()])?
            .wait_with_output()
    }

    fn spawn_with(&self, defaults: [&Stdio; 3]) -> Result<Child, Error> {
        if let Some(name) = &self.arg0 {
            return Err(Error::Arg0 { name: name.clone() });
        }
        if self.process_group != 0 {
            return Err(Error::ProcessGroup {
                group: self.process_group,
            });
        }
        let [stdin, stdout, stderr] = defaults;
        let stdin = self.stdin.as_ref().unwrap_or(stdin).open(Stream::Stdin)?;
        let stdout = (self.stdout.as_ref().unwrap_or(stdout)).open(Stream::Stdout)?;
        let stderr = (self.stderr.as_ref().unwrap_or(stderr)).open(Stream::Stderr)?;

        let given = self.sandbox.variables();
        // As the kernel takes them, so that what it would cut off is an error.
        let (_, path) = self.environment.apply(given)?;
        let variables = self.environment.variables(given);
        let environment: Vec<_> = variables
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        c_string("the program's name", &self.program)?;
        for arg in &self.args {
            c_string("an argument", arg)?;
        }
        let mut programs = search::candidates(&self.program, path.as_deref());
        for program in &mut programs {
            // What looks for a program by itself would look in another `PATH`.
            if !program.as_os_str().is_empty() && program.components().count() == 1 {
                *program = Path::new(".").join(&*program);
            }
        }
        let directory = self.directory()?;
        let limits = self.sandbox.ruleset().limits();
        let started = Instant::now();
        let child = self.sandbox.launch(Start {
            wrapper: self.sandbox.wrapper(),
            profile: self.sandbox.profile(),
            programs: &programs,
            asked: &self.program,
            args: &self.args,
            environment: &environment,
            directory: &directory,
            stdio: [stdin, stdout, stderr],
            open_files: limits.open_files,
        })?;
        let limit = self.timeout.into_iter().chain(limits.time).min();
        let deadline = limit.and_then(|limit| Deadline::new(limit, started));
        Ok(Child::new(child, deadline, self.sandbox.clone()))
    }

    fn directory(&self) -> Result<PathBuf, Error> {
        let hidden = |directory, decision| Error::HiddenDirectory {
            directory,
            decision,
        };
        let (ruleset, base) = (self.sandbox.ruleset(), self.sandbox.directory());
        working_directory(ruleset, base, self.directory.as_deref(), hidden)
            .map(|(directory, _)| directory)
    }
}

// Without the values of variables, which may be secret.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Command<'_> {
    /// The program and its arguments, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", escaped(&self.program))?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", escaped(arg)))
    }
}
