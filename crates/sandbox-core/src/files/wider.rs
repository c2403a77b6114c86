//! Whether one set of rules grants more than another, anywhere.
//!
//! Every path is asked about at once. The paths of all rules of both sets cut the tree into regions: a region is a place
//! and all below it that is nearer to no other place. In a region the nearest literal rule of each set is the same for
//! all paths, and only patterns that begin at the place or above it can match. Of a path below the place nothing else
//! matters than which of them match *below* the place: whatever the path, that is a choice of some of them. What holds is
//! decided, in each set, by the heaviest match and the lowest one; so of every choice at most four count, and all choices
//! of up to four are tried. A choice that no path makes is tried as well: that may refuse too much, and never too little.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::contest::{Contest, Match};
use super::{FileRule, FileRules};
use crate::map::Map;
use crate::protected::Asked;
use crate::{Access, place, protected};

/// Patterns in one region whose choices are tried; with more of them nothing is told.
const MAX_PATTERNS: usize = 12;
/// Pairs of a place and a pattern that are looked at: the policy may be a stranger's, and as long as he likes.
const MAX_PAIRS: usize = 2_000_000;
/// Matches of a choice that count.
const COUNT: usize = 4;

/// A place where more is granted.
#[derive(Debug)]
pub(crate) struct Wider<'a> {
    /// The place, or one above.
    pub(crate) path: PathBuf,
    /// The rule that grants it.
    pub(crate) rule: &'a FileRule,
    /// The rule that grants less.
    pub(crate) before: Option<&'a FileRule>,
    pub(crate) what: What,
    /// It is not the place itself, but what a pattern matches below it.
    pub(crate) below: bool,
}

/// What is more there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Access,
    /// The access is the same, and a protected name is open.
    Protection,
    /// There are too many patterns to tell.
    Unknown,
}

/// Where `files` grants more than `bound` does by a rule that `counts`: of each two rules the first place.
pub(crate) fn wider<'a>(
    files: &'a FileRules,
    bound: &'a FileRules,
    counts: &dyn Fn(Option<&FileRule>) -> bool,
) -> Vec<Wider<'a>> {
    let mut places: Vec<&Path> = files
        .iter()
        .chain(bound.iter())
        .map(FileRule::path)
        .chain([Path::new("/")])
        .collect();
    places.sort_by(|a, b| place::order(a, b));
    places.dedup();
    let patterns = patterns(files, bound);
    if places.len().saturating_mul(patterns.len()) > MAX_PAIRS {
        let untold = |rule| Wider {
            path: "/".into(),
            rule,
            before: None,
            what: What::Unknown,
            below: false,
        };
        return files.iter().next().map(untold).into_iter().collect();
    }
    let mut told = HashSet::new();
    let regions = places
        .into_iter()
        .map(|place| Region::new(files, bound, &patterns, place));
    let more = regions.flat_map(|region| region.more(counts));
    more.filter(|more| told.insert(more.key())).collect()
}

impl Wider<'_> {
    /// The two rules, whatever the place is.
    fn key(&self) -> (*const FileRule, Option<*const FileRule>, What) {
        let before = self.before.map(std::ptr::from_ref);
        (std::ptr::from_ref(self.rule), before, self.what)
    }
}

/// A place and all below it that is nearer to no other.
struct Region<'a> {
    place: &'a Path,
    /// What the bound protects.
    asked: &'a Asked,
    literals: Pair<'a>,
    patterns: Vec<Pattern<'a>>,
}

/// The rule of each set.
#[derive(Clone, Copy)]
struct Pair<'a> {
    files: Option<&'a FileRule>,
    bound: Option<&'a FileRule>,
}

/// A pattern of either set or both.
struct Pattern<'a> {
    rules: Pair<'a>,
    prefix: usize,
    /// Components of its longest match at the place or above it.
    length: Option<usize>,
    /// Whether it may match something below the place.
    reaches: bool,
}

impl<'a> Region<'a> {
    fn new(
        files: &'a FileRules,
        bound: &'a FileRules,
        patterns: &[Pair<'a>],
        place: &'a Path,
    ) -> Self {
        let literal = |rules: &'a FileRules| rules.nearest(place);
        Self {
            place,
            asked: &bound.asked,
            literals: Pair {
                files: literal(files),
                bound: literal(bound),
            },
            patterns: patterns
                .iter()
                .filter_map(|rules| Pattern::of(*rules, place))
                .collect(),
        }
    }

    /// Whether both sets say the same here.
    fn is_same(&self) -> bool {
        let key = |rule: &'a FileRule| (rule.path(), rule.access());
        self.literals.files.map(key) == self.literals.bound.map(key)
            && self
                .patterns
                .iter()
                .all(|pattern| pattern.rules.files.is_some() && pattern.rules.bound.is_some())
    }

    fn more(&self, counts: &dyn Fn(Option<&FileRule>) -> bool) -> Vec<Wider<'a>> {
        if self.is_same() {
            return Vec::new();
        }
        let candidates = self.candidates();
        if candidates.len() > MAX_PATTERNS {
            let Pair { files, bound } = self.holding(&[]);
            let untold = counts(bound).then(|| self.found(files, bound, What::Unknown, false));
            return untold.flatten().into_iter().collect();
        }
        let mut found: Vec<Wider<'a>> = Vec::new();
        for choice in choices(&candidates) {
            let Pair { files, bound } = self.holding(&choice);
            let what = exceeds(files, bound, self.asked).filter(|_| counts(bound));
            let more = what.and_then(|what| self.found(files, bound, what, !choice.is_empty()));
            found.extend(more.filter(|more| found.iter().all(|told| told.key() != more.key())));
        }
        found
    }

    fn found(
        &self,
        rule: Option<&'a FileRule>,
        before: Option<&'a FileRule>,
        what: What,
        below: bool,
    ) -> Option<Wider<'a>> {
        Some(Wider {
            path: self.place.to_owned(),
            rule: rule?,
            before,
            what,
            below,
        })
    }

    /// The patterns that may match below the place; of those with the same effect one.
    fn candidates(&self) -> Vec<usize> {
        let access = |rule: Option<&FileRule>| rule.map(FileRule::access);
        let effect = |pattern: &Pattern<'_>| {
            let Pair { files, bound } = pattern.rules;
            (pattern.prefix, access(files), access(bound))
        };
        let mut seen = Vec::new();
        let reaching = self.patterns.iter().enumerate().filter(|(_, pattern)| {
            let is_further = pattern.reaches && !seen.contains(&effect(pattern));
            if is_further {
                seen.push(effect(pattern));
            }
            is_further
        });
        reaching.map(|(at, _)| at).collect()
    }

    /// What holds where just these patterns match below the place.
    fn holding(&self, choice: &[usize]) -> Pair<'a> {
        let matches = |rule: fn(&Pair<'a>) -> Option<&'a FileRule>| -> Vec<Match<'a>> {
            let one = |(at, pattern): (usize, &Pattern<'a>)| {
                let below = choice.contains(&at).then_some(usize::MAX);
                Some(Match {
                    rule: rule(&pattern.rules)?,
                    prefix: pattern.prefix,
                    length: below.or(pattern.length)?,
                })
            };
            self.patterns.iter().enumerate().filter_map(one).collect()
        };
        Pair {
            files: Contest::of(self.literals.files, matches(|pair| pair.files)).winner(),
            bound: Contest::of(self.literals.bound, matches(|pair| pair.bound)).winner(),
        }
    }
}

impl<'a> Pattern<'a> {
    /// What is known of it at a place; nothing, if it begins elsewhere.
    fn of(rules: Pair<'a>, place: &Path) -> Option<Self> {
        let glob = rules.files.or(rules.bound)?.glob.as_ref()?;
        if !place::is_within(place, glob.prefix()) {
            return None;
        }
        let prefix = place::depth(glob.prefix());
        Some(Self {
            rules,
            prefix,
            length: glob.longest_match(place).map(place::depth),
            reaches: glob.reaches(place),
        })
    }
}

/// The patterns of both sets; one that both have is one.
fn patterns<'a>(files: &'a FileRules, bound: &'a FileRules) -> Vec<Pair<'a>> {
    fn key(rule: &FileRule) -> Option<(&Path, &str, Access)> {
        let glob = rule.glob.as_ref()?;
        Some((glob.prefix(), glob.tail(), rule.access()))
    }
    let mut twins: Map<_, _> = bound
        .globs
        .iter()
        .map(|rule| (key(rule), rule.as_ref()))
        .collect();
    let mut all: Vec<Pair<'a>> = files
        .globs
        .iter()
        .map(|rule| Pair {
            files: Some(rule.as_ref()),
            bound: twins.remove(&key(rule)),
        })
        .collect();
    all.extend(twins.into_values().map(|rule| Pair {
        files: None,
        bound: Some(rule),
    }));
    all
}

/// Every choice of at most [`COUNT`].
fn choices(of: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &item in of {
        let with: Vec<Vec<usize>> = all
            .iter()
            .filter(|choice: &&Vec<usize>| choice.len() < COUNT)
            .map(|choice| choice.iter().copied().chain([item]).collect())
            .collect();
        all.extend(with);
    }
    all
}

/// Whether a rule grants what another one does not.
fn exceeds(rule: Option<&FileRule>, before: Option<&FileRule>, asked: &Asked) -> Option<What> {
    let access = |rule: Option<&FileRule>| rule.map_or(Access::Hide, FileRule::access);
    let is_less = match (access(rule), access(before)) {
        (Access::Hide, _)
        | (Access::Read | Access::Scratch, Access::Overlay | Access::Write)
        | (Access::Overlay, Access::Write) => true,
        (access, before) => access == before,
    };
    if !is_less {
        return Some(What::Access);
    }
    match (rule, before) {
        (Some(rule), Some(before))
            if rule.access() == Access::Write && !protects_as(rule, before, asked) =>
        {
            Some(What::Protection)
        }
        _ => None,
    }
}

/// Whether below a writable path no protected name is open that is not open below another. A rule opens the names at
/// which or below which it lies; directories of dependencies count below the rule's path, so a longer path opens none.
fn protects_as(rule: &FileRule, before: &FileRule, asked: &Asked) -> bool {
    let (path, before) = (rule.path(), before.path());
    let is_protected = || protected::innermost(path, path, asked).is_some();
    path == before || (place::is_within(path, before) && !is_protected())
}

#[cfg(test)]
mod tests;
