//! A command, and how it is started in a sandbox.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbox_core::escaped;
use sandbox_linux::{ProcessGroup, Start, TerminalSize};

use crate::changes::Changes;
use crate::deadline::{self, Deadline};
use crate::directory::working_directory;
use crate::dispositions::Inherited;
use crate::stdio::{self, Sockets};
use crate::strings::c_string;
use crate::{Child, Error, ExitStatus, Output, Sandbox, Stdio, Stream, search};

/// A command that will run confined, in the shape of [`std::process::Command`]. One that was built for `std` is confined by
/// [`Sandbox::confine`].
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
/// * What is confined ends with the [`Child`]: dropping it ends the command and everything that it started.
/// * The command ends with the caller, whatever the caller dies of.
/// * A name without a slash is searched in the `PATH` *inside*. A relative path of the program starts in the directory of the
///   command, and a relative [`current_dir`](Self::current_dir) in the one that the policy was resolved for.
/// * The environment is what the policy passes of the caller's, then what is set here.
/// * Descriptors other than the standard streams are never inherited; [`fd`](Self::fd) hands over one under a number.
/// * The only [`process_group`](Self::process_group) beside the caller's is one of the command's own.
/// * There is no other user, group, root or `pre_exec`: what a command gives up is the policy's to say.
/// * The environment of the caller is that of when the sandbox was made.
/// * There is a time limit, and a terminal of the command's own.
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
    descriptors: Vec<(RawFd, OwnedFd)>,
    process_group: Option<i32>,
    terminal: Option<TerminalSize>,
    timeout: Option<Duration>,
}

impl<'sandbox> Command<'sandbox> {
    pub(crate) fn new(sandbox: &'sandbox Sandbox, program: &OsStr) -> Self {
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
            descriptors: Vec::new(),
            process_group: None,
            terminal: None,
            timeout: None,
        }
    }

    /// The name by which the program is told it was called. Default: as it was asked for.
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

    /// Hands over a descriptor, which has this number inside: 3 or more, below the command's limit of open files. As often as
    /// needed, up to 4,096 of them.
    ///
    /// The command line keeps it, as it keeps a stream, and hands a copy to each process: so it can be used again, and a pipe
    /// has no end while it lives. A file that is open for reading and visible inside is opened again there, where it is
    /// read-only; the caller's has its position in the end.
    ///
    /// What is no [`Stdio`] is none of these either, and is refused when the command is spawned: directories, `O_PATH`
    /// descriptors, handles on a part of the kernel, sockets by which a command could reach others.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// # use sandboxed::{Policy, Preset, Sandbox};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let status = sandbox.command("sh").args(["-c", "echo hello >&7"]).fd(7, writer).status()?;
    /// assert!(status.success());
    /// let mut heard = String::new();
    /// reader.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn fd(&mut self, number: RawFd, fd: impl Into<OwnedFd>) -> &mut Self {
        self.descriptors.push((number, fd.into()));
        self
    }

    /// The process group of the command: 0 is one of its own, which what a terminal or a process sends to the caller's group
    /// does not reach. Default: the caller's.
    ///
    /// No other number means anything: the groups of the host have none inside, and those inside end with their command.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.process_group = Some(group);
        self
    }

    /// Gives the command a terminal of its own, of the sandbox's own `/dev/pts`, and a session with it. The standard streams for
    /// which nothing else is said are that terminal; [`Child::terminal`] is its other end, which somebody has to read.
    ///
    /// The caller's terminal is out of the command's reach then: its keys, its size and its hang-up are not the command's.
    pub fn pty(&mut self, size: TerminalSize) -> &mut Self {
        self.terminal = Some(size);
        self
    }

    /// How long the command may run: then it gets SIGTERM, and 2 s later everything inside is killed. The policy's own
    /// limit holds if it is shorter. Default: the policy's.
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
    /// [`Error::Launch`] if a step or the execution fails or a descriptor has a wrong number, [`Error::Stream`],
    /// [`Error::OpenStream`] and [`Error::Descriptor`] for what is handed over, [`Error::ProcessGroup`],
    /// [`Error::HiddenDirectory`], [`Error::Nul`] and [`Error::VariableName`] for what has no meaning inside. Nothing is left
    /// running.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let unsaid = match self.terminal {
            Some(_) => Stdio::terminal(),
            None => Stdio::inherit(),
        };
        self.spawn_with([&unsaid; 3])
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
        self.spawn_for_output()?.wait_with_output()
    }

    pub(crate) fn spawn_for_output(&mut self) -> Result<Child, Error> {
        self.spawn_with([&Stdio::null(), &Stdio::piped(), &Stdio::piped()])
    }

    fn spawn_with(&self, defaults: [&Stdio; 3]) -> Result<Child, Error> {
        let [stdin, stdout, stderr] = defaults;
        let sockets = Sockets::of(self.sandbox.ruleset());
        let stdin = stdio::open(Stream::Stdin, self.stdin.as_ref().unwrap_or(stdin), sockets)?;
        let stdout = stdio::open(
            Stream::Stdout,
            self.stdout.as_ref().unwrap_or(stdout),
            sockets,
        )?;
        let stderr = stdio::open(
            Stream::Stderr,
            self.stderr.as_ref().unwrap_or(stderr),
            sockets,
        )?;

        let (environment, path) = self.environment.apply(self.sandbox.variables())?;
        let inherited = Inherited::now();
        let programs = search::candidates(&self.program, path.as_deref());
        let start = Start {
            programs: programs
                .iter()
                .map(|path| c_string("the program's name", path.as_os_str()))
                .collect::<Result<_, _>>()?,
            args: std::iter::once(self.arg0.as_ref().unwrap_or(&self.program))
                .chain(&self.args)
                .map(|arg| c_string("an argument", arg))
                .collect::<Result<_, _>>()?,
            environment,
            directory: self.directory()?,
            stdio: [stdin.inside(), stdout.inside(), stderr.inside()],
            descriptors: self.descriptors(sockets)?,
            process_group: match self.process_group {
                None => ProcessGroup::Callers,
                Some(0) => ProcessGroup::Own,
                Some(group) => return Err(Error::ProcessGroup { group }),
            },
            terminal: self.terminal,
            on_terminal: [&stdin, &stdout, &stderr].map(stdio::Opened::is_terminal),
            ignored_signals: inherited.ignored_signals,
            umask: inherited.umask,
            time: self.time_limit().map(deadline::last_resort),
        };
        let started = Instant::now();
        let child = self.sandbox.launch(&start)?;
        let deadline = self
            .time_limit()
            .and_then(|limit| Deadline::new(limit, started));
        drop(start);
        let [stdin, stdout, stderr] = [stdin, stdout, stderr].map(stdio::Opened::into_outside);
        Ok(Child::new(child, deadline, [stdin, stdout, stderr]))
    }

    fn descriptors(&self, sockets: Sockets) -> Result<Vec<(RawFd, BorrowedFd<'_>)>, Error> {
        let examined = self.descriptors.iter().map(|(number, fd)| {
            let (number, fd) = (*number, fd.as_fd());
            stdio::examine_further(number, fd, sockets).map(|()| (number, fd))
        });
        examined.collect()
    }

    /// The shorter of the command's and the policy's limit.
    fn time_limit(&self) -> Option<Duration> {
        self.timeout
            .into_iter()
            .chain(self.sandbox.ruleset().limits().time)
            .min()
    }

    fn directory(&self) -> Result<CString, Error> {
        let hidden = |directory, decision| Error::HiddenDirectory {
            directory,
            decision,
        };
        let (ruleset, base) = (self.sandbox.ruleset(), self.sandbox.directory());
        working_directory(ruleset, base, self.directory.as_deref(), hidden)
            .map(|(_, string)| string)
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
