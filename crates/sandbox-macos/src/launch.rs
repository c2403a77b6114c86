//! Starts a program under a profile, and stands for what runs.
//!
//! It is `/usr/bin/sandbox-exec -p PROFILE PROGRAM …` that applies the profile, and then executes the program in its own place: so the
//! process, its exit code and its signals are the program's. Not `sandbox_init(3)`: what that takes by Apple's documentation are names
//! of profiles of Apple's alone, what takes a text is private, and both are deprecated as well. The profile is an argument, and not a file
//! (`-f`): another process of the same person's, such as a command that was confined before, could change a file between our writing
//! and its reading. So it has a bound.
//!
//! The attacks: a descriptor that leads out, which a program inherits; a child that goes on when its command was killed; a program that
//! types into the terminal (`TIOCSTI`), which only a process can whose session has it.
//!
//! What was confined stays confined for as long as it lives. But macOS has nothing that ends with everything started in it: a child that
//! leaves the session with its group outlives the command, and the command outlives a caller that is killed.

mod error;
mod log;
#[expect(
    unsafe_code,
    reason = "what runs between fork and exec, and waiting without taking the number away"
)]
mod sys;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg};
use nix::sys::stat::{SFlag, fstatat};
use nix::unistd::{AccessFlags, Pid, faccessat};
use sandbox_core::Usage;

pub use self::error::LaunchError;
pub use self::log::{LOG, Violation, Watch};

/// The program of macOS that executes another one under a profile.
pub const SANDBOX_EXEC: &str = "/usr/bin/sandbox-exec";
/// Bytes of a profile: half of what the arguments and the environment of a program may have together (`ARG_MAX`).
const MOST_PROFILE: usize = 512 << 10;
/// Run to see whether a profile is taken.
const TRUE: &str = "/usr/bin/true";
/// Bytes of what `sandbox-exec` says that are told.
const MOST_SAID: u64 = 1 << 10;
/// For a thread that waits for one child.
const STACK: usize = 64 << 10;

/// What is started, and under which profile.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "each part has to be thought of")]
pub struct Start<'a> {
    /// What applies the profile: [`SANDBOX_EXEC`]; another one in tests.
    pub wrapper: &'a Path,
    /// The profile's text.
    pub profile: &'a str,
    /// Paths that may be the program, each with a slash in it, in the order in which they are tried.
    pub programs: &'a [PathBuf],
    /// The program as it was asked for, to be told.
    pub asked: &'a OsStr,
    /// Its arguments, without its name: that is the path.
    pub args: &'a [OsString],
    /// All variables that it has.
    pub environment: &'a [(OsString, OsString)],
    /// Where it starts.
    pub directory: &'a Path,
    /// Its standard input, output and error.
    pub stdio: [Stdio; 3],
    /// How many open files each of its processes may have, if that is bounded; never more than the caller may.
    pub open_files: Option<u64>,
}

/// How a command ended, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// As wait(2) has it.
    pub status: i32,
    /// What it took, with the children that it waited for.
    pub usage: Usage,
}

/// Asks whether the system takes a profile, by executing a program under it that does nothing.
///
/// Whatever comes of a profile that is refused comes at once, and is told as what it is: later the exit code would be one that any
/// program may have. That the program is hidden by the profile is no refusal.
///
/// # Errors
///
/// As for a start, and [`LaunchError::Profile`].
pub fn probe(wrapper: &Path, profile: &str) -> Result<(), LaunchError> {
    let mut command = wrapped(wrapper, profile)?;
    command.arg(TRUE).env_clear().stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| failed(wrapper, source))?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        // What cannot be read is not told.
        let _ = stderr.take(MOST_SAID).read_to_end(&mut said);
    }
    let status = child.wait().map_err(|source| LaunchError::Prepare {
        action: "wait for the trial of the profile",
        source,
    })?;
    let said = String::from_utf8_lossy(&said);
    // The profile was applied then, and hides the program.
    if status.success() || said.contains("execvp()") {
        return Ok(());
    }
    let said = match said.trim() {
        "" => status.to_string(),
        said => said.to_owned(),
    };
    Err(LaunchError::Profile { said })
}

impl Start<'_> {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way. [`LaunchError::Exec`] tells of a program that is not there or not executable. What shows
    /// only when it is executed, as the interpreter of a script that is not there, `sandbox-exec` tells on the standard error,
    /// and exits with 71.
    pub fn start(self) -> Result<Child, LaunchError> {
        // What is no directory, as a FIFO, is not waited for.
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_DIRECTORY.bits())
            .open(self.directory)
            .map_err(|source| LaunchError::Directory {
                directory: self.directory.to_owned(),
                source,
            })?;
        let program =
            found(self.programs, directory.as_fd()).map_err(|errno| LaunchError::Exec {
                program: self.asked.into(),
                source: errno.into(),
            })?;
        let mut command = wrapped(self.wrapper, self.profile)?;
        let [stdin, stdout, stderr] = self.stdio;
        command.arg(program).args(self.args).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let most = sys::last_descriptor().map_err(|source| LaunchError::Prepare {
            action: "count the open descriptors",
            source,
        })?;
        sys::begin(&mut command, directory, most, self.open_files);
        let child = command
            .spawn()
            .map_err(|source| failed(self.wrapper, source))?;
        Child::of(child)
    }
}

/// What applies the profile, with what comes before the program.
fn wrapped(wrapper: &Path, profile: &str) -> Result<Command, LaunchError> {
    if profile.len() > MOST_PROFILE {
        return Err(LaunchError::LongProfile {
            size: profile.len(),
            most: MOST_PROFILE,
        });
    }
    let mut command = Command::new(wrapper);
    command.arg("-p").arg(profile);
    Ok(command)
}

fn failed(wrapper: &Path, source: io::Error) -> LaunchError {
    match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::E2BIG) => LaunchError::TooLarge,
        Some(Errno::ENOENT | Errno::EACCES | Errno::EPERM) => LaunchError::Wrapper {
            wrapper: wrapper.to_owned(),
            source,
        },
        _ => LaunchError::Prepare {
            action: "start the command",
            source,
        },
    }
}

/// The first that can be executed, or why none can: one that is there and cannot tells more than one that is not.
fn found(programs: &[PathBuf], directory: BorrowedFd<'_>) -> Result<PathBuf, Errno> {
    let mut why = Errno::ENOENT;
    for program in programs {
        match executable(program, directory) {
            // What looks like an option of the wrapper's is none.
            Ok(()) if program.as_os_str().as_bytes().starts_with(b"-") => {
                return Ok(Path::new(".").join(program));
            }
            Ok(()) => return Ok(program.clone()),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => why = errno,
        }
    }
    Err(why)
}

fn executable(program: &Path, directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let mode = fstatat(directory, program, AtFlags::empty())?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Errno::EACCES);
    }
    faccessat(directory, program, AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

/// A command that runs, and the session that it began. Dropping it kills them.
#[derive(Debug)]
#[must_use = "dropping it kills the command"]
pub struct Child {
    /// The other end of its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The other end of its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The other end of its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    /// The process, and its group. Both numbers are its own until it has been waited for.
    pid: Pid,
    end: io::PipeReader,
    ended: Option<Report>,
}

impl Child {
    fn of(mut child: std::process::Child) -> Result<Self, LaunchError> {
        let failed = |mut child: std::process::Child, source| {
            // It has begun, and nobody would see its end.
            let _ = child.kill().and_then(|()| child.wait());
            LaunchError::Prepare {
                action: "watch the command",
                source,
            }
        };
        let pid = match i32::try_from(child.id()) {
            Ok(pid) => Pid::from_raw(pid),
            Err(_) => return Err(failed(child, Errno::ERANGE.into())),
        };
        match watch(pid) {
            Ok(end) => Ok(Self {
                stdin: child.stdin.take(),
                stdout: child.stdout.take(),
                stderr: child.stderr.take(),
                pid,
                end,
                ended: None,
            }),
            Err(source) => Err(failed(child, source)),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How it ended, if it has; does not wait. What is left of its group is killed then.
    ///
    /// # Errors
    ///
    /// Somebody else has waited for it.
    pub fn update(&mut self) -> io::Result<Option<Report>> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        let mut end = [PollFd::new(self.end.as_fd(), PollFlags::POLLIN)];
        match poll(&mut end, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.reap().map(Some)
    }

    /// Sends a signal to the program alone. One that has ended is left alone.
    ///
    /// # Errors
    ///
    /// There is no such signal, or the system refuses.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        self.send(number, kill)
    }

    /// Sends a signal to the program and all of its group.
    ///
    /// # Errors
    ///
    /// As for [`signal`](Self::signal).
    pub fn signal_all(&self, number: i32) -> io::Result<()> {
        self.send(number, killpg)
    }

    /// Kills the program and all of its group.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn kill(&self) -> io::Result<()> {
        self.signal_all(Signal::SIGKILL as i32)
    }

    fn send(&self, number: i32, send: impl Fn(Pid, Signal) -> Result<(), Errno>) -> io::Result<()> {
        let signal = Signal::try_from(number)?;
        if self.ended.is_some() {
            return Ok(());
        }
        match send(self.pid, signal) {
            // The second is what macOS says of a group in which all have ended.
            Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn reap(&mut self) -> io::Result<Report> {
        // While the number of the group can be no other's. Twice, since a fork may have been under way at the first.
        let _ = self.kill().and_then(|()| self.kill());
        let report = sys::wait(self.pid)?;
        self.ended = Some(report);
        Ok(report)
    }
}

impl AsFd for Child {
    /// Readable when [`update`](Self::update) tells of the end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // If somebody else has waited for it, there is nothing left to do.
            let _ = self.reap();
        }
    }
}

/// Has a thread wait for the end of a process: the other end of the pipe becomes readable. The process stays to be waited for, so
/// that its number is no other's meanwhile.
fn watch(pid: Pid) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    let builder = thread::Builder::new().name("sandbox-wait".to_owned());
    let _ = without_signals(builder.stack_size(STACK), move || {
        sys::wait_for_end(pid);
        // A fork of the caller may hold the pipe open: so its end would not do.
        let _ = io::Write::write_all(&mut writer, b"e");
    })?;
    Ok(reader)
}

/// Starts a thread that handles no signal: those are the business of the caller's own.
fn without_signals(
    builder: thread::Builder,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    // It has the mask of who starts it.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let thread = builder.spawn(run);
    mask.thread_set_mask()?;
    thread
}
