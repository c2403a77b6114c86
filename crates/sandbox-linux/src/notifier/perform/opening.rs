//! What a rule opens by its name in a directory that can only be read. The mount there is read-only for all that is in it, so that the
//! call is made on the host's own mount of the very directory, where the performer's Landlock domain grants it.
//!
//! Only a directory and a file are made so, and only a file is opened. A directory becomes writable as a whole: init mounts it over itself.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FileStat, Mode, fstat, mkdirat};
use sandbox_core::Opening;

use super::{Done, Performer};
use crate::notifier::decide::is_read_only;
use crate::notifier::denied::Asked;
use crate::notifier::errand::Errands;
use crate::notifier::pin::Pinned;
use crate::notifier::resolve::{NO_LINKS, NO_MAGIC, Name, Place, Seen, Stop};
use crate::sys::notify::{mount_of, open_resolved};

impl<'a> Performer<'a> {
    pub(super) fn make_directory(
        &self,
        at: &'a Pinned,
        mode: u32,
        errands: &Errands,
    ) -> Result<Done, Stop> {
        let name = self.name(at, Errno::EEXIST)?;
        self.decide_new(&name, Asked::make_directory)?;
        let opened = self.opened(&name, name.directory.as_fd())?;
        let made = opened.as_ref().unwrap_or(&name);
        let mode = Mode::from_bits_truncate(mode);
        mkdirat(&made.directory, made.last.as_c_str(), mode)?;
        self.note_directory(&name);
        if opened.is_some()
            && let Ok(path) = name.path(&self.job.root)
            && errands.make_writable(self.job, &path).is_ok()
        {
            return Ok(Done::Passed);
        }
        Ok(Done::Nothing)
    }

    /// The name on the host's own mount, where the one of `place` is read-only and a rule opens the name all the same.
    pub(super) fn opened(
        &self,
        name: &Name<'a>,
        place: BorrowedFd<'_>,
    ) -> Result<Option<Name<'a>>, Errno> {
        let names = self.names.names();
        if names.openings().is_empty() || !is_read_only(place) {
            return Ok(None);
        }
        let path = name.path(&self.job.root)?;
        // Another mount is read-only for a reason of its own: a rule about what the host has moved here.
        let mount = mount_of(place)?;
        let is_around = |opening: &Opening| self.job.root.mount_at(&opening.directory) == Ok(mount);
        if !names.opened(&path).any(is_around) {
            return Ok(None);
        }
        let directory = path.parent();
        let directory = directory.map(|directory| on_host(directory, name.directory.as_fd()));
        Ok(directory.transpose()?.map(|directory| Name {
            directory,
            ..name.clone()
        }))
    }

    /// The same for a file that was seen at the name.
    pub(super) fn opened_file(&self, name: &Name<'a>, seen: &Seen) -> Result<Option<Seen>, Errno> {
        if !seen.is(libc::S_IFREG) {
            return Ok(None);
        }
        let Some(opened) = self.opened(name, seen.file.as_fd())? else {
            return Ok(None);
        };
        let there = opened.look()?;
        Ok(there.filter(|there| is_same(&there.stat, &seen.stat)))
    }
}

/// The directory that was found, by its path below the caller's own root. Somebody may have put another one there.
fn on_host<'a>(path: &Path, found: BorrowedFd<'_>) -> Result<Place<'a>, Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let directory = open_resolved(AT_FDCWD, &path, flags, NO_MAGIC | NO_LINKS)?;
    if is_same(&fstat(&directory)?, &fstat(found)?) {
        Ok(Place::Opened(Rc::new(directory)))
    } else {
        Err(Errno::EROFS)
    }
}

fn is_same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
