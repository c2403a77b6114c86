//! Patterns below one directory, matched together: what a path costs does not grow with their number.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use globset::{Candidate, GlobSet};

use super::Glob;
use crate::map::Map;
use crate::os::OsStrExt;
use crate::place;

/// Patterns that are compiled into one matcher, whose size is bounded.
const AT_ONCE: usize = 128;

/// All patterns, by the directories that they lie below.
#[derive(Clone, Debug, Default)]
pub(crate) struct Together {
    groups: Vec<Group>,
    /// Which groups lie below a directory.
    places: Map<OsString, Range<usize>>,
}

/// Patterns below the same directory.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Which of all patterns these are.
    members: Vec<usize>,
    set: Arc<GlobSet>,
    /// The bytes of the directory and the slash behind it.
    skipped: usize,
}

impl Together {
    pub(crate) fn new(globs: &[&Glob]) -> Self {
        let mut by_place: BTreeMap<&OsStr, Vec<usize>> = BTreeMap::new();
        for (number, glob) in globs.iter().enumerate() {
            let place = glob.prefix().as_os_str();
            by_place.entry(place).or_default().push(number);
        }
        let mut together = Self::default();
        let mut compiled = Compiled::default();
        for (place, members) in by_place {
            let from = together.groups.len();
            for some in members.chunks(AT_ONCE) {
                compile(globs, some, &mut compiled, &mut together.groups);
            }
            let groups = from..together.groups.len();
            together.places.insert(place.to_owned(), groups);
        }
        together
    }

    /// All groups.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups below this very directory.
    pub(crate) fn below(&self, directory: &Path) -> &[Group] {
        let groups = self.places.get(directory.as_os_str());
        let groups = groups.and_then(|groups| self.groups.get(groups.clone()));
        groups.unwrap_or_default()
    }
}

impl Group {
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

/// Matchers by what they match: the same is often written below many directories.
type Compiled<'a> = Map<Vec<&'a str>, Arc<GlobSet>>;

/// Compiles these patterns, in halves where all together are too large.
fn compile<'a>(
    globs: &[&'a Glob],
    members: &[usize],
    compiled: &mut Compiled<'a>,
    groups: &mut Vec<Group>,
) {
    let some: Vec<&Glob> = members
        .iter()
        .filter_map(|at| globs.get(*at))
        .copied()
        .collect();
    let Some(first) = some.first() else {
        return;
    };
    let tails: Vec<&str> = some.iter().map(|glob| glob.tail()).collect();
    let set = if let Some(set) = compiled.get(&tails) {
        Arc::clone(set)
    } else {
        let set = GlobSet::new(some.iter().map(|glob| &glob.tail));
        if set.is_err() && members.len() > 1 {
            let (some, others) = members.split_at(members.len() / 2);
            compile(globs, some, compiled, groups);
            return compile(globs, others, compiled, groups);
        }
        #[expect(clippy::expect_used, reason = "`MAX_TAIL` is what the matcher takes")]
        let set = Arc::new(set.expect("a pattern by itself is small enough"));
        compiled.insert(tails, Arc::clone(&set));
        set
    };
    groups.push(Group {
        members: members.to_vec(),
        set,
        skipped: place::below(first.prefix()),
    });
}
