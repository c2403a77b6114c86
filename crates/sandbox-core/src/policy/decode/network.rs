//! `[network]`: destinations, published ports, the proxy upstream.

use std::str::FromStr;

use super::super::entry::{self, DestinationEntry, Grant};
use super::super::node::{Key, Kind, Node};
use super::{DESTINATION_RULE, DESTINATION_WORDS, Decoder, NETWORK, unsupported};
use crate::destination::DestinationProblem;
use crate::{DestinationPattern, Network, PolicyError, Remedy, Source};

/// Keys of a rule that looks into a connection.
const INSPECTION: &[&str] = &["methods", "paths", "inject"];
const NO_INSPECTION: &str = "it needs the inspection of TLS, which this version does not have";

impl Decoder<'_> {
    pub(super) fn network(&mut self, node: &Node) {
        for (key, value) in self.table("network", node, "a table", None) {
            match &*key.text {
                "default" => {
                    let (all, words) = (Network::ALL, Network::WORDS);
                    let network = self.word("default", value, "network", all, words);
                    let at = Source::File(self.at(value));
                    let network = network.map(|network| (network, at));
                    self.policy.network = network.or(self.policy.network.take());
                }
                "rules" => self.destinations(value),
                "publish" => {
                    for item in self.list("publish", value) {
                        if let Some(port) = self.text("publish", item, "a list of ports") {
                            self.policy.published.push(port);
                        }
                    }
                }
                "upstream" => {
                    self.policy.upstream = self.text("upstream", value, "the address of a proxy");
                }
                _ => self.unknown_key(key, "[network]", NETWORK),
            }
        }
    }

    fn destinations(&mut self, node: &Node) {
        for (key, value) in self.table("rules", node, "a table of destinations", None) {
            let source = self.source(key);
            let pattern: Option<DestinationPattern> = self.meant(&key.text, source.clone());
            // What is wrong with the rule is told as well.
            let grant = self.grant(key, value);
            if let (Some(pattern), Some(grant)) = (pattern, grant) {
                self.policy.destinations.push(DestinationEntry {
                    text: key.text.to_string(),
                    pattern,
                    name_only: false,
                    grant,
                    layer: 0,
                    source,
                });
            }
        }
    }

    fn grant(&mut self, key: &Key, node: &Node) -> Option<Grant> {
        if let Kind::String(_) = node.kind {
            return self.destination_access(key, node);
        }
        let expected = "`allow`, `deny` or a table with `access`";
        let remedy = Some(Remedy::OneOf(DESTINATION_WORDS));
        let entries = self.table(&key.text, node, expected, remedy);
        let known = [DESTINATION_RULE, INSPECTION].concat();
        if !self.has_one_of(key, node, entries, &known, expected) {
            return None;
        }
        let (mut access, mut reason, mut udp) = (None, None, None);
        let mut missing = true;
        for (inner, value) in entries {
            match (&*inner.text, &value.kind) {
                ("access", _) => {
                    (access, missing) = (self.destination_access(key, value), false);
                }
                ("reason", Kind::String(text)) => match entry::wrong_reason(text) {
                    None => reason = Some((inner, text.to_string())),
                    Some(wrong) => self.errors.push(PolicyError::InvalidValue {
                        at: Source::File(self.at(value)),
                        key: "reason",
                        value: text.to_string(),
                        reason: wrong,
                        remedy: None,
                    }),
                },
                ("reason", _) => self.wrong_type("reason", value, "a string", None),
                ("udp", Kind::Boolean(flag)) => udp = Some((inner, *flag)),
                ("udp", _) => self.wrong_type("udp", value, "`true` or `false`", None),
                (word, _) if INSPECTION.contains(&word) => {
                    let at = self.document.at(inner.span.clone());
                    let remedy = Remedy::LeaveOut(word.to_owned());
                    self.errors
                        .push(unsupported(at, word, NO_INSPECTION, remedy));
                    missing = false;
                }
                _ => {
                    self.unknown_key(inner, "the rule of a destination", DESTINATION_RULE);
                    // Said already, if this is what `access` was meant to be.
                    missing = false;
                }
            }
        }
        if missing {
            self.errors.push(PolicyError::WrongType {
                at: self.at(node),
                key: key.text.to_string(),
                expected: "a table with `access`",
                found: "a table without it",
                remedy: None,
            });
        }
        match access? {
            Grant::Allow { .. } => {
                if let Some((key, _)) = reason {
                    self.pointless(key, "only whoever is denied is told one");
                }
                let udp = udp.is_some_and(|(_, flag)| flag);
                Some(Grant::Allow { udp })
            }
            Grant::Deny { .. } => {
                if let Some((key, _)) = udp {
                    self.pointless(key, "a rule that denies is about UDP, too");
                }
                let reason = reason.map(|(_, text)| text);
                Some(Grant::Deny { reason })
            }
        }
    }

    fn destination_access(&mut self, key: &Key, node: &Node) -> Option<Grant> {
        let word = self.string(&key.text, node, "an access", DESTINATION_WORDS)?;
        match word {
            "allow" => Some(Grant::Allow { udp: false }),
            "deny" => Some(Grant::Deny { reason: None }),
            _ => {
                self.unknown_word(node, "access", &key.text, word, DESTINATION_WORDS);
                None
            }
        }
    }

    /// A key that says nothing beside the access that is there.
    fn pointless(&mut self, key: &Key, reason: &'static str) {
        let at = self.document.at(key.span.clone());
        let remedy = Remedy::LeaveOut(key.text.to_string());
        self.errors.push(unsupported(at, &key.text, reason, remedy));
    }

    /// What the text of a value means, and where it stands.
    fn text<T: FromStr<Err = DestinationProblem>>(
        &mut self,
        key: &str,
        node: &Node,
        expected: &'static str,
    ) -> Option<(T, Source)> {
        let Kind::String(text) = &node.kind else {
            let remedy = match node.kind {
                Kind::Integer(port) => Some(Remedy::Write(format!("\"{port}\""))),
                _ => None,
            };
            self.wrong_type(key, node, expected, remedy);
            return None;
        };
        let at = Source::File(self.at(node));
        Some((self.meant(text, at.clone())?, at))
    }

    /// What a text means; an error where it means nothing.
    fn meant<T: FromStr<Err = DestinationProblem>>(&mut self, text: &str, at: Source) -> Option<T> {
        let wrong = |problem: DestinationProblem| PolicyError::Rule {
            at,
            text: text.into(),
            problem: problem.into(),
        };
        text.parse()
            .map_err(|problem| self.errors.push(wrong(problem)))
            .ok()
    }
}
