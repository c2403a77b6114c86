//! Protected paths below the top of a writable tree, as far down as settings of another sandbox say.
//!
//! The attack: a repository in a directory of the workspace, whose hooks the person's next `git pull` there runs.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::FileRules;
use crate::Access;
use crate::os::OsStrExt;
use crate::place;
use crate::problem::RuleProblem;
use crate::protected::{DEPENDENCIES, PROTECTED};
use crate::resolve::PathKind;
use crate::resolve::walk::{MAX_ENTRIES, Next, Sight, walk};

/// Where protected paths are searched for, beside the top of each writable tree.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// In writable trees at or below this directory.
    pub(crate) below: PathBuf,
    /// So many directories deep.
    pub(crate) levels: usize,
}

/// The directories in these trees that hold a name of the table. What cannot be looked into is one: its name tells
/// nothing about what is in it.
pub(super) fn nested(
    files: &FileRules,
    roots: &[PathBuf],
) -> Result<Vec<PathBuf>, (PathBuf, RuleProblem)> {
    let Some(search) = &files.search else {
        return Ok(Vec::new());
    };
    let first = |path: &'static str| path.split('/').next().unwrap_or(path).as_bytes();
    let names: HashSet<&[u8]> = PROTECTED.iter().map(|entry| first(entry.path)).collect();
    let mut found = BTreeSet::new();
    let mut budget = MAX_ENTRIES;
    for root in roots
        .iter()
        .filter(|root| place::is_within(root, &search.below))
    {
        let visit = |sight: Sight<'_>| match sight {
            Sight::Entry(path, kind) => {
                let name = place::name(path);
                if names.contains(name.as_bytes()) {
                    found.extend(place::above(path).map(Path::to_owned));
                }
                let is_skipped =
                    name == ".git" || DEPENDENCIES.iter().any(|dependency| name == *dependency);
                if kind == PathKind::Directory
                    && !is_skipped
                    && files.access(path).0 == Access::Write
                {
                    Next::Enter
                } else {
                    Next::Pass
                }
            }
            Sight::Closed(directory) => {
                found.insert(directory.to_owned());
                Next::Pass
            }
        };
        // A name in so many directories is one level below the last of them.
        walk(root, Some(search.levels + 1), &mut budget, visit)
            .map_err(|problem| (root.clone(), problem))?;
    }
    Ok(found
        .into_iter()
        .filter(|directory| !roots.contains(directory))
        .collect())
}
