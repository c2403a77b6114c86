//! Patterns below one directory, matched together: what a path costs does not grow with their number.

use std::path::{Path, PathBuf};

use globset::{Candidate, GlobSet};

use super::Glob;
use crate::map::Map;
use crate::os::OsStrExt;
use crate::place;

/// Patterns that are compiled into one matcher, whose size is bounded.
const AT_ONCE: usize = 128;

/// Patterns below the same directory.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    /// Which of them all these are.
    members: Vec<usize>,
    prefix: PathBuf,
    set: GlobSet,
    /// The bytes of the directory and the slash behind it.
    skipped: usize,
}

impl Together {
    /// All patterns, by the directories that they lie below.
    pub(crate) fn all(globs: &[&Glob]) -> Vec<Self> {
        let mut places: Map<&Path, usize> = Map::default();
        let mut by_place: Vec<Vec<usize>> = Vec::new();
        for (number, glob) in globs.iter().enumerate() {
            let at = *places.entry(glob.prefix()).or_insert(by_place.len());
            match by_place.get_mut(at) {
                Some(members) => members.push(number),
                None => by_place.push(vec![number]),
            }
        }
        let mut all = Vec::new();
        for members in &by_place {
            for some in members.chunks(AT_ONCE) {
                compile(globs, some, &mut all);
            }
        }
        all
    }

    /// The directory that they lie below.
    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Which of all patterns these are.
    pub(crate) fn members(&self) -> &[usize] {
        &self.members
    }

    /// Those that match this very path, which lies below their directory, are added to `found`.
    pub(crate) fn matches(&self, path: &Path, found: &mut Vec<usize>) {
        let rest = path.as_os_str().as_bytes().get(self.skipped..);
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return;
        };
        let candidate = Candidate::from_bytes(rest);
        if !self.set.is_match_candidate(&candidate) {
            return;
        }
        let numbers = self.set.matches_candidate(&candidate);
        found.extend(numbers.iter().filter_map(|at| self.members.get(*at)));
    }
}

/// Compiles these patterns, in halves where all together are too large.
fn compile(globs: &[&Glob], members: &[usize], all: &mut Vec<Together>) {
    let some = || members.iter().filter_map(|at| globs.get(*at));
    let Some(prefix) = some().next().map(|glob| glob.prefix()) else {
        return;
    };
    let set = GlobSet::new(some().map(|glob| &glob.tail));
    if set.is_err() && members.len() > 1 {
        let (some, others) = members.split_at(members.len() / 2);
        compile(globs, some, all);
        return compile(globs, others, all);
    }
    #[expect(clippy::expect_used, reason = "`MAX_TAIL` is what the matcher takes")]
    let set = set.expect("a pattern by itself is small enough");
    all.push(Together {
        members: members.to_vec(),
        prefix: prefix.to_owned(),
        set,
        skipped: place::below(prefix),
    });
}
