//! Git directories that are not named `.git`: bare repositories, and the `.bare` beside which worktrees are made.
//!
//! Their names say nothing, so that whoever sees them has to look; here is what a path in one would be called if it were `.git`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::os::OsStrExt;
use crate::protected::VERSION_CONTROL;
use crate::protected::spelling::{folded, is_plain};

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
    places(path, Cow::Borrowed)
}

/// The same where a file system may take other spellings of a name for the same: with what is in the directory as the table spells it.
///
/// ```
/// # use sandbox_core::git_places_alike;
/// let mut places = git_places_alike("/srv/A.git/Hooks/pre-push".as_ref());
/// assert_eq!(places.next().unwrap().path.to_str(), Some("/srv/A.git/.git/hooks/pre-push"));
/// ```
pub fn git_places_alike(path: &Path) -> impl Iterator<Item = GitPlace> {
    places(path, |name| {
        if is_plain(name.as_bytes()) {
            Cow::Borrowed(name)
        } else {
            Cow::Owned(folded(name).into())
        }
    })
}

fn places<'p>(
    path: &'p Path,
    spelled: impl Fn(&'p OsStr) -> Cow<'p, OsStr> + 'p,
) -> impl Iterator<Item = GitPlace> {
    let names: Vec<&OsStr> = path.iter().collect();
    let count = names.len();
    (2..count).filter_map(move |at| {
        let (above, below) = names.split_at_checked(at)?;
        let mut below = below.iter().map(|name| spelled(name)).peekable();
        let is_place = above.last().is_some_and(|name| *spelled(name) != *".git")
            && names_in_git().contains(below.peek()?.as_bytes());
        is_place.then(|| {
            let mut place: PathBuf = above.iter().collect();
            place.push(".git");
            place.extend(below);
            GitPlace {
                above: count - 1 - at,
                path: place,
            }
        })
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
    fn other_spellings_are_of_the_same_place() {
        for path in [
            "/Srv/B/CONFIG",
            "/Srv/B/con\u{200b}fig",
            "/Srv/B/config.",
            "/Srv/B/conﬁg",
        ] {
            assert_eq!(git_places(path.as_ref()).count(), 0, "{path}");
            let places: Vec<_> = git_places_alike(path.as_ref()).collect();
            let expected = GitPlace {
                above: 0,
                path: "/Srv/B/.git/config".into(),
            };
            assert_eq!(places, [expected], "{path}");
        }
        assert_eq!(git_places_alike("/srv/.GIT/config".as_ref()).count(), 0);
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
