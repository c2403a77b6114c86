//! Makes the calls: on descriptors in the command's root, with its umask, by a thread that may do nothing that the policy does not grant.
//!
//! What was decided is what is done. A name is made, new, in the directory that was decided about; what exists is opened as it was seen,
//! not by its name once more. Nothing waits here: what would block is tried again later.

mod config;
mod gitfile;
mod open;
mod opening;
mod repository;

use std::cell::RefCell;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, SFlag, fstat, mknodat, umask};
use nix::unistd::{linkat, symlinkat, truncate};
use sandbox_core::GitFile;

pub(super) use self::gitfile::Gitfiles;

use self::config::replace_config;
use self::repository::{in_repositories, in_repository_around};
use super::Job;
use super::calls::Call;
use super::decide::{Answer, is_read_only};
use super::denied::Asked;
use super::errand::Errands;
use super::pin::Pinned;
use super::resolve::{Found, Name, Place, Seen, Stop, Walk};
use crate::sys::notify::{mount_of, rename_at};

/// What a call returns.
#[derive(Debug)]
pub(super) enum Done {
    Nothing,
    File(OwnedFd),
    /// Somebody else answers.
    Passed,
}

/// Decides, and makes the call, while no other one is made if it `is_alone`.
pub(super) fn perform(
    names: &Asked<'_>,
    errands: &Errands,
    gitfiles: &Gitfiles,
    job: &Job,
    is_alone: bool,
) -> Result<Done, Stop> {
    if let Some(bits) = job.umask {
        umask(Mode::from_bits_truncate(bits));
    }
    let this = Performer {
        names,
        gitfiles,
        job,
        is_alone,
        locks: RefCell::default(),
    };
    match &job.call {
        Call::Open { at, flags, mode } => this.open(at, *flags, *mode).map(Done::File),
        Call::MakeDirectory { at, mode } => this.make_directory(at, *mode, errands),
        Call::MakeNode { at, mode, device } => this.make_file(at, |name| {
            let (kind, mode) = (
                SFlag::from_bits_truncate(*mode),
                Mode::from_bits_truncate(*mode),
            );
            mknodat(&name.directory, name.last.as_c_str(), kind, mode, *device)
        }),
        Call::MakeLink { target, at } => this.make_file(at, |name| {
            this.decide_link(name, target)?;
            symlinkat(target.as_c_str(), &name.directory, name.last.as_c_str())
        }),
        Call::Link { from, to, flags } => this.link(from, to, *flags),
        Call::Rename { from, to, flags } => this.rename(from, to, *flags),
        Call::Truncate { at, length } => this.truncate(at, *length),
        Call::Connect(named) => this.connect(named, errands),
        Call::Bind(named) => this.bind(named, errands),
    }
}

pub(super) struct Performer<'a> {
    pub(super) names: &'a Asked<'a>,
    gitfiles: &'a Gitfiles,
    pub(super) job: &'a Job,
    is_alone: bool,
    /// What is held until the call is made.
    locks: RefCell<Vec<File>>,
}

type Decide<'a> = fn(&Asked<'a>, &Path, BorrowedFd<'_>) -> Result<Answer, Errno>;

impl<'a> Performer<'a> {
    fn walk(&self, at: &'a Pinned) -> Walk<'a> {
        Walk::new(self.job.root.as_fd(), at, &self.job.own)
    }

    /// Whether no other call is made meanwhile; before anything is done that depends on what those do.
    fn be_alone(&self) -> Result<(), Stop> {
        self.is_alone.then_some(()).ok_or(Stop::Alone)
    }

    /// The name that a call is about which follows no link at its end.
    pub(super) fn name(&self, at: &'a Pinned, otherwise: Errno) -> Result<Name<'a>, Stop> {
        named(self.walk(at).find()?, otherwise)
    }

    /// Makes something that is not there, and no directory.
    fn make_file(
        &self,
        at: &'a Pinned,
        make: impl FnOnce(&Name<'a>) -> Result<(), Errno>,
    ) -> Result<Done, Stop> {
        let name = self.name(at, Errno::EEXIST)?;
        self.decide_new(&name, Asked::write_file)?;
        no_slash(&name)?;
        make(&name)?;
        Ok(Done::Nothing)
    }

    /// Notes that a directory was made. That is so, whatever its path is by now.
    fn note_directory(&self, name: &Name<'_>) {
        let path = name.path(&self.job.root);
        if let Some(path) = path.ok().filter(|path| self.names.names().is_hosts(path)) {
            self.names.making().directory(&path);
        }
    }

    /// A symbolic link leads elsewhere, also where any other file may be.
    fn decide_link(&self, name: &Name<'_>, target: &CStr) -> Result<(), Errno> {
        let path = name.path(&self.job.root)?;
        let target = OsStr::from_bytes(target.to_bytes());
        self.names.link_to(&path, name.directory.as_fd(), target)?;
        // Whatever it is called there.
        if let Some(as_gits) = in_repository_around(name, &path) {
            let decided = self.names.link_to(&as_gits, name.directory.as_fd(), target);
            decided.inspect_err(|_| self.names.deny_repository(&path))?;
        }
        Ok(())
    }

    /// Programs make directories without asking whether they are there: then that is the answer, as ever.
    pub(super) fn decide_new(&self, name: &Name<'a>, decide: Decide<'a>) -> Result<Answer, Stop> {
        let decided = self.decide(name, name.directory.as_fd(), decide);
        let answer = decided.map_err(|stop| match name.look() {
            Ok(Some(_)) if stop != Stop::Alone => Errno::EEXIST.into(),
            _ => stop,
        })?;
        self.keep_ordinary(name)?;
        Ok(answer)
    }

    fn link(&self, from: &'a Pinned, to: &'a Pinned, flags: i32) -> Result<Done, Stop> {
        if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL.into());
        }
        let from = self.linked(from, flags & libc::AT_SYMLINK_FOLLOW != 0)?;
        // By the file that was seen, not by its name once more.
        let seen = match &from {
            Found::Name(from) => Some(from.look()?.ok_or(Errno::ENOENT)?),
            Found::Directory(_) | Found::File(_) => None,
        };
        let to = self.name(to, Errno::EEXIST)?;
        self.decide_new(&to, Asked::write_file)?;
        no_slash(&to)?;
        let is_symbolic = match (&from, &seen) {
            (Found::File(file), _) => fstat(file)?.st_mode & libc::S_IFMT == libc::S_IFLNK,
            (_, Some(seen)) => seen.is(libc::S_IFLNK),
            _ => false,
        };
        if is_symbolic {
            // What it leads to is of no interest: it is meant for another place.
            self.decide_link(&to, c"")?;
        }
        let file = match (from, seen) {
            (Found::Name(from), Some(seen)) if from.slash && !seen.is(libc::S_IFDIR) => {
                return Err(Errno::ENOTDIR.into());
            }
            (Found::Name(from), Some(seen)) => {
                self.decide(&from, seen.file.as_fd(), Asked::write_file)?;
                Place::Opened(Rc::new(seen.file))
            }
            (Found::File(file), _) => {
                // What has no name yet was made for this. Under another name a file can be changed as well.
                if fstat(&file)?.st_nlink != 0 {
                    self.decide_file(&file)?;
                }
                file
            }
            _ => return Err(Errno::EPERM.into()),
        };
        linkat(
            AT_FDCWD,
            again(&file).as_str(),
            &to.directory,
            to.last.as_c_str(),
            AtFlags::AT_SYMLINK_FOLLOW,
        )?;
        Ok(Done::Nothing)
    }

    /// What gets a further name, or is meant where links are followed.
    pub(super) fn linked(&self, from: &'a Pinned, follows: bool) -> Result<Found<'a>, Stop> {
        if from.path.is_empty() {
            let file = from.base.as_ref().ok_or(Errno::ENOENT)?;
            return Ok(Found::File(Place::Given(file.as_fd())));
        }
        let mut walk = self.walk(from);
        let mut found = walk.find()?;
        while follows && let Found::Name(name) = &found {
            let Some(link) = name.look()?.filter(|seen| seen.is(libc::S_IFLNK)) else {
                break;
            };
            let name = name.clone();
            found = match walk.follow(&name, &link)? {
                Some(found) => found,
                None => walk.find()?,
            };
        }
        Ok(found)
    }

    fn rename(&self, from: &'a Pinned, to: &'a Pinned, flags: u32) -> Result<Done, Stop> {
        // What no kernel takes is refused before anything is looked up.
        let exclusive = libc::RENAME_NOREPLACE | libc::RENAME_WHITEOUT;
        if flags & !(exclusive | libc::RENAME_EXCHANGE) != 0
            || flags & libc::RENAME_EXCHANGE != 0 && flags & exclusive != 0
        {
            return Err(Errno::EINVAL.into());
        }
        let is_there = if flags & libc::RENAME_NOREPLACE == 0 {
            Errno::EBUSY
        } else {
            Errno::EEXIST
        };
        // Both ways first: where one leads nowhere, that is the answer.
        let (from, to) = (self.walk(from).find()?, self.walk(to).find()?);
        let (from, to) = (named(from, Errno::EBUSY)?, named(to, is_there)?);
        let mount = mount_of(from.directory.as_fd())?;
        if mount != mount_of(to.directory.as_fd())? {
            return Err(Errno::EXDEV.into());
        }
        let (old, new) = (from.path(&self.job.root)?, to.path(&self.job.root)?);
        // Also where a mount has the first word: it is not the reason.
        let decided = (
            self.decide_at(&from, &old, from.directory.as_fd(), Asked::write),
            self.decide_at(&to, &new, to.directory.as_fd(), Asked::write),
        );
        if is_read_only(from.directory.as_fd()) {
            return Err(Errno::EROFS.into());
        }
        let moved = from.look()?.ok_or(Errno::ENOENT)?;
        if (from.slash || to.slash) && !moved.is(libc::S_IFDIR) {
            return Err(Errno::ENOTDIR.into());
        }
        // The kernel keeps what is mounted on in its place only for whoever has that mount, and we have not.
        let is_mounted = |seen: &Seen| Ok::<_, Errno>(mount_of(seen.file.as_fd())? != mount);
        if is_mounted(&moved)? {
            return Err(Errno::EBUSY.into());
        }
        let places: Vec<_> = in_repositories(&to, &new).collect();
        let is_plain = flags == 0 && moved.is(libc::S_IFREG);
        if let Some(kind) = self.git_config(&new, &places).filter(|_| is_plain) {
            self.decide(&from, from.directory.as_fd(), Asked::write_file)?;
            return replace_config(self.names, (&from, &moved), &to, (&new, kind));
        }
        if is_plain && self.names.names().git_file(&new) == Some(GitFile::Link) {
            self.decide(&from, from.directory.as_fd(), Asked::write_file)?;
            return self.replace_link((&from, &moved), (&to, &new));
        }
        if let Some(there) = to.look()?
            && is_mounted(&there)?
        {
            return Err(Errno::EBUSY.into());
        }
        let decided = [decided.0?, decided.1?];
        // Whatever it is: a file may have become a directory by the time it is moved.
        if decided != [Answer::TheKernels; 2] {
            self.names.keeps(&old, &new)?;
            self.keep_in_repositories((&from, &old), (&to, &new))?;
            self.keep_links_out((&from, &old), (&to, &new), flags)?;
            self.keep_ordinary(&to)?;
        }
        rename_at(
            (from.directory.as_fd(), &from.last),
            (to.directory.as_fd(), &to.last),
            flags,
        )?;
        if decided == [Answer::Allowed; 2] {
            let making = self.names.making();
            if flags & libc::RENAME_EXCHANGE != 0 {
                making.exchanged(&old, &new);
            } else if moved.is(libc::S_IFDIR) {
                making.moved(&old, &new);
            }
        }
        Ok(Done::Nothing)
    }

    fn truncate(&self, at: &'a Pinned, length: i64) -> Result<Done, Stop> {
        if length < 0 {
            return Err(Errno::EINVAL.into());
        }
        let file = match self.linked(at, true)? {
            Found::Name(name) => {
                let seen = at_end(&name)?;
                self.decide(&name, seen.file.as_fd(), Asked::write_file)?;
                let seen = self.opened_file(&name, &seen)?.unwrap_or(seen);
                Place::Opened(Rc::new(seen.file))
            }
            Found::File(file) => {
                self.allow_again(&file, libc::O_WRONLY)?;
                file
            }
            Found::Directory(_) => return Err(Errno::EISDIR.into()),
        };
        let is_too_large = |limit: u64| u64::try_from(length).is_ok_and(|length| length > limit);
        if self.job.largest_file.is_some_and(is_too_large) && fstat(&file)?.st_size < length {
            return Err(Errno::EFBIG.into());
        }
        truncate(again(&file).as_str(), length)?;
        Ok(Done::Nothing)
    }
}

/// Nothing but a directory is made where a slash follows.
fn no_slash(name: &Name<'_>) -> nix::Result<()> {
    match name.slash.then(|| name.look()).transpose()? {
        None => Ok(()),
        Some(None) => Err(Errno::ENOENT),
        Some(Some(_)) => Err(Errno::EEXIST),
    }
}

fn named(found: Found<'_>, otherwise: Errno) -> Result<Name<'_>, Stop> {
    match found {
        Found::Name(name) => Ok(name),
        Found::Directory(_) | Found::File(_) => Err(otherwise.into()),
    }
}

/// What is at the end of a way whose links were followed.
pub(super) fn at_end(name: &Name<'_>) -> Result<Seen, Stop> {
    let seen = name.look()?.ok_or(Errno::ENOENT)?;
    if name.slash && !seen.is(libc::S_IFDIR) {
        return Err(Errno::ENOTDIR.into());
    }
    if seen.is(libc::S_IFLNK) {
        return Err(Errno::ELOOP.into());
    }
    Ok(seen)
}

/// The name under which this very file can be opened again: procfs follows it to the file, not to a path.
pub(super) fn again(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
