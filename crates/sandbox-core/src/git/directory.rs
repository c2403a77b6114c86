//! Git directories that are not named `.git`: bare repositories, and the `.bare` beside which worktrees are made.
//!
//! Their names say nothing, so that whoever sees them has to look; here is what a path in one would be called if it were `.git`.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use crate::os::OsStrExt;
use crate::protected::VERSION_CONTROL;

/// A path as it is decided if a directory above it is a git directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two answers, to be taken apart")]
pub struct GitPlace {
    /// How many levels above the directory of the path that directory is.
    pub above: usize,
    /// What to decide about.
    pub path: PathBuf,
}

/// For each directory above a path, in which a git directory has a protected name of this kind: what the path would be called if that
/// directory were named `.git`.
///
/// ```
/// # use sandbox_core::git_places;
/// let places: Vec<_> = git_places("/srv/a.git/hooks/pre-push".as_ref()).collect();
/// assert_eq!(places.len(), 1);
/// assert_eq!(places[0].above, 1);
/// assert_eq!(places[0].path.to_str(), Some("/srv/a.git/.git/hooks/pre-push"));
/// ```
pub fn git_places(path: &Path) -> impl Iterator<Item = GitPlace> {
    let names: Vec<Component<'_>> = path.components().collect();
    let is_git = |name: &Component<'_>| name.as_os_str() == ".git";
    let is_place = move |at: &usize| {
        let (Some(above), Some(name)) = (names.get(at - 1), names.get(*at)) else {
            return false;
        };
        !is_git(above) && names_in_git().contains(name.as_os_str().as_bytes())
    };
    let count = path.components().count();
    (2..count).filter(is_place).map(move |at| {
        let (above, below) = (path.components().take(at), path.components().skip(at));
        let git = std::iter::once(Component::Normal(".git".as_ref()));
        GitPlace {
            above: count - 1 - at,
            path: above.chain(git).chain(below).collect(),
        }
    })
}

/// Whether what may be run in a directory that is one of git's is protected by name, whatever else is there: in `.git`, and in what
/// submodules and linked worktrees have in it.
///
/// ```
/// # use sandbox_core::is_named_as_git_directory;
/// assert!(is_named_as_git_directory("/srv/.git/modules/a/b".as_ref()));
/// assert!(!is_named_as_git_directory("/srv/.git/modules".as_ref()));
/// ```
#[must_use]
pub fn is_named_as_git_directory(directory: &Path) -> bool {
    let names: Vec<&[u8]> = directory
        .components()
        .map(|name| name.as_os_str().as_bytes())
        .collect();
    let mut below = names.as_slice();
    while let Some((name, rest)) = below.split_first() {
        below = rest;
        if *name == b".git" && is_one_below(below) {
            return true;
        }
    }
    false
}

/// The same, of the names below `.git`.
fn is_one_below(names: &[&[u8]]) -> bool {
    matches!(
        names,
        [] | [b"modules", _, ..] | [b"worktrees", _] | [b"worktrees", _, b"modules", _, ..]
    )
}

/// What the protected paths in a git directory begin with.
fn names_in_git() -> &'static BTreeSet<&'static [u8]> {
    static NAMES: LazyLock<BTreeSet<&'static [u8]>> = LazyLock::new(|| {
        let below = VERSION_CONTROL
            .iter()
            .filter_map(|entry| entry.path.strip_prefix(".git/"));
        let first = below.map(|below| below.split_once('/').map_or(below, |(first, _)| first));
        first.map(str::as_bytes).collect()
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_by_name_is_known_by_its_name() {
        for (path, expected) in [
            ("/srv/.git", true),
            ("/srv/.git/modules/a", true),
            ("/srv/.git/modules/a/b/c", true),
            ("/srv/.git/worktrees/a", true),
            ("/srv/.git/worktrees/a/modules/b", true),
            ("/srv/.git/x/.git", true),
            ("/srv/.git/modules", false),
            ("/srv/.git/worktrees", false),
            ("/srv/.git/worktrees/a/b", false),
            ("/srv/.git/worktrees/a/modules", false),
            ("/srv/.git/refs/modules/a", false),
            ("/srv/bare", false),
            ("/", false),
        ] {
            let found = is_named_as_git_directory(path.as_ref());
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_place_is_what_a_git_directory_has_protected() {
        for (path, expected) in [
            ("/srv/b/config", vec![(0, "/srv/b/.git/config")]),
            ("/srv/b/hooks", vec![(0, "/srv/b/.git/hooks")]),
            ("/srv/b/hooks/x", vec![(1, "/srv/b/.git/hooks/x")]),
            (
                "/srv/b/modules/c/config",
                vec![
                    (2, "/srv/b/.git/modules/c/config"),
                    (0, "/srv/b/modules/c/.git/config"),
                ],
            ),
            ("/srv/.git/config", vec![]),
            (
                "/srv/.git/modules/c/hooks",
                vec![(0, "/srv/.git/modules/c/.git/hooks")],
            ),
            ("/srv/b/HEAD", vec![]),
            ("/config", vec![]),
            ("/", vec![]),
        ] {
            let places = git_places(path.as_ref()).map(|place| (place.above, place.path));
            let places: Vec<_> = places.collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(above, path)| (above, path.into()))
                .collect();
            assert_eq!(places, expected, "{path}");
        }
    }
}
