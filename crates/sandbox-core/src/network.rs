//! Which destination is reached: the rules about the network, resolved.
//!
//! The order in which rules weigh, whatever the order in which they were written: the name itself, the names below a longer
//! one, below a shorter one; of addresses the longer prefix. Only of two that are about the same destinations does the one
//! with fewer ports hold, and of equals the one that grants less: so `api.example` = `deny` holds against
//! `*.example:443` = `allow`.
//!
//! A name that is allowed says nothing of the address that it resolves to, which whoever owns the name chooses (DNS
//! rebinding): that is a question of its own, [`Attempt::Dial`](crate::Attempt::Dial).

pub(crate) mod closed;
mod doors;
pub(crate) mod hosts;
mod rule;
#[cfg(test)]
mod tests;
pub(crate) mod wider;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

pub use self::doors::{PublishedPort, Upstream};
pub use self::rule::DestinationRule;
use crate::destination::{Scope, is_localhost};
use crate::escape::toml_string;
use crate::files::FileRules;
use crate::map::Map;
use crate::policy::{DestinationEntry, by_key, of_last_layers};
use crate::preset::destinations;
use crate::preset::packages::Person;
use crate::problem::RuleProblem;
use crate::{
    Context, Decision, Destination, DestinationPattern, Lost, Name, Network, Policy, PolicyError,
    Ports, RuleRef, Source, Verdict, Why,
};

/// The rules about the network, resolved.
///
/// ```
/// # use sandbox_core::{Context, Network, Policy, Ruleset};
/// let policy = Policy::default().network(Network::Ask).allow("github.com:443");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// assert_eq!(ruleset.network_rules().iter().count(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct NetworkRules {
    pub(crate) default: Network,
    /// Where the default was written.
    at: Source,
    rules: Vec<DestinationRule>,
    /// Rules about one name.
    exact: Map<Name, Vec<usize>>,
    /// Of these those about the two addresses of `localhost`, too.
    loopback: Vec<usize>,
    /// Rules about the names below one, by that one.
    below: Map<Name, Vec<usize>>,
    ranges: Map<IpNet, Vec<usize>>,
    /// The lengths of their prefixes, the longest first.
    lengths: Vec<u8>,
    /// Addresses of the host itself, in their one form.
    own: Vec<IpAddr>,
    published: Vec<(PublishedPort, Source)>,
    upstream: Option<(Upstream, Source)>,
    hosts: String,
}

impl NetworkRules {
    /// The rules of a policy. What cannot hold together is a problem. The rules about files say which of the person's own files count.
    pub(crate) fn resolve(
        policy: &Policy,
        context: &Context,
        files: &FileRules,
        problems: &mut Vec<PolicyError>,
    ) -> Self {
        let default = policy.network_access();
        let own = context.addresses.iter().copied();
        let person = Person::new(context, files);
        let mut rules = Self::new(default, entries(policy, Some(&person)), own);
        if let Some((_, source)) = &policy.network {
            rules.at.clone_from(source);
        }
        rules.published.clone_from(&policy.published);
        rules.upstream.clone_from(&policy.upstream);
        rules.hosts = context.hosts.inside(&rules);
        for (at, (port, source)) in rules.published.iter().enumerate() {
            let earlier = rules.published.iter().take(at);
            if port.host().is_some()
                && earlier
                    .clone()
                    .any(|(other, _)| other.host() == port.host())
            {
                problems.push(PolicyError::InvalidValue {
                    at: source.clone(),
                    key: "publish",
                    value: port.to_string(),
                    reason: "another port inside is published at the same one of the host's",
                    remedy: None,
                });
            }
        }
        // Nobody stands between the command and the host's network.
        let denies = rules.iter().find(|rule| rule.verdict() == Verdict::Deny);
        let unheld = denies
            .map(|rule| (rule.text().to_owned(), rule.source()))
            .or_else(|| {
                let first = rules.published.first();
                first.map(|(port, source)| (port.to_string(), source))
            });
        if default == Network::Host
            && let Some((what, source)) = unheld
        {
            problems.push(PolicyError::Rule {
                at: source.clone(),
                text: what.into(),
                problem: RuleProblem::HostNetwork,
            });
        }
        rules
    }

    /// Lower layers first.
    pub(crate) fn new(
        default: Network,
        entries: impl IntoIterator<Item = DestinationEntry>,
        own: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let rules: Vec<_> = entries.into_iter().map(DestinationRule::from).collect();
        let by_key = by_key(&rules, DestinationRule::pattern);
        let rules: Vec<_> = of_last_layers(rules, &by_key, |rule| rule.entry.layer)
            .into_iter()
            .map(|(rule, replaced)| rule.instead_of(&replaced))
            .collect();
        let is_localhost = |rule: &DestinationRule| rule.pattern().scope.is_localhost();
        let loopback = (0..)
            .zip(&rules)
            .filter(|(_, rule)| is_localhost(rule) && !rule.is_of_localhost_alone());
        let mut all = Self {
            default,
            loopback: loopback.map(|(at, _)| at).collect(),
            rules,
            ..Self::default()
        };
        for (at, rule) in all.rules.iter().enumerate() {
            let same = match &rule.pattern().scope {
                Scope::Name(name) => all.exact.entry(name.clone()).or_default(),
                Scope::Below(name) => all.below.entry(name.clone()).or_default(),
                Scope::Range(range) => all.ranges.entry(*range).or_default(),
            };
            same.push(at);
        }
        all.lengths = all.ranges.keys().map(IpNet::prefix_len).collect();
        all.lengths.sort_unstable_by(|a, b| b.cmp(a));
        all.lengths.dedup();
        all.add_own(own);
        all
    }

    /// The rules of a policy before it is resolved: they say which network it needs, and nothing of what is wrong. What package
    /// managers are configured to ask is not looked for.
    pub fn of(policy: &Policy) -> Self {
        let mut rules = Self::new(policy.network_access(), entries(policy, None), []);
        rules.published.clone_from(&policy.published);
        rules
    }

    /// What holds for a destination that no rule names.
    pub fn unnamed(&self) -> Network {
        self.default
    }

    /// The ports, from the first to the last, of services on the host's loopback that rules name with their port: connections
    /// inside to loopback at these ports are meant for the host.
    pub fn loopback_ports(&self) -> Vec<RangeInclusive<u16>> {
        self.ports_of_loopback(|rule| rule.verdict() == Verdict::Allow)
    }

    /// The same of the rules that allow datagrams of UDP; `None` where none does, whatever it is about.
    pub fn loopback_ports_of_udp(&self) -> Option<Vec<RangeInclusive<u16>>> {
        let is_any = self.iter().any(DestinationRule::allows_udp);
        is_any.then(|| self.ports_of_loopback(DestinationRule::allows_udp))
    }

    fn ports_of_loopback(
        &self,
        counts: impl Fn(&DestinationRule) -> bool,
    ) -> Vec<RangeInclusive<u16>> {
        let named = self
            .iter()
            .filter(|rule| counts(rule) && !rule.is_of_localhost_alone())
            .map(DestinationRule::pattern)
            .filter(|pattern| pattern.ports() != Ports::ANY && pattern.scope.is_loopback());
        let mut ports: Vec<_> = named
            .map(|pattern| pattern.ports().first()..=pattern.ports().last())
            .collect();
        ports.sort_unstable_by_key(|ports| (*ports.start(), *ports.end()));
        ports.dedup();
        ports
    }

    /// The rules, in no order that matters.
    pub fn iter(&self) -> impl Iterator<Item = &DestinationRule> {
        self.rules.iter()
    }

    /// The ports of the sandbox that are reachable on the host's loopback, and where that was written.
    pub fn published(&self) -> &[(PublishedPort, Source)] {
        &self.published
    }

    /// The proxy that a policy names for what the host reaches; `None` where that is the host's own affair.
    pub fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref().map(|(upstream, _)| upstream)
    }

    /// The table of names (hosts(5)) that the command has where the gateway answers for names.
    pub fn hosts(&self) -> &str {
        &self.hosts
    }

    /// What cannot be had without a gateway, and where it was written; `None` where nothing is reached, or everything.
    pub fn needs_gateway(&self) -> Option<(String, Source)> {
        match self.default {
            Network::Host => return None,
            Network::Allow | Network::Ask => {
                return Some((format!("default = \"{}\"", self.default), self.at.clone()));
            }
            Network::Deny => {}
        }
        let allowed = self.iter().find(|rule| rule.verdict() == Verdict::Allow);
        let published = self.published.first();
        allowed
            .map(|rule| (rule.text().to_owned(), rule.source().clone()))
            .or_else(|| {
                published.map(|(port, source)| (format!("publish = [\"{port}\"]"), source.clone()))
            })
    }

    pub(crate) fn add_own(&mut self, own: impl IntoIterator<Item = IpAddr>) {
        let own = own.into_iter().map(|address| address.to_canonical());
        self.own.extend(own);
    }

    /// Whether a destination is reached.
    pub(crate) fn connect(&self, destination: &Destination, port: u16) -> Decision {
        if self.default == Network::Host {
            return Decision::new(Verdict::Allow, None, None);
        }
        let destination = &*destination.canonical();
        let closed = match destination {
            Destination::Address(address) => self.closed(*address),
            Destination::Name(_) => None,
        };
        let remedy = || remedy(destination, port, "\"allow\"");
        match (self.winner(destination, port), closed) {
            (Some(rule), _) if rule.verdict() == Verdict::Deny => {
                Decision::new(Verdict::Deny, Some(rule.reference()), remedy())
            }
            (Some(rule), None) => Decision::new(Verdict::Allow, Some(rule.reference()), None),
            (Some(rule), Some(closed)) if opens(rule, destination, &closed) => {
                Decision::new(Verdict::Allow, Some(rule.reference()), None)
            }
            (_, Some(closed)) => Decision::new(Verdict::Deny, Some(closed.reference()), remedy()),
            (None, None) => match self.default {
                // There is no port 0 to connect to.
                _ if port == 0 => Decision::new(Verdict::Deny, None, None),
                Network::Allow => Decision::new(Verdict::Allow, None, None),
                Network::Ask => Decision::new(Verdict::Ask, None, remedy()),
                Network::Deny | Network::Host => Decision::new(Verdict::Deny, None, remedy()),
            },
        }
    }

    /// Whether a datagram reaches a destination: only by a rule that says so.
    pub(crate) fn send(&self, destination: &Destination, port: u16) -> Decision {
        let destination = &*destination.canonical();
        if let Destination::Address(address) = destination
            && let Some(denial) = self.of_many(*address)
        {
            return denial;
        }
        let decision = self.connect(destination, port);
        let is_allowed = self.default == Network::Host
            || (decision.verdict == Verdict::Allow
                && self
                    .winner(destination, port)
                    .is_some_and(DestinationRule::allows_udp));
        if is_allowed {
            return decision;
        }
        let udp = "{ access = \"allow\", udp = true }";
        Decision::new(Verdict::Deny, decision.rule, remedy(destination, port, udp))
    }

    /// Whether a name may be asked for: it may be reached at some port, or a person may say so.
    pub(crate) fn look_up(&self, name: &Name) -> Decision {
        let destination = Destination::Name(name.clone());
        let mut denial = None;
        let mut question = None;
        for port in self.ports_of(&destination) {
            let decision = self.connect(&destination, port);
            match decision.verdict {
                Verdict::Allow => return decision,
                Verdict::Ask => question = question.or(Some(decision)),
                Verdict::Deny => denial = denial.or(Some(decision)),
            }
        }
        let rule = match (question, denial) {
            (Some(question), _) => return question,
            (None, denial) => denial.and_then(|denial| denial.rule),
        };
        // Where single ports of it are denied, only a single port outweighs that.
        let pattern = if self.exact.contains_key(name) {
            DestinationPattern::exactly(&destination, HTTPS)
        } else {
            DestinationPattern::of(&destination)
        };
        let remedy = format!("{} = \"allow\"", toml_string(&pattern.to_string()));
        Decision::new(Verdict::Deny, rule, Some(remedy))
    }

    /// The ports at which an answer about a destination may change, the lowest first.
    pub(crate) fn ports_of(&self, destination: &Destination) -> BTreeSet<u16> {
        let about = self.about(destination).into_iter().flatten();
        let rules = about.filter_map(|at| self.rules.get(*at));
        let ends = rules.flat_map(|rule| {
            let ports = rule.ports();
            [Some(ports.first()), ports.last().checked_add(1)]
        });
        ends.flatten().chain([1]).collect()
    }

    /// Whether a name that is reached may be dialled at an address that it resolved to.
    pub(crate) fn dial(&self, name: &Name, address: IpAddr, port: u16) -> Decision {
        let address = address.to_canonical();
        if self.default != Network::Host && name.is_localhost() && !address.is_loopback() {
            let rule = RuleRef {
                reason: Some("it means this machine, whatever a resolver says (RFC 6761)"),
                ..RuleRef::new(name.to_string(), Source::Closed)
            };
            return Decision::new(Verdict::Deny, Some(rule), None);
        }
        if let Some(denial) = self.of_many(address) {
            return denial;
        }
        let decision = self.dial_address(address, port);
        let is_closed = decision
            .rule
            .as_ref()
            .is_some_and(|rule| rule.source == Source::Closed);
        if is_closed && is_localhost(address) {
            // Who allows the name alone means where it leads.
            let rule = self.winner(&Destination::Name(name.clone()), port);
            let opens = rule.filter(|rule| rule.is_of_localhost_alone());
            if let Some(rule) = opens.filter(|rule| rule.verdict() == Verdict::Allow) {
                return Decision::new(Verdict::Allow, Some(rule.reference()), None);
            }
        }
        decision
    }

    /// Whether a name may be dialled at an address, if it is not this machine's own.
    fn dial_address(&self, address: IpAddr, port: u16) -> Decision {
        let decision = self.connect(&Destination::Address(address), port);
        match decision.verdict {
            Verdict::Deny if decision.rule.is_none() && port != 0 => {
                Decision::new(Verdict::Allow, None, None)
            }
            Verdict::Ask => Decision::new(Verdict::Allow, None, None),
            _ => decision,
        }
    }

    /// Every other rule that is about a connection, those that weigh more first, and what a rule did not open.
    pub(crate) fn lost(&self, destination: &Destination, port: u16) -> Vec<Lost> {
        let destination = &*destination.canonical();
        let mut lost = Vec::new();
        let mut winner: Option<&DestinationRule> = None;
        for same in self.about(destination) {
            let mut rules: Vec<_> = same
                .iter()
                .filter_map(|at| self.rules.get(*at))
                .filter(|rule| rule.ports().contains(port))
                .collect();
            rules.sort_by(|a, b| a.weight().cmp(&b.weight()));
            let is_first = winner.is_none();
            for rule in rules {
                let why = match winner {
                    None => self.unopened(rule, destination),
                    Some(_) if !is_first => Some(Why::LessSpecific),
                    Some(winner) if rule.ports().spread() > winner.ports().spread() => {
                        Some(Why::Ports)
                    }
                    Some(_) => Some(Why::Tie),
                };
                winner = winner.or(Some(rule));
                lost.extend(why.map(|why| Lost::new(rule.reference(), why)));
                lost.extend(rule.replaced.iter().cloned());
            }
        }
        lost
    }

    /// Why a rule that holds does not: it would have to name a closed address.
    fn unopened(&self, rule: &DestinationRule, destination: &Destination) -> Option<Why> {
        let Destination::Address(address) = destination else {
            return None;
        };
        let closed = self.closed(*address)?;
        let is_open = rule.verdict() == Verdict::Deny || opens(rule, destination, &closed);
        (!is_open).then_some(Why::Closed)
    }

    /// The rule that holds for a connection.
    pub(crate) fn winner(&self, destination: &Destination, port: u16) -> Option<&DestinationRule> {
        self.about(destination).into_iter().find_map(|rules| {
            rules
                .iter()
                .filter_map(|at| self.rules.get(*at))
                .filter(|rule| rule.ports().contains(port))
                .min_by(|a, b| a.weight().cmp(&b.weight()))
        })
    }

    /// The rules about a destination, those about the same ones together, the least of these first.
    fn about(&self, destination: &Destination) -> Vec<&[usize]> {
        let tables: Vec<&Vec<usize>> = match destination {
            Destination::Name(name) => {
                let below = name.above().filter_map(|above| self.below.get(above));
                self.exact.get(name).into_iter().chain(below).collect()
            }
            Destination::Address(address) => {
                let around = |bits: &u8| {
                    let range = IpNet::new(*address, *bits).ok()?.trunc();
                    self.ranges.get(&range)
                };
                let alone = IpNet::from(*address).prefix_len();
                let ranges = self.lengths.iter().filter(|bits| **bits < alone);
                // `localhost` is two addresses, and so more than one and less than any range.
                let localhost = is_localhost(*address).then_some(&self.loopback);
                around(&alone)
                    .into_iter()
                    .chain(localhost)
                    .chain(ranges.filter_map(around))
                    .collect()
            }
        };
        tables.into_iter().map(Vec::as_slice).collect()
    }

    /// Nothing opens an address at which whoever is around hears.
    fn of_many(&self, address: IpAddr) -> Option<Decision> {
        let is_closed = self.default != Network::Host && closed::is_of_many(address);
        let rule = RuleRef {
            reason: Some("multicast or broadcast, which no rule opens"),
            ..RuleRef::new(address.to_string(), Source::Closed)
        };
        is_closed.then(|| Decision::new(Verdict::Deny, Some(rule), None))
    }

    fn closed(&self, address: IpAddr) -> Option<Closed> {
        let (range, reason) = closed::around(address, &self.own)?;
        Some(Closed { range, reason })
    }
}

/// The rules of presets, and above them those that are written.
fn entries(policy: &Policy, person: Option<&Person<'_>>) -> impl Iterator<Item = DestinationEntry> {
    let presets = policy.destination_presets.iter();
    let written = policy.destinations.iter().cloned();
    let written = written.map(|entry| DestinationEntry {
        layer: entry.layer + 1,
        ..entry
    });
    presets
        .flat_map(move |(preset, _)| destinations::of(*preset, person))
        .chain(written)
}

/// The port of a remedy that no other tells.
const HTTPS: u16 = 443;

/// A closed range around an address.
struct Closed {
    range: IpNet,
    reason: &'static str,
}

impl Closed {
    fn reference(&self) -> RuleRef {
        RuleRef {
            verdict: Some(Verdict::Deny),
            reason: Some(self.reason),
            ..RuleRef::new(self.range.to_string(), Source::Closed)
        }
    }
}

/// Whether a rule that allows an address names something in the closed range around it.
fn opens(rule: &DestinationRule, destination: &Destination, closed: &Closed) -> bool {
    let Destination::Address(address) = destination else {
        return true;
    };
    let named = rule.pattern().scope.range_around(*address);
    named.is_some_and(|named| closed.range.contains(&named))
}

/// The rule that outweighs every other: this destination and this port.
fn remedy(destination: &Destination, port: u16, grant: &str) -> Option<String> {
    (port != 0).then(|| {
        let pattern = DestinationPattern::exactly(destination, port);
        format!("{} = {grant}", toml_string(&pattern.to_string()))
    })
}
