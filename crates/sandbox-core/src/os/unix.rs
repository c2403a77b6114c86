//! Unix: a name is any bytes.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

pub(crate) use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Without `O_NONBLOCK` a FIFO in place of the file would hold us until somebody writes to it (open(2)); the standard
/// library adds `O_CLOEXEC`.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// What is another number after a file was written to: its size, and when content and inode changed.
pub(crate) fn version(file: &Metadata) -> [i64; 5] {
    [
        file.size().cast_signed(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ]
}

/// How many names a file has.
pub(crate) fn names(file: &Metadata) -> u64 {
    file.nlink()
}

pub(crate) fn is_fifo(kind: FileType) -> bool {
    kind.is_fifo()
}

pub(crate) fn is_device(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

/// Device, inode and the time when it was made, in seconds and nanoseconds, as far as the file system tells: what no other
/// file of the machine has or had.
pub(crate) fn identity(metadata: &Metadata) -> [u64; 4] {
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made.unwrap_or_default();
    let nanoseconds = made.subsec_nanos().into();
    [metadata.dev(), metadata.ino(), made.as_secs(), nanoseconds]
}

/// The user that this process runs as.
pub(crate) fn own_uid() -> io::Result<u32> {
    std::fs::metadata("/proc/self").map(|metadata| metadata.uid())
}

/// The name of this machine.
pub(crate) fn own_name() -> io::Result<String> {
    let name = nix::unistd::gethostname()?;
    name.into_string()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}
