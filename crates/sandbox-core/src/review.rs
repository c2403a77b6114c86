//! What a reviewer would say of a policy that is valid: rules without effect, and grants that give more away than it seems.
//!
//! Pure: everything that was looked up comes with the question. Nothing is found that is only likely, so that a finding can
//! fail a build; what is not found may be there all the same.

mod finding;
mod network;

use std::path::{Path, PathBuf};

use crate::files::FileRule;
use crate::policy::VariableRule;
use crate::{Access, Network, RuleRef, Ruleset, Source, Why, place, protected};

pub use self::finding::{Finding, Severity};

/// What a review looks at beside the rules; every path absolute, without links.
///
/// ```
/// assert!(sandbox_core::Surroundings::default().file.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Surroundings {
    /// The policy's own file.
    pub file: Option<PathBuf>,
    /// The directories of `PATH`.
    pub search: Vec<PathBuf>,
    /// The homes whose secrets matter.
    pub homes: Vec<PathBuf>,
}

impl Ruleset {
    /// What a reviewer would say, in the order of the file.
    ///
    /// ```
    /// use sandbox_core::{Context, Policy, Ruleset, Surroundings};
    ///
    /// let policy = Policy::new().read("/usr").read("/usr/lib");
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    /// let findings = ruleset.review(&Surroundings::default());
    /// assert_eq!(findings[0].as_str(), "redundant");
    /// ```
    pub fn review(&self, surroundings: &Surroundings) -> Vec<Finding> {
        let mut findings = Vec::new();
        for rule in self.files().written().filter(|rule| !rule.is_crowd()) {
            beaten(rule, &mut findings);
            if rule.source.is_written() {
                findings.extend(self.idle_pattern(rule));
                findings.extend(self.redundant(rule));
                findings.extend(self.broad(rule, surroundings));
                findings.extend(self.opens_secret(rule));
                findings.extend(self.opens_protected(rule));
            }
        }
        findings.extend(self.passes_secrets());
        findings.extend(self.files().crowded().map(|rule| Finding::Crowded {
            directory: rule.path.clone(),
            rule: rule.reference(),
        }));
        for directory in &surroundings.search {
            let rule = self.writes(directory);
            findings.extend(rule.map(|rule| Finding::WritableSearch {
                directory: directory.clone(),
                rule,
            }));
        }
        if let Some(file) = &surroundings.file {
            let rule = self.writes(file);
            findings.extend(rule.map(|rule| Finding::WritablePolicy {
                file: file.clone(),
                rule,
            }));
        }
        match self.network() {
            Network::Host => findings.push(Finding::HostNetwork),
            Network::Allow => findings.push(Finding::OpenNetwork),
            Network::Deny | Network::Ask => {}
        }
        findings.extend(network::findings(self.network_rules()));
        let features = self.system().features.iter();
        findings.extend(features.map(|(name, source)| Finding::Feature {
            name: name.clone(),
            source: source.clone(),
        }));
        let macos = &self.system().macos;
        let allowed = macos.allowed.iter();
        findings.extend(allowed.map(|(option, source)| Finding::Macos {
            option: *option,
            source: source.clone(),
        }));
        let asked = macos.mach_lookup.iter();
        findings.extend(asked.map(|(name, source)| Finding::MachService {
            name: name.clone(),
            source: source.clone(),
        }));
        let services = self.services.iter();
        findings.extend(services.map(|(preset, source)| Finding::Service {
            preset: *preset,
            source: source.clone(),
        }));
        let line = |finding: &Finding| {
            let location = finding.source().and_then(Source::location);
            (location.is_none(), location.map(crate::Location::offset))
        };
        findings.sort_by_key(line);
        findings
    }

    /// A pattern weighs no more than a literal rule about the directory that it starts from. So it only lowers what holds
    /// below, and where nothing there grants more it decides nothing.
    fn idle_pattern(&self, rule: &FileRule) -> Option<Finding> {
        rule.glob.as_ref()?;
        let start = self.files().literal(&rule.path)?;
        if start.is_crowd() {
            return None;
        }
        let grants_more = |other: &FileRule| {
            let is_near = place::is_within(&other.path, &rule.path)
                || (!other.is_literal() && place::is_within(&rule.path, &other.path));
            is_near && other.rank() > rule.rank()
        };
        let is_idle = !self.files().written().any(grants_more);
        is_idle.then(|| Finding::NeverDecides {
            rule: rule.reference(),
            by: start.reference(),
        })
    }

    /// A literal rule with the access of the one above, no pattern near. Rules that let something be written are left out:
    /// which names are protected below depends on where they start; and those that replace another, which holds without them.
    fn redundant(&self, rule: &FileRule) -> Option<Finding> {
        if !rule.is_literal()
            || !matches!(rule.access, Access::Hide | Access::Read)
            || rule.closed
            || !rule.set_aside.is_empty()
            || self.files().absent_reason(&rule.path).is_some()
        {
            return None;
        }
        let is_near = |other: &FileRule| {
            !other.is_literal()
                && (place::is_within(&other.path, &rule.path)
                    || place::is_within(&rule.path, &other.path))
        };
        if self.files().written().any(is_near) {
            return None;
        }
        let above = self.files().nearest(place::above(&rule.path)?)?;
        // What is hidden by a table comes back when the table changes.
        (above.access == rule.access && above.source != Source::Secret).then(|| {
            Finding::Redundant {
                rule: rule.reference(),
                by: above.reference(),
            }
        })
    }

    fn broad(&self, rule: &FileRule, surroundings: &Surroundings) -> Option<Finding> {
        if !matches!(rule.access, Access::Read | Access::Write | Access::Overlay) {
            return None;
        }
        Some(Finding::Broad {
            rule: rule.reference(),
            what: place::broad(&rule.path, &surroundings.homes)?,
            secrets_hidden: self.environment().hides_secrets(),
        })
    }

    fn opens_secret(&self, rule: &FileRule) -> Option<Finding> {
        if rule.access == Access::Hide || rule.access == Access::Scratch || !rule.is_literal() {
            return None;
        }
        let named = rule.set_aside.iter().find(|lost| lost.why == Why::Named);
        let named = named.and_then(|lost| lost.rule.reason);
        let above = || {
            let nearest = self.files().nearest(place::above(&rule.path)?)?;
            (nearest.source == Source::Secret)
                .then_some(nearest.reason)
                .flatten()
        };
        let absent = || self.files().absent_reason(&rule.path);
        let reason = named.or_else(absent).or_else(above)?;
        Some(Finding::OpensSecret {
            rule: rule.reference(),
            reason,
        })
    }

    fn opens_protected(&self, rule: &FileRule) -> Option<Finding> {
        if rule.access != Access::Write || !rule.is_literal() {
            return None;
        }
        let asked = &self.files().asked;
        let (_, entry) = protected::innermost(&rule.path, "/".as_ref(), asked)?;
        Some(Finding::OpensProtected {
            rule: rule.reference(),
            reason: entry.reason,
        })
    }

    fn passes_secrets(&self) -> Vec<Finding> {
        let environment = self.environment();
        environment
            .written()
            .filter(|rule| rule.rule == VariableRule::Pass)
            .filter_map(|rule| {
                let reason = environment.secret(rule)?;
                Some(Finding::OpensSecret {
                    rule: rule.reference(),
                    reason,
                })
            })
            .collect()
    }

    /// The rule by which the host's file or directory can be written.
    fn writes(&self, path: &Path) -> Option<RuleRef> {
        let decision = self.decide(&crate::Attempt::write(path));
        let is_hosts = self.files().access(path).0 == Access::Write;
        (decision.verdict == crate::Verdict::Allow && is_hosts)
            .then_some(decision.rule)
            .flatten()
    }
}

/// Rules that lost against another one about the very same path.
fn beaten(rule: &FileRule, findings: &mut Vec<Finding>) {
    let beaten = rule
        .set_aside
        .iter()
        .filter(|lost| lost.why == Why::Tie && lost.rule.source.is_written());
    for lost in beaten {
        let (rule, by) = (lost.rule.clone(), rule.reference());
        findings.push(if rule.access == by.access {
            Finding::NeverDecides { rule, by }
        } else {
            Finding::Shadowed { rule, by }
        });
    }
}

#[cfg(test)]
mod tests;
