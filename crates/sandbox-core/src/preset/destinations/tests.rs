use std::fmt::Write as _;

use super::*;
use crate::destination::{Scope, is_shared_suffix};
use crate::{Attempt, Context, Name, Policy, Ruleset, Verdict};

const PAGE: &str = include_str!("../../../../../docs/destinations.md");

fn resolved(policy: &Policy) -> Ruleset {
    Ruleset::resolve(policy, &Context::new("/")).unwrap()
}

/// The verdict for a name at the port of HTTPS, and the rule with its source.
fn decided(ruleset: &Ruleset, name: &str) -> (Verdict, String) {
    let name: Name = name.parse().unwrap();
    let decision = ruleset.decide(&Attempt::connect(name, 443));
    let rule = decision.rule;
    let rule = rule.map(|rule| format!("{} ({})", rule.pattern, rule.source));
    (decision.verdict, rule.unwrap_or_default())
}

#[test]
fn every_line_is_a_destination_with_a_reason_and_a_document() {
    for named in NAMED {
        let name = named.destination;
        let reason = named.reason;
        assert!(!reason.is_empty() && !reason.ends_with('.'), "{name}");
        assert!(named.document.starts_with("https://"), "{name}");
    }
    for preset in DestinationPreset::ALL {
        let all = NAMED.iter().filter(|named| named.preset == *preset);
        assert_eq!(of(*preset, None).len(), all.count(), "{preset}");
        assert!(!of(*preset, None).is_empty(), "{preset}");
        assert_eq!(DestinationPreset::named(preset.as_str()), Some(*preset));
        assert!(
            crate::Preset::ALL
                .iter()
                .all(|other| other.as_str() != preset.as_str())
        );
    }
}

/// Below such a name anybody can have one. GitHub's is on the list since what its names show is its users'.
#[test]
fn no_preset_names_what_anybody_can_get() {
    let all = DestinationPreset::ALL
        .iter()
        .flat_map(|preset| of(*preset, None));
    let shared = all.filter(|entry| match &entry.pattern.scope {
        Scope::Below(name) => is_shared_suffix(name),
        Scope::Name(_) => false,
        Scope::Range(_) => true,
    });
    let shared: Vec<_> = shared.map(|entry| entry.text).collect();
    assert_eq!(shared, ["*.githubusercontent.com"]);
}

#[test]
fn a_rule_of_a_layer_replaces_that_of_a_preset() {
    let github = || Policy::new().allow_preset(Github);
    let text = |text: &str| Policy::from_toml(text, None).unwrap();
    let denied = || text("[network.rules]\n\"github.com\" = \"deny\"\n");
    for (policy, verdict) in [
        (github(), Verdict::Allow),
        (github().layer(denied()), Verdict::Deny),
        (denied().layer(github()), Verdict::Deny),
        (github().deny("github.com"), Verdict::Deny),
        (
            denied()
                .layer(github())
                .layer(Policy::new().allow("github.com")),
            Verdict::Allow,
        ),
        (
            text("extends = ['github']\n[network.rules]\n'github.com' = 'deny'\n"),
            Verdict::Deny,
        ),
    ] {
        let ruleset = resolved(&policy);
        assert_eq!(decided(&ruleset, "github.com").0, verdict, "{policy}");
        let below = (Verdict::Allow, "*.github.com (preset `github`)".to_owned());
        assert_eq!(decided(&ruleset, "api.github.com"), below, "{policy}");
        // What is printed means the same.
        let read = resolved(&text(&policy.to_string()));
        assert_eq!(decided(&read, "github.com").0, verdict, "{policy}");
    }
    // Datagrams are allowed by who writes the same destination, and not in a tie with the preset.
    let ruleset = resolved(&github().allow_udp("github.com"));
    let udp = ruleset
        .network_rules()
        .iter()
        .filter(|rule| rule.allows_udp());
    assert_eq!(udp.count(), 1);
}

#[test]
fn it_stands_beside_the_preset_of_files() {
    let agent = Policy::preset(crate::Preset::Agent);
    let policy = agent.layer(Policy::from_toml("extends = ['ghcr', 'github']", None).unwrap());
    assert_eq!(
        policy.to_string(),
        "extends = [\"agent\", \"ghcr\", \"github\"]\n"
    );
    let again = policy.clone().layer(policy.clone());
    assert_eq!(again.to_string(), policy.to_string());
}

#[test]
fn an_answer_says_why_the_preset_has_it() {
    let ruleset = resolved(&Policy::new().allow_preset(Ghcr));
    let name: Name = "ghcr.io".parse().unwrap();
    let rule = ruleset.decide(&Attempt::connect(name, 443)).rule.unwrap();
    assert_eq!(rule.reason, Some("the registry, and sign-in"));
}

#[test]
fn a_layer_that_is_not_trusted_may_not_name_one() {
    use crate::{Distrust, PolicyError};
    let resolve = |base: Policy| {
        let later = Policy::new().allow_preset(Ghcr);
        let policy = base.layer_untrusted(later, "sandbox.toml", Distrust::Unapproved);
        Ruleset::resolve(&policy, &Context::new("/"))
    };
    let errors = resolve(Policy::new()).unwrap_err();
    let told: Vec<_> = errors
        .iter()
        .map(|error| match error {
            PolicyError::Widens { excess, .. } => excess.to_string(),
            other => panic!("{other}"),
        })
        .collect();
    let expected = [
        "`ghcr.io` would be `allow` instead of `deny`",
        "`pkg-containers.githubusercontent.com` would be `allow` instead of `deny`",
    ];
    assert_eq!(told, expected);
    // The control: it adds nothing to what is allowed.
    resolve(Policy::new().allow_preset(Ghcr)).unwrap();
    resolve(Policy::new().network(crate::Network::Allow)).unwrap();
}

/// The page has two tables: of services, and of package managers.
#[test]
fn the_page_lists_them() {
    let is_npm = |preset: &DestinationPreset| *preset == Npm;
    let managers = DestinationPreset::ALL.iter().position(is_npm).unwrap();
    let (services, managers) = DestinationPreset::ALL.split_at(managers);
    for presets in [services, managers] {
        lists(presets);
    }
}

/// The page has this table, line by line.
fn lists(presets: &[DestinationPreset]) {
    let mut table = String::new();
    for preset in presets {
        let mut name = format!("`{preset}`");
        for named in NAMED.iter().filter(|named| named.preset == *preset) {
            let (destination, reason, document) = (named.destination, named.reason, named.document);
            let _ = writeln!(
                table,
                "| {name} | `{destination}` | [{reason}]({document}) |"
            );
            name.clear();
        }
    }
    assert!(
        PAGE.contains(&table),
        "docs/destinations.md lacks this table:\n{table}"
    );
}
