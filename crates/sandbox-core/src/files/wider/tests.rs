use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::decide::protection;
use crate::files::tests::rule;

/// As a policy merges them: of two with the same text the later one.
fn rules(written: &[(String, Access)]) -> FileRules {
    let mut last: Vec<&(String, Access)> = Vec::new();
    for rule in written {
        last.retain(|other| other.0 != rule.0);
        last.push(rule);
    }
    let rules = last
        .iter()
        .map(|(text, access)| Arc::new(rule(text, *access)));
    FileRules::new(rules.collect(), Arc::default())
}

fn found(below: &[(&str, Access)], layer: &[(&str, Access)]) -> Vec<(String, What)> {
    let owned = |rules: &[(&str, Access)]| -> Vec<(String, Access)> {
        rules
            .iter()
            .map(|(text, access)| ((*text).to_owned(), *access))
            .collect()
    };
    let (below, layer) = (owned(below), owned(layer));
    let with = rules(&[below.clone(), layer].concat());
    let without = rules(&below);
    wider(&with, &without, &|_| true)
        .iter()
        .map(|wider| (wider.path.to_str().unwrap().to_owned(), wider.what))
        .collect()
}

use Access::{Hide, Overlay, Read, Scratch, Write};

const BELOW: &[(&str, Access)] = &[
    ("/", Read),
    ("/w", Write),
    ("/h/.ssh", Hide),
    ("/tmp", Scratch),
    ("/w/**/.env", Hide),
];

#[test]
fn what_only_narrows_is_no_more() {
    for layer in [
        &[][..],
        &[("/h", Hide)],
        &[("/w/src", Read)],
        &[("/w/target", Scratch), ("/w/node_modules", Overlay)],
        &[("/w/**/*.pem", Hide)],
        &[("/w/*.lock", Read)],
        &[("/w", Read), ("/", Hide)],
        &[("/w/src", Read), ("/w/src/out", Write)],
        &[("/tmp", Hide)],
        // What is read there is read already.
        &[("/usr/**", Read)],
        // A pattern as long as the rule that hides does not outweigh it.
        &[("/h/.ssh/*.pub", Read)],
        &[("/w/.env/**", Read)],
    ] {
        assert_eq!(found(BELOW, layer), [], "{layer:?}");
    }
}

#[test]
fn what_opens_something_is_more() {
    for (layer, place, what) in [
        (("/h", Write), "/h", What::Access),
        (
            ("/h/.ssh/known_hosts", Read),
            "/h/.ssh/known_hosts",
            What::Access,
        ),
        (("/tmp", Read), "/tmp", What::Access),
        (("/opt", Scratch), "/opt", What::Access),
        (("/w/a/.env", Read), "/w/a/.env", What::Access),
        // The same pattern, another access.
        (("/w/**/.env", Read), "/w", What::Access),
        (("/h/.ssh/keys/*.pub", Read), "/h/.ssh/keys", What::Access),
        (("/w/.vscode", Write), "/w/.vscode", What::Protection),
        (
            ("/w/.git/hooks/x", Write),
            "/w/.git/hooks/x",
            What::Protection,
        ),
        (("/opt/**", Write), "/opt", What::Access),
    ] {
        let layer = [layer];
        assert!(
            found(BELOW, &layer).contains(&(place.to_owned(), what)),
            "{layer:?}: {:?}",
            found(BELOW, &layer)
        );
    }
}

#[test]
fn more_patterns_than_can_be_told_are_more() {
    let many: Vec<(String, Access)> = (0..=MAX_PATTERNS)
        .map(|depth| (format!("{}/**/x", "/a".repeat(depth)), Read))
        .collect();
    let below = [("/".to_owned(), Read), ("/q".to_owned(), Read)];
    let deep = [("/a".repeat(MAX_PATTERNS + 1), Hide)];
    let (without, with) = (rules(&below), rules(&[&below[..], &many, &deep].concat()));
    let found = wider(&with, &without, &|_| true);
    assert!(found.iter().all(|wider| wider.what == What::Unknown));
    // Where nothing is granted at all nobody has to tell.
    assert!(!found.is_empty());
}

#[test]
fn a_policy_that_is_too_long_to_compare_is_more() {
    let many: Vec<(String, Access)> = (0..3000).map(|at| (format!("/a{at}/*"), Hide)).collect();
    let below = [("/".to_owned(), Read)];
    let (without, with) = (rules(&below), rules(&[&below[..], &many].concat()));
    let found = wider(&with, &without, &|_| false);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, What::Unknown);
}

#[test]
fn rules_that_do_not_count_bound_nothing() {
    let owned = |text: &str, access| vec![(text.to_owned(), access)];
    let (with, without) = (rules(&owned("/a", Write)), rules(&owned("/a", Read)));
    assert_eq!(wider(&with, &without, &|_| true).len(), 1);
    assert_eq!(wider(&with, &without, &|_| false).len(), 0);
}

/// Every path of up to four of these names.
fn paths() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/")];
    let mut level = all.clone();
    for _ in 0..4 {
        level = level
            .iter()
            .flat_map(|path| ["a", "b", ".git", "hooks"].map(|name| path.join(name)))
            .collect();
        all.extend(level.iter().cloned());
    }
    all
}

fn text() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec!["a", "b", "a", "b", ".git", "hooks"]);
    let tail = proptest::sample::select(vec![
        "", "", "", "*", "**", "**/a", "**/b", "*/b", "a*", "*b", "**/hooks",
    ]);
    (proptest::collection::vec(name, 0..4), tail).prop_map(|(names, tail)| {
        let path = names
            .iter()
            .fold(String::new(), |path, name| path + "/" + name);
        match (path.as_str(), tail) {
            ("", "") => "/".to_owned(),
            (path, "") => path.to_owned(),
            (path, tail) => format!("{path}/{tail}"),
        }
    })
}

fn written(
    access: &'static [Access],
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(String, Access)>> {
    proptest::collection::vec((text(), proptest::sample::select(access)), count)
}

/// What the kernel is told of a path.
fn granted(rules: &FileRules, path: &Path) -> (Access, bool) {
    (rules.access(path).0, protection(rules, path).is_some())
}

fn is_no_more((access, protected): (Access, bool), before: (Access, bool)) -> bool {
    match (access, before.0) {
        (Hide, _) | (Read | Scratch | Overlay, Write) | (Read | Scratch, Overlay) => true,
        (Write, Write) => protected || !before.1,
        (access, before) => access == before,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The law of trust: what is taken for no more grants no more, at any path.
    #[test]
    fn what_is_no_more_grants_no_more(
        below in written(&[Hide, Read, Write, Write, Scratch, Overlay], 1..7),
        layer in written(&[Hide, Hide, Read, Read, Scratch, Write, Overlay], 1..4),
        replaced in any::<bool>(),
    ) {
        let without = rules(&below);
        // A layer that extends another preset may also take rules away.
        let kept = if replaced { &below[1..] } else { &below[..] };
        let with = rules(&[kept, &layer].concat());
        if wider(&with, &without, &|_| true).is_empty() {
            for path in paths() {
                let (now, before) = (granted(&with, &path), granted(&without, &path));
                prop_assert!(is_no_more(now, before), "{path:?}: {now:?}, before {before:?}");
            }
        }
    }

    /// It does not refuse everything: where there are literal rules only, what it refuses is more somewhere.
    #[test]
    fn of_paths_only_more_is_refused(
        below in written(&[Hide, Read, Write, Scratch], 1..6),
        layer in written(&[Hide, Read, Scratch], 1..3),
    ) {
        let literal = |rules: &[(String, Access)]| -> Vec<(String, Access)> {
            rules.iter().filter(|(text, _)| !text.contains('*')).cloned().collect()
        };
        let (below, layer) = (literal(&below), literal(&layer));
        let (without, with) = (rules(&below), rules(&[below.clone(), layer].concat()));
        for wider in wider(&with, &without, &|_| true) {
            let (now, before) = (granted(&with, &wider.path), granted(&without, &wider.path));
            prop_assert!(
                wider.what == What::Protection || !is_no_more(now, before),
                "{:?}: {now:?}, before {before:?}", wider.path
            );
        }
    }
}
