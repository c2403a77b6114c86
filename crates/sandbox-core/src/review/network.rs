//! What a reviewer says of rules about destinations.

use std::collections::HashSet;

use super::Finding;
use crate::destination::{Scope, is_shared_suffix};
use crate::network::wider;
use crate::{DestinationRule, NetworkRules, Verdict};

pub(super) fn findings(rules: &NetworkRules) -> Vec<Finding> {
    let mut findings = idle(rules);
    let allowed = rules.iter().filter(|rule| rule.verdict() == Verdict::Allow);
    findings.extend(allowed.filter_map(broad));
    findings
}

/// Rules that decide about no destination at no port: exactly, as long as there is one of each kind to ask about.
fn idle(rules: &NetworkRules) -> Vec<Finding> {
    let mut deciding = HashSet::new();
    let mut beaten = Vec::new();
    for destination in wider::kinds(rules, rules) {
        for port in rules.ports_of(&destination) {
            let Some(winner) = rules.winner(&destination, port) else {
                continue;
            };
            deciding.insert(winner.pattern());
            let others = rules.iter().filter(|rule| {
                rule.pattern() != winner.pattern() && rule.pattern().matches(&destination, port)
            });
            beaten.extend(others.map(|rule| (rule, winner)));
        }
    }
    beaten.retain(|(rule, _)| deciding.insert(rule.pattern()));
    let finding = |(rule, by): (&DestinationRule, &DestinationRule)| Finding::NeverDecides {
        rule: rule.reference(),
        by: by.reference(),
    };
    beaten.into_iter().map(finding).collect()
}

/// A rule that allows more than anybody can look through.
fn broad(rule: &DestinationRule) -> Option<Finding> {
    let what = match &rule.pattern().scope {
        Scope::Below(name) if is_shared_suffix(name) => "names that anybody can get",
        Scope::Range(range) if range.prefix_len() == 0 => "every address that is not closed",
        _ => return None,
    };
    Some(Finding::Broad {
        rule: rule.reference(),
        what,
        secrets_hidden: true,
    })
}

#[cfg(test)]
mod tests {
    use crate::{Context, Network, Policy, Ruleset, Surroundings};

    #[test]
    fn what_a_reviewer_says_of_destinations() {
        let policy = Policy::default()
            .network(Network::Allow)
            .allow("*.github.io")
            .allow("0.0.0.0/0:443")
            .allow("a.example:1-100")
            .deny("a.example:1-50")
            .allow("a.example:51-100")
            .allow("10.0.0.0/31")
            .deny("10.0.0.0")
            .deny("10.0.0.1")
            .allow("b.example")
            .deny("*.example");
        let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
        let findings = ruleset.review(&Surroundings::default());
        let said: Vec<_> = findings
            .iter()
            .map(|finding| format!("{:?} {}: {finding}", finding.severity(), finding.as_str()))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        Note open-network: everything can be sent everywhere but to closed addresses and what a rule denies
        Warning never-decides: `a.example:1-100` = allow (the program) never decides anything: `a.example:1-50` = deny (the program) holds wherever it matches
        Warning never-decides: `10.0.0.0/31` = allow (the program) never decides anything: `10.0.0.0` = deny (the program) holds wherever it matches
        Warning broad: `*.github.io` = allow (the program) grants names that anybody can get
        Warning broad: `0.0.0.0/0:443` = allow (the program) grants every address that is not closed
        ");
    }
}
