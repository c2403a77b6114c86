//! Unix: a name is any bytes.

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

pub(crate) use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Without `O_NONBLOCK` a FIFO in place of the file would hold us until somebody writes to it (open(2)); the standard
/// library adds `O_CLOEXEC`.
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

pub(crate) fn is_fifo(kind: FileType) -> bool {
    kind.is_fifo()
}

pub(crate) fn is_device(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

/// The user that this process runs as.
pub(crate) fn own_uid() -> io::Result<u32> {
    std::fs::metadata("/proc/self").map(|metadata| metadata.uid())
}
