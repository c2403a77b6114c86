//! Whether one set of rules about the network reaches more than another.
//!
//! Exactly, by asking both about one destination of each kind between which neither can tell: each name that a rule names, one
//! below each name whose names below a rule is about, one of which no rule knows; the first address of each range, and the
//! first behind it; of the ports, those at which a rule that is about the destination begins, or has just ended.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{NetworkRules, closed};
use crate::destination::Scope;
use crate::{Destination, DestinationPattern, DestinationRule, Name, Source, Verdict};

/// A rule that reaches more, and the one that reaches less.
pub(crate) struct Wider {
    pub(crate) what: String,
    /// `None` where there is none: what the other one denies is reached by the default.
    pub(crate) at: Option<Source>,
    pub(crate) before: Option<Source>,
    pub(crate) grants: &'static str,
    pub(crate) instead: &'static str,
}

/// The rules of `rules` that reach more than `bound` does by a rule that `counts`, and the denials of that which `rules` lacks.
pub(crate) fn wider(
    rules: &NetworkRules,
    bound: &NetworkRules,
    counts: &dyn Fn(Option<&Source>) -> bool,
) -> Vec<Wider> {
    let mut told: HashSet<&DestinationPattern> = HashSet::new();
    let mut found = Vec::new();
    for destination in kinds(rules, bound) {
        let ports = &rules.ports_of(&destination) | &bound.ports_of(&destination);
        for port in ports {
            let rule = rules.winner(&destination, port);
            let before = bound.winner(&destination, port);
            let denial = before.filter(|before| before.verdict() == Verdict::Deny);
            // What reaches more by the default alone is told of the default.
            let Some(named) = rule.or(denial) else {
                continue;
            };
            let reaches = Reach::of(rules, &destination, port);
            let instead = Reach::of(bound, &destination, port);
            let before = before.map(DestinationRule::source);
            if instead.has(&reaches) || !counts(before) || !told.insert(named.pattern()) {
                continue;
            }
            let (grants, instead) = reaches.words(&instead);
            found.push(Wider {
                what: named.text().to_owned(),
                at: rule.map(|rule| rule.source().clone()),
                before: before.cloned(),
                grants,
                instead,
            });
        }
    }
    found
}

/// What of a destination is reached.
struct Reach {
    connect: Verdict,
    send: Verdict,
    /// Whether names may lead there; of a name itself, nothing.
    dial: Option<Verdict>,
}

impl Reach {
    fn of(rules: &NetworkRules, destination: &Destination, port: u16) -> Self {
        let dial = match destination {
            Destination::Address(address) => Some(rules.dial_address(*address, port).verdict),
            Destination::Name(_) => None,
        };
        Self {
            connect: rules.connect(destination, port).verdict,
            send: rules.send(destination, port).verdict,
            dial,
        }
    }

    fn has(&self, other: &Self) -> bool {
        let has = |more: Verdict, less: Verdict| rank(less) <= rank(more);
        has(self.connect, other.connect)
            && has(self.send, other.send)
            && self
                .dial
                .zip(other.dial)
                .is_none_or(|(more, less)| has(more, less))
    }

    /// What this is, and what that is which is less.
    fn words(&self, less: &Self) -> (&'static str, &'static str) {
        match (self.word(), less.word()) {
            // A connection to it is denied by the default as by a rule, but the default lets names lead there.
            (more, less) if more == less => ("deny, but for names that lead there", less),
            words => words,
        }
    }

    fn word(&self) -> &'static str {
        match (self.connect, self.send) {
            (_, Verdict::Allow) => "allow, with UDP",
            (Verdict::Allow, _) => "allow",
            (Verdict::Ask, _) => "ask",
            (Verdict::Deny, _) => "deny",
        }
    }
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deny => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    }
}

/// A destination of each kind.
pub(crate) fn kinds(rules: &NetworkRules, bound: &NetworkRules) -> Vec<Destination> {
    let mut names: BTreeSet<Name> = BTreeSet::new();
    let mut above: BTreeSet<Name> = BTreeSet::new();
    let mut ranges: BTreeSet<IpNet> = BTreeSet::new();
    for rule in rules.iter().chain(bound.iter()) {
        match &rule.pattern().scope {
            Scope::Name(name) => {
                names.insert(name.clone());
            }
            Scope::Below(name) => {
                above.insert(name.clone());
            }
            Scope::Range(range) => {
                ranges.insert(*range);
            }
        }
    }
    let label = unknown_label(names.iter().chain(&above));
    names.extend(above.iter().map(|name| name.below(&label)));
    ranges.extend(closed::CLOSED.iter().map(closed::ClosedRange::range));
    let localhost = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    ranges.extend(localhost.map(IpNet::from));
    let own = rules.own.iter().chain(&bound.own);
    ranges.extend(own.map(|address| IpNet::from(*address)));
    let translated: Vec<_> = ranges
        .iter()
        .map(|range| closed::translated(*range))
        .collect();
    ranges.extend(translated);
    let everywhere = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let addresses: BTreeSet<IpAddr> = ranges
        .iter()
        .flat_map(|range| [Some(range.addr()), after(range.broadcast())])
        .flatten()
        .chain(everywhere)
        .collect();
    let names = names.into_iter().map(Destination::from);
    names
        .chain(addresses.into_iter().map(Destination::from))
        .collect()
}

/// A label that no rule has.
fn unknown_label<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let known: HashSet<&str> = names.flat_map(|name| name.as_str().split('.')).collect();
    let mut label = String::from("x");
    while known.contains(label.as_str()) {
        label.push('x');
    }
    label
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(address) => u128::from(address)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    }
}
