//! Layers: one policy on top of another, and what the one on top may do.
//!
//! A layer that is not trusted may only narrow. So the policy keeps what it would be without that layer, and resolving it
//! compares the two: what grants more is refused. The same holds for rules that an earlier layer has fixed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Policy;
use super::entry::{self, DestinationEntry, FileEntry, VariableEntry};

/// Something that a policy may not grant more than.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// Which grants as much as may be granted.
    pub(crate) policy: Policy,
    pub(crate) reason: Reason,
}

#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// What the policy is without the files that are not trusted.
    Untrusted(Vec<(PathBuf, Distrust)>),
    /// What it was when these of its rules were fixed.
    Fixed(Box<Policy>),
}

/// Why a policy file is not trusted.
///
/// ```
/// use sandbox_core::Distrust;
///
/// assert_eq!(Distrust::Changed.to_string(), "has changed since it was approved");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distrust {
    /// It lies where a command could have written it, and nobody has approved it.
    #[default]
    Unapproved,
    /// Other bytes were approved.
    Changed,
    /// The list of what is approved lies where the command could write it.
    WritableList,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unapproved => "is not approved",
            Self::Changed => "has changed since it was approved",
            Self::WritableList => "was approved in a list that the command could write",
        })
    }
}

impl Policy {
    /// Puts another policy on top: its rules replace those with the same key, and what it sets holds.
    ///
    /// Presets of `later`, if it names any, replace those of `self`: a layer that extends something says what it starts
    /// from. [`HideBy::Assemble`](crate::HideBy::Assemble) and a [`ProtectedGroup`](crate::ProtectedGroup), asked for by one layer, stay. What `later` fixes holds
    /// against all layers after it.
    pub fn layer(self, later: Self) -> Self {
        let base = self.settle();
        let further = base.beneath(&later);
        let mut policy = base.without_bounds().merge(&later);
        let trusted = later.trusted();
        let grown = base.bounds.into_iter().map(|bound| match bound.reason {
            Reason::Fixed(_) => bound,
            Reason::Untrusted(_) => Bound {
                policy: bound.policy.merge(&trusted),
                ..bound
            },
        });
        policy.bounds = as_one(grown.chain(further));
        policy.fixed = later.fixed;
        policy
    }

    /// Puts a policy on top that may only narrow: [`Ruleset::resolve`](crate::Ruleset::resolve) compares what is granted
    /// with it and without it, and refuses what is more. So does it what no comparison can tell.
    ///
    /// `file` is where the policy comes from, which errors name.
    ///
    /// ```
    /// use sandbox_core::{Context, Distrust, Policy, Ruleset};
    ///
    /// let with = |layer| Policy::default().read("/usr").layer_untrusted(layer, "sandbox.toml", Distrust::Unapproved);
    /// let resolve = |policy| Ruleset::resolve(&policy, &Context::new("/"));
    /// assert!(resolve(with(Policy::default().hide("/usr/share"))).is_ok());
    /// assert!(resolve(with(Policy::default().read("/etc"))).is_err());
    /// ```
    pub fn layer_untrusted(self, later: Self, file: impl AsRef<Path>, why: Distrust) -> Self {
        let base = self.settle();
        let mut policy = base.without_bounds().merge(&later);
        let bound = Bound {
            policy: base.trusted(),
            reason: Reason::Untrusted(vec![(file.as_ref().to_owned(), why)]),
        };
        let further = base.beneath(&later);
        policy.bounds = as_one(base.bounds.into_iter().chain([bound]).chain(further));
        policy.fixed = later.fixed;
        policy
    }

    /// Makes a bound of what this policy fixes: from here on there are later layers.
    pub(super) fn settle(mut self) -> Self {
        if let Some(fixed) = self.fixed.take() {
            let bound = Bound {
                policy: self.without_bounds(),
                reason: Reason::Fixed(fixed),
            };
            self.bounds.push(bound);
        }
        self
    }

    /// The bounds of `later`, which know nothing yet of what lies below it.
    fn beneath(&self, later: &Self) -> Vec<Bound> {
        let below = |bound: &Bound| {
            let base = match bound.reason {
                Reason::Untrusted(_) => self.trusted(),
                Reason::Fixed(_) => self.without_bounds(),
            };
            Bound {
                policy: base.merge(&bound.policy),
                reason: bound.reason.clone(),
            }
        };
        later.bounds.iter().map(below).collect()
    }

    /// What it is without the files that are not trusted: no two of them vouch for each other.
    fn trusted(&self) -> Self {
        let is_untrusted = |bound: &&Bound| matches!(bound.reason, Reason::Untrusted(_));
        let without = self.bounds.iter().find(is_untrusted);
        without.map_or_else(|| self.without_bounds(), |bound| bound.policy.clone())
    }

    fn without_bounds(&self) -> Self {
        Self {
            bounds: Vec::new(),
            fixed: None,
            ..self.clone()
        }
    }

    /// The rules of both; of those with the same key those of the later one.
    pub(super) fn merge(mut self, later: &Self) -> Self {
        if !later.presets.is_empty() {
            self.presets.clone_from(&later.presets);
        }
        for (group, source) in &later.protected {
            let source = || source.clone();
            self.protected.entry(*group).or_insert_with(source);
        }
        let below = self.top + 1;
        let files = later.files.iter().cloned();
        self.files.extend(files.map(|entry| FileEntry {
            layer: below + entry.layer,
            ..entry
        }));
        let by_key = entry::by_key(&self.files, FileEntry::key);
        self.files = entry::of_last_layers(self.files, &by_key, |entry| entry.layer)
            .into_iter()
            .map(|(entry, replaced)| FileEntry {
                is_instead: entry.is_instead || !replaced.is_empty(),
                ..entry
            })
            .collect();
        self.network = later.network.clone().or(self.network);
        for (preset, source) in &later.destination_presets {
            self.add_preset(*preset, source.clone());
        }
        for (preset, source) in &later.socket_presets {
            self.add_sockets(*preset, source.clone());
        }
        let destinations = later.destinations.iter().cloned();
        self.destinations
            .extend(destinations.map(|entry| DestinationEntry {
                layer: below + entry.layer,
                ..entry
            }));
        self.top = below + later.top;
        self.published.extend(later.published.iter().cloned());
        self.published = entry::last_of_each_key(self.published, |(port, _)| port.key());
        self.upstream = later.upstream.clone().or(self.upstream);
        self.environment.extend(later.environment.iter().cloned());
        self.environment = entry::last_of_each_key(self.environment, VariableEntry::key);
        self.limits = self.limits.layer(&later.limits);
        self.system = self.system.layer(later.system.clone());
        self.settings = later.settings.clone().or(self.settings);
        self.problems.extend(later.problems.iter().cloned());
        self
    }
}

/// All that is not trusted is compared to the same policy, and so once.
fn as_one(bounds: impl Iterator<Item = Bound>) -> Vec<Bound> {
    let mut all: Vec<Bound> = Vec::new();
    for bound in bounds {
        let known = all.iter_mut().find_map(|known| match &mut known.reason {
            Reason::Untrusted(files) => Some(files),
            Reason::Fixed(_) => None,
        });
        match (known, bound.reason) {
            (Some(files), Reason::Untrusted(further)) => files.extend(further),
            (_, reason) => all.push(Bound { reason, ..bound }),
        }
    }
    all
}

#[cfg(test)]
mod tests;
