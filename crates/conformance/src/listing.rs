//! What is in a tree of the host, by path.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::mount::{self, Mount};

/// No file of a case is larger: what is, is the payload.
const LARGEST: u64 = 1 << 16;

/// What is at a path of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "`stat` has no more, for us")]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// What is in it, and whether it can be executed.
        content: Vec<u8>,
        /// Its mode.
        mode: u32,
    },
    /// A symbolic link with what it contains.
    Symlink(PathBuf),
    /// A device, socket or FIFO.
    Special,
}

impl Kind {
    /// What is there.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let data = fs::symlink_metadata(path).ok()?;
        Some(if data.is_dir() {
            Self::Directory
        } else if data.is_file() {
            Self::File {
                content: if data.len() > LARGEST {
                    Vec::new()
                } else {
                    fs::read(path).unwrap_or_default()
                },
                mode: data.mode(),
            }
        } else if data.is_symlink() {
            Self::Symlink(fs::read_link(path).ok()?)
        } else {
            Self::Special
        })
    }
}

/// What is in a tree of the host, by path; outside of it the host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    root: PathBuf,
    entries: BTreeMap<PathBuf, Kind>,
    /// What lies above the root: directories.
    above: BTreeSet<PathBuf>,
    mounts: Vec<Mount>,
}

impl Listing {
    /// Reads a tree, in which this is mounted. Its own path leads through no link.
    #[must_use]
    pub fn of(root: &Path, mounts: Vec<Mount>) -> Self {
        let mut listing = Self {
            root: root.to_owned(),
            entries: BTreeMap::new(),
            above: root.ancestors().skip(1).map(Path::to_owned).collect(),
            mounts,
        };
        listing.visit(root);
        listing
    }

    fn visit(&mut self, path: &Path) {
        let Some(kind) = Kind::of(path) else { return };
        let is_directory = kind == Kind::Directory;
        self.entries.insert(path.to_owned(), kind);
        if is_directory {
            for entry in fs::read_dir(path).unwrap() {
                self.visit(&entry.unwrap().path());
            }
        }
    }

    /// What is mounted in it, in the order in which it was.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The path as it is spelled here, where case does not matter.
    #[must_use]
    pub fn spelling(&self, path: &Path) -> Option<PathBuf> {
        let directory = path.parent()?;
        if !mount::of_path(&self.mounts, directory)?.folds_case {
            return None;
        }
        let name = path.file_name()?;
        let names = self.names(directory).into_iter();
        let mut same = names.filter(|other| other.eq_ignore_ascii_case(name));
        Some(directory.join(same.next()?))
    }

    /// What is at a path to which no link leads.
    #[must_use]
    pub fn kind(&self, path: &Path) -> Option<Kind> {
        if path.starts_with(&self.root) {
            self.entries.get(path).cloned()
        } else if self.above.contains(path) {
            Some(Kind::Directory)
        } else {
            Kind::of(path)
        }
    }

    /// The names in a directory.
    #[must_use]
    pub fn names(&self, directory: &Path) -> BTreeSet<OsString> {
        if !directory.starts_with(&self.root) {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            return entries.map(|entry| entry.file_name()).collect();
        }
        self.below(directory)
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| Some(path.file_name()?.to_owned()))
            .collect()
    }

    /// Everything below a directory, without it.
    pub fn below<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.entries
            .range(directory.to_owned()..)
            .map(|(path, _)| path.as_path())
            .skip_while(move |path| *path == directory)
            .take_while(move |path| path.starts_with(directory))
    }

    /// Every path of the tree.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, &Kind)> {
        self.entries
            .iter()
            .map(|(path, kind)| (path.as_path(), kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Simulator;
    use crate::{Answer, Attempt};

    /// No kernel takes part: it need not have such directories.
    #[test]
    fn names_are_the_same_in_capital_letters_where_case_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let root = sandbox_core::resolve(directory.path()).unwrap().path;
        fs::create_dir(root.join("m")).unwrap();
        fs::write(root.join("m/key"), "").unwrap();
        let mount = |folds_case| Mount {
            at: root.join("m"),
            second_name_of: None,
            read_only: false,
            no_exec: false,
            folds_case,
        };
        for (folds_case, answer) in [(true, Answer::Allowed), (false, Answer::Missing)] {
            let listing = Listing::of(&root, vec![mount(folds_case)]);
            let attempt = Attempt::Read(root.join("m/KEY"));
            assert_eq!(
                Simulator::unconfined(&listing).attempt(&attempt).answer,
                answer
            );
        }
    }
}
