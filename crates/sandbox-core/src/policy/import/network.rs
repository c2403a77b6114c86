//! Lists of hosts, as rules.
//!
//! In settings a denial beats whatever is allowed; here the rule that names more of a destination does. So wherever a denial is
//! about all that an allowed entry names, it is written once more at that entry, where nothing outweighs it.

use std::collections::BTreeMap;

use crate::destination::{DestinationProblem, Scope};
use crate::policy::entry::{self, DestinationEntry, Grant};
use crate::{Destination, DestinationPattern, PolicyError, Ports, Source};

/// What settings say about destinations.
#[derive(Default)]
pub(super) struct Destinations {
    allowed: Vec<Entry<DestinationPattern>>,
    denied: Vec<Entry<Denied>>,
    /// By the entry of the denied ones that each is about.
    reasons: BTreeMap<String, String>,
    /// Nothing is reached, whatever is allowed.
    pub(super) is_closed: bool,
}

struct Entry<P> {
    text: String,
    pattern: P,
    source: Source,
}

/// What a denial is about.
enum Denied {
    Every(Ports),
    Some(DestinationPattern),
}

impl Destinations {
    pub(super) fn allow(&mut self, text: &str, source: Source) -> Result<(), PolicyError> {
        let pattern = parsed(text, &source)?;
        let text = text.to_owned();
        self.allowed.push(Entry {
            text,
            pattern,
            source,
        });
        Ok(())
    }

    /// Every host can be denied, of all ports or of one.
    pub(super) fn deny(&mut self, text: &str, source: Source) -> Result<(), PolicyError> {
        // A name in the place of `*`, so that a port is read where ports are read.
        let every = text.strip_prefix('*').filter(|rest| !rest.starts_with('.'));
        let pattern = match every {
            Some(port) => Denied::Every(parsed(&format!("localhost{port}"), &source)?.ports()),
            None => Denied::Some(parsed(text, &source)?),
        };
        let text = text.to_owned();
        self.denied.push(Entry {
            text,
            pattern,
            source,
        });
        Ok(())
    }

    /// Addresses that no name may lead to, and that no other entry allows.
    pub(super) fn deny_range(&mut self, text: &str, source: Source) -> Result<(), PolicyError> {
        let written = match text.parse() {
            Ok(Destination::Address(address)) => {
                DestinationPattern::of(&address.into()).to_string()
            }
            _ => text.to_owned(),
        };
        // The other sandbox takes a range by the first bits of any address in it.
        let pattern = match written.parse::<DestinationPattern>() {
            Err(DestinationProblem::HostBits { range, .. }) => parsed(&range, &source)?,
            _ => parsed(&written, &source)?,
        };
        let text = text.to_owned();
        self.denied.push(Entry {
            text,
            pattern: Denied::Some(pattern),
            source,
        });
        Ok(())
    }

    pub(super) fn reason(&mut self, text: &str, reason: &str) -> Result<(), &'static str> {
        if let Some(wrong) = entry::wrong_reason(reason) {
            return Err(wrong);
        }
        self.reasons.insert(text.to_owned(), reason.to_owned());
        Ok(())
    }

    /// The rules; of those with the same key a denial holds.
    pub(super) fn rules(self) -> Vec<DestinationEntry> {
        let deny = |denied: &Entry<Denied>, pattern: DestinationPattern| DestinationEntry {
            text: denied.text.clone(),
            pattern,
            name_only: true,
            grant: Grant::Deny {
                reason: self.reasons.get(&denied.text).cloned(),
            },
            layer: 0,
            source: denied.source.clone(),
        };
        let mut denials = Vec::new();
        for denied in &self.denied {
            if let Denied::Some(pattern) = &denied.pattern {
                denials.push(deny(denied, pattern.clone()));
            }
            for allowed in &self.allowed {
                let both = denied.pattern.within(&allowed.pattern);
                denials.extend(both.map(|both| deny(denied, both)));
            }
        }
        let allowed = self.allowed.into_iter().filter(|_| !self.is_closed);
        let allowed = allowed.map(|allowed| DestinationEntry {
            text: allowed.text,
            pattern: allowed.pattern,
            name_only: true,
            grant: Grant::Allow { udp: false },
            layer: 0,
            source: allowed.source,
        });
        allowed.chain(denials).collect()
    }
}

impl Denied {
    /// What it denies of an entry whose hosts it is all about. Entries have one port or all.
    fn within(&self, allowed: &DestinationPattern) -> Option<DestinationPattern> {
        let (is_about, ports) = match self {
            Self::Every(ports) => (true, *ports),
            Self::Some(denied) => (covers(&denied.scope, &allowed.scope), denied.ports),
        };
        let ports = match (ports, allowed.ports) {
            (Ports::ANY, of_allowed) => of_allowed,
            (of_denied, Ports::ANY) => of_denied,
            (of_denied, of_allowed) if of_denied == of_allowed => of_denied,
            _ => return None,
        };
        is_about.then(|| DestinationPattern {
            scope: allowed.scope.clone(),
            ports,
        })
    }
}

/// Whether one is about all that another is about.
fn covers(wide: &Scope, narrow: &Scope) -> bool {
    match (wide, narrow) {
        (Scope::Below(above), Scope::Name(name) | Scope::Below(name)) => {
            (matches!(narrow, Scope::Below(_)) && above == name)
                || name.above().any(|name| name == above.as_str())
        }
        (Scope::Range(wide), Scope::Range(narrow)) => wide.contains(narrow),
        _ => wide == narrow,
    }
}

fn parsed(text: &str, source: &Source) -> Result<DestinationPattern, PolicyError> {
    text.parse()
        .map_err(|problem: DestinationProblem| PolicyError::Rule {
            at: source.clone(),
            text: text.into(),
            problem: problem.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attempt, Context, Policy, Ruleset, Verdict};

    /// Allowed, denied, attempt: as the other sandbox decides, denials first.
    const TABLE: &[(&[&str], &[&str], &str, Verdict)] = &[
        (&["a.example.com"], &[], "a.example.com:443", Verdict::Allow),
        (
            &["a.example.com"],
            &["*.example.com"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["a.example.com:443"],
            &["*.example.com"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["a.example.com"],
            &["*.example.com:443"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["a.example.com"],
            &["*.example.com:443"],
            "a.example.com:80",
            Verdict::Allow,
        ),
        (
            &["a.example.com:80"],
            &["*.example.com:443"],
            "a.example.com:80",
            Verdict::Allow,
        ),
        (
            &["a.example.com:443"],
            &["a.example.com"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["*.a.example.com"],
            &["*.example.com"],
            "b.a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["*.example.com"],
            &["*.example.com"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["*.example.com"],
            &["a.example.com"],
            "a.example.com:443",
            Verdict::Deny,
        ),
        (
            &["*.example.com"],
            &["a.example.com"],
            "b.example.com:443",
            Verdict::Allow,
        ),
        (
            &["example.com"],
            &["*.example.com"],
            "example.com:443",
            Verdict::Allow,
        ),
        (
            &["example.com", "127.0.0.1"],
            &["*"],
            "example.com:443",
            Verdict::Deny,
        ),
        (
            &["example.com", "127.0.0.1"],
            &["*"],
            "127.0.0.1:443",
            Verdict::Deny,
        ),
        (&["example.com"], &["*:25"], "example.com:25", Verdict::Deny),
        (
            &["example.com"],
            &["*:25"],
            "example.com:26",
            Verdict::Allow,
        ),
        (&["127.0.0.1"], &[], "127.0.0.1:80", Verdict::Allow),
        (&["localhost"], &[], "localhost:80", Verdict::Allow),
        (&["localhost"], &[], "127.0.0.1:80", Verdict::Deny),
        (&["localhost:80"], &[], "[::1]:80", Verdict::Deny),
        (&["[::1]:80"], &[], "[::1]:80", Verdict::Allow),
    ];

    #[test]
    fn a_denial_beats_whatever_is_allowed() {
        for (allowed, denied, attempt, expected) in TABLE {
            let mut destinations = Destinations::default();
            for text in *allowed {
                destinations.allow(text, Source::Library).unwrap();
            }
            for text in *denied {
                destinations.deny(text, Source::Library).unwrap();
            }
            let policy = Policy {
                destinations: destinations.rules(),
                ..Policy::default()
            };
            let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
            let (destination, port) = Destination::with_port(attempt).unwrap();
            let attempt = Attempt::connect(destination, port.unwrap());
            let verdict = ruleset.decide(&attempt).verdict;
            assert_eq!(verdict, *expected, "{allowed:?} {denied:?} {attempt:?}");
        }
    }

    #[test]
    fn a_name_leads_to_loopback_unless_a_range_is_denied() {
        for (allowed, denied, name, address, expected) in [
            ("localhost", None, "localhost", "127.0.0.1", Verdict::Allow),
            ("localhost", None, "localhost", "::1", Verdict::Allow),
            ("localhost", None, "localhost", "127.0.0.2", Verdict::Deny),
            (
                "localhost:80",
                None,
                "localhost",
                "127.0.0.1",
                Verdict::Deny,
            ),
            ("localhost", None, "example.com", "127.0.0.1", Verdict::Deny),
            (
                "localhost",
                Some("127.0.0.0/8"),
                "localhost",
                "127.0.0.1",
                Verdict::Deny,
            ),
        ] {
            let mut destinations = Destinations::default();
            destinations.allow(allowed, Source::Library).unwrap();
            if let Some(denied) = denied {
                destinations.deny_range(denied, Source::Library).unwrap();
            }
            let policy = Policy {
                destinations: destinations.rules(),
                ..Policy::default()
            };
            let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
            assert!(ruleset.network_rules().loopback_ports().is_empty());
            let address: std::net::IpAddr = address.parse().unwrap();
            let attempt = Attempt::dial(name.parse().unwrap(), address, 443);
            let verdict = ruleset.decide(&attempt).verdict;
            assert_eq!(verdict, expected, "{allowed} {denied:?} {attempt:?}");
        }
    }

    #[test]
    fn a_denied_range_beats_allowed_addresses_in_it() {
        for (allowed, denied, address, expected) in [
            ("10.0.0.1", "10.0.0.0/8", "10.0.0.1", Verdict::Deny),
            ("10.0.0.1:443", "10.0.0.0/8", "10.0.0.1", Verdict::Deny),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1", Verdict::Deny),
            ("[fd00::1]", "fd00::/8", "fd00::1", Verdict::Deny),
            ("10.0.0.1", "11.0.0.0/8", "10.0.0.1", Verdict::Allow),
        ] {
            let mut destinations = Destinations::default();
            destinations.allow(allowed, Source::Library).unwrap();
            destinations.deny_range(denied, Source::Library).unwrap();
            let policy = Policy {
                destinations: destinations.rules(),
                ..Policy::default()
            };
            let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
            let address: std::net::IpAddr = address.parse().unwrap();
            let name = "n.example".parse().unwrap();
            for attempt in [
                Attempt::connect(address, 443),
                Attempt::dial(name, address, 443),
            ] {
                let verdict = ruleset.decide(&attempt).verdict;
                assert_eq!(verdict, expected, "{allowed} {denied} {attempt:?}");
            }
        }
    }

    #[test]
    fn ranges_are_denied_to_names() {
        let mut destinations = Destinations::default();
        destinations.allow("example.com", Source::Library).unwrap();
        for range in ["8.8.1.2/16", "2600::/12", "2001:4860::1"] {
            destinations.deny_range(range, Source::Library).unwrap();
        }
        let policy = Policy {
            destinations: destinations.rules(),
            ..Policy::default()
        };
        let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
        for (address, expected) in [
            ("8.8.8.8", Verdict::Deny),
            ("8.9.0.0", Verdict::Allow),
            ("2606:4700::1", Verdict::Deny),
            ("2001:4860::1", Verdict::Deny),
            ("2001:4860::2", Verdict::Allow),
        ] {
            let name = "example.com".parse().unwrap();
            let address: std::net::IpAddr = address.parse().unwrap();
            let decision = ruleset.decide(&Attempt::dial(name, address, 443));
            assert_eq!(decision.verdict, expected, "{address}");
        }
    }
}
