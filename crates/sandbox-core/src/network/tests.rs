mod cases;
mod datagrams;
mod wider;

use proptest::prelude::*;

use super::*;
use crate::{Attempt, PolicyErrors, Ruleset};

fn ruleset(policy: &Policy) -> Ruleset {
    Ruleset::resolve(policy, &Context::new("/")).unwrap()
}

fn policy(default: Network, rules: &[&str]) -> Policy {
    rules.iter().fold(
        Policy::default().network(default),
        |policy, rule| match rule.split_at(1) {
            ("+", pattern) => policy.allow(pattern),
            ("-", pattern) => policy.deny(pattern),
            ("~", pattern) => policy.allow_udp(pattern),
            _ => panic!("{rule}"),
        },
    )
}

fn connect(ruleset: &Ruleset, text: &str) -> (Verdict, String) {
    let (destination, port) = Destination::with_port(text).unwrap();
    let decision = ruleset.decide(&Attempt::connect(destination, port.unwrap_or(443)));
    let rule = decision.rule.map_or(String::new(), |rule| rule.pattern);
    (decision.verdict, rule)
}

#[test]
fn a_default_is_for_what_no_rule_names() {
    for (default, expected) in [
        (Network::Deny, Verdict::Deny),
        (Network::Ask, Verdict::Ask),
        (Network::Allow, Verdict::Allow),
        (Network::Host, Verdict::Allow),
    ] {
        let ruleset = ruleset(&policy(default, &["+named.example"]));
        assert_eq!(connect(&ruleset, "example.com").0, expected, "{default}");
        assert_eq!(connect(&ruleset, "8.8.8.8").0, expected, "{default}");
        assert_eq!(
            connect(&ruleset, "named.example").0,
            Verdict::Allow,
            "{default}"
        );
        // Nobody is asked to open what is closed.
        let closed = if default == Network::Host {
            Verdict::Allow
        } else {
            Verdict::Deny
        };
        assert_eq!(connect(&ruleset, "10.0.0.1").0, closed, "{default}");
    }
}

#[test]
fn a_name_that_may_be_reached_is_dialled_at_open_addresses_only() {
    let rules = policy(
        Network::Deny,
        &[
            "+example.com",
            "+10.1.0.0/16:443",
            "-8.8.8.0/24",
            "+localhost:80",
        ],
    );
    let ruleset = ruleset(&rules).with_host_addresses(["198.41.0.4".parse().unwrap()]);
    for (name, address, port, expected) in [
        ("example.com", "1.1.1.1", 443, Verdict::Allow),
        ("example.com", "2606:4700::1111", 443, Verdict::Allow),
        ("example.com", "10.0.0.1", 443, Verdict::Deny),
        ("example.com", "10.1.0.1", 443, Verdict::Allow),
        ("example.com", "::ffff:10.1.0.1", 443, Verdict::Allow),
        ("example.com", "::ffff:10.0.0.1", 443, Verdict::Deny),
        ("example.com", "10.1.0.1", 80, Verdict::Deny),
        ("example.com", "8.8.8.8", 443, Verdict::Deny),
        ("example.com", "169.254.169.254", 80, Verdict::Deny),
        ("example.com", "198.41.0.4", 443, Verdict::Deny),
        ("example.com", "127.0.0.1", 443, Verdict::Deny),
        ("example.com", "127.0.0.1", 80, Verdict::Allow),
        ("example.com", "1.1.1.1", 0, Verdict::Deny),
        ("localhost", "127.0.0.1", 80, Verdict::Allow),
        ("localhost", "::1", 80, Verdict::Allow),
        ("localhost", "127.0.0.1", 81, Verdict::Deny),
        ("localhost", "1.1.1.1", 80, Verdict::Deny),
        ("a.localhost", "1.1.1.1", 80, Verdict::Deny),
    ] {
        let (name, at): (Name, IpAddr) = (name.parse().unwrap(), address.parse().unwrap());
        let decision = ruleset.decide(&Attempt::dial(name.clone(), at, port));
        assert_eq!(decision.verdict, expected, "{name} at {address}:{port}");
        assert_eq!(
            decision.remedy.is_none(),
            expected == Verdict::Allow || port == 0 || name.is_localhost() && !at.is_loopback()
        );
    }
}

#[test]
fn a_name_may_be_asked_for_where_a_port_of_it_may_be_reached() {
    for (default, rules, expected) in [
        (Network::Deny, &["+a.example:443"][..], Verdict::Allow),
        (
            Network::Deny,
            &["+a.example:443", "-a.example"],
            Verdict::Allow,
        ),
        (
            Network::Deny,
            &["-a.example:443", "+*.example"],
            Verdict::Allow,
        ),
        (
            Network::Deny,
            &["+*.example:9", "-b.example"],
            Verdict::Allow,
        ),
        (Network::Deny, &[], Verdict::Deny),
        (Network::Ask, &[], Verdict::Ask),
        (Network::Ask, &["-a.example"], Verdict::Deny),
        (Network::Ask, &["-a.example:1-65534"], Verdict::Ask),
        (Network::Allow, &[], Verdict::Allow),
        (Network::Allow, &["-*.example"], Verdict::Deny),
        (
            Network::Allow,
            &["-*.example", "~a.example:53"],
            Verdict::Allow,
        ),
        (Network::Host, &[], Verdict::Allow),
    ] {
        let decision =
            ruleset(&policy(default, rules)).decide(&Attempt::lookup("a.example".parse().unwrap()));
        assert_eq!(decision.verdict, expected, "{default} {rules:?}");
    }
}

#[test]
fn the_rules_that_lost_are_told() {
    let rules = policy(
        Network::Deny,
        &[
            "+*.example",
            "-*.a.example",
            "+b.a.example",
            "-b.a.example:443",
            "-b.a.example:1-1000",
        ],
    );
    assert_eq!(
        explained(&ruleset(&rules), "b.a.example:443"),
        (
            Some("b.a.example:443".to_owned()),
            "b.a.example:1-1000 ports, b.a.example ports, *.a.example less-specific, *.example less-specific".to_owned()
        )
    );
    let below = policy(Network::Deny, &["+0.0.0.0/0", "+10.0.0.0/8"]);
    let rules = below.layer(policy(Network::Deny, &["-10.0.0.0/8"]));
    assert_eq!(
        explained(&ruleset(&rules), "127.0.0.1:80"),
        (
            Some("127.0.0.0/8".to_owned()),
            "0.0.0.0/0 closed".to_owned()
        )
    );
    assert_eq!(
        explained(&ruleset(&rules), "10.0.0.1:80"),
        (
            Some("10.0.0.0/8".to_owned()),
            "10.0.0.0/8 replaced, 0.0.0.0/0 less-specific".to_owned()
        )
    );
}

/// The rule that holds, and those that do not.
fn explained(ruleset: &Ruleset, text: &str) -> (Option<String>, String) {
    let (destination, port) = Destination::with_port(text).unwrap();
    let explanation = ruleset.explain(&Attempt::connect(destination, port.unwrap()));
    let lost = explanation.lost.iter();
    let lost: Vec<_> = lost
        .map(|lost| format!("{} {}", lost.rule.pattern, lost.why.as_str()))
        .collect();
    (
        explanation.decision.rule.map(|rule| rule.pattern),
        lost.join(", "),
    )
}

#[test]
fn of_two_spellings_the_least_holds_in_one_layer_and_the_later_in_two() {
    let one = |rules: &[&str]| connect(&ruleset(&policy(Network::Deny, rules)), "example.com").0;
    for rules in [
        ["+EXAMPLE.com", "-example.com"],
        ["-EXAMPLE.com", "+example.com."],
        ["-example.com", "-example.com"],
        ["-example.com:443", "+EXAMPLE.com:443-443"],
    ] {
        let [first, last] = rules;
        assert_eq!(one(&[first, last]), Verdict::Deny, "{rules:?}");
        assert_eq!(one(&[last, first]), Verdict::Deny, "{rules:?}");
        let printed = policy(Network::Deny, &rules).to_string();
        let read = Policy::from_toml(&printed, None).unwrap();
        assert_eq!(connect(&ruleset(&read), "example.com").0, Verdict::Deny);
    }
    let layers = |rules: [&str; 2]| {
        let [below, above] = rules.map(|rule| policy(Network::Deny, &[rule]));
        connect(&ruleset(&below.layer(above)), "example.com").0
    };
    assert_eq!(layers(["-EXAMPLE.com", "+example.com"]), Verdict::Allow);
    assert_eq!(layers(["+example.com", "-EXAMPLE.com"]), Verdict::Deny);
    let tie = policy(Network::Deny, &["+EXAMPLE.com", "-example.com"]);
    let (rule, lost) = explained(&ruleset(&tie), "example.com:443");
    assert_eq!(
        (rule.as_deref(), &*lost),
        (Some("example.com"), "EXAMPLE.com tie")
    );
}

#[test]
fn a_denial_carries_its_reason() {
    let policy = Policy::default().deny_because("evil.example", "see policy 7");
    let name: Name = "evil.example".parse().unwrap();
    let rule = ruleset(&policy)
        .decide(&Attempt::connect(name, 80))
        .rule
        .unwrap();
    assert_eq!(
        (rule.message.as_deref(), rule.grants()),
        (Some("see policy 7"), Some("deny".to_owned()))
    );
}

#[test]
fn what_cannot_hold_together_is_refused() {
    let wrong = |policy: Policy| {
        let errors = Ruleset::resolve(&policy, &Context::new("/")).unwrap_err();
        PolicyErrors::to_string(&errors)
    };
    assert_eq!(
        wrong(policy(Network::Host, &["+a.example", "-b.example"])),
        "the program: the rule `b.example` cannot be used: it cannot hold with `default = \"host\"`, where nothing stands between the command and the network (remove it, or write `default = \"allow\"`)"
    );
    assert!(
        wrong(policy(Network::Host, &[]).publish("80")).contains("the rule `80` cannot be used")
    );
    assert_eq!(
        wrong(
            Policy::default()
                .publish("80:3000")
                .publish("80:3001")
                .publish("0:1")
                .publish("0:2")
        ),
        "the program: `publish` cannot be `80:3001`: another port inside is published at the same one of the host's"
    );
    assert_eq!(
        wrong(
            Policy::default()
                .allow("*.com")
                .deny_because("a.example", "a\nb")
        ),
        "the program: the rule `*.com` cannot be used: anybody can register a name below `com` (write `*.example.com`)\n\
         the program: `reason` cannot be `a\\nb`: it contains a control character"
    );
}

#[test]
fn a_gateway_is_needed_where_something_is_reached_and_not_everything() {
    for (policy, expected) in [
        (Policy::default(), None),
        (policy(Network::Deny, &["-a.example"]), None),
        (policy(Network::Host, &["+a.example"]), None),
        (
            policy(Network::Deny, &["-a.example", "+b.example"]),
            Some("b.example"),
        ),
        (policy(Network::Allow, &[]), Some("default = \"allow\"")),
        (policy(Network::Ask, &[]), Some("default = \"ask\"")),
        (Policy::default().publish("80"), Some("publish = [\"80\"]")),
    ] {
        let needed = ruleset(&policy).network_rules().needs_gateway();
        assert_eq!(needed.map(|(what, _)| what).as_deref(), expected);
    }
}

/// Few enough names and ranges that rules meet.
fn pattern() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec![
        "a",
        "b.a",
        "c.b.a",
        "*.a",
        "*.b.a",
        "localhost",
        "127.0.0.1",
        "127.0.0.0/8",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.3",
        "0.0.0.0/0",
        "1.1.1.1",
        "1.0.0.0/8",
        "[::1]",
        "fd00::/8",
        "64:ff9b::/96",
        "64:ff9b::a00:0/104",
        "::/0",
    ]);
    let ports = prop::sample::select(vec!["", ":80", ":443", ":1-80", ":80-443", ":1-65535"]);
    (host, ports).prop_map(|(host, ports)| format!("{host}{ports}"))
}

fn rule() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["+", "-", "~"]), pattern())
        .prop_map(|(grant, pattern)| grant.to_owned() + &pattern)
}

fn default() -> impl Strategy<Value = Network> {
    prop::sample::select(vec![Network::Deny, Network::Ask, Network::Allow])
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(rule(), 0..8)
}

const DESTINATIONS: &[&str] = &[
    "a",
    "b.a",
    "c.b.a",
    "d.c.b.a",
    "x.a",
    "z",
    "localhost",
    "x.localhost",
    "127.0.0.1",
    "127.0.0.2",
    "10.0.0.1",
    "10.1.0.1",
    "10.1.2.3",
    "1.1.1.1",
    "1.2.3.4",
    "9.9.9.9",
    "::1",
    "fd00::1",
    "64:ff9b::a00:1",
    "64:ff9b::101:101",
    "2600::1",
];
const PORTS: &[u16] = &[0, 1, 79, 80, 81, 442, 443, 444, 65535];

/// Every attempt about these destinations.
fn attempts() -> impl Iterator<Item = Attempt> {
    DESTINATIONS.iter().flat_map(|text| {
        let destination: Destination = text.parse().unwrap();
        PORTS.iter().flat_map(move |port| {
            let dial = match &destination {
                Destination::Address(address) => {
                    Some(Attempt::dial("n.example".parse().unwrap(), *address, *port))
                }
                Destination::Name(_) => None,
            };
            let lookup = match &destination {
                Destination::Name(name) => Some(Attempt::lookup(name.clone())),
                Destination::Address(_) => None,
            };
            [
                Attempt::connect(destination.clone(), *port),
                Attempt::send(destination.clone(), *port),
            ]
            .into_iter()
            .chain(dial)
            .chain(lookup.filter(|_| *port == 0))
        })
    })
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deny => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    }
}

fn of(default: Network, rules: &[String]) -> Ruleset {
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    ruleset(&policy(default, &rules))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_never_matters(default in default(), rules in rules(), turn in 0..8_usize) {
        let mut other = rules.clone();
        other.reverse();
        let middle = turn.min(other.len());
        other.rotate_left(middle);
        let (one, other) = (of(default, &rules), of(default, &other));
        for attempt in attempts() {
            prop_assert_eq!(one.explain(&attempt), other.explain(&attempt));
        }
    }

    #[test]
    fn removing_a_rule_moves_answers_to_its_other_side_only(default in default(), rules in rules(), which in 0..8_usize) {
        prop_assume!(which < rules.len());
        let mut fewer = rules.clone();
        let removed = fewer.remove(which);
        let (with, without) = (of(default, &rules), of(default, &fewer));
        for attempt in attempts() {
            let with = rank(with.decide(&attempt).verdict);
            let without = rank(without.decide(&attempt).verdict);
            // A rule that allows may well take UDP away from what a less specific one gives.
            let is_less = removed.starts_with('-') || removed.starts_with('+') && matches!(attempt, Attempt::Send { .. });
            let is_more = !removed.starts_with('-');
            prop_assert!(with <= without || is_more, "{removed} {attempt:?}");
            prop_assert!(without <= with || is_less, "{removed} {attempt:?}");
        }
    }

    #[test]
    fn a_remedy_allows_what_it_is_the_remedy_for(default in default(), rules in rules()) {
        let base = rules.iter().map(String::as_str).collect::<Vec<_>>();
        let base = policy(default, &base);
        let before = ruleset(&base);
        for attempt in attempts() {
            let decision = before.decide(&attempt);
            prop_assert_eq!(decision.verdict == Verdict::Allow, decision.remedy.is_none() && !is_port_0(&attempt));
            let Some(remedy) = decision.remedy else { continue };
            let text = format!("[network.rules]\n{remedy}\n");
            let layer = Policy::from_toml(&text, None).unwrap();
            let after = ruleset(&base.clone().layer(layer));
            prop_assert_eq!(after.decide(&attempt).verdict, Verdict::Allow, "{} {:?}", remedy, attempt);
        }
    }
}

fn is_port_0(attempt: &Attempt) -> bool {
    matches!(
        attempt,
        Attempt::Connect { port: 0, .. }
            | Attempt::Send { port: 0, .. }
            | Attempt::Dial { port: 0, .. }
    )
}
