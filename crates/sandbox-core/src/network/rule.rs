//! One rule about destinations.

use crate::policy::{DestinationEntry, Grant};
use crate::{DestinationPattern, Lost, Ports, RuleRef, Source, Verdict};

/// A rule about destinations.
///
/// ```
/// # use sandbox_core::{Context, Policy, Ruleset};
/// let policy = Policy::default().deny("EXAMPLE.com");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let rule = ruleset.network_rules().iter().next().unwrap();
/// assert_eq!((rule.pattern().to_string(), rule.text()), ("example.com".to_owned(), "EXAMPLE.com"));
/// ```
#[derive(Clone, Debug)]
pub struct DestinationRule {
    pub(crate) entry: DestinationEntry,
    /// Rules of earlier layers with the same key.
    pub(super) replaced: Vec<Lost>,
}

impl DestinationRule {
    /// The destinations that it is about.
    pub fn pattern(&self) -> &DestinationPattern {
        &self.entry.pattern
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.entry.text
    }

    /// What it says of them.
    pub fn verdict(&self) -> Verdict {
        match self.entry.grant {
            Grant::Deny { .. } => Verdict::Deny,
            Grant::Allow { .. } => Verdict::Allow,
        }
    }

    /// Whether it allows datagrams of UDP as well.
    pub fn allows_udp(&self) -> bool {
        matches!(self.entry.grant, Grant::Allow { udp: true })
    }

    /// What whoever is denied is told.
    pub fn reason(&self) -> Option<&str> {
        match &self.entry.grant {
            Grant::Deny { reason } => reason.as_deref(),
            Grant::Allow { .. } => None,
        }
    }

    /// Where it was written.
    pub fn source(&self) -> &Source {
        &self.entry.source
    }

    /// The rule, as answers name it.
    pub(crate) fn reference(&self) -> RuleRef {
        RuleRef {
            verdict: Some(self.verdict()),
            message: self.reason().map(str::to_owned),
            ..RuleRef::new(self.text().to_owned(), self.source().clone())
        }
    }

    pub(super) fn ports(&self) -> Ports {
        self.pattern().ports()
    }

    /// Least first.
    fn rank(&self) -> u8 {
        match self.entry.grant {
            Grant::Deny { .. } => 0,
            Grant::Allow { udp: false } => 1,
            Grant::Allow { udp: true } => 2,
        }
    }

    /// Of rules about the same destinations the smallest holds: the pattern last, so that the answer does not depend on the
    /// order of rules.
    pub(super) fn weight(&self) -> impl Ord + use<'_> {
        (self.ports().spread(), self.rank(), self.pattern())
    }
}
