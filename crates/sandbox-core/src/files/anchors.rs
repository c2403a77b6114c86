//! Where on this machine the access changes: what a backend has to put in place.
//!
//! The answer is the same between two anchors on the way down, so a backend that does something at every anchor, and
//! nothing elsewhere, enforces exactly what [`FileRules::access`] says, but for protected paths below the root of a
//! writable tree and for what comes to be after the start.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::assemble::assemble;
use super::crowd::{MAX_MATCHES, crowds, too_many};
use super::pins::pin;
use super::protect::protect;
use super::search::{Lowered, Matches, Place, matches};
use super::{Anchor, FileRule, FileRules, Looks};
use crate::map::Map;
use crate::place;
use crate::resolve::{PathKind, Resolver, resolve};
use crate::{Access, HideBy, PolicyError};

/// Finds what patterns match and what is protected, and puts the anchors of all rules together.
///
/// Adds a rule for each target of a link that a hiding pattern matched by its name, for each directory that the search could
/// not look into, and for each in which patterns lower too many paths.
pub(crate) fn find(
    files: &mut FileRules,
    resolver: &Resolver,
    hide: HideBy,
) -> Result<Vec<Anchor>, PolicyError> {
    let places = places(files)?;
    let mut anchors = Anchors::new(files);
    for (path, kind) in &places {
        let above = place::above(path).map_or(Access::Hide, |above| files.access(above).0);
        if let (access, Some(rule)) = files.access(path)
            && access != above
        {
            anchors.entry(anchor(rule, path, access, *kind));
        }
    }
    protect(files, &mut anchors, resolver)?;
    pin(files, &mut anchors);
    let anchors = anchors.into_sorted();
    Ok(match hide {
        HideBy::Cover => anchors,
        HideBy::Assemble => assemble(files, anchors, resolver),
    })
}

fn anchor(rule: &FileRule, path: &Path, access: Access, kind: PathKind) -> Anchor {
    let looks = if kind == PathKind::File {
        rule.looks
    } else {
        Looks::Unreadable
    };
    Anchor {
        looks,
        source: rule.source.clone(),
        ..Anchor::new(path, access, kind)
    }
}

/// Anchors, each path once: first those of the literal rules, one each, then others.
pub(super) struct Anchors<'a> {
    files: &'a FileRules,
    pub(super) list: Vec<Anchor>,
    others: Map<OsString, usize>,
}

impl<'a> Anchors<'a> {
    fn new(files: &'a FileRules) -> Self {
        // A literal rule always holds at its own path.
        let list = files
            .literals
            .iter()
            .map(|rule| anchor(rule, &rule.path, rule.access, rule.kind))
            .collect();
        Self {
            files,
            list,
            others: Map::default(),
        }
    }

    /// The anchor at this one's path: the one that is there, else this one.
    pub(super) fn entry(&mut self, anchor: Anchor) -> Option<&mut Anchor> {
        let at = self.position(&anchor.path).unwrap_or(self.list.len());
        if at == self.list.len() {
            self.others.insert(anchor.path.clone().into_os_string(), at);
            self.list.push(anchor);
        }
        self.list.get_mut(at)
    }

    fn position(&self, path: &Path) -> Option<usize> {
        let literal = self.files.position(path);
        literal.or_else(|| self.others.get(path.as_os_str()).copied())
    }

    /// Parents before children, without the pins in what is closed as a whole: a pin would open it again.
    fn into_sorted(self) -> Vec<Anchor> {
        let literals = self.files.literals.len();
        let rule = |path: &Path| {
            let at = self.position(path)?;
            let is_rule = |anchor: &&Anchor| !anchor.pin || at < literals;
            self.list.get(at).filter(is_rule)
        };
        let is_open = |path: &Path| {
            let around = place::upwards(path).skip(1).find_map(rule);
            around.is_none_or(|around| around.access == Access::Write)
        };
        let held = self.list.iter();
        let held: Vec<bool> = held
            .map(|anchor| !anchor.pin || is_open(&anchor.path))
            .collect();
        let mut kept = self.list;
        let mut held = held.into_iter().enumerate();
        kept.retain_mut(|anchor| {
            held.next().is_some_and(|(at, is_held)| {
                anchor.pin &= is_held;
                is_held || at < literals
            })
        });
        kept.sort_by(|a, b| place::order(&a.path, &b.path));
        kept
    }
}

/// Every path that a pattern matches and at which the access changes.
///
/// Adds the rules that follow from what was found. Where those are about directories with too many matches, more is held than
/// the search knew, and it is done once more.
fn places(files: &mut FileRules) -> Result<Vec<Place>, PolicyError> {
    let first = search(files)?;
    if first.crowds.is_empty() {
        return Ok(first.places);
    }
    let again = search(files)?;
    again
        .crowds
        .first()
        .map_or(Ok(again.places), |crowd| Err(too_many(crowd)))
}

/// What one search came to.
struct Found {
    places: Vec<Place>,
    crowds: Vec<FileRule>,
}

fn search(files: &mut FileRules) -> Result<Found, PolicyError> {
    let Matches { places, closed } = matches(files)?;
    let mut lowered = targets(files, &places);
    lowered.extend(closed);
    let crowds = if places.len() + lowered.len() > MAX_MATCHES {
        crowds(files, &single(files, &places, &lowered))?
    } else {
        Vec::new()
    };
    let mut rules: Vec<FileRule> = lowered.into_iter().map(|lowered| lowered.rule).collect();
    if !crowds.is_empty() {
        files.extend(crowds.clone());
        rules.retain(|rule| files.access(&rule.path).0 != rule.access);
    }
    if !rules.is_empty() {
        files.extend(rules);
    }
    Ok(Found { places, crowds })
}

/// Every path that is lowered because of a pattern, with the pattern's rule.
fn single<'a>(
    files: &'a FileRules,
    places: &'a [Place],
    lowered: &'a [Lowered],
) -> Vec<(&'a Path, &'a FileRule)> {
    let places = places.iter().filter_map(|(path, _)| {
        let rule = files.access(path).1?;
        let above = files.access(place::above(path)?).1?;
        (!rule.is_literal() && rule.rank() < above.rank()).then_some((path.as_path(), rule))
    });
    let others = lowered.iter();
    places
        .chain(others.map(|lowered| (lowered.rule.path(), lowered.pattern.as_ref())))
        .collect()
}

/// A hide rule for each target of a link that a hiding pattern matched: `.env -> shared/env` is read through its target.
///
/// Only below the pattern's own prefix. What a link made by the last run points to elsewhere is not for it to hide: it
/// could take `/usr` away from the next one.
fn targets(files: &FileRules, matches: &[Place]) -> Vec<Lowered> {
    let target = |(path, _): &Place| {
        let rule = files.access(path).1?;
        let target = match resolve(path) {
            Ok(target) => rule.at(target.path, target.kind),
            Err(problem) => rule.closed_at(problem.closed()?.to_owned()),
        };
        let is_below = target.path != rule.path && target.path.starts_with(&rule.path);
        let is_new = target.closed || files.literal(&target.path).is_none();
        (is_below && is_new).then(|| Lowered {
            rule: target,
            pattern: Arc::new(rule.clone()),
        })
    };
    matches
        .iter()
        .filter(|(_, kind)| *kind == PathKind::Symlink)
        .filter_map(target)
        .collect()
}
