//! Protected paths below the top of a writable tree, as far down as settings of another sandbox say.
//!
//! The attack: a repository in a directory of the workspace, whose hooks the person's next `git pull` there runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::FileRules;
use crate::Access;
use crate::place;
use crate::problem::RuleProblem;
use crate::protected::{DEPENDENCIES, protected};
use crate::resolve::PathKind;
use crate::resolve::walk::{MAX_ENTRIES, Visitor, is_pseudo, walk};

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
    let holders = Holders { files };
    let mut found = BTreeSet::new();
    let mut budget = MAX_ENTRIES;
    for root in roots
        .iter()
        .filter(|root| place::is_within(root, &search.below))
    {
        // A name in so many directories is one level below the last of them.
        let start = (root.clone(), search.levels + 1);
        let some = walk(&holders, vec![start], &mut budget);
        let some = some.map_err(|(problem, _)| (root.clone(), problem))?;
        found.extend(some.into_iter().flatten());
    }
    Ok(found
        .into_iter()
        .filter(|directory| !roots.contains(directory))
        .collect())
}

/// The directories that hold a name of the table.
struct Holders<'a> {
    files: &'a FileRules,
}

impl Visitor for Holders<'_> {
    /// The levels that are listed, that of the directory included.
    type State = usize;
    type Found = BTreeSet<PathBuf>;

    fn visit(
        &self,
        path: &Path,
        kind: PathKind,
        levels: &usize,
        found: &mut BTreeSet<PathBuf>,
    ) -> Option<usize> {
        let name = place::name(path);
        let asked = &self.files.asked;
        if protected()
            .below(name)
            .any(|entry| entry.is_in_effect(asked))
        {
            found.extend(place::above(path).map(Path::to_owned));
        }
        let is_skipped = name == ".git"
            || is_pseudo(path)
            || DEPENDENCIES.iter().any(|dependency| name == *dependency);
        let is_entered = kind == PathKind::Directory
            && !is_skipped
            && self.files.access(path).0 == Access::Write;
        let below = levels.checked_sub(1).filter(|levels| *levels > 0);
        below.filter(|_| is_entered)
    }

    fn closed(&self, directory: &Path, _: &usize, found: &mut BTreeSet<PathBuf>) {
        found.insert(directory.to_owned());
    }
}
