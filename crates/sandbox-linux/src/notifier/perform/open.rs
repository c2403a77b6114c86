//! Opens: what is new is made under its own name, what is there is opened as it was seen, and never by its name once more.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, fcntl};
use nix::sys::stat::fstat;
use sandbox_core::GitFile;

use super::repository::in_repositories;
use super::{Performer, again};
use crate::notifier::decide::Answer;
use crate::notifier::denied::Asked;
use crate::notifier::pin::{Held, Own, Pinned, gives};
use crate::notifier::resolve::{Found, Name, Place, Seen, Stop};
use crate::sys::notify::open_at;

/// What a performer's own open adds: it waits for nothing, and gets no terminal.
pub(super) const SAFELY: i32 = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
/// What it adds for a file that is to be new: nobody can have that in use.
const NEW: i32 = libc::O_EXCL | libc::O_CLOEXEC;
/// What an open for writing has, and one for reading has not.
const WRITES: i32 = libc::O_ACCMODE | libc::O_TRUNC | libc::O_APPEND;
/// The flags that `F_SETFL` sets (fcntl(2)).
const STATUS: i32 = libc::O_APPEND | libc::O_NONBLOCK | libc::O_DIRECT | libc::O_NOATIME;
/// How often a way is walked again because somebody swaps what is at its end.
pub(super) const PATIENCE: u32 = 64;

impl<'a> Performer<'a> {
    pub(super) fn open(&self, at: &'a Pinned, flags: i32, mode: u32) -> Result<OwnedFd, Stop> {
        let creates = flags & libc::O_CREAT != 0;
        let exclusive = creates && flags & libc::O_EXCL != 0;
        let nameless = flags & libc::O_TMPFILE == libc::O_TMPFILE;
        if creates && flags & libc::O_DIRECTORY != 0 {
            return Err(Errno::EINVAL.into());
        }
        let mut walk = self.walk(at);
        let mut next = None;
        for _ in 0..PATIENCE {
            let found = match next.take() {
                Some(found) => found,
                None => walk.find()?,
            };
            let name = match found {
                Found::Name(name) => name,
                Found::Directory(_) | Found::File(_) if exclusive => {
                    return Err(Errno::EEXIST.into());
                }
                Found::Directory(directory) if nameless => {
                    return self.open_nameless(&directory, flags, mode);
                }
                Found::Directory(_) => return Err(Errno::EISDIR.into()),
                Found::File(_) if flags & libc::O_NOFOLLOW != 0 => return Err(Errno::ELOOP.into()),
                Found::File(file) => return self.open_again(&file, flags),
            };
            if name.slash && creates {
                return Err(Errno::EISDIR.into());
            }
            let seen = if exclusive { None } else { name.look()? };
            match seen {
                Some(link) if link.is(libc::S_IFLNK) => {
                    if flags & libc::O_NOFOLLOW != 0 {
                        return Err(Errno::ELOOP.into());
                    }
                    next = walk.follow(&name, &link)?;
                }
                Some(seen) => return self.open_existing(&name, &seen, flags, mode),
                None if creates => match self.open_new(&name, flags, mode) {
                    Err(Stop::Answer(Errno::EEXIST)) if !exclusive => {
                        next = Some(Found::Name(name));
                    }
                    opened => return opened,
                },
                None => return Err(Errno::ENOENT.into()),
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// Makes and opens what is not there. libgit2 makes settings as an empty file, and then puts others in the place of that: so git's are
    /// made, and the descriptor is one for reading.
    fn open_new(&self, name: &Name<'a>, flags: i32, mode: u32) -> Result<OwnedFd, Stop> {
        let flags = match self.decide_new(name, Asked::write_file) {
            Ok(_) => flags,
            Err(Stop::Alone) => return Err(Stop::Alone),
            Err(denied) => {
                let path = name.path(&self.job.root)?;
                if let Some(link) = self.open_link((name, &path), None, flags, mode)? {
                    return Ok(link);
                }
                if let Some(copied) = self.open_copied((name, &path), flags, mode)? {
                    return Ok(copied);
                }
                let places: Vec<_> = in_repositories(name, &path).collect();
                if self.git_config(&path, &places).is_none() {
                    return Err(denied);
                }
                flags & !WRITES
            }
        };
        let opened = self.opened(name, name.directory.as_fd())?;
        let directory = &opened.as_ref().unwrap_or(name).directory;
        // New, or not: what has come there since it was looked at was not decided, and may be a link.
        Ok(open_at(directory.as_fd(), &name.last, flags | NEW, mode)?)
    }

    /// Which settings of git may be at a path, or at what it is called in the git directories around it.
    pub(super) fn git_config(&self, path: &Path, places: &[PathBuf]) -> Option<GitFile> {
        let is_config = |kind: &GitFile| matches!(kind, GitFile::Config | GitFile::ModuleConfig);
        let kind = |path: &Path| self.names.names().git_file(path).filter(is_config);
        // What a rule says of the very path holds, whatever the directory is.
        let in_other = || {
            let places = places.iter().filter(|_| !self.names.names().denies(path));
            places
                .map(|path| kind(path))
                .find_map(|kind| kind.map(|_| GitFile::Config))
        };
        kind(path).or_else(in_other)
    }

    /// Opens what was seen at a name, whatever is there by now.
    fn open_existing(
        &self,
        name: &Name<'a>,
        seen: &Seen,
        flags: i32,
        mode: u32,
    ) -> Result<OwnedFd, Stop> {
        match (seen.is(libc::S_IFDIR), flags & libc::O_CREAT != 0) {
            (true, true) => return Err(Errno::EISDIR.into()),
            (true, false) if flags & libc::O_TMPFILE == libc::O_TMPFILE => {
                return self.open_nameless(&seen.file, flags, mode);
            }
            // Whoever asks for no writing is not notified.
            (true, false) if flags & libc::O_PATH == 0 => return Err(Errno::EISDIR.into()),
            (false, _) if name.slash => return Err(Errno::ENOTDIR.into()),
            _ => {}
        }
        if is_terminal(seen) {
            return self.open_terminal(seen, flags);
        }
        if let Err(denied) = self.decide(name, seen.file.as_fd(), Asked::write_file) {
            if denied == Stop::Alone {
                return Err(denied);
            }
            let path = name.path(&self.job.root)?;
            let link = self.open_link((name, &path), Some(seen), flags, mode)?;
            return link.ok_or(denied);
        }
        let opened = self.opened_file(name, seen)?;
        open_seen(opened.as_ref().unwrap_or(seen), flags)
    }

    /// Opens a descriptor of the calling process again: for what it is open for, or what the rules let be done with that very file.
    fn open_again(&self, file: &Place<'a>, flags: i32) -> Result<OwnedFd, Stop> {
        self.allow_again(file, flags)?;
        let copy = file.as_fd().try_clone_to_owned();
        let seen = Seen {
            file: copy.map_err(|_| Errno::EMFILE)?,
            stat: fstat(file)?,
        };
        open_seen(&seen, flags)
    }

    pub(super) fn allow_again(&self, file: &Place<'a>, flags: i32) -> Result<(), Stop> {
        if gives(file, flags) {
            return Ok(());
        }
        match self.decide_file(file)? {
            Answer::Allowed => Ok(()),
            // Whatever it is, it was handed over for less.
            Answer::TheKernels => Err(Errno::EACCES.into()),
        }
    }

    /// A file without a name: whether it may get one is decided when it is linked.
    fn open_nameless(&self, directory: &impl AsFd, flags: i32, mode: u32) -> Result<OwnedFd, Stop> {
        self.names
            .write(&self.job.root.path_of(directory)?, directory.as_fd())?;
        let opened = open_at(directory.as_fd(), c".", flags | libc::O_CLOEXEC, mode);
        finish(opened, flags | libc::O_NONBLOCK, None)
    }

    /// `/dev/tty` is the terminal of the thread that asks, not ours.
    fn open_terminal(&self, node: &Seen, flags: i32) -> Result<OwnedFd, Stop> {
        match self.job.held(Own::Terminal) {
            None => Err(Stop::Ask(Own::Terminal)),
            Some(Held::SameTerminal) => open_seen(node, flags),
            Some(Held::Terminal(number)) => {
                let path = CString::new(format!("dev/pts/{number}")).map_err(|_| Errno::ENXIO)?;
                let root = self.job.root.as_fd();
                finish(open_at(root, &path, flags | SAFELY, 0), flags, None)
            }
            Some(Held::File(_) | Held::Process(_)) => Err(Errno::ENXIO.into()),
        }
    }
}

/// Opens this very file.
pub(super) fn open_seen(seen: &Seen, flags: i32) -> Result<OwnedFd, Stop> {
    let others = flags & !(libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW);
    let path = CString::new(again(&seen.file)).map_err(|_| Errno::EINVAL)?;
    let opened = open_at(AT_FDCWD, &path, others | SAFELY, 0);
    finish(opened, flags, Some(seen))
}

/// `O_NONBLOCK` was ours, unless it was asked for.
fn finish(opened: nix::Result<OwnedFd>, flags: i32, seen: Option<&Seen>) -> Result<OwnedFd, Stop> {
    let waits = flags & libc::O_NONBLOCK == 0;
    let is_fifo = || seen.is_some_and(|seen| seen.is(libc::S_IFIFO));
    match opened {
        // Nobody reads it yet (fifo(7)); or somebody outside has a lease of the file (open(2)).
        Err(Errno::ENXIO) if waits && is_fifo() => Err(Stop::Wait),
        Err(Errno::EWOULDBLOCK) if waits => Err(Stop::Wait),
        Ok(file) if waits => {
            fcntl(
                &file,
                FcntlArg::F_SETFL(OFlag::from_bits_retain(flags & STATUS)),
            )?;
            Ok(file)
        }
        opened => Ok(opened?),
    }
}

/// Whether it is the node that stands for each process's own terminal.
fn is_terminal(seen: &Seen) -> bool {
    seen.is(libc::S_IFCHR) && seen.stat.st_rdev == libc::makedev(5, 0)
}
