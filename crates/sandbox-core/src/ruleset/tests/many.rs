//! Many patterns, and very many paths that they match.

use proptest::prelude::*;

use super::*;
use crate::files::crowd::MAX_MATCHES;

/// `count` directories with a `.env` each, below `directory`.
fn crowd(directory: &str, count: usize) -> Vec<String> {
    let entry = |number| format!("{directory}/d{number}/.env");
    (0..count).map(entry).collect()
}

fn host_of(entries: &[String]) -> Host {
    host(&entries.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What is hidden, below the temporary directory.
fn hidden(host: &Host, ruleset: &Ruleset) -> Vec<String> {
    let lines = host.lines(ruleset).into_iter();
    let hidden = lines.filter_map(|line| Some(line.split_once(" hide ")?.0.to_owned()));
    hidden.collect()
}

fn reads(host: &Host, ruleset: &Ruleset, path: &str) -> bool {
    let attempt = Attempt::read(host.root.join(path));
    ruleset.decide(&attempt).verdict == Verdict::Allow
}

#[test]
fn as_many_matches_as_are_allowed_are_hidden_one_by_one() {
    let host = host_of(&crowd("w/many", MAX_MATCHES));
    let ruleset = host.resolve(&Policy::default().write(".").hide_matching("**/.env"));
    assert_eq!(hidden(&host, &ruleset).len(), MAX_MATCHES);
    assert_eq!(ruleset.files().crowded().count(), 0);
    assert!(reads(&host, &ruleset, "w/many/d1/x"));
}

#[test]
fn the_deepest_directory_with_more_matches_is_hidden_as_a_whole() {
    let mut entries = crowd("w/a/many", MAX_MATCHES + 2);
    entries.extend(crowd("w/a", 3));
    entries.push("w/.env".to_owned());
    let host = host_of(&entries);
    let policy = Policy::default()
        .write(".")
        .hide_matching("**/.env")
        .write("a/many/d7");
    let ruleset = host.resolve(&policy);
    assert_eq!(
        hidden(&host, &ruleset),
        [
            "w/.env",
            "w/a/d0/.env",
            "w/a/d1/.env",
            "w/a/d2/.env",
            "w/a/many",
            "w/a/many/d7/.env"
        ]
    );
    let crowded: Vec<_> = ruleset.files().crowded().map(FileRule::path).collect();
    assert_eq!(crowded, [host.root.join("w/a/many")]);
    for (path, expected) in [
        ("w/a/many/x", false),
        ("w/a/many/d1/x", false),
        ("w/a/many/d7/x", true),
        ("w/a/d1/x", true),
    ] {
        assert_eq!(reads(&host, &ruleset, path), expected, "{path}");
    }
    let denied = ruleset.decide(&Attempt::read(host.root.join("w/a/many/x")));
    let rule = denied.rule.unwrap();
    assert_eq!(rule.pattern, "**/.env");
    let limit = format!("more than {MAX_MATCHES} paths");
    assert!(rule.reason.unwrap().starts_with(&limit));
}

#[test]
fn what_makes_a_tree_read_only_makes_all_of_a_crowded_directory_so() {
    let host = host_of(&crowd("w/many", MAX_MATCHES + 1));
    let policy = Policy::default().write(".").read_matching("**/.env");
    let ruleset = host.resolve(&policy);
    assert_eq!(
        host.lines(&ruleset),
        ["w write Directory", "w/many read Directory"]
    );
}

#[test]
fn a_directory_that_a_rule_names_is_not_hidden_for_its_crowd() {
    let host = host_of(&crowd("w", MAX_MATCHES + 1));
    let policy = Policy::default().write(".").hide_matching("**/.env");
    insta::assert_snapshot!(host.problems(&policy).join("\n"), @"the program: the rule `**/.env` cannot be used: more than 1000 paths match in `@/w`, which another rule is about (write a pattern that begins further down, or has `*` for each level instead of `**`)");
}

#[test]
fn the_directory_in_which_a_pattern_begins_may_be_hidden_and_none_above() {
    let mut entries = crowd("w/a", MAX_MATCHES);
    entries.extend(crowd("w/b", MAX_MATCHES + 1));
    entries.extend(crowd("w/c", 1));
    let host = host_of(&entries);
    let policy = Policy::default()
        .write(".")
        .hide_matching("a/**/.env")
        .hide_matching("b/**/.env")
        .hide_matching("c/**/.env");
    let ruleset = host.resolve(&policy);
    let hidden = hidden(&host, &ruleset);
    assert_eq!(hidden.len(), MAX_MATCHES + 2);
    assert!(hidden.contains(&"w/b".to_owned()), "{hidden:?}");
}

#[test]
fn matches_are_counted_for_each_directory_in_which_patterns_begin() {
    let count = MAX_MATCHES * 3 / 5;
    let mut entries = crowd("w/many", count);
    entries.extend((0..count).map(|number| format!("w/many/d{number}/key")));
    let host = host_of(&entries);
    let policy = Policy::default().write(".").hide_matching("**/.env");
    for (pattern, expected) in [("many/**/key", count * 2), ("**/key", 1)] {
        let ruleset = host.resolve(&policy.clone().hide_matching(pattern));
        assert_eq!(hidden(&host, &ruleset).len(), expected, "{pattern}");
    }
}

/// Rules about single paths say what holds there; the nearest anchor has to say the same.
fn assert_anchored(host: &Host, ruleset: &Ruleset, paths: &[(&str, Access)]) {
    let files = ruleset.files();
    for (path, expected) in paths {
        let path = host.root.join(path);
        let anchor = |path: &Path| files.anchors().iter().find(|anchor| anchor.path == path);
        let nearest = crate::upwards(&path).find_map(anchor);
        let anchored = nearest.map_or(Access::Hide, |anchor| anchor.access);
        assert_eq!(anchored, *expected, "the anchors at {path:?}");
        assert_eq!(files.access(&path).0, *expected, "the rules at {path:?}");
    }
}

/// What a pattern shows in a hidden directory, crowded with what another one hides in it: a directory of its own, and all.
#[test]
fn a_crowd_in_what_a_pattern_shows_in_a_hidden_directory_is_hidden() {
    let keys = |number| format!("w/src/a/d{number}/key");
    let mut entries: Vec<String> = (0..=MAX_MATCHES).map(keys).collect();
    entries.extend(["w/src/b/key", "w/src/b/f", "w/src/a/f"].map(str::to_owned));
    let host = host_of(&entries);
    let policy = Policy::default()
        .hide(".")
        .read_matching("src/*")
        .hide_matching("./**/key");
    let ruleset = host.resolve(&policy);
    assert_eq!(ruleset.files().crowded().count(), 1);
    let paths = [
        ("w/src", Access::Hide),
        ("w/src/a", Access::Hide),
        ("w/src/a/f", Access::Hide),
        ("w/src/a/d7/key", Access::Hide),
        ("w/src/b", Access::Read),
        ("w/src/b/f", Access::Read),
        ("w/src/b/key", Access::Hide),
    ];
    assert_anchored(&host, &ruleset, &paths);
}

/// The directory that is crowded is hidden itself; what makes its crowd read-only does not show it.
#[test]
fn a_hidden_directory_is_not_shown_for_its_crowd() {
    for below in ["hide", "scratch"] {
        let entry = |number| format!("w/a/x{number}/c/k");
        let mut entries: Vec<String> = (0..=MAX_MATCHES).map(entry).collect();
        entries.push("w/a/secret".to_owned());
        let host = host_of(&entries);
        let policy = match below {
            "hide" => Policy::default().hide("."),
            _ => Policy::default().scratch("."),
        };
        let policy = policy.write_matching("a/*/c").read_matching("./**/k");
        let ruleset = host.resolve(&policy);
        let crowded: Vec<_> = ruleset.files().crowded().map(FileRule::path).collect();
        assert_eq!(crowded, [host.root.join("w/a")], "{below}");
        let paths = ["w/a", "w/a/secret", "w/a/x1/c", "w/a/x1/c/k"];
        assert_anchored(&host, &ruleset, &paths.map(|path| (path, Access::Hide)));
    }
}

/// A pattern that says what holds anyway shows something once the directory above it is hidden.
#[test]
fn what_a_pattern_shows_in_a_crowded_directory_is_found() {
    let host = host_of(&{
        let mut entries = crowd("w/a/many", MAX_MATCHES - 1);
        entries.extend(["w/a/one/.env", "w/a/two/.env", "w/a/b/x/f"].map(str::to_owned));
        entries.push("w/a/b/x/.env".to_owned());
        entries
    });
    let policy = Policy::default()
        .read(".")
        .read_matching("a/b/*")
        .hide_matching("**/.env");
    let ruleset = host.resolve(&policy);
    let crowded: Vec<_> = ruleset.files().crowded().map(FileRule::path).collect();
    assert_eq!(crowded, [host.root.join("w/a")]);
    let paths = [
        ("w/a/one", Access::Hide),
        ("w/a/b", Access::Hide),
        ("w/a/b/x", Access::Read),
        ("w/a/b/x/f", Access::Read),
        ("w/a/b/x/.env", Access::Hide),
    ];
    assert_anchored(&host, &ruleset, &paths);
}

/// Where a pattern begins further down it outweighs what hides the crowded directory.
#[test]
fn a_directory_that_stays_crowded_is_refused() {
    let entry = |number| format!("w/a/b{}/x{number}/.env", number % 2);
    let entries: Vec<String> = (0..=MAX_MATCHES).map(entry).collect();
    let policy = Policy::default()
        .write(".")
        .write_matching("a/b0/*")
        .write_matching("a/b1/*")
        .hide_matching("**/.env");
    let problems = host_of(&entries).problems(&policy);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("more than 1000 paths match in `@/w/a`"),
        "{problems:?}"
    );
}

#[test]
fn what_links_of_a_crowd_lead_to_stays_hidden() {
    let links = (0..=MAX_MATCHES)
        .map(|number| format!("w/many/d{number}/.env -> ../../real/f{}", number % 2));
    let mut entries: Vec<_> = links.collect();
    entries.extend(["w/real/f0", "w/real/f1", "w/real/f2"].map(str::to_owned));
    let host = host_of(&entries);
    let policy = Policy::default().write(".").hide_matching("**/.env");
    let ruleset = host.resolve(&policy);
    assert_eq!(
        hidden(&host, &ruleset),
        ["w/many", "w/real/f0", "w/real/f1"]
    );
    // As many targets as links.
    let links = (0..600).map(|number| format!("w/l/d{number}/.env -> ../../real/f{number}"));
    let mut entries: Vec<_> = links.collect();
    entries.extend((0..600).map(|number| format!("w/real/f{number}")));
    let problems = host_of(&entries).problems(&policy);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_pattern_is_searched_where_one_that_begins_above_does_not_come() {
    let host = host(&[
        "w/a/b/c/k.pem",
        "w/a/b/.env",
        "w/hidden/in/x.pem",
        "w/x.pem",
    ]);
    let policy = Policy::default()
        .write(".")
        .hide("hidden")
        .hide_matching("*/*.none")
        .hide_matching("a/b/**/*.pem")
        .hide_matching("hidden/in/*.pem")
        .hide_matching("./*.pem");
    let ruleset = host.resolve(&policy);
    assert_eq!(
        hidden(&host, &ruleset),
        ["w/a/b/c/k.pem", "w/hidden", "w/x.pem"]
    );
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn any_place() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(&NAMES[..]);
    proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn any_rule() -> impl Strategy<Value = (String, Access)> {
    let tail = prop_oneof![
        Just(""),
        Just("/*"),
        Just("/**/a"),
        Just("/**"),
        Just("/*/b"),
        Just("/**/b/*"),
        Just("/[ab]"),
    ];
    let access = proptest::sample::select(&[Access::Hide, Access::Read, Access::Write][..]);
    (proptest::option::of(any_place()), tail, access).prop_map(|(place, tail, access)| {
        let text = place.map_or(format!(".{tail}"), |place| format!("{place}{tail}"));
        (text, access)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// The search finds every place: between two anchors on the way down the access is the same.
    #[test]
    fn the_nearest_anchor_says_what_the_rules_say(
        rules in proptest::collection::vec(any_rule(), 1..7),
    ) {
        let mut entries = vec!["w/".to_owned()];
        for a in NAMES {
            for b in NAMES {
                entries.extend(NAMES.map(|c| format!("w/{a}/{b}/{c}/")));
            }
        }
        let host = host_of(&entries);
        let mut policy = Policy::default().read(".");
        for (text, access) in &rules {
            policy = match access {
                Access::Hide => policy.hide_matching(text),
                Access::Read => policy.read_matching(text),
                _ => policy.write_matching(text),
            };
        }
        let Ok(ruleset) = Ruleset::resolve(&policy, &host.context) else { return Ok(()) };
        let files = ruleset.files();
        let anchor = |path: &Path| files.anchors().iter().find(|anchor| anchor.path == path);
        for entry in entries {
            let path = host.root.join(entry.trim_end_matches('/'));
            for path in crate::upwards(&path).take_while(|path| *path != host.root) {
                let nearest = crate::upwards(path).find_map(anchor);
                let access = nearest.map_or(Access::Hide, |anchor| anchor.access);
                prop_assert_eq!(access, files.access(path).0, "{:?} {:?}", path, &rules);
            }
        }
    }
}
