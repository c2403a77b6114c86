//! Systems without a backend: by name.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use crate::resolve::PathKind;

/// The names in a directory, at most so many, and what each is.
pub(crate) fn list(directory: &Path, most: usize) -> io::Result<Vec<(OsString, PathKind)>> {
    // By its own `.`, to which a way leads only where the directory can be searched: listing asks for another right.
    let entries = fs::read_dir(directory.join("."))?.take(most);
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), entry.file_type()?.into()))
    };
    entries.map(entry).collect()
}
