//! A tree of the host for one table, made from its description.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_testing::Host;

use crate::Listing;
use crate::case::Thing;

/// A tree of the host: a workspace, a home and a directory outside, and the payload beside them.
#[derive(Debug)]
pub struct Tree {
    host: Host,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(Path::new(""))
    }
}

impl Tree {
    /// An empty workspace, in this directory of another place than the account's home, if it is one.
    #[must_use]
    pub fn new(place: &Path) -> Self {
        let host = if place.as_os_str().is_empty() {
            Host::new()
        } else {
            Host::below(place)
        };
        // What every test's home has is no part of any case.
        for name in [".ssh", ".aws", ".config"] {
            fs::remove_dir_all(host.path("~").join(name)).unwrap();
        }
        fs::remove_file(host.path("~/.netrc")).unwrap();
        fs::remove_file(host.path("@outside/public")).unwrap();
        Self { host }
    }

    /// The place of a path of a case: relative to the workspace (`@ws`), in `@outside` or `@home`, or absolute.
    #[must_use]
    pub fn path(&self, path: &OsStr) -> PathBuf {
        let bytes = path.as_bytes();
        let (base, rest) = if let Some(rest) = bytes.strip_prefix(b"@ws") {
            ("@ws", rest)
        } else if let Some(rest) = bytes.strip_prefix(b"@outside") {
            ("@outside", rest)
        } else if let Some(rest) = bytes.strip_prefix(b"@home") {
            ("@home", rest)
        } else {
            ("@ws", bytes)
        };
        let rest = OsStr::from_bytes(rest);
        let base = self.host.path(base);
        if bytes.starts_with(b"@") {
            // Joined as it stands: a path of a case may have `..` and doubled slashes.
            let mut whole = base.into_os_string();
            whole.push(rest);
            whole.into()
        } else if rest == "." {
            base
        } else {
            base.join(rest)
        }
    }

    /// Makes one thing, and the directories above it.
    pub fn make(&self, path: &OsStr, thing: &Thing) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match thing {
            Thing::Directory => fs::create_dir_all(&path).unwrap(),
            Thing::File => fs::write(&path, text(&path)).unwrap(),
            Thing::Program => {
                let script = format!("#!{} arguments\n", self.payload().display());
                fs::write(&path, script).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            Thing::Symlink(target) => {
                let target = if target.as_bytes().starts_with(b"@") {
                    self.path(target)
                } else {
                    target.into()
                };
                symlink(target, &path).unwrap();
            }
            Thing::Hardlink(other) => fs::hard_link(self.path(other), &path).unwrap(),
            Thing::Fifo => make_fifo(&path),
        }
    }

    /// Empties the workspace.
    pub fn clear(&self) {
        fs::remove_dir_all(self.workspace()).unwrap();
        fs::create_dir(self.workspace()).unwrap();
    }

    /// The root of all of it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.host.path("@root")
    }

    /// Where relative paths start.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.host.path("@ws")
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.host.path("@home")
    }

    /// The program that makes the attempts.
    #[must_use]
    pub fn payload(&self) -> PathBuf {
        self.host.payload()
    }

    /// What is in the parts that cases are about.
    #[must_use]
    pub fn listing(&self) -> Listing {
        Listing::of(&self.root())
    }
}

/// Makes a FIFO.
pub(crate) fn make_fifo(path: &Path) {
    let status = Command::new("mkfifo").arg("--").arg(path).status();
    assert!(status.unwrap().success());
}

/// What is in a file: no two have the same.
fn text(path: &Path) -> Vec<u8> {
    [b"content of ", path.as_os_str().as_bytes(), b"\n"].concat()
}
