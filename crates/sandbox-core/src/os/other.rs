//! Systems without a backend, where a policy can be read, written and checked, and holds for nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileType, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Names as bytes, like the standard library's trait of Unix.
pub(crate) trait OsStrExt {
    /// UTF-8, but for what the system has beyond that.
    fn as_bytes(&self) -> &[u8];

    /// The name that has these bytes; where they are no text, the replacement character.
    fn from_bytes(bytes: &[u8]) -> &Self;
}

impl OsStrExt for OsStr {
    fn as_bytes(&self) -> &[u8] {
        self.as_encoded_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> &Self {
        Self::new(str::from_utf8(bytes).unwrap_or("\u{fffd}"))
    }
}

/// Names made of bytes, like the standard library's trait of Unix.
pub(crate) trait OsStringExt {
    /// The name that has these bytes; what is no text in it becomes the replacement character.
    fn from_vec(bytes: Vec<u8>) -> Self;
}

impl OsStringExt for OsString {
    fn from_vec(bytes: Vec<u8>) -> Self {
        String::from_utf8_lossy(&bytes).into_owned().into()
    }
}

pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(crate) fn version(file: &Metadata) -> (u64, Option<SystemTime>) {
    (file.len(), file.modified().ok())
}

pub(crate) fn names(_: &Metadata) -> u64 {
    1
}

pub(crate) fn is_fifo(_: FileType) -> bool {
    false
}

pub(crate) fn is_device(_: FileType) -> bool {
    false
}

pub(crate) fn identity(_: &Metadata) -> [u64; 4] {
    [0; 4]
}

pub(crate) fn own_name() -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn own_uid() -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}
