//! Laws: what is printed reads back; no text makes a parser panic; every error points into the text.

use proptest::prelude::*;

use super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z./~*?\\[\\]$\\{\\}]{1,12}",
        "\\PC{1,8}",
        any::<String>()
            .prop_map(|text| text.replace('\0', "_"))
            .prop_filter("not empty", |text| !text.is_empty()),
    ]
}

fn network_rules() -> impl Strategy<Value = Policy> {
    let destination = proptest::sample::select(vec![
        "Example.com.",
        "*.b\u{fc}cher.example:80-90",
        "0x7f.1",
        "[::ffff:10.0.0.1]:80",
        "fd00::/8:443",
    ]);
    let rules = proptest::collection::vec((destination, 0..4), 0..4);
    let presets = proptest::sample::subsequence(DestinationPreset::ALL, 0..3);
    let port = proptest::sample::select(vec!["80", "8080:80", "0:81"]);
    let upstream = proptest::option::of(Just("http://[::1]:3128/"));
    let reason = "[^\\pC]{1,20}";
    (
        rules,
        proptest::collection::vec(port, 0..3),
        upstream,
        reason,
        presets,
    )
        .prop_map(|(rules, ports, upstream, reason, presets)| {
            let named = presets.into_iter();
            let named = named.fold(Policy::new(), Policy::allow_preset);
            let policy = rules
                .iter()
                .fold(named, |policy, (rule, grant)| match grant {
                    0 => policy.allow(rule),
                    1 => policy.allow_udp(rule),
                    2 => policy.deny(rule),
                    _ => policy.deny_because(rule, &reason),
                });
            let policy = ports.iter().fold(policy, Policy::publish);
            upstream.into_iter().fold(policy, Policy::upstream)
        })
}

fn policies() -> impl Strategy<Value = Policy> {
    let file = (
        text(),
        any::<bool>(),
        proptest::sample::select(Access::ALL.to_vec()),
        any::<bool>(),
        proptest::option::of(proptest::sample::select(vec![
            "/",
            "/b",
            "/b[1]/~",
            "/${HOME}/*",
        ])),
    );
    let variable = (
        text().prop_map(|name| name.replace(['=', '*', '?'], "_")),
        0..3,
        text(),
    );
    let limits = (
        proptest::option::of(1..=i64::MAX.cast_unsigned()),
        proptest::option::of((1..4096_u64).prop_map(|number| number << 20)),
        proptest::option::of(1..1_000_000_000_u64),
        proptest::option::of(1..30 * 86_400_u64),
    );
    (
        proptest::collection::vec(proptest::sample::select(Preset::ALL), 0..3),
        proptest::collection::vec(file, 0..8),
        proptest::option::of(proptest::sample::select(Network::ALL)),
        proptest::collection::vec(variable, 0..5),
        limits,
        (
            proptest::option::of(proptest::sample::select(Tier::ALL)),
            proptest::sample::select(HideBy::ALL),
            proptest::option::of(proptest::sample::select(ProtectedGroup::ALL)),
            proptest::option::of(proptest::sample::select(MacOption::ALL)),
            proptest::collection::vec("[!#-)+-\\[\\]-~]{1,6}\\*?", 0..3),
        ),
        proptest::collection::vec("[a-z][a-z0-9_-]{0,6}", 0..3),
        network_rules(),
    )
        .prop_map(
            |(
                presets,
                files,
                network,
                variables,
                limits,
                (tier, hide, group, macos, services),
                features,
                network_rules,
            )| {
                let mut policy = presets.into_iter().fold(Policy::new(), Policy::extends);
                for (path, pattern, access, optional, base) in files {
                    policy = policy.file(path.as_ref(), pattern, access, optional);
                    if let Some(entry) = policy.files.last_mut() {
                        entry.base = base.map(|base| Path::new(base).into());
                    }
                }
                for (name, rule, value) in variables {
                    policy = match rule {
                        0 => policy.pass(name),
                        1 => policy.drop_variable(name),
                        _ => policy.set(name, value),
                    };
                }
                policy = policy.merge(&network_rules);
                policy.network = network.map(|network| (network, Source::Library));
                let (exact, memory, count, seconds) = limits;
                policy.limits.memory = memory.or(exact);
                policy.limits.processes = count;
                policy.limits.time = seconds.map(Duration::from_secs);
                policy.system.fallback = tier;
                policy = group.into_iter().fold(policy, Policy::protect);
                policy = macos.into_iter().fold(policy, Policy::macos);
                policy = services.into_iter().fold(policy, Policy::mach_lookup);
                features
                    .into_iter()
                    .fold(policy.hide_by(hide), Policy::feature)
            },
        )
}

/// Text that gets past the tokenizer more often than chance would.
fn near_toml() -> impl Strategy<Value = String> {
    let words = [
        "extends",
        "protect",
        "files",
        "network",
        "rules",
        "environment",
        "limits",
        "system",
        "memory",
        "time",
        "access",
        "set",
        "optional",
        "hide",
        "fallback",
        "default",
        "publish",
        "=",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ".",
        "\n",
        "\n",
        "\"",
        "'",
        "'a'",
        "\"~/x\"",
        "'read'",
        "'deny'",
        "'4G'",
        "'10M'",
        "1",
        "-1",
        "1.5",
        "true",
        "1979-05-27",
        "#",
        ":",
        "null",
        "\\u0000",
        "\u{1b}",
        "é",
        "\r\n",
        "'''",
        "\t",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40)
        .prop_map(|words| words.join(" "))
}

fn check(text: &str) {
    for parse in [Policy::from_toml, Policy::from_json] {
        let Err(errors) = parse(text, None) else {
            continue;
        };
        assert!(errors.iter().count() > 0, "{text:?}");
        for error in &errors {
            let location = error
                .location()
                .expect("a text without a file has only errors in the text");
            let (line, columns) = location.snippet();
            assert!(location.line() <= text.split('\n').count());
            assert!(columns.start <= line.chars().count() && !columns.is_empty());
            let shown = format!(
                "{error} {errors} {line} {:?}",
                error.remedy().map(|remedy| remedy.to_string())
            );
            assert!(
                !shown.replace('\n', "").contains(char::is_control),
                "{shown:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(policy in policies()) {
        let text = policy.to_string();
        let read = Policy::from_toml(&text, None).map_err(|errors| TestCaseError::fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(meaning(&read), meaning(&policy), "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn printing_is_free_of_control_characters(policy in policies()) {
        prop_assert!(!policy.to_string().replace('\n', "").contains(char::is_control));
    }

    #[test]
    fn layering_an_empty_policy_changes_nothing(policy in policies()) {
        prop_assert_eq!(meaning(&policy.clone().layer(Policy::new())), meaning(&policy));
        prop_assert_eq!(meaning(&Policy::new().layer(policy.clone())), meaning(&policy));
    }

    #[test]
    fn layering_a_policy_on_itself_changes_nothing(policy in policies()) {
        prop_assert_eq!(meaning(&policy.clone().layer(policy.clone())), meaning(&policy));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_words_make_a_parser_panic(text in near_toml()) {
        check(&text);
    }

    #[test]
    fn no_change_of_a_policy_makes_a_parser_panic(at in 0..EVERYTHING.len(), length in 0..20_usize, with in "\\PC{0,3}") {
        for whole in [EVERYTHING, EVERYTHING_JSON] {
            let mut text = whole.to_owned();
            let start = at.min(whole.len());
            text.replace_range(start..(start + length).min(whole.len()), &with);
            check(&text);
        }
    }
}

#[test]
fn depth_is_bounded() {
    for depth in [10, 79, 81, 500, 513, 100_000] {
        let list = "[".repeat(depth) + &"]".repeat(depth);
        check(&format!("extends = {list}"));
        check(&format!("{{\"extends\": {list}}}"));
        check(&"{\"files\":".repeat(depth));
        check(&format!("a{} = 1", ".a".repeat(depth)));
    }
}
