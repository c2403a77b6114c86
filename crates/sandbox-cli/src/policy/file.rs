//! A policy file that is replaced: as a whole, or not at all.
//!
//! The attack: the directory is one that a command can write, and while a person edits the policy the command puts a link in
//! the place of the file or of a directory on the way, to have another file written. So the directory is opened once, and
//! what is read, written and renamed is a name in it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchown};
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::host;

/// A file, and what it was when it was read.
#[derive(Debug)]
pub(super) struct Opened {
    /// As it was named.
    path: PathBuf,
    directory: File,
    name: OsString,
    /// None of one that is yet to be made.
    before: Option<Metadata>,
    pub(super) text: String,
}

impl Opened {
    /// Reads a file; none is one without text. A link in its place is refused.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |source: io::Error| Failure::ReadFile {
            path: path.to_owned(),
            source,
        };
        let name = path.file_name().unwrap_or_else(|| OsStr::new("."));
        let directory = OpenOptions::new()
            .read(true)
            .custom_flags(host::DIRECTORY.bits())
            .open(directory_of(path))
            .map_err(failed)?;
        // Without O_NONBLOCK a FIFO in its place would hold us.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut text = String::new();
        let before = match openat(directory.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => {
                let mut file = File::from(file);
                let before = file.metadata().map_err(failed)?;
                if !before.is_file() {
                    return Err(failed(io::ErrorKind::InvalidInput.into()));
                }
                file.read_to_string(&mut text).map_err(failed)?;
                Some(before)
            }
            Err(Errno::ENOENT) => None,
            Err(Errno::ELOOP) => {
                return Err(Failure::LinkedFile {
                    path: path.to_owned(),
                });
            }
            Err(errno) => return Err(failed(errno.into())),
        };
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            directory,
            before,
            text,
        })
    }

    /// Whether there was a file.
    pub(super) fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Puts this text in its place, unless somebody else has changed it since it was read.
    pub(super) fn replace(self, text: &str) -> Result<(), Failure> {
        let failed = |source: io::Error| Failure::WriteFile {
            path: self.path.clone(),
            source,
        };
        let place = self.place();
        let Some(before) = &self.before else {
            let file = written_beside(&place, text, Permissions::from_mode(0o644));
            let made = file.and_then(|file| Ok(file.persist_noclobber(&place)?));
            return made.map(drop).map_err(failed);
        };
        let file = written_beside(&place, text, before.permissions()).map_err(failed)?;
        let made = file.as_file().metadata().map_err(failed)?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            let (user, group) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
            fchown(file.as_file(), Some(user), Some(group))
                .map_err(|errno| failed(errno.into()))?;
        }
        let now = std::fs::symlink_metadata(&place).map_err(failed)?;
        if version(&now) != version(before) {
            return Err(Failure::ChangedFile {
                path: self.path.clone(),
            });
        }
        file.persist(&place)
            .map(drop)
            .map_err(|error| failed(error.error))
    }

    /// Its name in the directory that was opened, whatever the path of that leads to meanwhile.
    fn place(&self) -> PathBuf {
        host::name_in(&self.directory, directory_of(&self.path)).join(&self.name)
    }
}

/// What another writer changes.
fn version(metadata: &Metadata) -> (u64, u64, u64, i64, i64) {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        seconds,
        nanoseconds,
    )
}

/// A whole file in the directory of another, removed unless it is put somewhere.
pub(crate) fn written_beside(
    path: &Path,
    text: &str,
    permissions: Permissions,
) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(directory_of(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.toml");
        std::fs::write(&path, "a").unwrap();
        let opened = Opened::open(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        let error = opened.replace("b").unwrap_err();
        assert!(error.to_string().contains("changed meanwhile"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        // Made where there was none.
        let new = directory.path().join("new.toml");
        let opened = Opened::open(&new).unwrap();
        assert!(!opened.exists());
        std::fs::write(&new, "theirs").unwrap();
        assert!(opened.replace("b").is_err());
        assert_eq!(std::fs::read_to_string(&new).unwrap(), "theirs");
        // The control, and nothing is left beside it.
        Opened::open(&path).unwrap().replace("b").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_that_is_swapped_for_a_link_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for name in ["a", "other"] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("p.toml"), name).unwrap();
        }
        let opened = Opened::open(&at("a/p.toml")).unwrap();
        std::fs::rename(at("a"), at("moved")).unwrap();
        symlink(at("other"), at("a")).unwrap();
        opened.replace("b").unwrap();
        assert_eq!(std::fs::read_to_string(at("moved/p.toml")).unwrap(), "b");
        assert_eq!(
            std::fs::read_to_string(at("other/p.toml")).unwrap(),
            "other"
        );
    }
}
