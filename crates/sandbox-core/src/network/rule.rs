//! One rule about destinations.

use crate::policy::{DestinationEntry, Grant};
use crate::preset::destinations;
use crate::{DestinationPattern, Lost, Ports, RuleRef, Source, Verdict, Why};

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

impl From<DestinationEntry> for DestinationRule {
    fn from(entry: DestinationEntry) -> Self {
        Self {
            entry,
            replaced: Vec::new(),
        }
    }
}

impl DestinationRule {
    /// It holds in the place of these.
    pub(super) fn instead_of(mut self, replaced: &[Self]) -> Self {
        let lost = replaced
            .iter()
            .map(|rule| Lost::new(rule.reference(), Why::Replaced));
        self.replaced.extend(lost);
        self
    }

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

    /// Whether it is about the name `localhost` and not about the addresses that it means.
    pub(super) fn is_of_localhost_alone(&self) -> bool {
        self.entry.name_only && self.pattern().scope.is_localhost()
    }

    /// Where it was written.
    pub fn source(&self) -> &Source {
        &self.entry.source
    }

    /// The rule, as answers name it.
    pub(crate) fn reference(&self) -> RuleRef {
        let reason = match self.source() {
            Source::Destinations { preset, .. } => destinations::reason(*preset, self.text()),
            _ => None,
        };
        RuleRef {
            verdict: Some(self.verdict()),
            reason,
            message: self.reason().map(str::to_owned),
            ..RuleRef::new(self.text().to_owned(), self.source().clone())
        }
    }

    pub(super) fn ports(&self) -> Ports {
        self.pattern().ports()
    }

    /// Of rules about the same destinations the smallest holds: the pattern and its spelling last, so that the answer does not
    /// depend on the order of rules.
    pub(super) fn weight(&self) -> impl Ord + use<'_> {
        (
            self.ports().spread(),
            self.entry.grant.rank(),
            self.pattern(),
            self.text(),
        )
    }
}
