//! Hidden files that have a second name, under which they are not hidden.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstatat, lstat};

use super::Plan;
use crate::view::{Cover, Node};

/// So many names of a hidden directory are looked at, and of all of them together: a start waits for it.
const MOST_NAMES: usize = 128;
const MOST_IN_ALL: usize = 2048;

impl Plan {
    /// Hidden files that have a second name (a hard link) which is not hidden. In hidden directories it is looked for
    /// among the first 128 names, not below.
    #[must_use]
    pub fn hard_links(&self) -> Vec<PathBuf> {
        let mut seen = Seen::default();
        let mut left = MOST_IN_ALL;
        for (path, node) in self.view.nodes() {
            match node {
                Node::Cover(Cover::File | Cover::EmptyFile) => {
                    if let Ok(stat) = lstat(path) {
                        seen.add(&stat, || path.to_owned());
                    }
                }
                Node::Cover(Cover::Directory) => seen.add_directory(path, &mut left),
                _ => {}
            }
        }
        seen.with_another_name()
    }
}

/// Names of hidden files that have several, by device, inode and the number of names.
#[derive(Default)]
struct Seen(HashMap<(libc::dev_t, libc::ino_t, libc::nlink_t), Vec<PathBuf>>);

impl Seen {
    fn add(&mut self, stat: &FileStat, path: impl FnOnce() -> PathBuf) {
        if stat.st_mode & libc::S_IFMT == libc::S_IFREG && stat.st_nlink > 1 {
            let file = (stat.st_dev, stat.st_ino, stat.st_nlink);
            self.0.entry(file).or_default().push(path());
        }
    }

    fn add_directory(&mut self, path: &Path, left: &mut usize) {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // Whom it is closed to can't give its files another name.
        let Ok(mut directory) = Dir::open(path, flags, Mode::empty()) else {
            return;
        };
        let entries = directory.iter().map_while(Result::ok);
        let names: Vec<_> = entries
            .take(MOST_NAMES.min(*left))
            .map(|entry| entry.file_name().to_owned())
            .collect();
        *left -= names.len();
        for name in names {
            if let Ok(stat) = fstatat(&directory, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                self.add(&stat, || path.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
    }

    fn with_another_name(self) -> Vec<PathBuf> {
        let files = self.0.into_iter().filter(|((.., names), hidden)| {
            usize::try_from(*names).is_ok_and(|names| hidden.len() < names)
        });
        let mut paths: Vec<_> = files.flat_map(|(_, hidden)| hidden).collect();
        paths.sort_unstable();
        paths
    }
}
