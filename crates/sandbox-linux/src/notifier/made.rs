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
/// Bytes of a path. Whoever looks in the end could not open a longer one, and there is no end to how long it gets by renames.
const LONGEST: usize = libc::PATH_MAX as usize - 1;

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
                let taken = take(paths, from);
                put(paths, &mut made.omitted, &taken, from, to);
            }
        }
        self.named(to);
    }

    /// Two have each other's names. One may be no directory: whoever looks in the end sees that.
    pub(super) fn exchanged(&self, one: &Path, other: &Path) {
        {
            let made = &mut *self.lock();
            for paths in [&mut made.repositories, &mut made.unfinished] {
                let (ones, others) = (take(paths, one), take(paths, other));
                put(paths, &mut made.omitted, &ones, one, other);
                put(paths, &mut made.omitted, &others, other, one);
            }
        }
        self.named(one);
        self.named(other);
    }

    fn named(&self, to: &Path) {
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
    if paths.len() < MOST && path.as_os_str().len() <= LONGEST {
        paths.insert(path.to_owned());
    } else {
        *omitted = omitted.saturating_add(1);
    }
}

/// Takes what lies at or below a directory out.
fn take(paths: &mut BTreeSet<PathBuf>, directory: &Path) -> Vec<PathBuf> {
    let taken = paths.extract_if(.., |path| is_within(path, directory));
    taken.collect()
}

/// Adds what was taken out of `from` under the names that it has in `to`.
fn put(
    paths: &mut BTreeSet<PathBuf>,
    omitted: &mut u64,
    taken: &[PathBuf],
    from: &Path,
    to: &Path,
) {
    for path in taken {
        let Ok(below) = path.strip_prefix(from) else {
            continue;
        };
        // Joining nothing would add a slash.
        if below.as_os_str().is_empty() {
            add(paths, omitted, to);
        } else {
            add(paths, omitted, &to.join(below));
        }
    }
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

    #[test]
    fn renames_make_no_path_longer_than_one_can_be() {
        let making = Making::default();
        let chain = PathBuf::from(format!("/w{}", "/c".repeat(1900)));
        for number in 0..MOST {
            making.directory(Path::new(&format!("/w/a/{number}/.git")));
        }
        making.directory(Path::new("/w/.git"));
        making.directory(&chain.join("d".repeat(300)).join(".git"));
        assert_eq!(making.made().omitted, 2);
        let end = chain.join("a");
        making.moved("/w/a".as_ref(), &end);
        let kept = making.made().repositories;
        assert_eq!(kept.len(), MOST, "the control");
        assert!(kept.iter().all(|path| path.starts_with(&end)));
        // Another chain is made, to whose end what is first of this one goes.
        making.moved("/w/c".as_ref(), &chain.join("e"));
        let made = making.made();
        assert_eq!((made.repositories.len(), made.omitted), (0, 1002));
        making.name(&chain.join("d".repeat(300)).join("sequencer"));
        assert_eq!(making.made().omitted, 1003);
    }

    #[test]
    fn both_directories_that_are_exchanged_are_followed() {
        let making = Making::default();
        making.directory("/w/evil/.git".as_ref());
        making.name("/w/evil/.git/sequencer/opts".as_ref());
        making.directory("/w/b/c/.git".as_ref());
        making.exchanged("/w/y".as_ref(), "/w/evil".as_ref());
        let made = making.made();
        assert_eq!(paths(&made.repositories), ["/w/b/c/.git", "/w/y/.git"]);
        assert_eq!(paths(&made.unfinished), ["/w/y/.git"]);
        making.exchanged("/w/y".as_ref(), "/w/b/c".as_ref());
        let made = making.made();
        assert_eq!(paths(&made.repositories), ["/w/b/c/.git", "/w/y/.git"]);
        assert_eq!(paths(&made.unfinished), ["/w/b/c/.git"]);
        making.exchanged("/w/z/.git".as_ref(), "/w/x".as_ref());
        making.exchanged("/w/x".as_ref(), "/w/v/.git".as_ref());
        let made = making.made();
        for path in ["/w/z/.git", "/w/v/.git"] {
            let path = Path::new(path);
            assert!(made.repositories.contains(path) && made.unfinished.contains(path));
        }
    }
}
