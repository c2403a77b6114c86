//! What exists below a directory: the search for a pattern's matches.
//!
//! The tree may be the work of the last command: no link is followed, depth and number of entries are bounded, a FIFO
//! is only listed. A directory that cannot be listed or searched is shown as such, since the command may have closed it
//! and may open it again. Going over a bound is an error: a match that was not found would be a rule that does not hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{PathKind, is_searchable};
use crate::place;
use crate::problem::RuleProblem;

/// Levels below the start.
const MAX_DEPTH: usize = 64;
/// Entries of all searches of one policy.
pub(crate) const MAX_ENTRIES: usize = 1_000_000;

/// File systems that the kernel makes up: entries come and go, and nothing in them is a person's file.
/// They are not entered from above; a pattern that starts inside one is searched.
const PSEUDO: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What the search meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight<'a> {
    Entry(&'a Path, PathKind),
    /// A directory in which nothing can be seen: it cannot be listed, or not searched.
    Closed(&'a Path),
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Enter,
    Pass,
}

/// Shows every entry below `start`, parents before children, to `visit`, which says whether to enter a directory; what
/// it says about a closed one is of no account.
///
/// `budget` is what is left of [`MAX_ENTRIES`].
pub(crate) fn walk(
    start: &Path,
    depth: Option<usize>,
    budget: &mut usize,
    mut visit: impl FnMut(Sight<'_>) -> Next,
) -> Result<(), RuleProblem> {
    let mut ahead: Vec<(PathBuf, usize)> = vec![(start.to_owned(), 0)];
    while let Some((directory, level)) = ahead.pop() {
        if depth.is_some_and(|depth| level >= depth) {
            continue;
        }
        let opened = open(&directory).map_err(|error| unreachable(&directory, &error))?;
        let entries = match opened {
            Opened::Gone => continue,
            Opened::Closed => {
                visit(Sight::Closed(&directory));
                continue;
            }
            Opened::Entries(entries) => entries,
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if is_gone(&error) => break,
                Err(error) => return Err(unreachable(&directory, &error)),
            };
            let Some(left) = budget.checked_sub(1) else {
                return Err(too_much(start, None, MAX_ENTRIES, "entries"));
            };
            *budget = left;
            let path = entry.path();
            let kind = match entry.file_type() {
                Ok(kind) => PathKind::from(kind),
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(unreachable(&path, &error)),
            };
            let next = visit(Sight::Entry(&path, kind));
            if next == Next::Enter && kind == PathKind::Directory && !is_pseudo(&path) {
                if level + 1 >= MAX_DEPTH {
                    let branch = place::upwards(&path).nth(level);
                    return Err(too_much(start, branch, MAX_DEPTH, "levels"));
                }
                ahead.push((path, level + 1));
            }
        }
    }
    Ok(())
}

enum Opened {
    Entries(fs::ReadDir),
    Closed,
    Gone,
}

fn open(directory: &Path) -> io::Result<Opened> {
    let opened =
        fs::read_dir(directory).and_then(|entries| Ok((entries, is_searchable(directory)?)));
    match opened {
        Ok((entries, true)) => Ok(Opened::Entries(entries)),
        Ok((_, false)) => Ok(Opened::Closed),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Opened::Closed),
        Err(error) if is_gone(&error) => Ok(Opened::Gone),
        Err(error) => Err(error),
    }
}

/// Removed or replaced since it was listed.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn unreachable(at: &Path, error: &io::Error) -> RuleProblem {
    RuleProblem::Unreachable {
        at: at.to_owned(),
        kind: error.kind(),
    }
}

fn is_pseudo(path: &Path) -> bool {
    PSEUDO.iter().any(|pseudo| path == Path::new(pseudo))
}

fn too_much(below: &Path, branch: Option<&Path>, limit: usize, what: &'static str) -> RuleProblem {
    RuleProblem::TooMuchToSearch {
        below: below.into(),
        branch: branch.map(Box::from),
        limit,
        what,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn found(
        start: &Path,
        depth: Option<usize>,
        budget: usize,
    ) -> Result<Vec<String>, RuleProblem> {
        let mut found = Vec::new();
        let mut budget = budget;
        walk(start, depth, &mut budget, |sight| {
            let (path, note) = match sight {
                Sight::Entry(path, _) => (path, ""),
                Sight::Closed(path) => (path, " closed"),
            };
            let path = path.strip_prefix(start).unwrap().display();
            found.push(format!("{path}{note}"));
            Next::Enter
        })?;
        found.sort();
        Ok(found)
    }

    #[test]
    fn links_are_listed_and_not_followed() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("a/b")).unwrap();
        symlink("..", host.path().join("a/up")).unwrap();
        assert_eq!(found(host.path(), None, 100).unwrap(), ["a", "a/b", "a/up"]);
        assert_eq!(found(host.path(), Some(1), 100).unwrap(), ["a"]);
    }

    #[test]
    fn a_tree_without_end_is_refused() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("d/".repeat(70))).unwrap();
        let deep = found(host.path(), None, 1000).unwrap_err();
        assert!(
            matches!(
                deep,
                RuleProblem::TooMuchToSearch {
                    limit: MAX_DEPTH,
                    ..
                }
            ),
            "{deep}"
        );
        let wide = found(host.path(), None, 3).unwrap_err();
        assert!(
            matches!(
                wide,
                RuleProblem::TooMuchToSearch {
                    limit: MAX_ENTRIES,
                    ..
                }
            ),
            "{wide}"
        );
    }

    #[test]
    fn what_is_not_there_is_empty() {
        assert_eq!(found("/nonexistent/x".as_ref(), None, 10).unwrap(), [""; 0]);
    }
}
