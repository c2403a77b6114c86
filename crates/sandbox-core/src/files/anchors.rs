//! Where on this machine the access changes: what a backend has to put in place.
//!
//! The answer is the same between two anchors on the way down, so a backend that does something at every anchor, and
//! nothing elsewhere, enforces exactly what [`FileRules::access`] says, but for protected paths below the root of a
//! writable tree and for what comes to be after the start.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::assemble::assemble;
use super::pins::pin;
use super::protect::protect;
use super::{Anchor, FileRule, FileRules, Looks};
use crate::map::Map;
use crate::place;
use crate::resolve::walk::{MAX_ENTRIES, Next, Sight, walk};
use crate::resolve::{PathKind, Resolver, resolve};
use crate::{Access, HideBy, PolicyError};

/// Finds what patterns match and what is protected, and puts the anchors of all rules together.
///
/// Adds a rule for each target of a link that a hiding pattern matched by its name, and for each directory that the search
/// could not look into.
pub(crate) fn find(
    files: &mut FileRules,
    resolver: &Resolver,
    hide: HideBy,
) -> Result<Vec<Anchor>, PolicyError> {
    let Matches { places, closed } = matches(files)?;
    let mut rules = targets(files, &places);
    rules.extend(closed);
    if !rules.is_empty() {
        files.extend(rules);
    }
    let mut anchors = Anchors::new(files);
    for (path, kind) in &places {
        if changes(files, path)
            && let (access, Some(rule)) = files.access(path)
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

    /// The anchor at this path.
    pub(super) fn get(&self, path: &Path) -> Option<&Anchor> {
        self.list.get(self.position(path)?)
    }

    fn position(&self, path: &Path) -> Option<usize> {
        let literal = self.files.position(path);
        literal.or_else(|| self.others.get(path.as_os_str()).copied())
    }

    /// Parents before children, without the pins in what is closed as a whole: a pin would open it again.
    fn into_sorted(self) -> Vec<Anchor> {
        let is_literal = |anchor: &Anchor| self.files.position(&anchor.path).is_some();
        let is_rule = |anchor: &&Anchor| !anchor.pin || is_literal(anchor);
        let is_open = |path: &Path| {
            let mut above = place::upwards(path).skip(1);
            let around = above.find_map(|above| self.get(above).filter(is_rule));
            around.is_none_or(|around| around.access == Access::Write)
        };
        let kept = self.list.iter().filter_map(|anchor| {
            let is_held = !anchor.pin || is_open(&anchor.path);
            (is_held || is_literal(anchor)).then(|| Anchor {
                pin: anchor.pin && is_held,
                ..anchor.clone()
            })
        });
        let mut kept: Vec<Anchor> = kept.collect();
        kept.sort_by(|a, b| place::order(&a.path, &b.path));
        kept
    }
}

/// Whether the access at a path differs from that of the directory that holds it.
fn changes(files: &FileRules, path: &Path) -> bool {
    let above = place::above(path).map_or(Access::Hide, |above| files.access(above).0);
    files.access(path).0 != above
}

/// What the search for patterns found.
#[derive(Default)]
struct Matches {
    /// Every path that a pattern matches and at which the access may change.
    places: Vec<(PathBuf, PathKind)>,
    /// Rules about directories that cannot be looked into, and that the command could open: it may have closed them.
    closed: Vec<FileRule>,
}

fn matches(files: &FileRules) -> Result<Matches, PolicyError> {
    let mut found = Matches::default();
    if files.globs.is_empty() {
        return Ok(found);
    }
    // Directories with the beginning of a rule somewhere below them.
    let ways: HashSet<&Path> = files
        .written()
        .flat_map(|rule| place::upwards(&rule.path).skip(1))
        .collect();
    let mut budget = MAX_ENTRIES;
    for rule in &files.globs {
        let Some(glob) = &rule.glob else { continue };
        let visit = |sight: Sight<'_>| {
            let (path, kind) = match sight {
                Sight::Entry(path, kind) => (path, kind),
                Sight::Closed(directory) => {
                    let holds = files.access(directory).1;
                    if let Some(holds) = holds.filter(|holds| is_changeable(holds.access))
                        && rule.rank() < holds.rank()
                    {
                        found.closed.push(rule.closed_at(directory.to_owned()));
                    }
                    return Next::Pass;
                }
            };
            let is_match = glob.matches(path);
            let (access, holds) = files.access(path);
            // A link is no place where access could change: a hidden one leads to what has to be hidden.
            let is_place = kind != PathKind::Symlink || access == Access::Hide;
            if is_match && is_place && changes(files, path) {
                found.places.push((path.to_owned(), kind));
            }
            // Below a match nothing changes, unless a literal rule holds there instead; and what is hidden or replaced
            // as a whole has nothing more to lower, but for what a pattern shows that outweighs what holds there.
            let is_settled = (is_match && files.literal(path).is_none())
                || (matches!(access, Access::Hide | Access::Scratch)
                    && !is_opened(files, path, holds));
            if is_settled && !ways.contains(path) {
                Next::Pass
            } else {
                Next::Enter
            }
        };
        walk(glob.prefix(), glob.depth(), &mut budget, visit).map_err(|problem| {
            PolicyError::Rule {
                at: rule.source.clone(),
                text: rule.text.clone(),
                problem,
            }
        })?;
    }
    Ok(found)
}

/// Whether a pattern may show something below a path at which a rule hides or replaces everything. What it shows there
/// every other pattern has to be searched in: it may hide some of it.
fn is_opened(files: &FileRules, path: &Path, holds: Option<&FileRule>) -> bool {
    let held = holds.map_or(0, |holds| {
        let longest = holds
            .glob
            .as_ref()
            .and_then(|glob| glob.longest_match(path));
        place::depth(longest.unwrap_or(&holds.path))
    });
    files.globs.iter().any(|rule| {
        rule.access != Access::Hide
            && (holds.is_none() || held < place::depth(&rule.path))
            && place::is_within(path, &rule.path)
    })
}

/// Whether a command can change the mode of what is there.
fn is_changeable(access: Access) -> bool {
    matches!(access, Access::Write | Access::Overlay)
}

/// A hide rule for each target of a link that a hiding pattern matched: `.env -> shared/env` is read through its target.
///
/// Only below the pattern's own prefix. What a link made by the last run points to elsewhere is not for it to hide: it
/// could take `/usr` away from the next one.
fn targets(files: &FileRules, matches: &[(PathBuf, PathKind)]) -> Vec<FileRule> {
    let target = |(path, _): &(PathBuf, PathKind)| {
        let rule = files.access(path).1?;
        let target = match resolve(path) {
            Ok(target) => rule.at(target.path, target.kind),
            Err(problem) => rule.closed_at(problem.closed()?.to_owned()),
        };
        let is_below = target.path != rule.path && target.path.starts_with(&rule.path);
        (is_below && (target.closed || files.literal(&target.path).is_none())).then_some(target)
    };
    matches
        .iter()
        .filter(|(_, kind)| *kind == PathKind::Symlink)
        .filter_map(target)
        .collect()
}
