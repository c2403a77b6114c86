//! The search for what patterns match: one walk for all of them, and none where there are none.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{FileRule, FileRules};
use crate::map::{Map, Set};
use crate::place;
use crate::resolve::PathKind;
use crate::resolve::walk::{MAX_ENTRIES, Visitor, is_pseudo, walk};
use crate::{Access, PolicyError};

/// A path, and what is there.
pub(super) type Place = (PathBuf, PathKind);

/// What the search for patterns found.
#[derive(Default)]
pub(super) struct Matches {
    /// Every path that a pattern matches and at which the access changes.
    pub(super) places: Vec<Place>,
    /// Rules about directories that cannot be looked into, and that the command could open: it may have closed them.
    pub(super) closed: Vec<Lowered>,
}

/// A rule about a single path, because of a pattern.
pub(super) struct Lowered {
    pub(super) rule: FileRule,
    pub(super) pattern: Arc<FileRule>,
}

pub(super) fn matches(files: &FileRules) -> Result<Matches, PolicyError> {
    if files.globs.is_empty() {
        return Ok(Matches::default());
    }
    let search = Search::new(files);
    let mut budget = MAX_ENTRIES;
    let mut found = Vec::new();
    // The search from one directory mostly reaches all others that patterns lie below.
    while let Some(starts) = search.starts() {
        let some = walk(&search, starts, &mut budget);
        found.extend(some.map_err(|(problem, state)| search.error(problem, &state))?);
    }
    Ok(search.result(found))
}

struct Search<'a> {
    files: &'a FileRules,
    /// Directories with the beginning of a rule somewhere below them.
    ways: Set<&'a OsStr>,
    /// The directories below which a pattern shows something.
    shown: Set<&'a OsStr>,
    /// The directories that patterns lie below.
    beginnings: Map<&'a OsStr, Beginning>,
    /// The matcher that each pattern belongs to.
    matchers: Vec<usize>,
}

/// The patterns that lie below one directory, and whether the search has come to it.
struct Beginning {
    rules: Vec<usize>,
    is_reached: AtomicBool,
}

/// What is known of a directory that is searched.
struct Here {
    access: Access,
    /// A rule begins somewhere below.
    is_way: bool,
    active: Arc<Active>,
}

/// The patterns that may match, or lower something, below a directory.
struct Active {
    /// By their numbers, ascending.
    rules: Vec<usize>,
    /// The matchers that these belong to.
    matchers: Vec<usize>,
    /// Whether each goes to any depth.
    endless: bool,
}

/// What one thread has found.
#[derive(Default)]
struct Found {
    places: Vec<Place>,
    closed: Vec<(PathBuf, usize)>,
    /// Which patterns match the entry that is looked at.
    matching: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(files: &'a FileRules) -> Self {
        let mut ways = Set::default();
        for rule in files.written() {
            // What is above a known place is known.
            let mut above = place::upwards(&rule.path).skip(1);
            above.all(|place| ways.insert(place.as_os_str()));
        }
        let mut beginnings: Map<&OsStr, Beginning> = Map::default();
        for (number, rule) in files.globs.iter().enumerate() {
            let beginning = beginnings
                .entry(rule.path.as_os_str())
                .or_insert_with(|| Beginning {
                    rules: Vec::new(),
                    is_reached: AtomicBool::new(false),
                });
            beginning.rules.push(number);
        }
        let numbered = files.together.groups().iter().enumerate();
        let members =
            numbered.flat_map(|(at, some)| some.members().iter().map(move |rule| (rule, at)));
        let mut matchers: Vec<_> = members.collect();
        matchers.sort_unstable();
        let showing = files
            .globs
            .iter()
            .filter(|rule| rule.access != Access::Hide);
        Self {
            files,
            ways,
            shown: showing.map(|rule| rule.path.as_os_str()).collect(),
            beginnings,
            matchers: matchers.into_iter().map(|(_, at)| at).collect(),
        }
    }

    /// The beginnings that were not reached, without those below another one of them; `None` if all were.
    fn starts(&self) -> Option<Vec<(PathBuf, Here)>> {
        let is_left = |path: &Path| {
            let beginning = self.beginnings.get(path.as_os_str());
            beginning.is_some_and(|beginning| !beginning.is_reached.load(Ordering::Relaxed))
        };
        let paths = self.beginnings.keys().map(Path::new);
        let mut starts: Vec<&Path> = paths
            .filter(|path| is_left(path) && !place::upwards(path).skip(1).any(is_left))
            .collect();
        starts.sort_by(|a, b| place::order(a, b));
        let here = |path: &Path| {
            let here = Here {
                access: self.files.access(path).0,
                is_way: self.ways.contains(path.as_os_str()),
                active: Arc::new(self.active(Vec::new(), path)),
            };
            (path.to_owned(), here)
        };
        (!starts.is_empty()).then(|| starts.into_iter().map(here).collect())
    }

    /// These patterns, and those that begin at this directory.
    fn active(&self, rules: Vec<usize>, directory: &Path) -> Active {
        let mut rules = rules;
        if let Some(beginning) = self.beginnings.get(directory.as_os_str()) {
            beginning.is_reached.store(true, Ordering::Relaxed);
            rules.extend(&beginning.rules);
        }
        rules.sort_unstable();
        let matchers = rules.iter().filter_map(|rule| self.matchers.get(*rule));
        let mut matchers: Vec<usize> = matchers.copied().collect();
        matchers.sort_unstable();
        matchers.dedup();
        Active {
            matchers,
            endless: rules.iter().all(|rule| self.depth(*rule).is_none()),
            rules,
        }
    }

    /// The components of the longest path that a pattern matches.
    fn depth(&self, rule: usize) -> Option<usize> {
        let glob = self.files.globs.get(rule)?.glob.as_ref()?;
        Some(place::depth(glob.prefix()) + glob.depth()?)
    }

    /// Whether a pattern may show something below a directory at which a rule hides or replaces everything. What it shows there
    /// every other pattern has to be searched in: it may hide some of it.
    fn is_opened(&self, directory: &Path) -> bool {
        let mut above = place::upwards(directory);
        let nearest = above.find(|place| self.shown.contains(place.as_os_str()));
        nearest.is_some_and(|nearest| {
            let held = self.files.held(directory);
            held.is_none_or(|held| held < place::depth(nearest))
        })
    }

    /// What goes on in a directory below `parent`.
    ///
    /// Below a match nothing changes, unless a literal rule holds there instead; and what is hidden or replaced as a whole has
    /// nothing more to lower, but for what a pattern shows that outweighs what holds there. Yet all is searched on the way to
    /// what a rule names.
    fn below(
        &self,
        directory: &Path,
        parent: &Here,
        here: (Access, bool),
        matching: &[usize],
    ) -> Option<Here> {
        let (access, is_literal) = here;
        let is_way = self.ways.contains(directory.as_os_str());
        let is_beginning = self.beginnings.contains_key(directory.as_os_str());
        let is_settled = !is_way
            && matches!(access, Access::Hide | Access::Scratch)
            && !self.is_opened(directory);
        let ends = !is_way && !is_literal && !matching.is_empty();
        if !is_settled && !ends && !is_beginning && parent.active.endless {
            return Some(Here {
                access,
                is_way,
                active: Arc::clone(&parent.active),
            });
        }
        let level = place::depth(directory);
        let goes_on = |rule: &usize| {
            let is_within = self.depth(*rule).is_none_or(|deepest| level < deepest);
            !is_settled && is_within && !(ends && matching.contains(rule))
        };
        let rules = parent.active.rules.iter().copied().filter(goes_on);
        let active = self.active(rules.collect(), directory);
        (!active.rules.is_empty()).then(|| Here {
            access,
            is_way,
            active: Arc::new(active),
        })
    }

    /// The error of a search, as one of the first pattern that asked for it.
    fn error(&self, problem: crate::RuleProblem, here: &Here) -> PolicyError {
        let rule = here.active.rules.first();
        let rule = rule.and_then(|rule| self.files.globs.get(*rule));
        PolicyError::Rule {
            at: rule.map(|rule| rule.source.clone()).unwrap_or_default(),
            text: rule.map(|rule| rule.text().to_owned()).unwrap_or_default(),
            problem,
        }
    }

    /// What all threads have found, in an order that does not depend on them.
    fn result(&self, found: Vec<Found>) -> Matches {
        let (mut places, mut closed) = (Vec::new(), Vec::new());
        for found in found {
            places.extend(found.places);
            closed.extend(found.closed);
        }
        places.sort_by(|(a, _), (b, _)| place::order(a, b));
        closed.sort();
        let lowered = |(directory, rule): (PathBuf, usize)| {
            let pattern = Arc::clone(self.files.globs.get(rule)?);
            Some(Lowered {
                rule: pattern.closed_at(directory),
                pattern,
            })
        };
        Matches {
            places,
            closed: closed.into_iter().filter_map(lowered).collect(),
        }
    }
}

impl Visitor for Search<'_> {
    type State = Here;
    type Found = Found;

    fn visit(&self, path: &Path, kind: PathKind, parent: &Here, found: &mut Found) -> Option<Here> {
        found.matching.clear();
        for at in &parent.active.matchers {
            if let Some(some) = self.files.together.groups().get(*at) {
                some.matches(path, &mut found.matching);
            }
        }
        // Elsewhere the access is that of the directory.
        let is_literal = parent.is_way && self.files.literal(path).is_some();
        let access = if found.matching.is_empty() && !is_literal {
            parent.access
        } else {
            self.files.access(path).0
        };
        // A link is no place where access could change: a hidden one leads to what has to be hidden.
        let is_place = kind != PathKind::Symlink || access == Access::Hide;
        if !found.matching.is_empty() && is_place && access != parent.access {
            found.places.push((path.to_owned(), kind));
        }
        if kind != PathKind::Directory || is_pseudo(path) {
            return None;
        }
        self.below(path, parent, (access, is_literal), &found.matching)
    }

    fn closed(&self, directory: &Path, here: &Here, found: &mut Found) {
        let Some(holds) = self.files.access(directory).1 else {
            return;
        };
        if !is_changeable(holds.access) {
            return;
        }
        let active = here.active.rules.iter();
        let ranked = active.filter_map(|rule| Some((self.files.globs.get(*rule)?.rank(), *rule)));
        if let Some((rank, least)) = ranked.min()
            && rank < holds.rank()
        {
            found.closed.push((directory.to_owned(), least));
        }
    }
}

/// Whether a command can change the mode of what is there.
fn is_changeable(access: Access) -> bool {
    matches!(access, Access::Write | Access::Overlay)
}
