//! Why an attempt is decided as it is: the decision, and every rule that spoke of it and lost.
//!
//! The decision is [`Ruleset::decide`]'s; here it is only surrounded by what did not hold.

use std::fmt;

use crate::decide::{Attempt, Decision, RuleRef, follow, is_resolved};
use crate::{Ruleset, Source};

/// A decision, and the rules that lost.
///
/// ```
/// use sandbox_core::{Attempt, Context, Policy, Ruleset, Why};
///
/// let policy = Policy::default().read("/").write("/srv");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let explanation = ruleset.explain(&Attempt::write("/srv/a"));
/// assert_eq!(explanation.decision.rule.unwrap().pattern, "/srv");
/// assert_eq!(explanation.lost[0].rule.pattern, "/");
/// assert_eq!(explanation.lost[0].why, Why::LessSpecific);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What was decided.
    pub decision: Decision,
    /// The other rules that speak of it, those that weigh more first.
    pub lost: Vec<Lost>,
}

/// A rule that speaks of what was asked and does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// The rule.
    pub rule: RuleRef,
    /// Why it does not hold.
    pub why: Why,
}

impl Lost {
    pub(crate) fn new(rule: RuleRef, why: Why) -> Self {
        Self { rule, why }
    }
}

/// Why a rule does not hold.
///
/// ```
/// use sandbox_core::Why;
///
/// assert_eq!(Why::Tie.to_string(), "of equals the lower access holds");
/// assert_eq!(Why::Tie.as_str(), "tie");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A rule that names more of it holds.
    LessSpecific,
    /// As long as the rule that holds, and a pattern.
    Pattern,
    /// As specific as the rule that holds, which grants less.
    Tie,
    /// A pattern that matches more lowers what it grants.
    Lowered,
    /// A pattern that matches more than the rule that holds, and does not grant less.
    Raises,
    /// A later layer has a rule with the same path or name.
    Replaced,
    /// A table of ours has it, and a rule names the path.
    Named,
    /// It would let a protected path be written, and does not name that.
    Protected,
    /// About the same destinations as the rule that holds, which has fewer ports.
    Ports,
    /// It would let a closed address be reached, and does not name that.
    Closed,
}

impl Why {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::LessSpecific,
        Self::Pattern,
        Self::Tie,
        Self::Lowered,
        Self::Raises,
        Self::Replaced,
        Self::Named,
        Self::Protected,
        Self::Ports,
        Self::Closed,
    ];

    /// A word for it that does not change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LessSpecific => "less-specific",
            Self::Pattern => "pattern",
            Self::Tie => "tie",
            Self::Lowered => "lowered",
            Self::Raises => "raises",
            Self::Replaced => "replaced",
            Self::Named => "named",
            Self::Protected => "protected",
            Self::Ports => "ports",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LessSpecific => "less specific",
            Self::Pattern => "a literal rule beats a pattern that is as specific",
            Self::Tie => "of equals the lower access holds",
            Self::Lowered => "a pattern lowers it",
            Self::Raises => "a pattern raises only what less specific rules say",
            Self::Replaced => "a rule of a later layer with the same key replaces it",
            Self::Named => "a rule names the path",
            Self::Protected => "it does not name the protected path",
            Self::Ports => "a rule about the same destinations and fewer ports holds",
            Self::Closed => "it does not name the closed addresses",
        })
    }
}

impl Ruleset {
    /// Why an attempt is decided as it is.
    pub fn explain(&self, attempt: &Attempt) -> Explanation {
        let decision = self.decide(attempt);
        let mut lost = match attempt {
            Attempt::Read { path } | Attempt::Write { path } | Attempt::Socket { path }
                if is_resolved(path) =>
            {
                self.files().lost(&follow(self.files(), path))
            }
            Attempt::Variable { name } => self.environment().lost(name),
            // Which rule speaks of it depends on the port.
            Attempt::Lookup { .. }
            | Attempt::Read { .. }
            | Attempt::Write { .. }
            | Attempt::Socket { .. } => Vec::new(),
            Attempt::Connect { destination, port } | Attempt::Send { destination, port } => {
                self.network_rules().lost(destination, *port)
            }
            Attempt::Dial { address, port, .. } => {
                self.network_rules().lost(&(*address).into(), *port)
            }
        };
        if let (Attempt::Write { path } | Attempt::Socket { path }, Some(rule)) =
            (attempt, &decision.rule)
            && rule.source == Source::Protected
            && let (_, Some(granting)) = self.files().access(&follow(self.files(), path))
        {
            lost.insert(0, Lost::new(granting.reference(), Why::Protected));
        }
        Explanation { decision, lost }
    }
}

#[cfg(test)]
mod tests;
