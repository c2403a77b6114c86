//! What is at a path: opened without following a link, and without waiting for anybody. macOS has no descriptor that reads nothing, so
//! that what is no file and no directory is opened for a moment.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// No component of the path is a link (open(2), since macOS 11).
const NO_LINKS: OFlag = OFlag::from_bits_retain(nix::libc::O_NOFOLLOW_ANY);

/// What is at a path.
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
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let found = match open(path, flags | NO_LINKS, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Found::Missing),
        // The second is a socket.
        Err(Errno::ELOOP | Errno::EOPNOTSUPP) => return Ok(Found::Other),
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

/// The content of a file that was found, if it has no more than so many bytes. It is read once.
pub(super) fn content(file: &OwnedFd, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let opened = File::from(file.try_clone()?);
    let length = opened.take(most + 1).read_to_end(&mut content)?;
    Ok(u64::try_from(length)
        .is_ok_and(|length| length <= most)
        .then_some(content))
}

/// The names in a directory that was found, at most so many of them.
pub(super) fn names(directory: &OwnedFd, most: usize) -> io::Result<Vec<PathBuf>> {
    let mut listed = Dir::from_fd(directory.try_clone()?)?;
    let mut names = Vec::new();
    for entry in listed.iter() {
        let name = entry?;
        let name = name.file_name().to_bytes();
        if name != b"." && name != b".." && names.len() < most {
            names.push(std::ffi::OsStr::from_bytes(name).into());
        }
    }
    Ok(names)
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
