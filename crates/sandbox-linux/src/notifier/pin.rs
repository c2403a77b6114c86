//! What a call refers to beside its arguments, as descriptors: the *thread's* root, directory, descriptors, terminal.
//!
//! All of it is of the thread, not of the process: threads may have their own (`CLONE_FS`, `CLONE_FILES`). The caller's side does
//! that, not the performer, which may not look into other processes.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::getsid;
use sandbox_core::Process;

use super::calls::Argument;
use super::procfs::Threads;
use super::read::text;
use crate::sys::notify::{descriptor_of, file_size_limit};

/// Of so many threads of a process it is looked whether they handle a signal.
const MOST_THREADS: usize = 256;

/// A path, and where it begins.
#[derive(Debug)]
pub(super) struct Pinned {
    /// The directory; `None` for the root.
    pub(super) base: Option<OwnedFd>,
    pub(super) path: CString,
}

/// Something of the calling process itself, which only the caller's side can get hold of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// What `/proc/self/fd/N` leads to.
    Descriptor(i32),
    /// What `/proc/self/cwd` leads to.
    Directory,
    /// What `/dev/tty` stands for.
    Terminal,
    /// Which it is, to tell of what is denied.
    Process,
}

/// The answer to a question for an [`Own`].
#[derive(Debug)]
pub(super) enum Held {
    /// The opened file itself.
    File(OwnedFd),
    /// The terminal that the caller's process has, too.
    SameTerminal,
    /// The number of one in the sandbox's `/dev/pts`.
    Terminal(u32),
    /// The process, as far as that can be seen.
    Process(Option<Process>),
}

/// A thread that waits, by its number here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread(pub(super) u32);

impl Thread {
    /// A place of its call.
    pub(super) fn place(self, argument: Argument, threads: &Threads) -> Result<Pinned, Errno> {
        let path = text(self.0, argument.path)?;
        if path.is_empty() && !argument.may_be_empty {
            return Err(Errno::ENOENT);
        }
        self.pinned(argument.directory, path, threads)
    }

    /// A path, and where it begins: the number of a directory, or `AT_FDCWD`.
    pub(super) fn pinned(
        self,
        directory: i32,
        path: CString,
        threads: &Threads,
    ) -> Result<Pinned, Errno> {
        let base = match directory {
            _ if path.as_bytes().starts_with(b"/") => None,
            libc::AT_FDCWD => Some(threads.pin(self, "cwd", OFlag::O_DIRECTORY)?),
            number => {
                let kind = if path.is_empty() {
                    OFlag::empty()
                } else {
                    OFlag::O_DIRECTORY
                };
                let pinned = threads.pin(self, &format!("fd/{number}"), kind);
                Some(pinned.map_err(|errno| match errno {
                    Errno::ENOENT => Errno::EBADF,
                    other => other,
                })?)
            }
        };
        Ok(Pinned { base, path })
    }

    pub(super) fn root(self) -> Result<OwnedFd, Errno> {
        self.directory("root")
    }

    fn directory(self, link: &str) -> Result<OwnedFd, Errno> {
        let path = format!("/proc/{}/{link}", self.0);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path.as_str(), flags, Mode::empty())
    }

    /// The largest size that it may give to a file (`RLIMIT_FSIZE` of setrlimit(2)).
    pub(super) fn largest_file(self) -> Result<u64, Errno> {
        file_size_limit(self.0)
    }

    pub(super) fn own(self, what: Own) -> Result<Held, Errno> {
        match what {
            Own::Descriptor(number) => {
                let file = descriptor_of(self.0, number).map_err(|errno| match errno {
                    Errno::EBADF => Errno::ENOENT,
                    other => other,
                });
                file.map(Held::File)
            }
            Own::Directory => self.directory("cwd").map(Held::File),
            Own::Terminal => self.terminal(),
            Own::Process => Ok(Held::Process(self.process())),
        }
    }

    /// A number of a terminal means something in one `/dev/pts` only, and there are two: the caller's, which the command is in if
    /// it has the caller's session, and the sandbox's.
    fn terminal(self) -> Result<Held, Errno> {
        const FIRST_MAJOR: u32 = 136;
        let stat = self.file("stat")?;
        // After the program's name, which may have anything in it: state, parent, group, session, terminal (proc_pid_stat(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let number = |at| fields.split_ascii_whitespace().nth(at)?.parse::<i32>().ok();
        let (session, terminal) = (
            number(3).ok_or(Errno::EACCES)?,
            number(4).ok_or(Errno::EACCES)?,
        );
        if terminal == 0 {
            return Err(Errno::ENXIO);
        }
        if getsid(None).is_ok_and(|ours| ours.as_raw() == session) {
            return Ok(Held::SameTerminal);
        }
        let device = u64::from(terminal.cast_unsigned());
        let (major, minor) = (libc::major(device), libc::minor(device));
        match major.checked_sub(FIRST_MAJOR) {
            Some(0) => Ok(Held::Terminal(minor)),
            _ => Err(Errno::ENXIO),
        }
    }

    /// Whether a signal waits for it that it has a handler for, or that stops it: it waits itself for us, and only what kills it would end that.
    ///
    /// What is sent to a process its first thread handles, unless it blocks that (`complete_signal` of the kernel). To another one it counts where it
    /// is certain that nobody else handles it: without a signal of its own that thread's program would see what only the kernel is to see.
    pub(super) fn has_signal(self) -> bool {
        let Some(signals) = self.signals() else {
            return false;
        };
        let shared = signals.shared & signals.heard();
        let is_mine = || signals.first == self.0 || self.others_block(shared);
        signals.pending & signals.heard() != 0 || shared != 0 && is_mine()
    }

    /// Whether all other threads of its process block these signals. Not if there are very many: each is a file to read; nor if one has ended.
    fn others_block(self, these: u64) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0)) else {
            return false;
        };
        let blocks = |number: u32| {
            let other = Self(number).signals();
            number == self.0 || other.is_some_and(|other| these & !other.blocked == 0)
        };
        let mut numbers = threads.map(|thread| thread.ok()?.file_name().to_str()?.parse().ok());
        let mut first = numbers.by_ref().take(MOST_THREADS);
        first.all(|number| number.is_some_and(blocks)) && numbers.next().is_none()
    }

    fn signals(self) -> Option<Signals> {
        let status = self.file("status").ok()?;
        let word = |key| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim())
        };
        let set = |key| u64::from_str_radix(word(key)?, 16).ok();
        Some(Signals {
            first: word("Tgid:")?.parse().ok()?,
            pending: set("SigPnd:")?,
            shared: set("ShdPnd:")?,
            blocked: set("SigBlk:")?,
            ignored: set("SigIgn:")?,
            caught: set("SigCgt:")?,
        })
    }

    fn process(self) -> Option<Process> {
        let status = self.file("status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        let id = line?.trim().parse().ok()?;
        let program = fs::read_link(format!("/proc/{}/exe", self.0));
        Some(Process::new(id, program.ok()))
    }

    fn file(self, name: &str) -> Result<String, Errno> {
        let bytes = fs::read(format!("/proc/{}/{name}", self.0));
        let bytes = bytes.map_err(|error| errno(&error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The signals of a thread, a bit each (`proc_pid_status(5)`).
struct Signals {
    /// The first thread of its process.
    first: u32,
    /// Those that were sent to it, and those to its process.
    pending: u64,
    shared: u64,
    blocked: u64,
    ignored: u64,
    caught: u64,
}

impl Signals {
    /// Those for which it would leave a call.
    const fn heard(&self) -> u64 {
        const fn bit(signal: i32) -> u64 {
            1 << (signal - 1)
        }
        const STOPS: u64 =
            bit(libc::SIGSTOP) | bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);
        (self.caught | STOPS & !self.ignored) & !self.blocked
    }
}

pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EACCES))
}

/// Whether a descriptor gives what an open with these `flags` asks for.
pub(super) fn gives(file: impl AsFd, flags: i32) -> bool {
    let Ok(has) = fcntl(file, FcntlArg::F_GETFL) else {
        return false;
    };
    if has & libc::O_PATH != 0 {
        return false;
    }
    let reads = |flags: i32| matches!(flags & libc::O_ACCMODE, libc::O_RDONLY | libc::O_RDWR);
    let writes = |flags: i32| matches!(flags & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR);
    let cuts_off = flags & libc::O_TRUNC != 0;
    // Mode 3 asks for both, and gives neither.
    let both = flags & libc::O_ACCMODE == libc::O_ACCMODE;
    (!(reads(flags) || both) || reads(has)) && (!(writes(flags) || cuts_off || both) || writes(has))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_descriptor_gives_what_it_was_opened_for() {
        let (reader, writer) = std::io::pipe().unwrap();
        let both = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        for (flags, of_reader, of_writer) in [
            (libc::O_RDONLY, true, false),
            (libc::O_WRONLY, false, true),
            (libc::O_RDWR, false, false),
            (libc::O_RDONLY | libc::O_TRUNC, false, false),
            (libc::O_WRONLY | libc::O_TRUNC, false, true),
            (libc::O_ACCMODE, false, false),
        ] {
            assert_eq!(gives(&reader, flags), of_reader, "{flags:#o}");
            assert_eq!(gives(&writer, flags), of_writer, "{flags:#o}");
            assert!(gives(&both, flags), "{flags:#o}");
        }
        let path = open("/dev/null", OFlag::O_PATH, Mode::empty()).unwrap();
        assert!(!gives(&path, libc::O_RDONLY));
    }
}
