//! Every rule that speaks of a path, which of them holds, and why each other does not.

use std::path::Path;

use super::{FileRule, FileRules};
use crate::place;
use crate::{Lost, Why};

/// The rules that speak of one path.
pub(super) struct Contest<'a> {
    /// The heaviest: what holds unless a pattern lowers it.
    base: Option<&'a FileRule>,
    /// The least of the patterns that lower it.
    lowest: Option<&'a FileRule>,
    matches: Vec<Match<'a>>,
}

impl<'a> Contest<'a> {
    /// Between the nearest literal rule and the patterns that match.
    pub(super) fn of(literal: Option<&'a FileRule>, matches: Vec<Match<'a>>) -> Self {
        let heaviest = |a: &&Match<'_>, b: &&Match<'_>| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| b.rule.order().cmp(&a.rule.order()))
        };
        let glob = matches.iter().max_by(heaviest);
        let base = match (literal, glob) {
            (literal, None) => literal,
            (Some(literal), Some(glob)) if glob.prefix <= place::depth(&literal.path) => {
                Some(literal)
            }
            (_, Some(glob)) => Some(glob.rule),
        };
        let lowest = base.and_then(|base| {
            matches
                .iter()
                .filter(|found| found.can_lower(base))
                .map(|found| found.rule)
                .min_by(|a, b| a.order().cmp(&b.order()))
                .filter(|lower| lower.rank() < base.rank())
        });
        Self {
            base,
            lowest,
            matches,
        }
    }

    /// The rule that holds.
    pub(super) fn winner(&self) -> Option<&'a FileRule> {
        self.lowest.or(self.base)
    }

    /// Why a pattern that speaks of the path does not hold.
    fn why(base: &FileRule, found: &Match<'_>) -> Why {
        if std::ptr::eq(found.rule, base) {
            return Why::Lowered;
        }
        let lowers = found.rule.rank() < base.rank();
        if lowers && found.can_lower(base) {
            return Why::Tie;
        }
        match found.prefix.cmp(&weight(base)) {
            std::cmp::Ordering::Less if found.can_lower(base) => Why::Raises,
            std::cmp::Ordering::Less => Why::LessSpecific,
            _ if base.is_literal() => Why::Pattern,
            _ => Why::Tie,
        }
    }
}

impl FileRules {
    /// The rules that speak of a path, which is absolute and resolved.
    pub(super) fn contest<'a>(&'a self, path: &Path) -> Contest<'a> {
        Contest::of(self.nearest(path), self.matches(path))
    }

    /// The patterns that match a path or something above it, in the order of the rules.
    pub(super) fn matches(&self, path: &Path) -> Vec<Match<'_>> {
        let mut longest: Vec<(usize, &Path, &Path)> = Vec::new();
        let mut found = Vec::new();
        for prefix in place::upwards(path) {
            for group in self.together.below(prefix) {
                let from = longest.len();
                // The longest first, which is the one that counts.
                let longer = |place: &&Path| place.as_os_str() != prefix.as_os_str();
                for place in place::upwards(path).take_while(longer) {
                    found.clear();
                    group.matches(place, &mut found);
                    for &at in &found {
                        if !longest.iter().skip(from).any(|(known, ..)| *known == at) {
                            longest.push((at, prefix, place));
                        }
                    }
                }
            }
        }
        longest.sort_unstable_by_key(|(at, ..)| *at);
        let matches = longest.into_iter().filter_map(|(at, prefix, place)| {
            Some(Match {
                rule: self.globs.get(at)?,
                prefix: place::depth(prefix),
                length: place::depth(place),
            })
        });
        matches.collect()
    }

    /// How far down the rule that holds at a path reaches: a pattern with as many components before its first special one does
    /// not outweigh it.
    pub(super) fn held(&self, path: &Path) -> Option<usize> {
        let contest = self.contest(path);
        let winner = contest.winner()?;
        let mut matches = contest.matches.iter();
        let found = matches.find(|found| std::ptr::eq(found.rule, winner));
        Some(found.map_or(weight(winner), |found| found.length))
    }

    /// Every rule that speaks of a path and does not hold there, the nearest first.
    pub(crate) fn lost(&self, path: &Path) -> Vec<Lost> {
        let contest = self.contest(path);
        let (Some(base), Some(winner)) = (contest.base, contest.winner()) else {
            return Vec::new();
        };
        let is_other = |rule: &&FileRule| !std::ptr::eq(*rule, winner);
        let literals = place::upwards(path)
            .filter_map(|place| self.literal(place))
            .filter(is_other)
            .map(|rule| {
                let is_base = std::ptr::eq(rule, base);
                (
                    rule,
                    if is_base {
                        Why::Lowered
                    } else {
                        Why::LessSpecific
                    },
                )
            });
        let globs = contest
            .matches
            .iter()
            .filter(|found| is_other(&found.rule))
            .map(|found| (found.rule, Contest::why(base, found)));
        let mut others: Vec<_> = literals.chain(globs).collect();
        others.sort_by_key(|(rule, _)| std::cmp::Reverse(weight(rule)));
        let others = others
            .into_iter()
            .map(|(rule, why)| Lost::new(rule.reference(), why));
        // A secret that this machine does not have is no rule any more once a rule names it.
        let named = winner.is_literal().then(|| self.absent.rule(&winner.path));
        let named = named
            .flatten()
            .filter(|secret| !std::ptr::eq(*secret, winner));
        let named = named.map(|secret| Lost::new(secret.reference(), Why::Named));
        winner
            .set_aside
            .iter()
            .cloned()
            .chain(named)
            .chain(others)
            .collect()
    }
}

/// How much a rule weighs where it raises the access.
fn weight(rule: &FileRule) -> usize {
    place::depth(&rule.path)
}

/// A pattern that matches a path or something above it.
pub(super) struct Match<'a> {
    pub(super) rule: &'a FileRule,
    /// Components before the first special one.
    pub(super) prefix: usize,
    /// Components of the longest match.
    pub(super) length: usize,
}

impl Match<'_> {
    /// Whether the match is long enough to lower what this rule grants.
    fn can_lower(&self, base: &FileRule) -> bool {
        let weight = weight(base);
        self.length > weight || (!base.is_literal() && self.length == weight)
    }
}
