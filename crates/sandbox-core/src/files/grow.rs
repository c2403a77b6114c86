//! Which directories that are put together (`[system] hide = "assemble"`) may show what the host adds to them, and which names
//! of them stay as they are.
//!
//! The attack: the host makes something at a name that a rule hides, or moves a directory with something hidden in it there,
//! and the command reads it. So only what no rule can be about is added: every name that a rule is about, or that lies on
//! the way to one, is fixed; where a pattern might match something new, nothing is added.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::assemble::MAX_NAMES;
use super::{Anchor, FileRules};
use crate::os::OsStrExt;
use crate::{Access, os, place};

/// A read-only directory that is put together from what is visible in it.
#[derive(Clone, Debug)]
pub(super) struct Assembled {
    pub(super) path: PathBuf,
    /// Which directory it was.
    pub(super) identity: [u64; 4],
}

/// A directory that is put together from what is visible in it, and to which the host may add.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Growing {
    /// Without links.
    pub path: PathBuf,
    /// Its device and inode, and when it was made in seconds and nanoseconds: of one that takes its place nothing follows.
    pub identity: [u64; 4],
    /// Names that stay as they were at the start, whatever the host does, there or not: a rule is about them, or about something
    /// below them.
    pub fixed: Vec<OsString>,
    /// What is at these names: it is not to be shown under another one.
    pub taken: Vec<[u64; 4]>,
}

impl Growing {
    /// The most names of such a directory: what has more stays as it is.
    pub const MAX_NAMES: usize = MAX_NAMES;
}

impl FileRules {
    /// The directories that are put together, and in which every name that is not fixed has the access of the directory
    /// itself: read.
    pub fn growing(&self) -> Vec<Growing> {
        let is_open = |assembled: &&Assembled| {
            let mut globs = self.globs.iter().filter_map(|rule| rule.glob.as_ref());
            !globs.any(|glob| glob.reaches(&assembled.path))
        };
        let absent: Vec<PathBuf> = if self.assembled.is_empty() {
            Vec::new()
        } else {
            self.absent.paths(|_| true).map(|(path, _)| path).collect()
        };
        let growing = |assembled: &Assembled| {
            let fixed = self.fixed(&assembled.path, &absent);
            Growing {
                path: assembled.path.clone(),
                identity: assembled.identity,
                taken: taken(&assembled.path, &fixed),
                fixed,
            }
        };
        self.assembled.iter().filter(is_open).map(growing).collect()
    }

    fn fixed(&self, directory: &Path, absent: &[PathBuf]) -> Vec<OsString> {
        let of_rules = self.written().flat_map(|rule| [&*rule.path, rule.key()]);
        let of_anchors = self
            .anchors
            .iter()
            .filter(|anchor| !self.is_plain(anchor, directory))
            .map(|anchor| &*anchor.path);
        let paths = of_rules
            .chain(absent.iter().map(PathBuf::as_path))
            .chain(self.absent.homes())
            .chain(of_anchors);
        let mut fixed: Vec<OsString> = paths
            .filter_map(|path| first_below(path, directory))
            .map(OsStr::to_owned)
            .collect();
        fixed.sort_unstable();
        fixed.dedup();
        fixed
    }

    /// Whether a name has an anchor only because it was in the directory at the start.
    fn is_plain(&self, anchor: &Anchor, directory: &Path) -> bool {
        place::above(&anchor.path) == Some(directory)
            && anchor.access == Access::Read
            && self.literal(&anchor.path).is_none()
    }
}

fn taken(directory: &Path, names: &[OsString]) -> Vec<[u64; 4]> {
    let identity = |name: &OsString| {
        let metadata = fs::symlink_metadata(directory.join(name)).ok()?;
        Some(os::identity(&metadata))
    };
    names.iter().filter_map(identity).collect()
}

/// The name in `directory` on the way to `path`, if that lies below.
fn first_below<'a>(path: &'a Path, directory: &Path) -> Option<&'a OsStr> {
    if !place::is_within(path, directory) {
        return None;
    }
    let start = directory.as_os_str().as_bytes().len();
    let below = path.as_os_str().as_bytes().get(start..)?;
    let mut names = below.split(|byte| *byte == b'/');
    names.find(|name| !name.is_empty()).map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_path_begins_with_a_name_of_the_directory() {
        for (path, directory, expected) in [
            ("/a/b/c", "/a", Some("b")),
            ("/a/b", "/a", Some("b")),
            ("/a/b", "/", Some("a")),
            ("/a", "/a", None),
            ("/ab", "/a", None),
        ] {
            let found = first_below(path.as_ref(), directory.as_ref());
            assert_eq!(found, expected.map(OsStr::new), "{path} {directory}");
        }
    }
}
