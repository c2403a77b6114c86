//! What commands have made of git's that a person is told of in the end: repositories, and what is left unfinished in one.
//!
//! The attack: ten million repositories, so that memory runs out, or so that nobody sees the one that matters. So there are lists of a
//! bounded length, and what is in neither is counted; what directories are renamed to is followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandbox_core::{git_unfinished, is_named_as_git_directory, is_within};

/// More of a kind nobody reads.
const MOST: usize = 1000;

/// What was made so far. Paths are those of the moment: what was removed again is still among them.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::{HostFacts, Plan, Prepared};
///
/// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &HostFacts::detect())?;
/// assert_eq!(Prepared::new(&plan)?.made().omitted, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Made {
    /// Directories `.git` that were made.
    pub repositories: BTreeSet<PathBuf>,
    /// Git directories in which something was written that says how to go on.
    pub unfinished: BTreeSet<PathBuf>,
    /// How often something was made that is in neither.
    pub omitted: u64,
}

/// The same while it is made.
#[derive(Debug, Default)]
pub(crate) struct Making(Mutex<Made>);

impl Making {
    pub(crate) fn made(&self) -> Made {
        self.lock().clone()
    }

    /// A directory was made, or got its name.
    pub(super) fn directory(&self, path: &Path) {
        if path.ends_with(".git") {
            let made = &mut *self.lock();
            add(&mut made.repositories, &mut made.omitted, path);
        }
    }

    /// A name may be made, or what has it may be written.
    pub(super) fn name(&self, path: &Path) {
        if let Some(directory) = git_unfinished(path) {
            self.unfinished(directory);
        }
    }

    /// A directory has another name.
    pub(super) fn moved(&self, from: &Path, to: &Path) {
        {
            let made = &mut *self.lock();
            for paths in [&mut made.repositories, &mut made.unfinished] {
                follow(paths, from, to);
            }
        }
        self.directory(to);
        // Whatever an earlier command has left in it.
        if is_named_as_git_directory(to) {
            self.unfinished(to);
        }
    }

    fn unfinished(&self, directory: &Path) {
        let made = &mut *self.lock();
        add(&mut made.unfinished, &mut made.omitted, directory);
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(paths: &mut BTreeSet<PathBuf>, omitted: &mut u64, path: &Path) {
    if paths.contains(path) {
        return;
    }
    if paths.len() < MOST {
        paths.insert(path.to_owned());
    } else {
        *omitted = omitted.saturating_add(1);
    }
}

/// Gives what lies at or below a directory the names that it has by now.
fn follow(paths: &mut BTreeSet<PathBuf>, from: &Path, to: &Path) {
    let moved: Vec<PathBuf> = paths.extract_if(.., |path| is_within(path, from)).collect();
    let renamed = moved.iter().filter_map(|path| {
        let below = path.strip_prefix(from).ok()?;
        // Joining nothing would add a slash.
        let is_itself = below.as_os_str().is_empty();
        Some(if is_itself {
            to.to_owned()
        } else {
            to.join(below)
        })
    });
    paths.extend(renamed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &BTreeSet<PathBuf>) -> Vec<&str> {
        paths.iter().filter_map(|path| path.to_str()).collect()
    }

    #[test]
    fn what_is_made_keeps_the_name_of_its_directory() {
        let making = Making::default();
        making.directory("/w/a/.git".as_ref());
        making.directory("/w/a/git".as_ref());
        making.name("/w/a/.git/rebase-merge/git-rebase-todo".as_ref());
        making.name("/w/x/sequencer".as_ref());
        making.name("/w/x/HEAD".as_ref());
        making.moved("/w/a".as_ref(), "/w/b".as_ref());
        making.moved("/w/x".as_ref(), "/w/.git/modules/x".as_ref());
        making.moved("/w/bb".as_ref(), "/w/c".as_ref());
        let made = making.made();
        assert_eq!(paths(&made.repositories), ["/w/b/.git"]);
        assert_eq!(paths(&made.unfinished), ["/w/.git/modules/x", "/w/b/.git"]);
        making.moved("/w/y".as_ref(), "/w/c/.git".as_ref());
        assert_eq!(making.made().repositories.len(), 2);
    }

    #[test]
    fn a_million_repositories_are_a_bounded_number_and_the_others_are_counted() {
        let making = Making::default();
        for number in 0..1_000_000 {
            making.directory(Path::new(&format!("/w/{number}/.git")));
        }
        let made = making.made();
        assert_eq!((made.repositories.len(), made.omitted), (MOST, 999_000));
    }
}
