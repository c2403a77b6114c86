//! The command as init gets it: bytes, made before the clone.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;

use crate::launch::NumberProblem;
use crate::wire::{DESCRIPTORS, STREAMS, group};
use crate::{LaunchError, sys};

/// A command to be started. All of it is named inside the sandbox.
///
/// ```
/// use std::os::fd::AsFd;
/// use sandbox_linux::{ProcessGroup, Start};
///
/// let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
/// let start = Start {
///     programs: vec![c"/usr/bin/true".into(), c"/bin/true".into()],
///     args: vec![c"true".into()],
///     environment: vec![c"LANG=C.UTF-8".into()],
///     directory: c"/".into(),
///     stdio: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
///     descriptors: Vec::new(),
///     process_group: ProcessGroup::Callers,
///     terminal: None,
///     on_terminal: [false; 3],
///     ignored_signals: 0,
///     umask: 0o022,
///     time: None,
/// };
/// assert_eq!(start.args.len(), 1);
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "all that execve(2) takes, and what a process inherits besides"
)]
pub struct Start<'a> {
    /// Where the program may be, tried in this order as `execvp(3)` does.
    pub programs: Vec<CString>,
    /// The arguments, the program's name first.
    pub args: Vec<CString>,
    /// The environment: `NAME=value`.
    pub environment: Vec<CString>,
    /// The directory in which it starts.
    pub directory: CString,
    /// Standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Further descriptors, each with the number that it has inside: from 3 on, in any order.
    pub descriptors: Vec<(RawFd, BorrowedFd<'a>)>,
    /// Whose process group it is in.
    pub process_group: ProcessGroup,
    /// A terminal of its own, and with it a session.
    pub terminal: Option<TerminalSize>,
    /// Which standard streams are that terminal, in the place of what is given for them.
    pub on_terminal: [bool; 3],
    /// Bit n-1: signal n stays ignored, as after `nohup`.
    pub ignored_signals: u64,
    /// The mode bits that new files do not get (`umask(2)`).
    pub umask: u32,
    /// After this time init ends everything inside, even if the caller is stopped.
    pub time: Option<Duration>,
}

/// Whose process group a command is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "no other group has a number inside (pid_namespaces(7))"
)]
pub enum ProcessGroup {
    /// The caller's, as any child's: what a terminal or a process sends to the group reaches the command.
    #[default]
    Callers,
    /// One of its own.
    Own,
}

/// How large a terminal is, in characters.
///
/// ```
/// use sandbox_linux::TerminalSize;
///
/// let size = TerminalSize { rows: 24, columns: 80 };
/// assert_eq!(size, TerminalSize::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a rectangle")]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

impl Default for TerminalSize {
    fn default() -> Self {
        Self {
            rows: 24,
            columns: 80,
        }
    }
}

impl TerminalSize {
    /// Never 0, which is none.
    fn in_a_word(self) -> u32 {
        (u32::from(self.rows) << 16 | u32::from(self.columns)).max(1)
    }

    /// Makes `terminal`, a master, so large: what runs in its foreground gets SIGWINCH if that is a change.
    ///
    /// # Errors
    ///
    /// Those of `TIOCSWINSZ` (`ioctl_tty(2)`): it is no terminal.
    pub fn apply(self, terminal: BorrowedFd<'_>) -> std::io::Result<()> {
        sys::set_window_size(terminal, [self.rows, self.columns, 0, 0])
    }
}

impl<'a> Start<'a> {
    /// The further descriptors, ascending by their numbers.
    pub(crate) fn numbered(&self) -> Result<Vec<(RawFd, BorrowedFd<'a>)>, LaunchError> {
        let wrong = |number, problem| Err(LaunchError::Number { number, problem });
        let mut numbered = self.descriptors.clone();
        numbered.sort_by_key(|(number, _)| *number);
        let first = numbered.first().map(|(number, _)| *number);
        if let Some(number) = first.filter(|number| *number < FIRST) {
            return wrong(number, NumberProblem::Reserved);
        }
        for pair in numbered.windows(2) {
            if let [(one, _), (other, _)] = pair
                && one == other
            {
                return wrong(*one, NumberProblem::Twice);
            }
        }
        if let Some((number, _)) = numbered.get(DESCRIPTORS) {
            return wrong(*number, NumberProblem::TooMany { most: DESCRIPTORS });
        }
        Ok(numbered)
    }

    /// The body of the message; `numbered` are the further descriptors.
    pub(crate) fn to_bytes(
        &self,
        numbered: &[(RawFd, BorrowedFd<'_>)],
    ) -> Result<Vec<u8>, LaunchError> {
        let opened_at: Vec<CString> = (self.stdio.iter())
            .chain(numbered.iter().map(|(_, fd)| fd))
            .map(|fd| opened_at(*fd))
            .collect();
        let strings = || {
            std::iter::once(&self.directory)
                .chain(&opened_at)
                .chain(&self.programs)
                .chain(&self.args)
                .chain(&self.environment)
        };
        let length: usize = strings()
            .map(|string| string.as_bytes_with_nul().len())
            .sum();
        let mut bytes = Vec::with_capacity(length + 64 + size_of_val(numbered));
        bytes.extend(self.ignored_signals.to_ne_bytes());
        let time = self.time.map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
        });
        bytes.extend(time.to_ne_bytes());
        bytes.extend(self.umask.to_ne_bytes());
        let group = match self.process_group {
            ProcessGroup::Callers => group::CALLERS,
            ProcessGroup::Own => group::OWN,
        };
        bytes.extend(group.to_ne_bytes());
        let terminal = self.terminal.map_or(0, TerminalSize::in_a_word);
        bytes.extend(terminal.to_ne_bytes());
        let on_terminal = (0..).zip(self.on_terminal);
        let on_terminal = on_terminal.fold(0, |bits, (stream, is)| bits | u32::from(is) << stream);
        bytes.extend(on_terminal.to_ne_bytes());
        let strings_of = [&self.programs, &self.args, &self.environment];
        for length in std::iter::once(numbered.len()).chain(strings_of.map(Vec::len)) {
            let length = u32::try_from(length).map_err(|_| LaunchError::TooLarge)?;
            bytes.extend(length.to_ne_bytes());
        }
        for (number, _) in numbered {
            bytes.extend(number.to_ne_bytes());
        }
        strings()
            .map(CString::as_c_str)
            .map(CStr::to_bytes_with_nul)
            .for_each(|string| bytes.extend(string));
        Ok(bytes)
    }
}

/// The lowest number of a further descriptor.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "it is 3"
)]
const FIRST: RawFd = STREAMS as RawFd;

/// Where a regular file was opened for reading; empty for everything else, which is handed over as it is.
fn opened_at(fd: BorrowedFd<'_>) -> CString {
    let is_read_only = fcntl(fd, FcntlArg::F_GETFL)
        .is_ok_and(|flags| OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE == OFlag::O_RDONLY);
    let is_file = || fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG);
    let path = || std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
    let path = (is_read_only && is_file()).then(path).flatten();
    path.and_then(|path| CString::new(path.into_os_string().into_vec()).ok())
        .unwrap_or_default()
}

/// A message as it is sent: the body itself, or where it lies.
pub(crate) fn message(
    order: u32,
    inline_body: &[u8],
    length_outside: usize,
) -> Result<Vec<u8>, LaunchError> {
    let outside = u32::try_from(length_outside).map_err(|_| LaunchError::TooLarge)?;
    Ok([
        &order.to_ne_bytes()[..],
        &outside.to_ne_bytes(),
        inline_body,
    ]
    .concat())
}

/// An order with one operand.
pub(crate) fn small(order: u32, operand: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    let (first, second) = bytes.split_at_mut(4);
    first.copy_from_slice(&order.to_ne_bytes());
    second.copy_from_slice(&operand.to_ne_bytes());
    bytes
}
