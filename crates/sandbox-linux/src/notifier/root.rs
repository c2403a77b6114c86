//! The root of a command, below which paths mean something.
//!
//! A rule is about a path, and the kernel tells one for every directory: by the mount that it lies on. A command can get hold of a
//! directory on a mount that is none of its own, from a command of another sandbox, or of an init that has ended; what is told of that
//! leads somewhere else here, and may even be allowed. So a path counts only if its mount was found below the root.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, readlinkat};
use nix::sys::stat::Mode;
use sandbox_core::upwards;

use super::resolve::{IN_ROOT, NO_LINKS, NO_MAGIC};
use crate::sys::notify::{Mount, mount_of, open_resolved};

const LITERALLY: u64 = NO_MAGIC | NO_LINKS | IN_ROOT;

#[derive(Debug)]
pub(super) struct Root {
    file: OwnedFd,
    /// The caller's `/proc/self/fd`, where the kernel tells paths.
    descriptors: OwnedFd,
    /// Those that were found below it. Nothing comes off there.
    mounts: Mutex<Vec<Mount>>,
}

impl Root {
    pub(super) fn new(file: OwnedFd) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self {
            file,
            descriptors: open("/proc/self/fd", flags, Mode::empty())?,
            mounts: Mutex::default(),
        })
    }

    /// The path of a file as it is now, by the kernel.
    pub(super) fn path_of(&self, file: impl AsFd) -> Result<PathBuf, Errno> {
        let file = file.as_fd();
        let number = file.as_raw_fd().to_string();
        let path = PathBuf::from(readlinkat(&self.descriptors, number.as_str())?);
        // Pipes and sockets have none.
        if path.is_absolute() && self.holds(mount_of(file)?, &path) {
            Ok(path)
        } else {
            Err(Errno::EACCES)
        }
    }

    /// Whether a mount, on which something has this path, is below the root: then an outer directory of it at least is found there, even if
    /// somebody moves the inner ones.
    fn holds(&self, mount: Mount, path: &Path) -> bool {
        let mut known = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&mount) {
            return true;
        }
        let is_below = upwards(path).any(|above| self.mount_at(above) == Ok(mount));
        // Other numbers are given again, to mounts elsewhere.
        if is_below && mount.is_unique {
            known.push(mount);
        }
        is_below
    }

    pub(super) fn mount_at(&self, path: &Path) -> Result<Mount, Errno> {
        mount_of(self.at(path)?.as_fd())
    }

    /// What is at a path below it, to which no link leads.
    pub(super) fn at(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        open_resolved(self.as_fd(), &path, flags, LITERALLY)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
