//! Where a path leads, on descriptors: every directory on the way is one, and no text is walked twice by name.
//!
//! Mostly one `openat2` from the *command's* root, which follows no magic link of procfs. Where that fails, or has no answer for a
//! path that begins in the working directory and leaves it, the walk is done by hand. Links of procfs are followed by a table:
//! what belongs to the calling process itself, and never another's (invariants 16, 20).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::os::unix::ffi::OsStrExt;

use super::pin::{Held, Own, Pinned};
use crate::sys::notify::{open_at, open_resolved};

/// The kernel follows as many (`MAXSYMLINKS`).
const MOST_LINKS: u32 = 40;
/// `RESOLVE_NO_MAGICLINKS`, `RESOLVE_NO_SYMLINKS`, `RESOLVE_BENEATH`, `RESOLVE_IN_ROOT` (openat2(2)).
pub(super) const NO_MAGIC: u64 = 2;
pub(super) const NO_LINKS: u64 = 4;
pub(super) const BENEATH: u64 = 8;
pub(super) const IN_ROOT: u64 = 16;
/// The root directory of every procfs (`PROC_ROOT_INO`).
const PROCESSES: u64 = 1;

const DIRECTORY: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
pub(super) const AS_IT_IS: i32 = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// Why a call is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// This is its answer.
    Answer(Errno),
    /// First the caller's side has to get hold of something.
    Ask(Own),
    /// It would block: a FIFO that nobody reads, an init that has much to do.
    Wait,
    /// It depends on more than its path: it is to be made while no other call is.
    Alone,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Answer(errno)
    }
}

/// A descriptor on the way.
#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    Given(BorrowedFd<'a>),
    Opened(Rc<OwnedFd>),
}

impl AsFd for Place<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Given(fd) => *fd,
            Self::Opened(fd) => fd.as_fd(),
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A name in a directory, whatever is there.
    Name(Name<'a>),
    /// A directory without a name of its own: `/`, `.`, `..`.
    Directory(Place<'a>),
    /// A descriptor of the calling process.
    File(Place<'a>),
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Name<'a> {
    pub(super) directory: Place<'a>,
    pub(super) last: CString,
    /// A slash follows: it must be a directory.
    pub(super) slash: bool,
}

/// What is at a name.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) file: OwnedFd,
    pub(super) stat: FileStat,
}

impl Seen {
    pub(super) fn is(&self, kind: libc::mode_t) -> bool {
        self.stat.st_mode & libc::S_IFMT == kind
    }
}

impl Name<'_> {
    /// What is there now, a link as itself; `None` if nothing is.
    pub(super) fn look(&self) -> Result<Option<Seen>, Errno> {
        let file = match open_at(self.directory.as_fd(), &self.last, AS_IT_IS, 0) {
            Err(Errno::ENOENT) => return Ok(None),
            file => file?,
        };
        let stat = fstat(&file)?;
        Ok(Some(Seen { file, stat }))
    }
}

/// The way of a path.
pub(super) struct Walk<'a> {
    root: BorrowedFd<'a>,
    own: &'a [(Own, Held)],
    at: Place<'a>,
    /// What is left of the path: begins and ends with a name.
    rest: Vec<u8>,
    slash: bool,
    links: u32,
}

impl<'a> Walk<'a> {
    /// From a thread's root, with what is known of its process.
    pub(super) fn new(root: BorrowedFd<'a>, pinned: &'a Pinned, own: &'a [(Own, Held)]) -> Self {
        let base = pinned.base.as_ref().map_or(root, |base| base.as_fd());
        let mut walk = Self {
            root,
            own,
            at: Place::Given(base),
            rest: Vec::new(),
            slash: false,
            links: 0,
        };
        walk.push(pinned.path.as_bytes());
        walk
    }

    /// The next place that the path leads to. What is there has not been looked at.
    pub(super) fn find(&mut self) -> Result<Found<'a>, Stop> {
        self.hurry();
        while let Some(name) = self.pop() {
            match name.as_slice() {
                b"." => {}
                b".." => self.up()?,
                _ if self.rest.is_empty() => {
                    return Ok(Found::Name(Name {
                        directory: self.at.clone(),
                        last: CString::new(name).map_err(|_| Errno::EINVAL)?,
                        slash: self.slash,
                    }));
                }
                _ => {
                    if let Some(found) = self.enter(name)? {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(Found::Directory(self.at.clone()))
    }

    /// Goes on at a link that was seen at the end of the way; `find` tells where that leads.
    pub(super) fn follow(
        &mut self,
        name: &Name<'a>,
        link: &Seen,
    ) -> Result<Option<Found<'a>>, Stop> {
        self.at = name.directory.clone();
        self.follow_link(name.last.as_bytes(), link)
    }

    /// Takes all of the way but its last name at once, if the kernel does.
    fn hurry(&mut self) {
        let Some(slash) = self.rest.iter().rposition(|byte| *byte == b'/') else {
            return;
        };
        let (before, last) = self.rest.split_at(slash);
        if matches!(last, b"/." | b"/..") {
            return;
        }
        let Ok(path) = CString::new(before) else {
            return;
        };
        // What lies above a directory other than the root is not the kernel's to find here: it would be held below that.
        let (start, bound) = if self.is_at_root() {
            (self.root, IN_ROOT)
        } else {
            (self.at.as_fd(), BENEATH)
        };
        if let Ok(directory) = open_resolved(start, &path, DIRECTORY, NO_MAGIC | bound) {
            self.at = Place::Opened(Rc::new(directory));
            self.rest.drain(..=slash);
        }
    }

    fn is_at_root(&self) -> bool {
        matches!(&self.at, Place::Given(fd) if fd.as_raw_fd() == self.root.as_raw_fd())
    }

    fn up(&mut self) -> Result<(), Stop> {
        let identity = |fd: BorrowedFd<'_>| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        if self.is_at_root() || identity(self.at.as_fd())? == identity(self.root)? {
            return Ok(());
        }
        self.at = Place::Opened(Rc::new(open_at(self.at.as_fd(), c"..", DIRECTORY, 0)?));
        Ok(())
    }

    /// Goes into a directory on the way.
    fn enter(&mut self, name: Vec<u8>) -> Result<Option<Found<'a>>, Stop> {
        let name = Name {
            directory: self.at.clone(),
            last: CString::new(name).map_err(|_| Errno::EINVAL)?,
            slash: false,
        };
        let seen = name.look()?.ok_or(Errno::ENOENT)?;
        if seen.is(libc::S_IFLNK) {
            return self.follow_link(name.last.as_bytes(), &seen);
        }
        if !seen.is(libc::S_IFDIR) {
            return Err(Errno::ENOTDIR.into());
        }
        self.at = Place::Opened(Rc::new(seen.file));
        Ok(None)
    }

    fn follow_link(&mut self, name: &[u8], link: &Seen) -> Result<Option<Found<'a>>, Stop> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        if fstatfs(&link.file)?.filesystem_type() == PROC_SUPER_MAGIC {
            let is_own = fstat(self.at.as_fd())?.st_ino == PROCESSES
                && matches!(name, b"self" | b"thread-self");
            return if is_own {
                self.own_process()
            } else {
                Err(Errno::EACCES.into())
            };
        }
        let target = readlinkat(&link.file, c"")?;
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        self.push(target.as_bytes());
        Ok(None)
    }

    /// In the directory of the calling process: what it has itself.
    fn own_process(&mut self) -> Result<Option<Found<'a>>, Stop> {
        let own = match self.pop().as_deref() {
            Some(b"root") => {
                self.at = Place::Given(self.root);
                return Ok(None);
            }
            Some(b"cwd") => Own::Directory,
            Some(b"fd") => {
                let number = self.pop().ok_or(Errno::EISDIR)?;
                let number = std::str::from_utf8(&number)
                    .ok()
                    .and_then(|it| it.parse().ok());
                Own::Descriptor(number.ok_or(Errno::ENOENT)?)
            }
            // The file system is read-only.
            _ => return Err(Errno::EACCES.into()),
        };
        let known = self.own.iter().find(|(what, _)| *what == own);
        let Some((_, Held::File(file))) = known else {
            return Err(Stop::Ask(own));
        };
        self.at = Place::Given(file.as_fd());
        Ok(self.rest.is_empty().then(|| Found::File(self.at.clone())))
    }

    /// Puts a path before what is left.
    fn push(&mut self, path: &[u8]) {
        if path.starts_with(b"/") {
            self.at = Place::Given(self.root);
        }
        let is_name = |byte: &u8| *byte != b'/';
        let start = path.iter().position(is_name).unwrap_or(0);
        let end = path.iter().rposition(is_name).map_or(0, |last| last + 1);
        let names = path.get(start..end).unwrap_or_default();
        if self.rest.is_empty() {
            self.slash |= path.ends_with(b"/");
            self.rest.extend(names);
        } else if !names.is_empty() {
            self.rest.splice(..0, names.iter().copied().chain([b'/']));
        }
    }

    /// The next name.
    fn pop(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            return None;
        }
        let is_slash = |byte: &u8| *byte == b'/';
        let end = self.rest.iter().position(is_slash);
        let name = self.rest.drain(..end.unwrap_or(self.rest.len())).collect();
        let slashes = self.rest.iter().take_while(|byte| is_slash(byte)).count();
        self.rest.drain(..slashes);
        Some(name)
    }
}
