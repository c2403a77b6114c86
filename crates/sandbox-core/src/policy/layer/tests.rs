use proptest::prelude::*;

use crate::{
    Access, Attempt, Context, Distrust, Network, Policy, PolicyErrors, Preset, ProtectedGroup,
    Ruleset, Tier, Verdict,
};

fn resolve(policy: &Policy) -> Result<Ruleset, PolicyErrors> {
    let mut context = Context::new("/usr/lib");
    context.home = Some("/usr/share".into());
    context.variables = [("LANG".into(), "C".into()), ("X_TOKEN".into(), "t".into())].into();
    Ruleset::resolve(policy, &context)
}

fn toml(text: &str) -> Policy {
    Policy::from_toml(text, Some("/p/layer.toml".as_ref())).unwrap()
}

/// What is said about a layer that is not trusted; nothing where it is accepted.
fn said(below: &Policy, layer: &str) -> String {
    let policy = below
        .clone()
        .layer_untrusted(toml(layer), "/p/layer.toml", Distrust::Unapproved);
    resolve(&policy).map_or_else(|errors| errors.to_string(), |_| String::new())
}

#[test]
fn an_untrusted_layer_may_narrow() {
    let agent = Policy::preset(Preset::Agent);
    for layer in [
        "",
        "extends = ['strict']",
        "extends = ['read-only']",
        "extends = ['none']",
        "[files]\n'/usr/lib' = 'read'\n'~' = 'hide'\n'/etc/../usr/bin' = 'read'",
        "[files]\n'/usr/lib/*.pem' = 'hide'\n'~' = 'read'",
        "[network]\ndefault = 'deny'\n[limits]\ntime = '1m'\nmemory = '1GiB'",
        "[environment]\n'LANG' = 'drop'\n[system]\nhide = 'assemble'\nfallback = 'namespaces'",
        "[fixed.files]\n'~' = 'hide'",
        "protect = ['ci']",
    ] {
        assert_eq!(said(&agent, layer), "", "{layer}");
    }
}

#[test]
fn what_an_untrusted_layer_widens_is_told_with_its_line() {
    let below = Policy::preset(Preset::Agent)
        .memory(1 << 30)
        .mach_lookup("org.example.*")
        .hide_by(crate::HideBy::Assemble);
    insta::assert_snapshot!(
        said(
            &below,
            "[files]\n'~' = 'write'\n'~/.ssh/config' = 'read'\n'~/.vscode' = { access = 'write', optional = true }\n\
             [network]\ndefault = 'host'\n\
             [environment]\n'X_TOKEN' = 'pass'\n'CI' = { set = '1' }\n\
             [limits]\nmemory = '2GiB'\n\
             [system]\nperf = 'allow'\nfallback = 'landlock'\n\
             [system.macos]\nopen = 'allow'\nmach-lookup = ['com.example.a', 'org.example.a']\n"
        ).replace("(read the file; if that is what you want, `sandbox trust /p/layer.toml`)", "(…)"), @"
    /p/layer.toml:2: `/usr/share` would be `write` instead of `read`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:3: `/usr/share/.ssh/config` would be `read` instead of `hide`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:4: `/usr/share/.vscode` would be `write` instead of `read`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:8: `X_TOKEN` would be `pass` instead of `drop`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:9: `CI` would be set to `1` instead of `pass`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:6: `network` would be `host` instead of `deny`, and `/p/layer.toml` is not approved (…)
    `memory` would be `2GiB` instead of `1GiB`, and `/p/layer.toml` is not approved (…)
    `fallback` would be `landlock` instead of `namespaces`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:13: `perf` would be `allow` instead of `refused`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:16: `macos.open` would be `allow` instead of `refused`, and `/p/layer.toml` is not approved (…)
    /p/layer.toml:17: `macos.mach-lookup com.example.a` would be `allow` instead of `refused`, and `/p/layer.toml` is not approved (…)
    ");
    // A line of another preset has no place in the file.
    let strict = said(&Policy::preset(Preset::Strict), "extends = ['read-only']");
    assert!(
        strict.starts_with("preset `read-only`: `/` would be `read` instead of `hide`, and"),
        "{strict}"
    );
}

#[test]
fn an_untrusted_layer_takes_no_protection_away() {
    let host = tempfile::tempdir().unwrap();
    let directory = crate::resolve(host.path()).unwrap().path;
    let rule = format!(
        "[files]\n'{}/.github/workflows' = 'write'",
        directory.display()
    );
    let resolved = |below: Policy, layer: &str| {
        let distrust = Distrust::Unapproved;
        let policy = below.layer_untrusted(toml(layer), "/p/layer.toml", distrust);
        let attempt = Attempt::write(directory.join("Jenkinsfile"));
        resolve(&policy).map(|ruleset| ruleset.decide(&attempt).verdict)
    };
    let below = || Policy::default().read("/").write(&directory);
    let protecting = || below().protect(ProtectedGroup::Ci);
    assert_eq!(resolved(below(), "").unwrap(), Verdict::Allow);
    assert_eq!(
        resolved(below(), "protect = ['ci']").unwrap(),
        Verdict::Deny
    );
    for layer in ["", "protect = []", "extends = ['none']"] {
        assert_eq!(
            resolved(protecting(), layer).unwrap(),
            Verdict::Deny,
            "{layer}"
        );
    }
    let errors = resolved(protecting(), &rule).unwrap_err().to_string();
    assert!(
        errors.contains(".github/workflows` would be `write` with its protected names"),
        "{errors}"
    );
    // What it has asked for itself it may open.
    let own = format!("protect = ['ci']\n{rule}");
    assert_eq!(resolved(below(), &own).unwrap(), Verdict::Deny);
}

/// The machine goes on living while a command runs: what was bound at the start may be missing.
#[test]
fn an_update_of_the_network_is_held_by_what_bounds_the_network_alone() {
    let host = tempfile::tempdir().unwrap();
    let (context, directory) = (Context::new(host.path()), host.path().join("w"));
    std::fs::create_dir(&directory).unwrap();
    let below = Policy::default().write(&directory).allow("*.example");
    let policy = |layer: &str| {
        let distrust = Distrust::Unapproved;
        below
            .clone()
            .layer_untrusted(toml(layer), "/p/layer.toml", distrust)
    };
    let ruleset = Ruleset::resolve(&policy(""), &context).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    let narrower = policy("[network.rules]\n'a.example' = 'deny'");
    let updated = ruleset.with_network(&narrower, &context).unwrap();
    let attempt = Attempt::connect("a.example".parse::<crate::Name>().unwrap(), 443);
    assert_eq!(ruleset.decide(&attempt).verdict, Verdict::Allow);
    assert_eq!(updated.decide(&attempt).verdict, Verdict::Deny);
    for (wider, expected) in [
        (
            "[network.rules]\n'a.test' = 'allow'",
            "/p/layer.toml:2: `a.test` would be `allow` instead of `deny`, and",
        ),
        (
            "[network]\ndefault = 'ask'",
            "/p/layer.toml:2: `network` would be `ask` instead of `deny`, and",
        ),
        (
            "[network]\npublish = ['80']",
            "/p/layer.toml:2: `port 80` would be",
        ),
    ] {
        let errors = ruleset.with_network(&policy(wider), &context).unwrap_err();
        assert!(errors.to_string().starts_with(expected), "{errors}");
    }
    // Control: without the directory nothing starts.
    assert!(Ruleset::resolve(&narrower, &context).is_err());
}

#[test]
fn a_changed_file_and_a_list_that_can_be_written_are_told_apart() {
    for (why, expected) in [
        (
            Distrust::Changed,
            "/p/layer.toml:2: `/usr/share` would be `write` instead of `read`, and `x` has changed since it was approved (read the file; if that is what you want, `sandbox trust x`)",
        ),
        (
            Distrust::WritableList,
            "/p/layer.toml:2: `/usr/share` would be `write` instead of `read`, and `x` was approved in a list that the command could write",
        ),
    ] {
        let policy =
            Policy::preset(Preset::Agent).layer_untrusted(toml("[files]\n'~' = 'write'"), "x", why);
        assert_eq!(resolve(&policy).unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_a_later_layer_grants_is_granted_without_the_untrusted_one_too() {
    let later = || Policy::new().write("/usr/share");
    let with = |layer: &str| {
        Policy::preset(Preset::Agent)
            .layer_untrusted(toml(layer), "x", Distrust::Unapproved)
            .layer(later())
    };
    assert!(resolve(&with("[files]\n'/usr/share' = 'write'")).is_ok());
    assert!(resolve(&with("[files]\n'/usr/share/doc' = 'hide'")).is_ok());
    // What the later layer closes stays closed.
    let read = Policy::new().read("/usr/lib");
    let opened = Policy::preset(Preset::Agent)
        .layer_untrusted(
            toml("[files]\n'/usr/lib/ssl' = 'write'"),
            "x",
            Distrust::Unapproved,
        )
        .layer(read);
    assert!(resolve(&opened).is_err());
}

#[test]
fn two_untrusted_layers_are_compared_to_what_there_is_without_both() {
    let with = |first: &str, second: &str| {
        Policy::preset(Preset::Agent)
            .layer_untrusted(toml(first), "a", Distrust::Unapproved)
            .layer_untrusted(toml(second), "b", Distrust::Unapproved)
    };
    let hide = "[files]\n'/usr/share' = 'hide'";
    assert!(resolve(&with(hide, "[files]\n'/usr/share' = 'read'")).is_ok());
    // Told once, with the file in which it is written.
    let opens = |below: Policy| {
        let text = "[files]\n'/usr/share' = 'write'";
        let layer = Policy::from_toml(text, Some("/p/a".as_ref())).unwrap();
        below.layer_untrusted(layer, "/p/a", Distrust::Unapproved)
    };
    let other = |below: Policy| below.layer_untrusted(toml(hide), "/p/b", Distrust::Changed);
    let said = |policy: &Policy| resolve(policy).unwrap_err().to_string();
    let agent = || Policy::preset(Preset::Agent);
    let expected = "/p/a:2: `/usr/share` would be `write` instead of `read`, and `/p/a` is not approved (read the file; if that is what you want, `sandbox trust /p/a`)";
    assert_eq!(said(&opens(other(agent()))), expected);
    // The later one outweighs it.
    assert!(resolve(&other(opens(agent()))).is_ok());
}

#[test]
fn two_untrusted_layers_do_not_vouch_for_each_other() {
    let write = "[files]\n'/usr/share' = 'write'";
    let untrusted =
        |below: Policy, name: &str| below.layer_untrusted(toml(write), name, Distrust::Unapproved);
    let agent = Policy::preset(Preset::Agent);
    // Side by side, and one in a policy of its own that is layered as a whole.
    let flat = untrusted(untrusted(agent.clone(), "a"), "b");
    let nested = untrusted(agent.clone(), "a").layer(untrusted(Policy::new(), "b"));
    for policy in [flat, nested] {
        assert!(resolve(&policy).is_err());
    }
    let trusted = agent
        .layer(toml(write))
        .layer(untrusted(Policy::new(), "b"));
    assert!(resolve(&trusted).is_ok());
}

#[test]
fn what_is_fixed_no_later_layer_widens() {
    let managed = "extends = ['agent']\n\
         [fixed.files]\n'/srv' = 'hide'\n'/usr/lib/*.pem' = 'hide'\n\
         [fixed.network]\ndefault = 'deny'\n\
         [fixed.environment]\n'LANG' = 'drop'\n\
         [fixed.limits]\ntime = '1h'\n\
         [fixed.system]\nfallback = 'namespaces'\nhide = 'assemble'\n";
    let with = |later: Policy| resolve(&toml(managed).layer(later));
    for later in [
        Policy::new(),
        Policy::new().write("/usr/lib").pass("X_TOKEN").memory(1),
        Policy::new().hide("/srv/x").hide("/usr").drop_variable("*"),
        Policy::new().time(std::time::Duration::from_mins(1)),
        Policy::preset(Preset::Strict),
        Policy::new().write_matching("/usr/lib/*.so"),
    ] {
        let text = later.to_string();
        assert_eq!(
            with(later).map(|_| ()).map_err(|e| e.to_string()),
            Ok(()),
            "{text}"
        );
    }
    let later = toml(
        "[files]\n'/srv/doc' = 'read'\n'/usr/lib/x.pem' = 'read'\n\
         [network]\ndefault = 'host'\n[environment]\nLANG = 'pass'\n[limits]\ntime = '2h'\n[system]\nfallback = 'landlock'",
    );
    insta::assert_snapshot!(with(later).unwrap_err(), @r"
    /p/layer.toml:2: `/srv/doc` would be `read` instead of `hide`, which is fixed by /p/layer.toml:3
    /p/layer.toml:3: `/usr/lib/x.pem` would be `read` instead of `hide`, which is fixed by /p/layer.toml:4
    /p/layer.toml:7: `LANG` would be `pass` instead of `drop`, which is fixed by /p/layer.toml:8
    /p/layer.toml:5: `network` would be `host` instead of `deny`, which is fixed by /p/layer.toml:6
    `time` would be `2h` instead of `1h`, which is fixed
    `fallback` would be `landlock` instead of `namespaces`, which is fixed
    ");
    // Also against presets that come later, and against a layer on top of a layer.
    let none = Policy::preset(Preset::None).read("/srv/x");
    assert!(with(none.clone()).is_err());
    assert!(with(Policy::new().layer(none)).is_err());
}

#[test]
fn a_fixed_key_outweighs_the_same_key_in_its_own_file() {
    let policy = toml("[files]\n'/usr' = 'write'\n[fixed.files]\n'/usr' = 'read'\n");
    let ruleset = resolve(&policy).unwrap();
    assert_eq!(
        ruleset.decide(&Attempt::write("/usr/x")).verdict,
        Verdict::Deny
    );
}

fn layers() -> impl Strategy<Value = Policy> {
    let path = proptest::sample::select(vec![
        "/",
        "/usr",
        "/usr/share",
        "/usr/lib",
        "/usr/lib/ssl",
        "~",
        "~/doc",
        "${CWD}",
        "/etc",
        "/usr/lib/*.conf",
        "/usr/*/ssl",
        "/usr/lib/*/x",
        "/usr/lib/.git/hooks",
        "~/.ssh",
        "~/.ssh/config",
    ]);
    let destination = proptest::sample::select(vec![
        "a.example",
        "*.example:443",
        "*.example",
        "10.0.0.0/8",
        "10.0.0.1:80-443",
        "0.0.0.0/0",
        "localhost",
    ]);
    let name = proptest::sample::select(vec!["LANG", "X_TOKEN", "*", "X_*"]);
    (
        proptest::option::of(proptest::sample::select(Preset::ALL.to_vec())),
        proptest::collection::vec((path, 0..4), 0..4),
        proptest::collection::vec((name, any::<bool>()), 0..2),
        proptest::option::weighted(0.2, proptest::sample::select(Network::ALL.to_vec())),
        proptest::option::weighted(0.2, 1..4_u64),
        proptest::bool::weighted(0.1),
        proptest::collection::vec((destination, 0..3), 0..3),
    )
        .prop_map(
            |(preset, files, names, network, memory, weak, destinations)| {
                let mut policy = preset.map_or_else(Policy::new, Policy::preset);
                for (path, access) in files {
                    policy = match access {
                        0 => policy.hide_matching(path),
                        1 => policy.read_matching(path),
                        2 => policy.scratch_matching(path),
                        _ => policy.write_matching(path),
                    };
                }
                for (name, pass) in names {
                    policy = if pass {
                        policy.pass(name)
                    } else {
                        policy.drop_variable(name)
                    };
                }
                for (destination, grant) in destinations {
                    policy = match grant {
                        0 => policy.deny(destination),
                        1 => policy.allow(destination),
                        _ => policy.allow_udp(destination),
                    };
                }
                policy = network.into_iter().fold(policy, Policy::network);
                policy = memory.into_iter().fold(policy, Policy::memory);
                if weak {
                    policy.fallback(Tier::Landlock)
                } else {
                    policy
                }
            },
        )
}

const PLACES: &[&str] = &[
    "/",
    "/usr",
    "/usr/share",
    "/usr/share/doc",
    "/usr/share/.ssh",
    "/usr/share/.ssh/id_rsa",
    "/usr/share/.ssh/config",
    "/usr/lib",
    "/usr/lib/ssl",
    "/usr/lib/a/x",
    "/usr/lib/a.conf",
    "/usr/lib/.git/hooks",
    "/usr/lib/.git/hooks/x.conf",
    "/etc",
    "/etc/ld.so.conf",
    "/tmp",
    "/tmp/x",
    "/run",
    "/opt/x",
    "/usr/share/.vscode/x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The law of trust, for all of a policy: what is accepted grants nothing that there is not without the layer.
    #[test]
    fn an_untrusted_layer_never_widens(below in layers(), layer in layers(), later in layers()) {
        let trusted = below.clone().layer(later.clone());
        let with = below.layer_untrusted(layer, "x", Distrust::Unapproved).layer(later);
        if let (Ok(before), Ok(now)) = (resolve(&trusted), resolve(&with)) {
            for place in PLACES {
                let access = |ruleset: &Ruleset| ruleset.files().access(place.as_ref()).0;
                // What is private in place of what could be written is no grant, protected name or not.
                let is_private = (access(&now), access(&before)) == (Access::Scratch, Access::Write);
                for attempt in [Attempt::read(place), Attempt::write(place)] {
                    let (now, before) = (now.decide(&attempt), before.decide(&attempt));
                    prop_assert!(
                        is_private || now.verdict == Verdict::Deny || before.verdict == Verdict::Allow,
                        "{attempt:?}: {now:?}, before {before:?}"
                    );
                }
            }
            let variables = || [("LANG".into(), "C".into()), ("X_TOKEN".into(), "t".into())];
            let given = before.environment().apply(variables());
            prop_assert!(now.environment().apply(variables()).iter().all(|one| given.contains(one)));
            prop_assert!(now.network() <= before.network());
            for destination in ["a.example", "b.example", "c", "10.0.0.1", "10.0.0.2", "127.0.0.1", "9.9.9.9"] {
                for port in [80, 443, 444] {
                    let destination: crate::Destination = destination.parse().unwrap();
                    let attempts = [
                        Attempt::connect(destination.clone(), port),
                        Attempt::send(destination, port),
                    ];
                    for attempt in attempts {
                        let (now, before) = (now.decide(&attempt), before.decide(&attempt));
                        let is_less = match now.verdict {
                            Verdict::Deny => true,
                            Verdict::Ask => before.verdict != Verdict::Deny,
                            Verdict::Allow => before.verdict == Verdict::Allow,
                        };
                        prop_assert!(is_less, "{attempt:?}: {now:?}, before {before:?}");
                    }
                }
            }
            let memory = |ruleset: &Ruleset| ruleset.limits().memory.unwrap_or(u64::MAX);
            prop_assert!(memory(&now) <= memory(&before));
            prop_assert!(now.system().fallback.is_none() || before.system().fallback.is_some());
        }
    }
}
