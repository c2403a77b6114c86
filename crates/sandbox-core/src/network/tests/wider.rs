//! Whatever one policy reaches beyond another is found, and told by the rule that is, or is not, there.

use proptest::prelude::*;

use super::*;
use crate::Difference;
use crate::network::wider::wider;

/// What is wider, as `policy diff` tells it, and whether it is by a rule of the second one.
fn differs(before: &Policy, after: &Policy) -> Vec<(String, bool)> {
    let difference = Difference::between(before, after, &Context::new("/")).unwrap();
    let wider = difference.wider.iter();
    wider
        .map(|excess| (excess.to_string(), excess.at.is_some()))
        .collect()
}

#[test]
fn a_denial_that_is_gone_is_more() {
    /// The default, the rules before and after, and what is told.
    type Case = (
        Network,
        &'static [&'static str],
        &'static [&'static str],
        &'static [(&'static str, bool)],
    );
    #[rustfmt::skip]
    let table: &[Case] = &[
        (Network::Allow, &["-a.example"], &[], &[("`a.example` would be `allow` instead of `deny`", false)]),
        (Network::Ask, &["-a.example"], &[], &[("`a.example` would be `ask` instead of `deny`", false)]),
        (Network::Deny, &["-a.example"], &[], &[]),
        (Network::Allow, &["-a.example:25"], &["-a.example:26"], &[("`a.example:25` would be `allow` instead of `deny`", false)]),
        (Network::Allow, &["-8.8.8.8"], &[], &[("`8.8.8.8` would be `allow` instead of `deny`", false)]),
        (Network::Deny, &["-8.8.8.8"], &[], &[("`8.8.8.8` would be `deny, but for names that lead there` instead of `deny`", false)]),
        // It is closed, with a rule and without.
        (Network::Allow, &["-10.0.0.0/8"], &[], &[]),
        // Another rule holds in its place.
        (Network::Deny, &["-a.example", "+*.example"], &["+*.example"], &[("`*.example` would be `allow` instead of `deny`", true)]),
        (Network::Allow, &["-a.example", "-*.example"], &["-*.example"], &[]),
        (Network::Allow, &["-a.example"], &["+a.example"], &[("`a.example` would be `allow` instead of `deny`", true)]),
        // What is gone allowed it.
        (Network::Allow, &["+a.example"], &[], &[]),
    ];
    for (default, before, after, expected) in table {
        let found = differs(&policy(*default, before), &policy(*default, after));
        let found: Vec<_> = found
            .iter()
            .map(|(told, is_by_a_rule)| (told.as_str(), *is_by_a_rule))
            .collect();
        assert_eq!(found, *expected, "{default} {before:?} {after:?}");
    }
}

#[test]
fn what_every_destination_gains_is_told_once() {
    let found = differs(
        &policy(Network::Deny, &["+a.example", "+b.example"]),
        &policy(Network::Host, &[]),
    );
    let expected = "`network` would be `host` instead of `deny`";
    assert_eq!(found, [(expected.to_owned(), true)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wider_finds_whatever_is_reached_beyond(
        default in default(),
        bound in rules(),
        further in rules(),
    ) {
        let base = bound.iter().map(String::as_str).collect::<Vec<_>>();
        let base = policy(default, &base);
        let layer = further.iter().map(String::as_str).collect::<Vec<_>>();
        let layer = layer.iter().fold(Policy::default(), |layer, rule| match rule.split_at(1) {
            ("+", pattern) => layer.allow(pattern),
            ("-", pattern) => layer.deny(pattern),
            (_, pattern) => layer.allow_udp(pattern),
        });
        let (bound, with) = (ruleset(&base), ruleset(&base.layer(layer)));
        let found = wider(with.network_rules(), bound.network_rules(), &|_| true);
        let is_more = attempts().any(|attempt| {
            rank(with.decide(&attempt).verdict) > rank(bound.decide(&attempt).verdict)
        });
        if is_more {
            prop_assert!(!found.is_empty());
        }
        // What is found is one of the layer's rules.
        for wider in &found {
            prop_assert!(further.iter().any(|rule| rule[1..] == wider.what), "{}", wider.what);
        }
    }

    #[test]
    fn no_two_policies_differ_unnoticed(default in default(), before in rules(), after in rules()) {
        let (before, after) = (of(default, &before), of(default, &after));
        let found = wider(after.network_rules(), before.network_rules(), &|_| true);
        let is_more = attempts().any(|attempt| {
            rank(after.decide(&attempt).verdict) > rank(before.decide(&attempt).verdict)
        });
        prop_assert!(!is_more || !found.is_empty());
    }
}
