//! Linux: on a descriptor that no link led to.
//!
//! The attack: a directory is replaced by a link after it was met, and what the link leads to is listed under its name.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstatat};

use crate::resolve::PathKind;

const LISTED: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// The names in a directory, at most so many, and what each is. A link on the way or in its place is `NotADirectory`.
pub(crate) fn list(directory: &Path, most: usize) -> io::Result<Vec<(OsString, PathKind)>> {
    let opened = match at_once(directory) {
        // A filter that cannot see what an `openat2` asks for refuses it: ours, and those of containers.
        Err(Errno::ENOSYS | Errno::EPERM) => by_names(directory),
        opened => opened,
    };
    let mut directory = match opened {
        Err(Errno::ELOOP) => return Err(io::ErrorKind::NotADirectory.into()),
        opened => Dir::from_fd(opened?)?,
    };
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entries.len() + unknown.len() == most {
            break;
        }
        match entry.file_type() {
            Some(kind) => entries.push((owned(name), kind.into())),
            None => unknown.push(name.to_owned()),
        }
    }
    // Some file systems do not tell in a list.
    for name in unknown {
        match fstatat(&directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(status) => {
                let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
                entries.push((owned(&name), kind.into()));
            }
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(entries)
}

/// By its own `.`, to which a way leads only where the directory can be searched: listing asks for another right.
fn at_once(directory: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(LISTED)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(AT_FDCWD, &directory.join("."), how)
}

/// The same, name by name.
fn by_names(directory: &Path) -> nix::Result<OwnedFd> {
    let step = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut reached = open("/", step, Mode::empty())?;
    for name in directory.iter().skip(1) {
        reached = openat(&reached, name, step, Mode::empty())?;
    }
    openat(&reached, ".", LISTED, Mode::empty())
}

fn owned(name: &CStr) -> OsString {
    OsStr::from_bytes(name.to_bytes()).to_owned()
}

impl From<Type> for PathKind {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Directory => Self::Directory,
            Type::File => Self::File,
            Type::Symlink => Self::Symlink,
            _ => Self::Special,
        }
    }
}

impl From<SFlag> for PathKind {
    fn from(kind: SFlag) -> Self {
        match kind {
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFLNK => Self::Symlink,
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
            let mut directory = Dir::from_fd(opened.map_err(|error| match error {
                Errno::ELOOP => Errno::ENOTDIR,
                error => error,
            })?)?;
            Ok(directory.iter().count())
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
            ("link", Err(Errno::ENOTDIR)),
            ("link/b", Err(Errno::ENOTDIR)),
            ("a/f", Err(Errno::ENOTDIR)),
            ("a/x", Err(Errno::ENOENT)),
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
        for mode in [0o000, 0o300, 0o600] {
            fs::set_permissions(&root, fs::Permissions::from_mode(mode)).unwrap();
            let [at_once, by_names] = opened(&root);
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(at_once, by_names, "{mode:o}");
            // Nothing is closed to root.
            assert!(matches!(at_once, Ok(2) | Err(Errno::EACCES)), "{at_once:?}");
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
