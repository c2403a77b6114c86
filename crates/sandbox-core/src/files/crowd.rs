//! A directory in which patterns match very much: it is lowered as a whole.
//!
//! Each match is a mount at every start, and a name that is watched. The last command may have made a hundred thousand of
//! them; what it then loses is the directory in which it did.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use super::{FileRule, FileRules};
use crate::map::Set;
use crate::place;
use crate::problem::RuleProblem;
use crate::{Access, PolicyError};

/// The most paths in one directory, those further down included, that the patterns which begin at one place lower one by one.
pub(crate) const MAX_MATCHES: usize = 1000;

/// Why a rule that nobody has written lowers such a directory.
pub(super) const REASON: &str =
    "more than 1000 paths in this directory match a pattern, so it holds for all of them together";

/// Rules about the directories that hold more than [`MAX_MATCHES`] of these paths, each with the rule that lowers it: the
/// deepest such directories, so that as little as possible is lost.
///
/// None of them grants more than before: what a pattern opens in a hidden directory may be crowded, the directory stays hidden.
/// One that a rule names cannot be lowered without breaking that rule, so the policy is refused.
pub(super) fn crowds<'a>(
    files: &FileRules,
    lowered: &[(&'a Path, &'a FileRule)],
) -> Result<Vec<FileRule>, PolicyError> {
    let mut counts = Counts::default();
    // Many links may lead to the same place.
    let mut known = Set::default();
    for (path, rule) in lowered {
        if known.insert(path.as_os_str()) {
            counts.add(path, Crowd { count: 1, rule });
        }
    }
    let mut rules = Vec::new();
    while let Some((directory, crowd)) = counts.pop() {
        let mut crowd = crowd;
        let is_named = files.literal(directory).is_some();
        if crowd.count > MAX_MATCHES {
            if is_named {
                return Err(refused(crowd.rule, directory));
            }
            let rule = crowd.rule.closed_at(directory.to_owned());
            let is_hidden = matches!(files.access(directory).0, Access::Hide | Access::Scratch);
            rules.push(FileRule {
                reason: Some(REASON),
                access: if is_hidden { Access::Hide } else { rule.access },
                ..rule
            });
            crowd.count = 1;
        }
        // What lies below a rule about a directory stays what it is, whatever holds above.
        if !is_named {
            counts.add(directory, crowd);
        }
    }
    Ok(rules)
}

/// What is lowered in each directory, for each of the directories that patterns lie below.
#[derive(Default)]
struct Counts<'a>(BTreeMap<(Reverse<usize>, &'a Path, &'a Path), Crowd<'a>>);

impl<'a> Counts<'a> {
    /// Adds to the directory that holds `path`, unless that is above what the pattern lies below.
    fn add(&mut self, path: &'a Path, crowd: Crowd<'a>) {
        let begins = crowd.rule.path();
        let directory = place::above(path).filter(|directory| place::is_within(directory, begins));
        if let Some(directory) = directory {
            let key = (Reverse(place::depth(directory)), directory, begins);
            self.0
                .entry(key)
                .and_modify(|known| known.join(&crowd))
                .or_insert(crowd);
        }
    }

    /// The deepest directory: nothing is added to it any more.
    fn pop(&mut self) -> Option<(&'a Path, Crowd<'a>)> {
        let ((_, directory, _), crowd) = self.0.pop_first()?;
        Some((directory, crowd))
    }
}

/// What is lowered in a directory.
struct Crowd<'a> {
    count: usize,
    /// That which leaves least.
    rule: &'a FileRule,
}

impl Crowd<'_> {
    fn join(&mut self, other: &Self) {
        self.count += other.count;
        if other.rule.rank() < self.rule.rank() {
            self.rule = other.rule;
        }
    }
}

/// The error of a directory that stays crowded though such a rule is about it: a pattern that begins further down outweighs it.
pub(super) fn too_many(crowd: &FileRule) -> PolicyError {
    refused(crowd, &crowd.path)
}

fn refused(rule: &FileRule, directory: &Path) -> PolicyError {
    PolicyError::Rule {
        at: rule.source.clone(),
        text: rule.text().to_owned(),
        problem: RuleProblem::TooManyMatches {
            below: directory.into(),
            limit: MAX_MATCHES,
        },
    }
}
