//! What the last run left behind, or this one moves, leads no rule astray.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// The anchors with directories of this mode, and whether this user is one whom modes stop.
fn closed(host: &Host, directories: &[&str], mode: u32, policy: &Policy) -> Option<Vec<String>> {
    let set = |mode: u32| {
        for directory in directories {
            let path = host.root.join(directory);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(mode);
    let first = host.root.join(directories.first()?);
    let is_stopped = fs::read_dir(&first).is_err() || fs::metadata(first.join(".")).is_err();
    let result = Ruleset::resolve(policy, &host.context);
    set(0o700);
    assert!(result.is_ok(), "{result:?}");
    is_stopped.then(|| host.lines(&result.unwrap()))
}

#[test]
fn a_hidden_path_in_a_directory_that_cannot_be_searched_hides_the_directory() {
    let host = host(&["w/sec/a/key"]);
    let policy = Policy::default().write(".").hide("sec/a/key");
    for mode in [0o000, 0o444, 0o600] {
        let Some(anchors) = closed(&host, &["w/sec/a"], mode, &policy) else {
            return;
        };
        let expected = [
            "w write Directory",
            "w/sec write Directory pin",
            "w/sec/a hide Directory",
        ];
        assert_eq!(anchors, expected, "{mode:o}");
    }
    // Searching is enough for a path.
    let searched = closed(&host, &["w/sec/a"], 0o311, &policy).unwrap();
    assert!(
        searched.contains(&"w/sec/a/key hide File".to_owned()),
        "{searched:?}"
    );
}

#[test]
fn a_secret_that_cannot_be_seen_does_not_give_way_to_a_rule_about_the_directory() {
    let host = host(&["h/.config/gh/hosts"]);
    let policy = Policy::preset(Preset::Agent).write("~").write("~/.config");
    let Some(anchors) = closed(&host, &["h/.config"], 0o000, &policy) else {
        return;
    };
    assert!(
        anchors.contains(&"h/.config hide Directory".to_owned()),
        "{anchors:?}"
    );
}

#[test]
fn a_hiding_pattern_hides_directories_that_it_cannot_look_into() {
    let host = host(&["w/sub/.env", "w/b/c/.env", "w/read/.env"]);
    let policy = Policy::default()
        .write(".")
        .read("read")
        .hide_matching("**/.env");
    for mode in [0o000, 0o311, 0o444] {
        let Some(anchors) = closed(&host, &["w/sub", "w/b/c", "w/read"], mode, &policy) else {
            return;
        };
        let expected = [
            "w write Directory",
            "w/b write Directory pin",
            "w/b/c hide Directory",
            "w/read read Directory",
            "w/sub hide Directory",
        ];
        assert_eq!(anchors, expected, "{mode:o}");
    }
    // Even the directory in which the pattern begins, and one that a rule opens.
    let policy = policy.write("sub");
    let root = closed(
        &host,
        &["w"],
        0o000,
        &Policy::default().write(".").hide_matching("**/.env"),
    );
    assert_eq!(root.unwrap(), ["w hide Directory"]);
    let sub = closed(&host, &["w/sub"], 0o000, &policy).unwrap();
    assert!(sub.contains(&"w/sub hide Directory".to_owned()), "{sub:?}");
}

#[test]
fn what_is_protected_in_a_directory_that_cannot_be_looked_into_protects_the_directory() {
    let host = host(&["w/.git/hooks/", "w/.git/modules/a/config", "w/x"]);
    let policy = Policy::default().write(".");
    for (directory, mode, expected) in [
        ("w/.git", 0o000, "w/.git read Directory"),
        ("w/.git", 0o444, "w/.git read Directory"),
        ("w/.git/modules", 0o311, "w/.git/modules read Directory"),
        ("w/.git/modules/a", 0o000, "w/.git/modules/a read Directory"),
        ("w", 0o000, "w read Directory"),
    ] {
        let Some(anchors) = closed(&host, &[directory], mode, &policy) else {
            return;
        };
        assert!(
            anchors.contains(&expected.to_owned()),
            "{directory} {mode:o} {anchors:?}"
        );
        let below = format!("{directory}/");
        assert!(
            !anchors.iter().any(|anchor| anchor.starts_with(&below)),
            "{anchors:?}"
        );
    }
}

#[test]
fn the_way_to_what_is_hidden_or_read_only_stays_where_it_is() {
    let host = host(&[
        "w/a/b/key",
        "w/c/d/e/file",
        "w/deep/tree/sec/key",
        "h/x/key",
    ]);
    let policy = Policy::default()
        .read("..")
        .write(".")
        .write("deep/tree")
        .hide("a/b/key")
        .read("c/d/e")
        .hide("deep/tree/sec/key")
        .hide("~/x/key");
    assert_eq!(
        host.anchors(&policy),
        [
            " read Directory",
            "h/x/key hide File",
            "w write Directory",
            "w/a write Directory pin",
            "w/a/b write Directory pin",
            "w/a/b/key hide File",
            "w/c write Directory pin",
            "w/c/d write Directory pin",
            "w/c/d/e read Directory",
            "w/deep write Directory pin",
            "w/deep/tree write Directory pin",
            "w/deep/tree/sec write Directory pin",
            "w/deep/tree/sec/key hide File",
        ]
    );
}

#[test]
fn the_way_to_a_private_directory_stays_where_it_is() {
    let host = host(&["w/a/cache/file"]);
    let policy = Policy::default().write(".").scratch("a/cache");
    assert_eq!(
        host.anchors(&policy),
        [
            "w write Directory",
            "w/a write Directory pin",
            "w/a/cache scratch Directory",
        ]
    );
}

#[test]
fn nothing_is_pinned_in_what_is_protected_as_a_whole() {
    let host = host(&["w/.vscode/x/key"]);
    let policy = Policy::default().write(".").hide(".vscode/x/key");
    assert_eq!(
        host.anchors(&policy),
        [
            "w write Directory",
            "w/.vscode read Directory",
            "w/.vscode/x/key hide File"
        ]
    );
}

#[test]
fn submodules_of_submodules_are_found() {
    let host = host(&[
        "w/.git/modules/a/b/HEAD",
        "w/.git/modules/a/b/config",
        "w/.git/modules/a/b/objects/aa/hooks/",
        "w/.git/modules/a/b/modules/c/commondir",
    ]);
    let anchors = host.anchors(&Policy::default().write("."));
    let read: Vec<_> = anchors
        .iter()
        .filter(|anchor| anchor.contains(" read "))
        .collect();
    assert_eq!(
        read,
        [
            "w/.git/modules/a/b/config read File",
            "w/.git/modules/a/b/modules/c/commondir read File"
        ]
    );
}

#[test]
fn a_tree_that_is_too_deep_says_what_to_write_instead() {
    let host = host(&[]);
    fs::create_dir_all(host.root.join("w/a").join("d/".repeat(70))).unwrap();
    let policy = Policy::default().write(".").hide_matching("**/.env");
    insta::assert_snapshot!(host.problems(&policy).join("\n"), @r#"the program: the rule `**/.env` cannot be used: more than 64 levels below `@/w` would have to be searched (write a pattern that begins further down, or has `*` for each level instead of `**`; or write `"@/w/a" = "hide"` as well)"#);
    assert_eq!(host.problems(&policy.hide("a")), [""; 0]);
}

#[test]
fn a_read_only_directory_with_something_hidden_is_assembled_from_what_is_not() {
    let host = host(&[
        "d/secret",
        "d/seen",
        "d/more/x",
        "d/link -> seen",
        "w/secret",
    ]);
    let at = |path: &str| host.root.join(path);
    let policy = Policy::new()
        .read(&host.root)
        .write(at("w"))
        .hide(at("d/secret"))
        .hide(at("w/secret"))
        .hide_by(crate::HideBy::Assemble);
    let ruleset = host.resolve(&policy);
    assert_eq!(
        host.lines(&ruleset),
        [
            " read Directory",
            "d hide Directory",
            "d/more read Directory",
            "d/secret hide File",
            "d/seen read File",
            "w write Directory",
            "w/secret hide File",
        ]
    );
    assert_eq!(ruleset.files().links()[0].path(), at("d/link"));
}

#[test]
fn a_name_stays_as_it_is_if_a_rule_is_about_it_or_about_something_below() {
    let host = host(&[
        "d/secret",
        "d/seen",
        "d/way/er/secret",
        "d/link -> way",
        "d/other/x",
        "d/in/secret",
        "e/secret",
        "w/x",
    ]);
    let at = |path: &str| host.root.join(path);
    let rules = Policy::new()
        .read(&host.root)
        .hide(at("d/secret"))
        .hide(at("d/later"))
        .hide(at("d/link/er/secret"))
        .hide(at("d/none/er/later"))
        .read(at("d/other"))
        .hide(at("d/in/secret"))
        .hide(at("e/secret"))
        .hide_matching(format!("{}/*/key", at("e").display()))
        .write(at("w"));
    let shown = |policy: &Policy| -> Vec<String> {
        let ruleset = host.resolve(policy);
        let line = |growing: crate::Growing| {
            let path = growing.path.strip_prefix(&host.root).unwrap();
            let taken = growing.fixed.iter().filter(|name| {
                let path = growing.path.join(name);
                fs::symlink_metadata(path).is_ok()
            });
            assert_eq!(growing.taken.len(), taken.count());
            format!("{} {:?}", path.display(), growing.fixed)
        };
        ruleset.files().growing().into_iter().map(line).collect()
    };
    let assembled = rules.clone().hide_by(crate::HideBy::Assemble);
    insta::assert_snapshot!(shown(&assembled).join("\n"), @r#"
    d ["in", "later", "link", "none", "other", "secret", "way"]
    d/in ["secret"]
    d/way/er ["secret"]
    "#);
    // A pattern anywhere above reaches all of them.
    let all = assembled.hide_matching(format!("{}/**/key", host.root.display()));
    assert_eq!(shown(&all), [""; 0]);
    assert_eq!(shown(&rules), [""; 0]);
}
