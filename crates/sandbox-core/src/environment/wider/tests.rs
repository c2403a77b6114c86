use proptest::prelude::*;

use super::*;
use crate::{Policy, Preset};

fn variables() -> BTreeMap<OsString, OsString> {
    [
        ("A", "1"),
        ("AB", "2"),
        ("A_TOKEN", "3"),
        ("B", "http://u:p@h"),
        ("LANG", "C"),
        ("PATH", "/bin"),
        ("XDG_CACHE_HOME", "/c"),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect()
}

fn names(below: &Policy, layer: Policy) -> Vec<String> {
    let (without, with) = (
        Environment::resolve(below),
        Environment::resolve(&below.clone().layer(layer)),
    );
    wider(&with, &without, &variables(), &|_| true)
        .iter()
        .map(|wider| wider.rule.text().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_dropped_may_not_come_back() {
    let agent = Policy::preset(Preset::Agent);
    for (layer, expected) in [
        (Policy::new().drop_variable("*"), &[][..]),
        (Policy::new().drop_variable("PATH"), &[]),
        (Policy::new().pass("PATH"), &[]),
        (Policy::new().pass("A_TOKEN"), &["A_TOKEN"]),
        (Policy::new().pass("A_*"), &[]),
        (Policy::new().pass("A_TOKE*"), &["A_TOKE*"]),
        // A pattern passes no address with a password, a name does.
        (Policy::new().pass("B"), &["B"]),
        (Policy::new().set("CI", "1"), &["CI"]),
        (Policy::preset(Preset::Strict), &[]),
        (Policy::preset(Preset::None), &[]),
        (Policy::preset(Preset::None).pass("*"), &["*"]),
    ] {
        let text = layer.to_string();
        let found = names(&agent, layer);
        assert!(
            expected
                .iter()
                .all(|name| found.iter().any(|found| found == name))
                && found.is_empty() == expected.is_empty(),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn without_the_rule_that_sets_it_the_callers_value_does_not_pass() {
    let below = Policy::new().pass("*").set("XDG_CACHE_HOME", "/tmp/c");
    let (without, with) = (
        Environment::resolve(&below),
        Environment::resolve(&Policy::new().pass("*")),
    );
    let found = wider(&with, &without, &variables(), &|_| true);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule.text(), "*");
}

fn policies() -> impl Strategy<Value = Policy> {
    let name = proptest::sample::select(vec![
        "A", "AB", "A_TOKEN", "B", "PATH", "*", "A*", "*N", "*_TOKEN", "A?", "a*",
    ]);
    let preset = proptest::option::of(proptest::sample::select(Preset::ALL.to_vec()));
    (preset, proptest::collection::vec((name, 0..4), 0..4)).prop_map(|(preset, rules)| {
        let start = preset.map_or_else(Policy::new, Policy::preset);
        rules
            .into_iter()
            .fold(start, |policy, (name, rule)| match rule {
                0 | 3 => policy.pass(name),
                2 if !name.contains(['*', '?']) => policy.set(name, "x"),
                _ => policy.drop_variable(name),
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The law of trust: what is taken for no more gives nothing more of the caller's, nor sets what was not set.
    #[test]
    fn what_is_no_more_gives_no_more(below in policies(), layer in policies()) {
        let (without, with) = (
            Environment::resolve(&below),
            Environment::resolve(&below.clone().layer(layer)),
        );
        if wider(&with, &without, &variables(), &|_| true).is_empty() {
            let before = without.apply(variables());
            for variable in with.apply(variables()) {
                prop_assert!(before.contains(&variable), "{variable:?}");
            }
        }
    }
}
