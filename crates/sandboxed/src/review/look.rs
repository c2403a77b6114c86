//! What is at a path: opened without following a link, and without waiting for anybody.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// What is at a path, as a descriptor that reads nothing yet.
#[derive(Debug)]
pub(super) enum Found {
    Missing,
    Directory(OwnedFd),
    File(OwnedFd, Metadata),
    /// A link, a FIFO, a socket, a device; or what a link leads to.
    Other,
}

/// Looks at a path without links.
pub(super) fn look(path: &Path) -> io::Result<Found> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let found = match openat2(AT_FDCWD.as_fd(), path, how) {
        Ok(found) => found,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Found::Missing),
        Err(Errno::ELOOP) => return Ok(Found::Other),
        Err(errno) => return Err(errno.into()),
    };
    let file = File::from(found);
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    Ok(if kind.is_dir() {
        Found::Directory(file.into())
    } else if kind.is_file() {
        Found::File(file.into(), metadata)
    } else {
        Found::Other
    })
}

/// The content of a file that was found, if it has no more than so many bytes.
pub(super) fn content(file: &OwnedFd, most: u64) -> io::Result<Option<Vec<u8>>> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let opened = File::from(open(path.as_str(), flags, Mode::empty())?);
    let mut content = Vec::new();
    let length = opened.take(most + 1).read_to_end(&mut content)?;
    Ok(u64::try_from(length)
        .is_ok_and(|length| length <= most)
        .then_some(content))
}

/// The names in a directory that was found, at most so many of them.
pub(super) fn names(directory: &OwnedFd, most: usize) -> io::Result<Vec<PathBuf>> {
    // procfs follows it to the directory, not to a path.
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let names = std::fs::read_dir(path)?.take(most);
    names.map(|entry| Ok(entry?.file_name().into())).collect()
}

/// What is another for a file with another content, unless somebody takes pains that it is not.
pub(super) fn version(file: &Metadata) -> [i64; 6] {
    [
        file.ino().cast_signed(),
        file.size().cast_signed(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ]
}
