//! A tree of the host for one table, made from its description.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sandbox_testing::Host;

use crate::case::{CROWD, Thing};
use crate::{Listing, Mount};

/// A tree of the host: a workspace, a home and a directory outside, and the payload beside them.
#[derive(Debug)]
pub struct Tree {
    /// In the order in which it was mounted. Only without it can the tree be removed.
    mounts: Vec<Mount>,
    host: Host,
}

impl Default for Tree {
    /// All of it empty.
    fn default() -> Self {
        let host = Host::new();
        // What every test's home has is no part of any case.
        for name in [".ssh", ".aws", ".config"] {
            fs::remove_dir_all(host.path("~").join(name)).unwrap();
        }
        fs::remove_file(host.path("~/.netrc")).unwrap();
        fs::remove_file(host.path("@outside/public")).unwrap();
        Self {
            mounts: Vec::new(),
            host,
        }
    }
}

impl Tree {
    /// Makes what a table has on the host, and mounts what it has mounted there.
    pub fn fill(&mut self, things: &[(OsString, Thing)], mounts: &[Mount]) {
        let is_second = |mount: &&Mount| mount.second_name_of.is_some();
        mounts
            .iter()
            .filter(|mount| !is_second(mount))
            .for_each(|mount| self.mount(mount));
        for (path, thing) in things {
            self.make(path, thing);
        }
        mounts
            .iter()
            .filter(is_second)
            .for_each(|mount| self.mount(mount));
        self.mounts.iter().for_each(Mount::restrict);
    }

    fn mount(&mut self, mount: &Mount) {
        let place = |path: &PathBuf| self.path(path.as_os_str());
        let mount = Mount {
            at: place(&mount.at),
            second_name_of: mount.second_name_of.as_ref().map(place),
            ..mount.clone()
        };
        let is_file = mount
            .second_name_of
            .as_ref()
            .is_some_and(|name| name.is_file());
        let point = if is_file {
            Thing::File
        } else {
            Thing::Directory
        };
        self.make(mount.at.as_os_str(), &point);
        mount.attach();
        self.mounts.push(mount);
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
            Thing::Crowd(name) => {
                for number in 0..CROWD {
                    let file = path.join(format!("d{number}")).join(name);
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(&file, text(&file)).unwrap();
                }
            }
        }
    }

    /// Empties the workspace.
    pub fn clear(&self) {
        fs::remove_dir_all(self.workspace()).unwrap();
        fs::create_dir(self.workspace()).unwrap();
    }

    /// Where relative paths start.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.host.path("@ws")
    }

    /// The program that makes the attempts.
    #[must_use]
    pub fn payload(&self) -> PathBuf {
        self.host.payload()
    }

    /// What is in the parts that cases are about.
    #[must_use]
    pub fn listing(&self) -> Listing {
        Listing::of(&self.host.path("@root"), self.mounts.clone())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.mounts.iter().rev().for_each(Mount::detach);
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
