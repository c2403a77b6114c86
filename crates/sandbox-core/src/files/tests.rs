use std::path::Path;

use proptest::prelude::*;

use super::*;

const HIDE: Access = Access::Hide;
const READ: Access = Access::Read;
const OVERLAY: Access = Access::Overlay;
const WRITE: Access = Access::Write;
const SCRATCH: Access = Access::Scratch;

/// A rule without a machine: `*` in the text makes it a pattern below what stands before.
pub(super) fn rule(text: &str, access: Access) -> FileRule {
    let (path, tail) = match text.find('*') {
        None => (text, None),
        Some(star) => {
            let slash = text[..star].rfind('/').unwrap();
            (&text[..slash.max(1)], Some(&text[slash + 1..]))
        }
    };
    let glob = tail.map(|tail| Glob::new(path.into(), tail).unwrap());
    FileRule::plain(text.as_ref(), path.into(), glob, access)
}

fn rules(rules: &[(&str, Access)]) -> FileRules {
    FileRules::new(
        rules
            .iter()
            .map(|(text, access)| Arc::new(rule(text, *access)))
            .collect(),
        Arc::default(),
    )
}

fn access(of: &[(&str, Access)], path: &str) -> Access {
    rules(of).access(path.as_ref()).0
}

#[test]
fn nothing_is_readable_without_a_rule() {
    assert_eq!(access(&[], "/"), HIDE);
    assert_eq!(access(&[("/usr", READ)], "/home"), HIDE);
    assert_eq!(access(&[("/usr", READ)], "/usrlocal"), HIDE);
}

#[test]
fn the_longest_path_wins() {
    let policy = [
        ("/", READ),
        ("/w", WRITE),
        ("/w/.git/hooks", READ),
        ("/h/.ssh", HIDE),
        ("/h/.ssh/known_hosts", READ),
    ];
    for (path, expected) in [
        ("/", READ),
        ("/etc/x", READ),
        ("/w", WRITE),
        ("/w/a/b", WRITE),
        ("/w/.git", WRITE),
        ("/w/.git/hooks/x", READ),
        ("/h", READ),
        ("/h/.ssh", HIDE),
        ("/h/.ssh/id", HIDE),
        ("/h/.ssh/known_hosts", READ),
    ] {
        assert_eq!(access(&policy, path), expected, "{path}");
    }
}

#[test]
fn a_tie_goes_to_the_lower_access() {
    for (one, other, expected) in [
        (READ, WRITE, READ),
        (HIDE, READ, HIDE),
        (OVERLAY, WRITE, OVERLAY),
        (SCRATCH, WRITE, SCRATCH),
        (SCRATCH, HIDE, HIDE),
        (SCRATCH, READ, READ),
    ] {
        for pair in [[one, other], [other, one]] {
            assert_eq!(
                access(&[("/a", pair[0]), ("/a", pair[1])], "/a/b"),
                expected,
                "{pair:?}"
            );
            assert_eq!(
                access(&[("/a/*b", pair[0]), ("/a/b*", pair[1])], "/a/b"),
                expected,
                "{pair:?}"
            );
        }
    }
}

#[test]
fn a_pattern_lowers_what_it_matches() {
    let policy = [
        ("/", READ),
        ("/w", WRITE),
        ("/w/**/.env", HIDE),
        ("/w/*.lock", READ),
    ];
    for (path, expected) in [
        ("/w/.env", HIDE),
        ("/w/a/b/.env", HIDE),
        ("/w/a/.env/below", HIDE),
        ("/w/a/.envrc", WRITE),
        ("/.env", READ),
        ("/w/x.lock", READ),
        ("/w/a/x.lock", WRITE),
    ] {
        assert_eq!(access(&policy, path), expected, "{path}");
    }
}

#[test]
fn a_pattern_raises_only_what_shorter_rules_say() {
    for (policy, path, expected) in [
        (
            &[("/w", WRITE), ("/w/**", WRITE), ("/w/.git/hooks", READ)][..],
            "/w/.git/hooks/x",
            READ,
        ),
        (
            &[("/h", READ), ("/h/.ssh", HIDE), ("/h/**/*.md", READ)],
            "/h/.ssh/a.md",
            HIDE,
        ),
        (
            &[("/h", READ), ("/h/**/secret", HIDE), ("/h/**/*.md", READ)],
            "/h/secret/a.md",
            HIDE,
        ),
        (
            &[("/", READ), ("/dev/nvidia*", WRITE)],
            "/dev/nvidia0",
            WRITE,
        ),
        (&[("/", READ), ("/dev/nvidia*", WRITE)], "/dev/sda", READ),
        (
            &[("/dev", READ), ("/dev/nvidia*", WRITE)],
            "/dev/nvidia0",
            READ,
        ),
    ] {
        assert_eq!(access(policy, path), expected, "{policy:?} {path}");
    }
}

#[test]
fn a_literal_beats_a_pattern_that_matches_no_more() {
    for (policy, path, expected) in [
        (
            &[("/w", WRITE), ("/w/**/.env", HIDE), ("/w/demo/.env", READ)][..],
            "/w/demo/.env",
            READ,
        ),
        (
            &[("/w", WRITE), ("/w/**/.env", HIDE), ("/w/demo", READ)],
            "/w/demo/.env",
            HIDE,
        ),
        (
            &[("/w", WRITE), ("/w/**/d", HIDE), ("/w/d/open", READ)],
            "/w/d/open/x",
            READ,
        ),
        (
            &[("/w", WRITE), ("/w/**/d", HIDE), ("/w/d/open", READ)],
            "/w/d/open/d",
            HIDE,
        ),
    ] {
        assert_eq!(access(policy, path), expected, "{policy:?} {path}");
    }
}

#[test]
fn the_table_of_secrets_gives_way_to_persons_only() {
    let with = |source: Source, access: Access| {
        Arc::new(FileRule {
            source,
            ..rule("/h/.ssh", access)
        })
    };
    let secret = || with(Source::Secret, HIDE);
    let preset = || with(Source::Preset(crate::Preset::Agent), WRITE);
    let person = || with(Source::CommandLine, READ);
    for (rules, expected) in [
        (vec![secret(), person()], READ),
        (vec![person(), secret()], READ),
        (vec![secret(), preset()], HIDE),
        (vec![preset(), secret()], HIDE),
        (vec![preset(), secret(), person()], READ),
        (vec![person(), preset(), secret()], READ),
    ] {
        assert_eq!(
            FileRules::new(rules, Arc::default())
                .access("/h/.ssh/id".as_ref())
                .0,
            expected
        );
    }
}

#[test]
fn the_rule_that_decided_is_named() {
    let rules = rules(&[("/", READ), ("/w", WRITE), ("/w/**/.env", HIDE)]);
    let name = |path: &str| {
        rules
            .access(path.as_ref())
            .1
            .map(|rule| rule.text().to_owned())
    };
    assert_eq!(name("/w/a/.env"), Some("/w/**/.env".into()));
    assert_eq!(name("/w/a"), Some("/w".into()));
}

/// Few names, so that rules and paths meet.
fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]", 0..5).prop_map(|names| format!("/{}", names.join("/")))
}

fn any_rule() -> impl Strategy<Value = (String, Access)> {
    let text = (
        path(),
        proptest::option::of(prop_oneof!["\\*\\*/[ab]", "\\*", "\\*/b", "\\*\\*"]),
    )
        .prop_map(|(path, tail)| match tail {
            None => path,
            Some(tail) => format!("{}/{tail}", path.trim_end_matches('/')),
        });
    (text, proptest::sample::select(&Access::ALL[..]))
}

fn built(of: &[(String, Access)]) -> FileRules {
    FileRules::new(
        of.iter()
            .map(|(text, access)| Arc::new(rule(text, *access)))
            .collect(),
        Arc::default(),
    )
}

/// `scratch` counts as `read`, and replaces what is there: less than `read` in what of the host is reached.
fn rank(rules: &FileRules, path: &str) -> u8 {
    rules.access(Path::new(path)).0.rank()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rules_is_irrelevant(
        (rules, shuffled) in proptest::collection::vec(any_rule(), 0..8)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        path in path(),
    ) {
        let (one, other) = (built(&rules), built(&shuffled));
        let answer = |rules: &FileRules| {
            let (access, rule) = rules.access(Path::new(&path));
            (access, rule.map(|rule| rule.text.clone()))
        };
        prop_assert_eq!(answer(&one), answer(&other));
    }

    #[test]
    fn a_hide_rule_more_never_allows_more(
        rules in proptest::collection::vec(any_rule(), 0..8),
        hide in any_rule(),
        path in path(),
    ) {
        let before = built(&rules);
        let mut more = rules.clone();
        more.push((hide.0, HIDE));
        prop_assert!(rank(&built(&more), &path) <= rank(&before, &path));
    }

    #[test]
    fn removing_a_rule_that_raises_access_never_allows_more(
        rules in proptest::collection::vec(any_rule(), 0..8),
        raised in any_rule(),
        path in path(),
    ) {
        // A rule raises access wherever it holds if no rule grants more than it does.
        let highest = rules.iter().map(|(_, access)| access.rank()).max().unwrap_or(0);
        prop_assume!(raised.1.rank() >= highest);
        let without = built(&rules);
        let mut with = rules.clone();
        with.push(raised);
        prop_assert!(rank(&without, &path) <= rank(&built(&with), &path));
    }

    #[test]
    fn a_literal_rule_holds_at_its_own_path(
        rules in proptest::collection::vec(any_rule(), 0..8),
        path in path(),
        access in proptest::sample::select(&Access::ALL[..]),
    ) {
        let mut rules = rules;
        rules.retain(|(text, _)| *text != path);
        rules.push((path.clone(), access));
        prop_assert_eq!(built(&rules).access(Path::new(&path)).0, access);
    }

    #[test]
    fn access_changes_only_where_a_rule_begins_or_a_pattern_matches(
        rules in proptest::collection::vec(any_rule(), 0..8),
        path in path(),
    ) {
        let rules = built(&rules);
        let path = Path::new(&path);
        let Some(above) = path.parent() else { return Ok(()) };
        let is_place = rules.literal(path).is_some()
            || rules.globs.iter().any(|rule| rule.glob.as_ref().unwrap().matches(path));
        if !is_place {
            prop_assert_eq!(rules.access(path).0, rules.access(above).0);
        }
    }

    #[test]
    fn what_lost_has_no_part_in_the_answer_unless_it_was_lowered(
        rules in proptest::collection::vec(any_rule(), 0..8),
        path in path(),
    ) {
        let path = Path::new(&path);
        let all = built(&rules);
        let (access, rule) = all.access(path);
        let answer = rule.map(|rule| (rule.text.to_str().unwrap().to_owned(), access));
        let lost = all.lost(path);
        let is_idle = |text: &str, access: Access| {
            let why = lost.iter().find(|lost| lost.rule.pattern == text && lost.rule.access == Some(access));
            why.is_some_and(|lost| lost.why != crate::Why::Lowered)
        };
        let mut fewer = rules.clone();
        fewer.retain(|(text, access)| {
            answer.as_ref() == Some(&(text.clone(), *access)) || !is_idle(text, *access)
        });
        prop_assert_eq!(built(&fewer).access(path).0, access);
        prop_assert_eq!(rule.is_none(), rules.iter().all(|(text, access)| {
            let alone = built(&[(text.clone(), *access)]);
            alone.access(path).1.is_none()
        }));
    }
}
