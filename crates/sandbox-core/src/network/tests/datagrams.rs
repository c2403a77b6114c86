//! Which datagrams reach somebody.

use std::net::IpAddr;

use super::{policy, ruleset};
use crate::{Attempt, Name, Network, Verdict};

#[test]
fn datagrams_need_a_rule_that_says_so() {
    let ruleset = ruleset(&policy(
        Network::Allow,
        &["+a.example", "~b.example:53", "-c.example"],
    ));
    for (name, port, expected) in [
        ("a.example", 53, Verdict::Deny),
        ("b.example", 53, Verdict::Allow),
        ("b.example", 54, Verdict::Deny),
        ("c.example", 53, Verdict::Deny),
        ("d.example", 53, Verdict::Deny),
    ] {
        let name: Name = name.parse().unwrap();
        let decision = ruleset.decide(&Attempt::send(name.clone(), port));
        assert_eq!(decision.verdict, expected, "{name}:{port}");
    }
    let name: Name = "a.example".parse().unwrap();
    assert_eq!(
        ruleset.decide(&Attempt::send(name, 53)).remedy.as_deref(),
        Some("\"a.example:53\" = { access = \"allow\", udp = true }")
    );
}

#[test]
fn no_rule_opens_what_everybody_around_hears() {
    let all = [
        "~224.0.0.0/4",
        "~255.255.255.255",
        "~ff00::/8",
        "~a.example",
    ];
    let ruleset = ruleset(&policy(Network::Deny, &all));
    let name: Name = "a.example".parse().unwrap();
    for text in ["224.0.0.251", "255.255.255.255", "ff02::fb"] {
        let address: IpAddr = text.parse().unwrap();
        for attempt in [
            Attempt::send(address, 5353),
            Attempt::dial(name.clone(), address, 5353),
        ] {
            let decision = ruleset.decide(&attempt);
            assert_eq!(decision.verdict, Verdict::Deny, "{text}");
            assert_eq!(decision.remedy, None, "{text}");
        }
    }
    // Beside it rules do open.
    let control = Attempt::send(IpAddr::from([8, 8, 8, 8]), 53);
    let open = super::ruleset(&policy(Network::Deny, &["~8.8.8.8"]));
    assert_eq!(open.decide(&control).verdict, Verdict::Allow);
}

#[test]
fn ports_of_the_hosts_loopback_are_those_of_each_protocol() {
    let rules = |rules: &[&str]| {
        let ruleset = ruleset(&policy(Network::Deny, rules));
        let network = ruleset.network_rules();
        (network.loopback_ports(), network.loopback_ports_of_udp())
    };
    assert_eq!(rules(&["+localhost:1"]), (vec![1..=1], None));
    assert_eq!(rules(&["~a.example"]), (vec![], Some(vec![])));
    assert_eq!(
        rules(&["+localhost:1", "~127.0.0.2:2-3", "-[::1]:4"]),
        (vec![1..=1, 2..=3], Some(vec![2..=3]))
    );
}
