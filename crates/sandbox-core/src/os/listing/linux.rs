//! Linux: on a descriptor that no link led to.
//!
//! The attack: a directory is replaced by a link after it was met, and what the link leads to is listed under its name.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, open, openat, openat2, statat,
};
use rustix::io::Errno;

use crate::resolve::PathKind;

const LISTED: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What is asked for at once, on the stack: few directories have more.
const AT_ONCE: usize = 16 * 1024;

/// The names in a directory, at most so many, and what each is. A link on the way or in its place is `NotADirectory`.
pub(crate) fn list(directory: &Path, most: usize) -> io::Result<Vec<(OsString, PathKind)>> {
    let opened = match at_once(directory) {
        // A filter that cannot see what an `openat2` asks for refuses it: ours, and those of containers.
        Err(Errno::NOSYS | Errno::PERM) => by_names(directory),
        opened => opened,
    };
    let directory = match opened {
        Err(Errno::LOOP) => return Err(io::ErrorKind::NotADirectory.into()),
        opened => opened?,
    };
    let mut buffer = [MaybeUninit::uninit(); AT_ONCE];
    let mut listed = RawDir::new(&directory, &mut buffer);
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    while let Some(entry) = listed.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() + unknown.len() == most {
            break;
        }
        match entry.file_type() {
            FileType::Unknown => unknown.push(name.to_owned()),
            kind => entries.push((owned(name), kind.into())),
        }
    }
    // Some file systems do not tell in a list.
    for name in unknown {
        match statat(&directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => {
                let kind = FileType::from_raw_mode(status.st_mode);
                entries.push((owned(&name), kind.into()));
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(entries)
}

/// By its own `.`, to which a way leads only where the directory can be searched: listing asks for another right.
fn at_once(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS;
    openat2(CWD, directory.join("."), LISTED, Mode::empty(), resolve)
}

/// The same, name by name.
fn by_names(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut reached = open("/", step, Mode::empty())?;
    for name in directory.iter().skip(1) {
        reached = openat(&reached, name, step, Mode::empty())?;
    }
    openat(&reached, ".", LISTED, Mode::empty())
}

fn owned(name: &CStr) -> OsString {
    OsStr::from_bytes(name.to_bytes()).to_owned()
}

impl From<FileType> for PathKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Directory,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Symlink,
            _ => Self::Special,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Both ways to open it, each as its error or how many names it lists.
    fn opened(directory: &Path) -> [Result<usize, Errno>; 2] {
        [at_once(directory), by_names(directory)].map(|opened| {
            let directory = opened.map_err(|error| match error {
                Errno::LOOP => Errno::NOTDIR,
                error => error,
            })?;
            let mut buffer = [MaybeUninit::uninit(); AT_ONCE];
            let mut listed = RawDir::new(directory, &mut buffer);
            Ok(std::iter::from_fn(|| listed.next().map(drop)).count())
        })
    }

    #[test]
    fn no_link_leads_to_what_is_listed() {
        let host = tempfile::tempdir().unwrap();
        let root = crate::resolve(host.path()).unwrap().path;
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/f"), "").unwrap();
        symlink("a", root.join("link")).unwrap();
        for (path, expected) in [
            ("a", Ok(4)),
            ("a/b", Ok(3)),
            ("link", Err(Errno::NOTDIR)),
            ("link/b", Err(Errno::NOTDIR)),
            ("a/f", Err(Errno::NOTDIR)),
            ("a/x", Err(Errno::NOENT)),
        ] {
            assert_eq!(opened(&root.join(path)), [expected; 2], "{path}");
        }
        assert_eq!(opened("/".as_ref())[0], opened("/".as_ref())[1]);
        // Control.
        assert_eq!(fs::read_dir(root.join("link/b")).unwrap().count(), 1);
    }

    #[test]
    fn what_can_be_listed_and_not_searched_is_closed() {
        let host = tempfile::tempdir().unwrap();
        let root = crate::resolve(host.path()).unwrap().path;
        // Nothing is closed to root.
        let expected = match crate::os::own_uid().unwrap() {
            0 => Ok(2),
            _ => Err(Errno::ACCESS),
        };
        for mode in [0o000, 0o300, 0o600] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            let opened = opened(&root);
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(opened, [expected; 2], "{mode:o}");
        }
    }

    #[test]
    fn no_more_is_listed_than_asked_for() {
        let host = tempfile::tempdir().unwrap();
        let root = crate::resolve(host.path()).unwrap().path;
        for name in ["a", "b", "c"] {
            fs::write(root.join(name), "").unwrap();
        }
        assert_eq!(list(&root, 2).unwrap().len(), 2);
        assert_eq!(list(&root, 4).unwrap().len(), 3);
    }
}
